"""Kernels: numbers from rows.  The compiled twin where it was built, else the reference, which says so once."""

from __future__ import annotations

import os
import warnings

from berkson.kernels import reference

_NAMES = (
    "moments",
    "linear_predictor",
    "logistic",
    "logistic_many",
    "multinomial",
    "logistic_curvature",
    "multinomial_curvature",
    "gram",
    "quadratic_form",
)
