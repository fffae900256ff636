"""Solvers: generators that ask questions of rows and never see them, one algorithm a file."""
