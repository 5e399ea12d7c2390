"""EMS: an error management system that learns. See `ems_ml.__all__` for the front door."""
