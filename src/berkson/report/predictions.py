"""Predictions as columns of text: one line for each row of the data, empty where a value is missing."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, Literal, TextIO

import numpy as np
import numpy.typing as npt

from berkson.inference.predictions import LENIENT, levels_in_place, readable
from berkson.model import Model
from berkson.table import Column, Table, quoted

F64 = npt.NDArray[np.float64]
Kind = Literal["probability", "class", "link"]


@dataclass(frozen=True)
class Predictions:
    """Named columns of equal length, in how many rows they are empty, and what the model's policy did to rows."""

    columns: dict[str, list[Any]]
    empty: int
    notes: tuple[str, ...] = ()

    def write(self, file: TextIO) -> None:
        """As CSV; numbers are written so that they read back to the same bits."""
        out = csv.writer(file, lineterminator="\n")
        out.writerow(self.columns)
        out.writerows(zip(*self.columns.values(), strict=True))


def predict(model: Model, table: Table, kind: Kind) -> Predictions:
    """`probability`: of the event, or of each of K classes.  `class`: the event where its probability is 0.5 or more,
    or the most probable class.  `link`: log-odds of the event, or of each class against the first.

    Raises as `Model.linear_predictor`, and ValueError for the class of a share or of counts.
    """
    outcome = model.schema.outcome
    assert outcome is not None
    name = outcome.response.columns[0]
    table, notes = _under_policy(model, table)
    events = [f"{name} = {level}" for level in outcome.levels] or [f"not {name}", name]
    if kind == "probability":
        values = model.probabilities(table)
        found = _named([f"P({event})" for event in events], values)
        if len(events) == 2:
            del found[f"P({events[0]})"]
    else:
        values = model.linear_predictor(table)
        if kind == "class":
            if not outcome.levels:
                raise ValueError(f"the response '{outcome.response}' has no classes; ask for probabilities")
            found = {name: _classes(values, outcome.levels)}
        elif len(events) == 2:
            found = _named([f"log-odds({events[1]})"], values)
        else:
            headings = [f"log-odds({event} : {outcome.levels[0]})" for event in events[1:]]
            found = _named(headings, values[:, 1:] - values[:, :1])
    return Predictions(found, int(np.isnan(values).any(axis=1).sum()), tuple(notes))


def _under_policy(model: Model, table: Table) -> tuple[Table, list[str]]:
    """The table as the model's policy reads what it has not seen.  Rows with a missing value are always empty."""
    if model.policy not in LENIENT:
        return table, levels_in_place(model.schema, table)
    used, notes = readable(model.schema, table.only(model.schema.predictors), model.policy)  # type: ignore[arg-type]
    columns = {name: used[name] for name in model.schema.predictors}
    if model.offset is None or model.offset in columns:
        return used, notes
    if model.offset in table.columns:
        columns[model.offset] = table[model.offset]
    else:
        baseline = model.policy == "baseline"
        columns[model.offset] = Column(model.offset, "number", np.full(table.n_rows, 0.0 if baseline else np.nan))
        done = "taken as 0 in every row" if baseline else "no prediction in any row"
        notes.append(f"{table.source} has no offset {quoted(model.offset)}: {done}")
    return used.with_columns(columns), notes


def _named(names: list[str], values: F64) -> dict[str, list[Any]]:
    return {
        name: ["" if empty else value for value, empty in zip(column.tolist(), np.isnan(column).tolist(), strict=True)]
        for name, column in zip(names, values.T, strict=True)
    }


def _classes(values: F64, levels: tuple[str, ...]) -> list[str]:
    chosen = (values[:, 0] >= 0.0).astype(int) if values.shape[1] == 1 else values.argmax(axis=1)
    names = np.array(levels, dtype=object)[chosen]
    names[np.isnan(values).any(axis=1)] = ""
    return names.tolist()  # type: ignore[no-any-return]
