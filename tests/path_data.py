"""Problems on the data sets that R's glmnet has fitted, and its numbers."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path as File
from typing import Any

import numpy as np

from berkson.problem import Problem

HERE = File(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "glmnet.json").read_text())

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
