"""Fits of samples with replacement, all at once, where their optima are near the whole's.

In u (see `rows/resampled.py`) the whole's Hessian is the identity.  A sample's differs from it by sqrt(p / n) or so,
and by as much a step down its own gradient falls short: a few passes, each for all samples that are not proved yet.

The proof is the certificate's (`certificate.py`), with M = c e I.  e is the least eigenvalue of the sample's Hessian at
the whole's optimum over some of the rows, those with the sample's counts; c = e^-t with t the furthest that a linear
predictor of those rows can have moved since: the logarithm of a curvature falls no faster than its predictor moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from berkson.certificate import bound
from berkson.rows.resampled import Resampled

F64 = npt.NDArray[np.float64]

CONTRACTS = 0.7  # by as much at the least a pass must bring a gradient down
PASSES = 20
SINGULAR = 1e-8  # of the whole's Hessian


class Neighbours(NamedTuple):
    """theta (M, size) of each sample, with a proved bound (M,) on its objective's gap: inf where nothing is proved."""

    theta: F64
    gap: F64


def neighbours(rows: Resampled, numbers: Sequence[int], target: float) -> Neighbours:
    """The optima of samples, each proved to `target` where that is found in a few passes."""
    d, many = len(rows.factor), len(numbers)
    batch, longest = rows.batch(numbers), rows.longest
    hessians = batch.curvatures()
    least = np.asarray(np.linalg.eigvalsh(hessians)[:, 0], np.float64)
    inverses = _inverses(hessians, least) if len(rows.proving) == rows.size else None
    u, gap = np.zeros((many, d)), np.full(many, math.inf)
    gradient, length, active = batch.start, np.full(many, math.inf), np.arange(many)
    for _ in range(PASSES):
        now, moved = _norms(gradient), _norms(u[active])
        gap[active] = _gaps(now + rows.rounding * moved, moved, least[active], longest)
        going = (gap[active] > target) & (now <= CONTRACTS * length[active]) & (least[active] > SINGULAR)
        length[active] = now
        active, gradient = active[going], gradient[going]
        if not len(active):
            break
        u[active] -= gradient if inverses is None else np.einsum("bij,bj->bi", inverses[active], gradient)
        gradient = batch.gradients(active, u[active])
    return Neighbours(rows.optimum + u @ rows.factor, gap)


def _norms(vectors: F64) -> F64:
    return np.asarray(np.sqrt((vectors * vectors).sum(axis=1)))


def _gaps(gradient: F64, moved: F64, least: F64, longest: float) -> F64:
    """The certificate's bound on each gap from |gradient| and |u|, M = least exp(-sqrt(longest) |u|) I."""
    below = np.maximum(least, 0.0) * np.exp(-math.sqrt(longest) * moved)
    gaps = [
        bound(g / math.sqrt(m), longest / m).gap if m > 0.0 else math.inf for g, m in zip(gradient, below, strict=True)
    ]
    return np.array(gaps)


def _inverses(hessians: F64, least: F64) -> F64:
    """Of those that are regular; the others are never used."""
    regular = least > SINGULAR
    out = np.zeros_like(hessians)
    out[regular] = np.linalg.inv(hessians[regular])
    return out
