"""Models as JSON files: written whole or not at all, read with trust in nothing.

The text is for people too: sorted keys, coefficients by name, floats that read back to the same bits.  A bound that is
infinite is `null`.  Nothing in a file is executed.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from berkson.fitted_penalty import BY_COLUMN, Penalty, penalty_to_dict
from berkson.formula import Schema, parse, schema_from_dict, schema_to_dict
from berkson.formula.smooth_terms import penalties_of
from berkson.inference.predictions import POLICIES
from berkson.model import Model, RowCount, classes_of
from berkson.proof import Infinite, Proof

VERSION = 1  # of the format
LARGEST = 1 << 26  # bytes
_SHOWN = 60  # characters of a stranger's text in a message


class ModelError(ValueError):
    """A file that is no model, in one sentence."""


# --- writing --------------------------------------------------------------------------------------------------------


def to_dict(model: Model) -> dict[str, Any]:
    """The model as plain data; `from_dict` reads it back to the same numbers, bit for bit."""
    proof = model.proof
    names = model.classes[-1:] if len(model.coef) == 1 else model.classes
    return {
        "berkson_model": VERSION,
        "program": model.program,
        "formula": model.formula,
        "schema": schema_to_dict(model.schema),
        "coefficients": [
            {
                "class": name,
                "intercept": float(intercept),
                "columns": dict(zip(model.schema.names, map(float, coef), strict=True)),
            }
            for name, coef, intercept in zip(names, model.coef, model.intercept, strict=True)
        ],
        "strength": float(model.strength),
        **({} if model.bias_reduction is None else {"bias_reduction": model.bias_reduction}),
        **({} if model.policy == "error" else {"policy": model.policy}),
        **({} if model.penalty is None else {"penalty": penalty_to_dict(model.penalty)}),
        **({} if model.smoothing is None else {"smoothing": {k: float(v) for k, v in model.smoothing.items()}}),
        "weights": model.weights,
        "offset": model.offset,
        "rows": {"read": model.rows.read, "used": model.rows.used, "missing": model.rows.missing},
        "certificate": {
            "certified": proof.certified,
            "exists": proof.exists,
            "status": proof.status,
            **{name: _or_null(getattr(proof, name)) for name in _BOUNDS},
            **{name: float(getattr(proof, name)) for name in _MEASURES},
            "tol": proof.tol,
            "verdicts": list(proof.verdicts),
            "infinite": [{"column": i.column, "class": i.class_name, "sign": i.sign} for i in proof.infinite],
            "aliased": list(proof.aliased),
        },
    }


_BOUNDS = ("gap", "relative_gap", "distance")
_MEASURES = ("objective", "null_objective")


def _or_null(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model; OSError where that cannot be, and then nothing is left behind."""
    text = json.dumps(to_dict(model), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as file:
        file.write(text + "\n")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """A text file that takes its place at the end, whole; if anything goes wrong before, the old one stays.

    A link stays a link to what is replaced; a device or a pipe, which cannot be replaced, is written to.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        try:
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        return
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with draft.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (str(draft), None):
            raise OSError(error.errno, error.strerror, str(target)) from None
        raise


# --- reading --------------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Model:
    """The model that `save` wrote; ModelError, one sentence, for anything else."""
    file = Path(path)
    try:
        with file.open("rb") as source:
            raw = source.read(LARGEST + 1)
    except FileNotFoundError:
        raise ModelError(f"there is no file {path}; a model is written by `berkson fit`") from None
    except OSError as error:
        raise ModelError(f"{file.name} cannot be read: {error.strerror or error}") from None
    if len(raw) > LARGEST:
        raise ModelError(f"{file.name} has more than {LARGEST:,} bytes, too many for a model")
    try:
        data = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise ModelError(f"{file.name} is no model: it is not UTF-8 text") from None
    except RecursionError:
        raise ModelError(f"{file.name} is no model: it is nested too deeply") from None
    except ValueError as error:
        raise ModelError(f"{file.name} is no model: it is not JSON ({error})") from None
    try:
        return from_dict(data)
    except ValueError as error:
        raise ModelError(f"{file.name} is no model that can be used: {error}") from None


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key[:_SHOWN]}' stands twice")
        found[key] = value
    return found


def from_dict(data: Any) -> Model:
    """The model of plain data; ValueError, one sentence, for what `to_dict` would not give."""
    if not isinstance(data, dict) or "berkson_model" not in data:
        raise ValueError("it has no key 'berkson_model'; a model is written by `berkson fit`")
    if data["berkson_model"] != VERSION or isinstance(data["berkson_model"], bool):
        raise ValueError(
            f"its format is {str(data['berkson_model'])[:_SHOWN]}, and this program reads format {VERSION}; "
            "install a newer berkson, or fit again"
        )
    read = _Fields(data, "the model")
    formula, program = read("formula", _text), read("program", _text)
    parse(formula)
    schema = schema_from_dict(read("schema", _any))
    if schema.outcome is None:
        raise ValueError("its schema has no response")
    coef, intercept = _coefficients(read("coefficients", _list), schema)
    strength = read("strength", _number)
    if strength < 0:
        raise ValueError("'strength' is negative")
    weights, offset = read("weights", _name), read("offset", _name)
    reduction = read("bias_reduction", _reduction) if "bias_reduction" in data else None
    policy = read("policy", _policy) if "policy" in data else "error"
    penalty = _penalty(read("penalty", _any), len(schema.names)) if "penalty" in data else None
    smoothing = _smoothing(read("smoothing", _any), schema) if "smoothing" in data or schema.smooths else None
    rows, proof = _rows(read("rows", _any)), _proof(read("certificate", _any))
    for name in [*proof.aliased, *(i.column for i in proof.infinite if i.column != "(Intercept)")]:
        if name not in schema.names:
            raise ValueError(f"its certificate speaks of a column '{name[:_SHOWN]}' that it does not have")
    read("berkson_model", _any)
    read.end()
    fitted = (formula, schema, coef, intercept, strength, weights, offset, rows, proof, program)
    return Model(*fitted, reduction, policy, penalty, smoothing)


class _Fields:
    """The fields of an object: each is asked for, with what it must be, and at the end none may be left."""

    def __init__(self, data: Any, what: str) -> None:
        if not isinstance(data, dict):
            raise ValueError(f"{what} is no object")
        self.data, self.what = dict(data), what

    def __call__(self, key: str, kind: Callable[[Any], Any]) -> Any:
        if key not in self.data:
            raise ValueError(f"{self.what} has no key '{key}'")
        try:
            return kind(self.data.pop(key))
        except TypeError as error:
            raise ValueError(f"'{key}' of {self.what} is {error}") from None

    def end(self) -> None:
        if self.data:
            raise ValueError(f"{self.what} has an unknown key '{next(iter(self.data))[:_SHOWN]}'")


def _any(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _name(value: Any) -> str | None:
    return None if value is None else _text(value)


def _policy(value: Any) -> str:
    if value not in POLICIES:
        raise TypeError(f"none of {', '.join(POLICIES)}")
    return str(value)


def _reduction(value: Any) -> str:
    if value not in ("mean", "median"):
        raise TypeError("neither mean nor median")
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def _maybe(value: Any) -> bool | None:
    return None if value is None else _flag(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    if (isinstance(value, int) and abs(value) > 2**1023) or not math.isfinite(value):
        raise TypeError("too large a number")
    return float(value)


def _share(value: Any) -> float:
    share = _number(value)
    if not 0.0 < share < 1.0:
        raise TypeError("not between 0 and 1")
    return share


def _unit(value: Any) -> float:
    part = _number(value)
    if not 0.0 <= part <= 1.0:
        raise TypeError("not from 0 to 1")
    return part


def _bound(value: Any) -> float:
    return math.inf if value is None else _number(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise TypeError("no count")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _counts(value: Any) -> tuple[int, ...]:
    return tuple(map(_count, _list(value)))


def _numbers(value: Any) -> tuple[float | None, ...]:
    return tuple(None if each is None else _number(each) for each in _list(value))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _coefficients(entries: list[Any], schema: Schema) -> tuple[Any, Any]:
    classes = classes_of(schema)
    wanted = classes[-1:] if len(classes) == 2 else classes
    if len(entries) != len(wanted):
        raise ValueError(f"it has coefficients for {len(entries)} classes, and its schema for {len(wanted)}")
    coef, intercept = np.empty((len(wanted), len(schema.names))), np.empty(len(wanted))
    for k, entry in enumerate(entries):
        read = _Fields(entry, "an entry of 'coefficients'")
        if read("class", _text) != wanted[k]:
            raise ValueError(f"the coefficients of class '{wanted[k][:_SHOWN]}' are not where they should be")
        intercept[k] = read("intercept", _number)
        columns = _Fields(read("columns", _any), "'columns'")
        coef[k] = [columns(name, _number) for name in schema.names]
        columns.end()
        read.end()
    if not schema.intercept and intercept.any():
        raise ValueError("it has an intercept, and its schema none")
    return coef, intercept


def _penalty(data: Any, p: int) -> Penalty:
    read = _Fields(data, "'penalty'")
    l1_ratio, lambda_ = read("l1_ratio", _number), read("lambda", _number)
    if not 0.0 <= l1_ratio <= 1.0 or lambda_ < 0.0:
        raise ValueError("its penalty is none: l1_ratio goes from 0 to 1, and lambda is not negative")
    scale = read("scale", _text)
    if scale not in ("mean", "sum"):
        raise ValueError("'scale' of 'penalty' is neither mean nor sum")
    standardize, chosen = read("standardize", _flag), read("chosen", _text)
    more: dict[str, Any] = {name: read(name, _unit) for name in ("share", "gamma") if name in data}
    columns: dict[str, Any] = {"groups": read("groups", _counts)} if "groups" in data else {}
    for name, none in BY_COLUMN.items():
        if name in data:
            columns[name] = tuple(none if value is None else value for value in read(name, _numbers))
    if any(len(column) != p for column in columns.values()):
        raise ValueError("its penalty does not have a number for each column")
    more |= columns
    read.end()
    return Penalty(l1_ratio, lambda_, standardize, scale, chosen, **more)


def _smoothing(data: Any, schema: Schema) -> dict[str, float]:
    """A strength for each penalty of the smooths, in their order."""
    read = _Fields(data, "'smoothing'")
    found = {name: read(name, _number) for name in penalties_of(schema.smooths)}
    read.end()
    if not found or min(found.values()) < 0.0:
        raise ValueError("'smoothing' is of no smooth, or negative")
    return found


def _rows(data: Any) -> RowCount:
    read = _Fields(data, "'rows'")
    total, used = read("read", _count), read("used", _count)
    missing = _Fields(read("missing", _any), "'missing'")
    counts = {name: missing(name, _count) for name in list(missing.data)}
    read.end()
    if used > total or any(count > total for count in counts.values()):
        raise ValueError("'rows' contradicts itself")
    return RowCount(total, used, counts)


def _proof(data: Any) -> Proof:
    read = _Fields(data, "the certificate")
    infinite = []
    for entry in read("infinite", _list):
        one = _Fields(entry, "an entry of 'infinite'")
        sign = one("sign", _number)
        if sign not in (-1, 0, 1):
            raise ValueError("a sign is none of -1, 0 and 1")
        infinite.append(Infinite(one("column", _text), one("class", _name), int(sign)))
        one.end()
    proof = Proof(
        certified=read("certified", _flag),
        exists=read("exists", _maybe),
        status=read("status", _text),
        verdicts=read("verdicts", _texts),
        infinite=tuple(infinite),
        aliased=read("aliased", _texts),
        **{name: read(name, _bound) for name in _BOUNDS},
        **{name: read(name, _number) for name in _MEASURES},
        tol=read("tol", _share),
    )
    read.end()
    return proof
