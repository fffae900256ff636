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


def iris() -> Problem:
    names = ("Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width")
    codes = {"setosa": 0, "versicolor": 1, "virginica": 2}
    return Problem(columns("iris", *names), np.array([codes[s] for s in data("iris")["Species"]], np.uint8), 3)


def housing() -> Problem:
    table = data("housing")
    levels = (("Infl", "Medium"), ("Infl", "High"), ("Type", "Apartment"), ("Type", "Atrium"), ("Type", "Terrace"))
    X = np.column_stack([table[name] == level for name, level in (*levels, ("Cont", "High"))]).astype(float)
    codes = {"Low": 0, "Medium": 1, "High": 2}
    return Problem(X, np.array([codes[s] for s in table["Sat"]], np.uint8), 3, weight=table["Freq"].astype(float))


def four(*, offset: bool = False) -> Problem:
    """Of an even number of classes: low and smoke of the births."""
    names = tuple(name for name in BIRTHWT if name != "smoke")
    y = labels("birthwt", "low") + 2 * labels("birthwt", "smoke")
    zero, age, lwt = np.zeros(len(y)), *columns("birthwt", "age", "lwt").T
    reach = np.column_stack([zero, age / 40, zero, -lwt / 300]) if offset else None
    return Problem(columns("birthwt", *names), y, 4, offset=reach, names=names)
