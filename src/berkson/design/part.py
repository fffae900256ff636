"""Rows of a design as a loss sees them, and what designs that only know their Gram matrix have in common."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from berkson.kernels.reference import softmax_terms

Array = npt.NDArray[Any]
F64 = npt.NDArray[np.float64]


class Part(NamedTuple):
    """Which rows (None: all), the centres of columns, and labels, weights and offsets in the order of these rows."""

    rows: Array | None
    center: F64
    y: Array
    weight: F64 | None
    offset: F64 | None
    threads: int


class HasGram(Protocol):
    """A design."""

    def gram(self, rows: Array | None, center: F64, weight: F64 | None, threads: int) -> F64: ...


def multinomial_hessian(design: HasGram, part: Part, eta: F64) -> F64:
    """(K, q, K, q): sum a_i mu_ik (1[k = l] - mu_il) x_i x_i' between classes k and l, of linear predictors (m, K)."""
    _, mu, complement = softmax_terms(eta)
    K, q = eta.shape[1], len(part.center) + 1
    hessian = np.empty((K, q, K, q))
    for k in range(K):
        for l in range(k + 1):  # noqa: E741
            curvature = weighted(part.weight, mu[:, k] * (complement[:, k] if k == l else -mu[:, l]))
            block = design.gram(part.rows, part.center, curvature, part.threads)
            hessian[k, :, l, :] = hessian[l, :, k, :] = block
    return hessian


def weighted(weight: F64 | None, values: F64) -> F64:
    """weight * values, (m,) or (m, M), and 0 where the weight is 0."""
    if weight is None:
        return values
    each = weight.reshape(-1, *(1,) * (values.ndim - 1))
    with np.errstate(invalid="ignore"):
        return np.where(each == 0.0, 0.0, each * values)
