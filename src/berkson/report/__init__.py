"""Reports: what is said of a fit, and how it is laid out on a terminal or in plain text."""
