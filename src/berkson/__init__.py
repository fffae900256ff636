"""Logistic regression that is never silently wrong."""
