"""The caller's data as a problem, and its solution: arrays are looked at for missing values where that stumbles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from berkson.formula import Formula
from berkson.inference.estimates import StatisticsError, WeightKind
from berkson.logistic.frames import Frames, frames_of
from berkson.logistic.inputs import ARRAYS, Arrays, Options, read_arrays, read_formula, refuse_shuffled
from berkson.logistic.sparse import is_sparse, read_sparse
from berkson.model import Prepared, classes_of
from berkson.problem import InputError
from berkson.table import from_frame, listing, number_text, quoted, suggestion

Found = TypeVar("Found")


def solved(
    formula: Any, data: Any, options: Options, weight_kind: WeightKind, solve: Callable[[Prepared], Found]
) -> tuple[Prepared, Found, Frames]:
    """The caller's data as a problem, its solution, and what makes tables of the caller's kind."""
    if isinstance(data, str) and not isinstance(formula, str):
        raise ValueError("the formula comes first, and then the data: logit('y ~ x', data)")
    if isinstance(formula, str | Formula):
        prepared = read_formula(formula, data, options)
        refuse_fractions(prepared, weight_kind)
        return prepared, solve(prepared), frames_of(data)
    given = read_sparse(formula, data, options) if is_sparse(data) else read_arrays(formula, data, options)
    prepared = given.prepared if isinstance(given, Arrays) else given
    refuse_fractions(prepared, weight_kind)
    frames = frames_of(data, formula)
    try:
        return prepared, solve(prepared), frames
    except InputError:
        if isinstance(given, Prepared) or not given.has_missing:
            raise
    prepared = given.dropping()
    return prepared, solve(prepared), frames


def refuse_fractions(prepared: Prepared, kind: WeightKind) -> None:
    """StatisticsError for weights that are no frequencies, where they are to be such."""
    if prepared.weights is None or kind != "frequency":
        return
    weight = prepared.table[prepared.weights].as_number().values
    broken = np.isfinite(weight) & (weight != np.floor(weight))
    if broken.any():
        row = int(np.argmax(broken))
        raise StatisticsError(
            f"the weights {quoted(prepared.weights)} hold {weight[row]:g} in row {row + 1}, and a frequency is a whole "
            "number: say weight_kind='sampling' (a row stands for so many of a population) or 'precision' (its "
            "log-likelihood counts so much)"
        )


def codes_by(given: Any, what: str, prepared: Prepared, index: Any) -> npt.NDArray[np.int32]:
    """A code from 0 for each row used, equal where values are: of a column by its name, or of values for each row."""
    if isinstance(given, str):
        column = prepared.complete[given]
    else:
        refuse_shuffled(given, what, index)
        column = from_frame({what: given}, ARRAYS)[what]
        if len(column.values) != prepared.table.n_rows:
            raise InputError(
                f"{what} has {len(column.values):,} values, but the table {prepared.table.n_rows:,} rows: give one a "
                "row"
            )
        column = column if prepared.used is None else column.take(prepared.used)
    absent = column.missing()
    if absent.any():
        raise InputError(
            f"{what} lacks a value in {int(absent.sum()):,} of {len(absent):,} rows (the first is row "
            f"{int(absent.argmax()) + 1}): give each row one"
        )
    return column.as_factor().values


def class_number(reference: object | None, prepared: Prepared) -> int:
    """The place of the class that others are compared with; ValueError where there is no such."""
    if reference is None:
        return 0
    classes = classes_of(prepared.schema)
    if len(classes) == 2:
        raise ValueError(
            "reference= is for more than two classes; of two, event= chooses the one that is modelled (in the command: "
            "--event)"
        )
    text = number_text(reference) if isinstance(reference, (int, float, np.number)) else str(reference)
    if text not in classes:
        raise ValueError(
            f"reference={text!r} is no class{suggestion(text, classes)}; the classes: {listing(classes, 20)}"
        )
    return classes.index(text)
