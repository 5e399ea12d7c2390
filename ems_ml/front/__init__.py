"""What `import ems_ml` offers: functions (`calls`) and estimators. No inner module imports from here."""
