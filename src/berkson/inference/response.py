"""What a model says of a row as a function of its linear predictors eta, with two derivatives.

    probability      P(class k), k = 1..K; for two classes that of the event alone
    log_probability  its logarithm
    link             log P(class k) / P(reference), for each class but the reference

eta is (m, 1) log-odds of the event or (m, K) logits; R is the number of values of a row, L that of its logits.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from berkson.kernels.reference import log1p_exp, sigmoid, softmax_terms

F64 = npt.NDArray[np.float64]
Kind = Literal["probability", "log_probability", "link"]


def value_and_gradient(kind: Kind, eta: F64, reference: int) -> tuple[F64, F64]:
    """Values (m, R) and their derivatives by the logits (m, R, L).

    log_probability and probability are exact in both tails: 1 - P is carried, not subtracted.
    """
    if kind == "link":
        contrasts = link_contrasts(eta.shape[1], reference)
        return eta @ contrasts.T, np.broadcast_to(contrasts, (len(eta), *contrasts.shape))
    if eta.shape[1] == 1:
        event, other = sigmoid(eta), sigmoid(-eta)
        if kind == "probability":
            return event, (event * other)[:, :, None]
        return -log1p_exp(-eta), other[:, :, None]
    logarithm, mu, complement = softmax_terms(eta)
    gradient = np.repeat(-mu[:, None, :], eta.shape[1], axis=1)
    places = np.arange(eta.shape[1])
    gradient[:, places, places] = complement
    if kind == "log_probability":
        return logarithm, gradient
    return mu, gradient * mu[:, :, None]


def curvature(kind: Kind, eta: F64, direction: F64) -> F64 | None:
    """Derivatives by the logits of gradient . direction (m, R, L), for a direction (m, L); None: all are 0."""
    if kind == "link":
        return None
    if eta.shape[1] == 1:
        event, other = sigmoid(eta), sigmoid(-eta)
        each = -event * other * direction
        return (each if kind == "log_probability" else each * (event - other))[:, :, None]
    _, gradient = value_and_gradient("log_probability", eta, 0)
    mu = softmax_terms(eta)[1]
    relative = np.matmul(gradient, direction[:, :, None])  # u_k - sum_l mu_l u_l
    spread = -(mu * relative[:, :, 0])[:, None, :]
    if kind == "log_probability":
        return np.repeat(spread, eta.shape[1], axis=1)
    bend: F64 = mu[:, :, None] * (gradient * relative + spread)
    return bend


def link_contrasts(logits: int, reference: int) -> F64:
    """(R, L): the rows turn logits into log-odds against the reference."""
    if logits == 1:
        return np.ones((1, 1))
    whole = np.eye(logits)
    whole[:, reference] -= 1.0
    return np.delete(whole, reference, axis=0)
