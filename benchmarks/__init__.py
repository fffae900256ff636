"""The benchmark: competitors x problems on one objective, judged by one judge.  `python benchmarks/run.py`."""
