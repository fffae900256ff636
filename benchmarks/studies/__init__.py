"""Studies: what one fit at one ridge does not show: lasso, paths, cross-validation, bootstrap, other shapes of data.

A study (`study.py`) has data (`data.py`), what is asked of ours, and programs that do the same work with different
libraries (`programs.py`), each with settings from loose to tight.  Every program runs in a process of its own
(`worker.py`); its coefficients are put into the objective by a function of the benchmark's own (`judge.py`).
"""

from __future__ import annotations
