"""Who proves the fits of a path: some of the rows, whose curvature is computed once and carried along.

A row's curvature changes along a path by a factor that costs no more than its linear predictor.  The least such factor
r over the rows makes r M a matrix below the Hessian at the new place, M that of the old; where r is too small M is
computed anew.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from berkson.anchor import Anchor, anchor_at
from berkson.penalty import ElasticNet
from berkson.rows.coordinates import Coordinates
from berkson.rows.questions import Evaluate, Evaluation, LeastChange, Sample
from berkson.solvers.run import Solver

F64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

KEEPS = 0.4  # of the matrix: below it a new one is worth its price
NEAR = 0.8  # of the part it keeps: below it the rows are asked how much that really is
SHARES = (0.2, 0.4, 0.6, 0.8)  # of the matrix: what the rows that do not train a fit may have of it


class Seen(Protocol):
    """What proves a fit: an anchor near it, if there is one, and the rows that it is of (None: all)."""

    @property
    def anchor(self) -> Anchor | None: ...

    @property
    def sample(self) -> Sample | None: ...


class Witness:
    """Rows whose curvature proves (`sample`; None: all), the anchor last made of them and where it has got to."""

    def __init__(self, sample: Sample | None) -> None:
        self.sample = sample
        self.made: Anchor | None = None
        self.anchor: Anchor | None = None
        self._near: Anchor | None = None  # before a change of the ridge
        self._strength: F64 | None = None

    def renew(self, theta: F64, penalty: ElasticNet, place: Coordinates) -> Solver[None]:
        """An anchor at theta, for this ridge or a larger one."""
        if self.sample is None:
            return
        kept = yield from self._kept(theta, penalty.strength)
        if kept is not None and kept.keeps(theta) >= KEEPS:
            self.anchor = kept
            return
        self.made = self.anchor = self._near = yield from anchor_at(theta, penalty, place, self.sample)
        self._strength = penalty.strength

    def _kept(self, theta: F64, strength: F64) -> Solver[Anchor | None]:
        """What was made before, for this ridge, as near theta as pays."""
        if self.made is None or self._near is None or self._strength is None or self.sample is None:
            return None
        had = self._strength > 0.0
        ridge = min(1.0, float((strength[had] / self._strength[had]).min(initial=1.0)))
        if ridge < KEEPS:
            return None
        if self._near.keeps(theta) < NEAR * self._near.part:
            own = np.ones(self.sample.size) if self.sample.own is None else self.sample.own
            change = yield LeastChange(self.made.theta, theta, Sample(self.sample.index, own, self.sample.own))
            if not ridge * change >= KEEPS:
                return None
            self._near = self.made.moved(theta, min(1.0, change))
        return self._near.moved(self._near.theta, ridge * self._near.part)


class Trains(Protocol):
    """Which rows train which fits."""

    @property
    def count(self) -> int: ...

    def train(self, k: int, rows: Indices) -> npt.NDArray[np.bool_]: ...


class Shared:
    """A witness of all rows for fits that some of them train: `of` (k) is what proves fit k.

    H_k, the curvature of those of its rows that do not train fit k, leaves (1 - share) M where share M - H_k is
    positive definite, wherever the rows' curvatures move M and H_k to.
    """

    def __init__(self, seen: Witness, trains: Trains) -> None:
        assert seen.sample is not None
        self._seen, self._sample, self._trains = seen, seen.sample, trains
        self._made: Anchor | None = None
        self._parts = np.zeros(trains.count)
        self._own: dict[int, Witness] = {}

    def renew(self) -> Solver[None]:
        """After the witness was renewed."""
        made = self._seen.made
        if made is None or made is self._made:
            return
        self._made = made
        for k in range(len(self._parts)):
            self._parts[k] = yield from self._part(made, ~self._trains.train(k, self._sample.index))

    def _part(self, made: Anchor, held: npt.NDArray[np.bool_]) -> Solver[float]:
        if not held.any():
            return 1.0
        at: Evaluation = yield Evaluate(made.theta, 2, _some(self._sample, held), as_part=True)
        assert at.hessian is not None
        for share in SHARES:
            try:
                np.linalg.cholesky(share * made.hessian - at.hessian)
            except np.linalg.LinAlgError:
                continue
            return 1.0 - share
        return 0.0

    def of(self, k: int, theta: F64, penalty: ElasticNet, place: Coordinates) -> Solver[Seen]:
        """What proves fit k near theta."""
        anchor, trained = self._seen.anchor, Trained(self._sample, self._trains, k)
        if anchor is None:
            return trained
        if self._parts[k] > 0.0:
            trained.anchor = anchor.moved(anchor.theta, self._parts[k] * anchor.part)
            return trained
        own = self._own.setdefault(k, Witness(trained.sample))
        yield from own.renew(theta, penalty, place)
        return own


class Trained:
    """What proves fit k, which some rows of a sample train."""

    def __init__(self, sample: Sample, trains: Trains, k: int) -> None:
        self.anchor: Anchor | None = None
        self._sample, self._trains, self._k = sample, trains, k

    @property
    def sample(self) -> Sample:
        return _some(self._sample, self._trains.train(self._k, self._sample.index))


def _some(sample: Sample, which: npt.NDArray[np.bool_]) -> Sample:
    return Sample(sample.index[which], sample.scaled[which], None if sample.own is None else sample.own[which])
