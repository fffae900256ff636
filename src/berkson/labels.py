"""Labels of any kind as class codes of a byte a row, or as probabilities where they are fractions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.problem import InputError

Array = npt.NDArray[Any]

CHUNK = 1 << 16  # rows compared at a time: nothing row-long but the codes is held
FEW = 16  # classes up to which comparing a chunk with each beats sorting it


@dataclass(frozen=True, slots=True)
class Labels:
    """classes: the K distinct labels in sorted order, in the dtype of y.

    y: (n,) codes into `classes`, uint8 up to 256 classes and int32 above; or, where labels are fractions,
    float64 P(y = 1), and then classes is [0, 1]."""

    classes: Array
    y: Array

    @property
    def soft(self) -> bool:
        return self.y.dtype.kind == "f"


def encode(y: Array) -> Labels:
    """The classes of y (n,) of numbers, booleans, strings or objects, and each row's code, as numpy.unique has them.

    Fractions in [0, 1], not all 0 or 1, are soft labels.  Beyond y it holds the codes and a chunk of rows.
    Raises InputError for missing, infinite, unorderable or continuous labels.
    """
    if y.dtype.kind in "OT":
        return _encode_objects(y)
    if y.dtype.kind not in "biufUS":
        raise InputError(f"Unknown label type: y holds {y.dtype}; give numbers, booleans or strings")
    if y.dtype.kind == "f" and not all((chunk == np.rint(chunk)).all() for chunk in _chunks(y)):
        return _encode_fractions(y)
    labels = _encode_few(y) or _encode_many(y)
    if y.dtype.kind == "f" and not np.isfinite(labels.classes[[0, -1]]).all():
        raise InputError(f"Input y contains infinity in row {int(np.argmax(np.isinf(y)))}; drop such rows first")
    return labels


def _chunks(y: Array) -> Iterator[Array]:
    return (y[start : start + CHUNK] for start in range(0, len(y), CHUNK))


def _encode_few(y: Array) -> Labels | None:
    """By comparison with the labels met so far, in one reading; None where they are more than FEW."""
    codes = np.zeros(len(y), dtype=np.uint8)
    found: list[Any] = []
    for chunk, out in zip(_chunks(y), _chunks(codes), strict=True):
        known = 0
        for code, label in enumerate(found):
            known += _mark(chunk == label, code, out)
        while known < len(chunk):
            if len(found) == FEW:
                return None
            new = np.ones(len(chunk), dtype=bool)
            for label in found:
                new &= chunk != label
            found.append(chunk[new.argmax()])
            known += _mark(chunk == found[-1], len(found) - 1, out)
    classes = np.array(found, dtype=y.dtype)
    order = classes.argsort()
    if (order[1:] < order[:-1]).any():
        rank = order.argsort().astype(np.uint8)
        for chunk in _chunks(codes):
            chunk[:] = rank[chunk]
    return Labels(classes[order], codes)


def _mark(same: npt.NDArray[np.bool_], code: int, codes: npt.NDArray[np.uint8]) -> int:
    """Write `code` where `same`; how many."""
    if code == 1:
        codes |= same.view(np.uint8)
    elif code:
        codes |= same.view(np.uint8) * np.uint8(code)
    return int(np.count_nonzero(same))


def _encode_many(y: Array) -> Labels:
    """By sorting, a chunk at a time."""
    classes = y[:0]
    for chunk in _chunks(y):
        classes = np.union1d(classes, chunk)
    codes = np.empty(len(y), dtype=_code_type(len(classes)))
    for chunk, out in zip(_chunks(y), _chunks(codes), strict=True):
        out[:] = classes.searchsorted(chunk)
    return Labels(classes, codes)


def _encode_fractions(y: Array) -> Labels:
    low, high = float(y.min()), float(y.max())
    if np.isnan(low):
        raise InputError(f"Input y contains NaN: row {int(np.argmax(np.isnan(y)))} has no label; drop such rows first")
    if low < 0.0 or high > 1.0:
        raise InputError(
            f"Unknown label type: continuous: y holds values such as {y[np.argmax(y != np.rint(y))]:g} and reaches "
            f"from {low:g} to {high:g}; give class labels, or fractions in [0, 1] (successes / trials, with trials as "
            "sample_weight)"
        )
    return Labels(np.array([0, 1]), np.ascontiguousarray(y, dtype=np.float64))


def _encode_objects(y: Array) -> Labels:
    """By a dictionary; objects that are all numbers are encoded as numbers."""
    code_of: defaultdict[Any, int] = defaultdict(count().__next__)
    codes: Array = np.empty(len(y), dtype=np.uint8)
    try:
        for start in range(0, len(y), CHUNK):
            chunk = y[start : start + CHUNK]
            met_here = np.fromiter(map(code_of.__getitem__, chunk), dtype=np.int32, count=len(chunk))
            codes = codes.astype(_code_type(len(code_of)), copy=False)
            codes[start : start + CHUNK] = met_here
    except TypeError:
        raise InputError("Unknown label type: y holds objects that are no labels; give numbers or strings") from None
    met = list(code_of)
    for label in met:
        if label is None or label != label:
            row = int(np.argmax(codes == code_of[label]))
            raise InputError(f"Input y contains NaN: row {row} has no label; drop such rows first")
    if all(isinstance(label, Number | np.bool_) for label in met):
        numbers = np.array(y.tolist())
        if numbers.dtype.kind == "O":  # decimals, fractions, integers beyond 64 bits
            raise InputError(
                f"Unknown label type: y holds {type(met[0]).__name__} objects that are no NumPy numbers; "
                "convert them (y.astype(float) or y.astype(str))"
            )
        return encode(numbers)
    if not all(isinstance(label, type(met[0])) for label in met):
        kinds = " and ".join(sorted({type(label).__name__ for label in met}))
        raise InputError(f"Unknown label type: y mixes {kinds}; make all labels of one kind, e.g. y.astype(str)")
    classes = np.array(sorted(met), dtype=y.dtype)
    rank = np.empty(len(met), dtype=codes.dtype)
    rank[[code_of[label] for label in classes]] = np.arange(len(met))
    for chunk in _chunks(codes):
        chunk[:] = rank[chunk]
    return Labels(classes, codes)


def _code_type(n_classes: int) -> type[np.unsignedinteger[Any]] | type[np.signedinteger[Any]]:
    return np.uint8 if n_classes <= 256 else np.int32
