"""Designs: the model matrix as an operator over blocks of rows."""
