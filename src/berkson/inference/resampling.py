"""Bootstrap samples as weights on rows: nothing is copied, and a sample is known by its seed and number alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson import kernels
from berkson.inference.estimates import Estimates, StatisticsError

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """Draws with replacement of as many observations as there are; or, `bayesian`, a weight for every one.

    An observation is a row of positive weight (of grouped counts, with all its trials); under frequency weights each of
    the w that a row stands for; with `cluster`, integer codes (n,), all rows of a cluster.  Sample number b depends on
    the seed and b alone.

    The weights of the Bayesian bootstrap are from the flat Dirichlet distribution, times the number of observations
    (Rubin, Annals of Statistics 9, 1981): none is zero, so no sample lacks a class or a level.
    """

    estimates: Estimates
    seed: int = 0
    cluster: Array | None = None
    bayesian: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.seed, (int, np.integer)) or not 0 <= self.seed < 2**64:
            raise StatisticsError(f"the seed {self.seed} is no whole number between 0 and 2^64 - 1; give another")
        if self.cluster is not None:
            if len(self.cluster) != len(self.estimates.problem.y):
                raise StatisticsError(
                    f"there are codes of clusters for {len(self.cluster)} rows and there are "
                    f"{len(self.estimates.problem.y)}; give one a row"
                )
            if self._clusters < 2:
                raise StatisticsError("one cluster leaves nothing to draw; give a column with several clusters")
        elif self._frequency is not None and (self._frequency != np.rint(self._frequency)).any():
            raise StatisticsError(
                "frequency weights that are not whole numbers count no observations to draw; use precision or sampling "
                "weights"
            )

    @property
    def what(self) -> str:
        """What is drawn, in words."""
        return "observations" if self.cluster is None else f"{self._clusters:,} clusters"

    def weight(self, number: int) -> F64:
        """The weight of each row (n,) in sample `number`: its own, as often as it was drawn."""
        own = self.estimates.problem.weight
        if self.codes is not None:
            times = self._times(number, self._clusters)[self.codes]
            return times if own is None else times * own
        if self._frequency is not None:
            drawn = self._times_each(number, self._frequency)
            return drawn if self.estimates.trials is None else drawn * self.estimates.trials
        if own is None:
            return self._times(number, len(self.estimates.problem.y))
        weight = np.zeros(len(own))
        weight[self._observed] = self._times(number, len(self._observed)) * own[self._observed]
        return weight

    @property
    def even(self) -> bool:
        """Whether rows are drawn, each as likely as any other."""
        return self.cluster is None and self._frequency is None and not self.bayesian

    @property
    def drawn(self) -> npt.NDArray[np.intp] | None:
        """The rows that are drawn evenly; None: all."""
        return None if self.estimates.problem.weight is None else self._observed

    @cached_property
    def _frequency(self) -> F64 | None:
        """How many observations each row stands for, where that is not one."""
        weight, trials = self.estimates.problem.weight, self.estimates.trials
        if weight is None or self.estimates.weight_kind != "frequency":
            return None
        own = weight
        if trials is not None:
            own = np.divide(weight, trials, out=np.zeros(len(weight)), where=trials > 0)
        return None if np.isin(own, (0.0, 1.0)).all() else own

    @cached_property
    def _observed(self) -> npt.NDArray[np.intp]:
        weight = self.estimates.problem.weight
        assert weight is not None
        return np.flatnonzero(weight)

    @cached_property
    def codes(self) -> npt.NDArray[np.intp] | None:
        """Codes (n,) of the clusters, 0 up to their number; rows without weight are in the first."""
        if self.cluster is None:
            return None
        weight = self.estimates.problem.weight
        codes = np.zeros(len(self.estimates.problem.y), dtype=np.intp)
        used = slice(None) if weight is None else weight > 0
        codes[used] = np.unique(self.cluster[used], return_inverse=True)[1]
        return codes

    @cached_property
    def _clusters(self) -> int:
        return 0 if self.codes is None else int(self.codes.max()) + 1

    def _random(self, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=np.array([self.seed, number], dtype=np.uint64)))

    def _times_each(self, number: int, count: F64) -> F64:
        """What the observations of each row have in all, of `count` of them."""
        random, total = self._random(number), count.sum()
        if not self.bayesian:
            drawn: F64 = random.multinomial(int(total), count / total).astype(np.float64)
            return drawn
        shares: F64 = random.standard_gamma(count)
        each: F64 = shares * (total / shares.sum())
        return each

    def _times(self, number: int, n: int) -> F64:
        """How often each of n comes in n draws (n,); or their weights."""
        if self.bayesian:
            shares: F64 = self._random(number).standard_exponential(n)
            each: F64 = shares * (n / shares.sum())
            return each
        seed = int(self.seed)
        totals = kernels.replicates.totals(n, seed, [number])
        counts: F64 = kernels.replicates.draw(n, seed, [number], totals)[0]
        return counts
