"""Fitting and judging the models. Steps arrive as arguments; MLflow is imported by `tracking` alone."""
