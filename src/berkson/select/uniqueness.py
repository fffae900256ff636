"""Whether the coefficients of a path's fit are the only ones."""

from __future__ import annotations

from berkson.blas import one_thread
from berkson.rank import Rank
from berkson.rows.questions import Evaluate
from berkson.select.path import Path
from berkson.select.wide import WideStart
from berkson.solvers.run import Work, run_one
from berkson.ties import ties


def doubt(found: Path, i: int) -> str | None:
    """The columns between which a lasso's coefficients can move (see `berkson.ties`), and the way out, in a sentence;
    None where they are the only ones, and of fits that are not proved, with groups or bounds.  Costs a gradient."""
    start, options = found.start, found.options
    plain = options.groups is None and options.lower is None and options.upper is None
    if isinstance(start, WideStart) or not plain or options.l1_ratio < 1.0 or not found.certified[i]:
        return None
    work, theta = Work(), found.thetas[i]
    with one_thread(found.problem.unknowns):
        at = run_one(Evaluate(theta, 1), start.rows, work)
        assert at.gradient is not None
        penalty = start.penalty(float(found.lambdas[i]))
        movable = ties(found.problem, start.rows, penalty, theta, at.gradient, work)
    return Rank((), (), movable).sentence(found.problem)
