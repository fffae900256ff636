"""Choosing among models: paths of penalties, cross-validation."""
