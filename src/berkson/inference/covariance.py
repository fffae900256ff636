"""Covariances of the estimates: of the model, robust to its variance, and robust to dependence within clusters.

With I the information and s a score, all but the first are sandwiches  I^-1 (sum s s') I^-1, times a factor:

    model    I^-1: the variance of the model is the truth
    HC0      over rows; no factor                               R sandwich::vcovHC(type = "HC0")
    HC1      n / (n - k)                                        vcovHC(type = "HC1")
    HC2, HC3 s / sqrt(1 - leverage), s / (1 - leverage)         vcovHC(type = "HC2", "HC3"); two classes
    robust   n / (n - 1)                                        Stata logit, vce(robust) and [pweight]; survey::svyglm
    CR0      over sums of scores by cluster; no factor          vcovCL(cadjust = FALSE); clubSandwich "CR0"
    CR1      G / (G - 1), G clusters                            Stata logit, vce(cluster); vcovCL of a glm; clubSandwich
    CR1S     G / (G - 1) (n - 1) / (n - k)                      vcovCL(type = "HC1"); clubSandwich "CR1S"
    CR2      residuals of a cluster adjusted for its leverage   clubSandwich::vcovCR(type = "CR2"); two classes

n observations (units: frequency weights count them, a group of trials is one, a row of weight 0 is none), k parameters.
Scores carry the whole weight of a row where it is a precision, a sampling weight or a number of trials; a frequency
weight adds that many rows.  Two ways of clustering (Cameron, Gelbach & Miller 2011, Journal of Business & Economic
Statistics 29) add the covariances of both and take off that of their crossing, each with its own factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.blas import one_thread
from berkson.inference.clusters import Clusters, crossed
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.scores import Groups, adjusted_cluster_meat, cluster_meat, meat

F64 = npt.NDArray[np.float64]

ROWWISE = ("HC0", "HC1", "HC2", "HC3", "robust")
CLUSTERED = ("CR0", "CR1", "CR1S", "CR2")
LEVERAGE_POWER = {"HC2": 1, "HC3": 2}
FEW_CLUSTERS = 40  # below, cluster-robust standard errors are known to be too small
ROUNDING = 1e-12  # of the largest eigenvalue: no smaller negative one is said
LARGEST_CLUSTER = 2000  # rows for which CR2 decomposes a matrix of rows by rows: a second or two each


@dataclass(frozen=True)
class Covariance:
    """matrix (d, d) of the parameters, NaN where one is not estimable.

    kind      "model", "HC1", "CR1", ...: see the module.
    clusters  (name, number) of each way of clustering.
    notes     sentences about what it can be trusted for.
    """

    kind: str
    matrix: F64
    clusters: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def std_error(self) -> F64:
        """(d,)"""
        return np.sqrt(self.matrix.diagonal())

    @property
    def text(self) -> str:
        """What the covariance rests on, for a table: `HC1`, `cluster-robust (id, 34 clusters, CR1)`."""
        if not self.clusters:
            return self.kind
        ways = "; ".join(f"{name}, {count:,} clusters" for name, count in self.clusters)
        return f"cluster-robust ({ways}, {self.kind})"

    @property
    def of_the_likelihood(self) -> bool:
        """Whether it takes the likelihood at its word, so that likelihood-ratio and score tests go with it."""
        return self.kind == "model"


def covariance(
    estimates: Estimates, kind: str | None = None, cluster: Clusters | Sequence[Clusters] = ()
) -> Covariance:
    """The covariance of the parameters.

    kind     as in the module's table; None: "CR1" with clusters, "robust" with sampling weights, else "model".
    cluster  of each row, one way or two.
    Model: one pass; HC0, HC1: two more (for K classes K (K - 1) / 2 more); clustered: one more, which gathers rows.
    Raises StatisticsError, one sentence, for a fit without a proved optimum and for a kind that is not defined for it.
    """
    ways = (cluster,) if isinstance(cluster, Clusters) else tuple(cluster)
    kind = _default(estimates, ways) if kind is None else kind
    _refuse(estimates, kind, ways)
    inverse = estimates.inverse
    if kind == "model":
        return Covariance(kind, estimates.from_theta(inverse))
    with one_thread(len(inverse)):
        if not ways:
            n, k = estimates.n_obs, len(inverse)
            factor = {"HC1": n / (n - k) if n > k else np.inf, "robust": n / (n - 1)}.get(kind, 1.0)
            if not np.isfinite(factor):
                raise StatisticsError(f"HC1 divides by n - k, and {n:g} observations have {k} parameters; use HC0")
            middle = factor * meat(estimates, LEVERAGE_POWER.get(kind, 0))
            return Covariance(kind, estimates.from_theta(inverse @ middle @ inverse))
        return _clustered(estimates, kind, ways)


def _default(estimates: Estimates, ways: tuple[Clusters, ...]) -> str:
    if ways:
        return "CR1"
    return "robust" if estimates.weight_kind == "sampling" else "model"


def refuse_kind(kind: str, ways: Sequence[Clusters]) -> None:
    """StatisticsError where the kind is unknown, or does not go with these clusters."""
    known = ("model", *ROWWISE, *CLUSTERED)
    if kind not in known:
        raise StatisticsError(f"there is no covariance {kind!r}; choose one of {', '.join(known)} and bootstrap")
    if ways and kind not in CLUSTERED:
        raise StatisticsError(f"covariance {kind} knows no clusters; choose one of {', '.join(CLUSTERED)}")
    if not ways and kind in CLUSTERED:
        raise StatisticsError(
            f"covariance {kind} needs clusters; name the column that tells them (cluster=, --cluster)"
        )
    if len(ways) > 2:
        raise StatisticsError(f"clusters can be crossed two ways, not {len(ways)}; choose the two that matter most")
    if kind == "CR2" and len(ways) == 2:
        raise StatisticsError("CR2 is defined for one way of clustering; use CR1 for two")


def _refuse(estimates: Estimates, kind: str, ways: tuple[Clusters, ...]) -> None:
    """StatisticsError where the kind is not defined for these estimates and clusters."""
    refuse_kind(kind, ways)
    if kind == "model" and estimates.weight_kind == "sampling":
        raise StatisticsError(
            "the model's covariance takes sampling weights for observations that were seen; use 'robust', or clusters"
        )
    if kind != "model" and estimates.theta is not estimates.fit.theta:
        raise StatisticsError(
            f"covariance {kind} is of maximum-likelihood estimates that are all finite; these are not: use 'model'"
        )
    if estimates.problem.n_classes > 2 and kind in ("HC2", "HC3", "CR2"):
        other = "CR1" if kind == "CR2" else "HC1"
        raise StatisticsError(
            f"{kind} adjusts for leverage, which is defined for two classes, and the response has "
            f"{estimates.problem.n_classes}; use {other}"
        )
    n = len(estimates.problem.y)
    for way in ways:
        if len(way.codes) != n:
            raise StatisticsError(
                f"clusters '{way.name}' are of {len(way.codes):,} rows, but {n:,} were fitted; give each row used one"
            )


def _clustered(estimates: Estimates, kind: str, ways: tuple[Clusters, ...]) -> Covariance:
    weight, inverse = estimates.problem.weight, estimates.inverse
    groups = [Groups.of(way.codes, weight) for way in ways]
    for way, group in zip(ways, groups, strict=True):
        if group.count == 1:
            raise StatisticsError(
                f"all rows belong to one cluster of '{way.name}', which says nothing of how clusters vary; choose "
                "another column"
            )
    if kind == "CR2":
        middle = adjusted_cluster_meat(estimates, groups[0], LARGEST_CLUSTER)
    else:
        middle = sum((_scaled_meat(estimates, kind, group) for group in groups), np.zeros_like(inverse))
        if len(ways) == 2:
            both = Groups.of(crossed(*ways).codes, weight)
            middle = middle - _scaled_meat(estimates, kind, both)
    clusters = tuple((way.name, group.count) for way, group in zip(ways, groups, strict=True))
    matrix, notes = estimates.from_theta(inverse @ middle @ inverse), _few(clusters, len(inverse))
    if len(ways) == 2:
        matrix, note = _without_negative_variances(matrix, estimates.estimable)
        notes = (*notes, *note)
    return Covariance(kind, matrix, clusters, notes)


def _scaled_meat(estimates: Estimates, kind: str, groups: Groups) -> F64:
    n, k, G = estimates.n_obs, estimates.rows.coordinates.size, groups.count
    if kind == "CR1S" and n <= k:
        raise StatisticsError(f"CR1S divides by n - k, and {n:g} observations have {k} parameters; use CR1")
    factor = {"CR1": G / (G - 1), "CR1S": G / (G - 1) * (n - 1) / (n - k) if n > k else np.inf}.get(kind, 1.0)
    return factor * cluster_meat(estimates, groups)


def _few(clusters: tuple[tuple[str, int], ...], k: int) -> tuple[str, ...]:
    """A sentence on few clusters, where they are."""
    name, count = min(clusters, key=lambda way: way[1])
    if count >= FEW_CLUSTERS:
        return ()
    rank = f", and at most {count - 1} of the {k} coefficients can be tested jointly" if count <= k else ""
    return (
        f"'{name}' has only {count} clusters: standard errors are uncertain and often too small{rank}; compare CR2, or "
        "the bootstrap by cluster",
    )


def _without_negative_variances(matrix: F64, estimable: npt.NDArray[np.bool_]) -> tuple[F64, tuple[str, ...]]:
    """A difference of covariances need not be one.  Where every variance is positive it stays as it is (as in R's
    vcovCL); else its negative eigenvalues become 0, as Cameron, Gelbach & Miller do (vcovCL(fix = TRUE)).  And a note.
    """
    values, vectors = np.linalg.eigh(matrix[np.ix_(estimable, estimable)])
    if values.min() >= -ROUNDING * values.max():
        return matrix, ()
    if (matrix.diagonal()[estimable] > 0).all():
        return matrix, (
            "the two-way covariance is not positive in every direction, so some joint tests have no answer",
        )
    fixed = np.full_like(matrix, np.nan)
    fixed[np.ix_(estimable, estimable)] = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return fixed, ("the two-way covariance had negative variances; its negative eigenvalues were set to 0",)
