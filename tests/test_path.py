"""Paths of penalties: against R's glmnet, by their own optimality conditions, and what they say of themselves."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path as File
from typing import Any

import numpy as np
import pytest

from berkson.fit import certify, fit
from berkson.problem import InputError, Problem
from berkson.select.path import Path, path

HERE = File(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "glmnet.json").read_text())
DIGITS = 1e-6  # of the largest coefficient: what glmnet leaves where a column has just entered

INFERT = ("age", "parity", "induced", "spontaneous")
BIRTHWT = ("age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv")


@cache
def data(name: str) -> dict[str, np.ndarray]:
    with (HERE / "data" / f"{name}.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    return {column: np.array(values) for column, *values in zip(head, *rows, strict=True)}


def columns(name: str, *names: str) -> np.ndarray:
    return np.column_stack([data(name)[column].astype(float) for column in names])


def labels(name: str, column: str) -> np.ndarray:
    return data(name)[column].astype(np.uint8)


def wdbc() -> Problem:
    names = tuple(data("wdbc"))[:30]
    return Problem(columns("wdbc", *names), labels("wdbc", "malignant"), names=names)


def infert(*, offset: bool = True) -> Problem:
    X = columns("infert", *INFERT)
    return Problem(
        X,
        labels("infert", "case"),
        weight=0.5 + X[:, 1] / 4,
        offset=(X[:, 0] - 30) / 20 if offset else None,
        names=INFERT,
    )


def birthwt() -> Problem:
    return Problem(columns("birthwt", *BIRTHWT), labels("birthwt", "low"), names=BIRTHWT)


def menarche() -> Problem:
    age, total, reached = columns("menarche", "Age", "Total", "Menarche").T
    return Problem(np.column_stack([age, age**2, np.sqrt(age)]), reached / total, weight=total)


CASES: dict[str, tuple[Problem, dict[str, Any]]] = {
    "wdbc": (wdbc(), {}),
    "wdbc_raw": (wdbc(), {"standardize": False}),
    "wdbc_net": (wdbc(), {"l1_ratio": 0.5, "factors": [1, 2, 0.5] * 10}),
    "wdbc_ridge": (wdbc(), {"l1_ratio": 0.0}),
    "infert": (infert(), {}),
    "infert_factors": (infert(offset=False), {"factors": [0, 1, math.inf, 3]}),
    "infert_default": (infert(), {"factors": [0, 1, 2, 1]}),
    "birthwt_default": (birthwt(), {}),
    "birthwt_net_default": (birthwt(), {"l1_ratio": 0.3, "count": 40}),
    "birthwt_through_zero": (replace(birthwt(), intercept=False), {}),
    "menarche": (menarche(), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_paths_are_those_of_glmnet(case: str) -> None:
    problem, options = CASES[case]
    expected = R["paths"][case]
    given = {} if case.endswith("default") else {"lambdas": expected["lambda"]}
    found = path(problem, **options, **given, tol=1e-13)
    assert found.certified.all()
    np.testing.assert_allclose(found.lambdas, expected["lambda"], rtol=1e-9)
    each, coef = np.abs(problem.X).max(axis=0), np.array(expected["coef"])
    largest = (np.abs(coef) * each).max()
    np.testing.assert_allclose(found.coef[:, 0] * each, coef * each, atol=DIGITS * largest)
    np.testing.assert_allclose(found.intercept[:, 0], expected["intercept"], atol=DIGITS * largest)
    np.testing.assert_array_equal(found.df, expected["df"])
    np.testing.assert_allclose(found.deviance_ratio, expected["deviance_ratio"], atol=1e-7)  # glmnet's precision
    np.testing.assert_allclose(found.null_deviance, expected["null_deviance"], rtol=1e-9)
