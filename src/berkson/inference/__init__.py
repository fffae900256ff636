"""Inference: what the estimates of a fit say about the world, and how sure that is."""
