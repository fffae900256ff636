"""Tables as the rest of berkson sees them: named columns of numbers, booleans or factors.

A column has one of three kinds.  `number` keeps the array it came as (float64, float32 or any integer type; NaN is
missing), `boolean` is int8 with 0, 1 and -1 for missing, `factor` is integer codes into `levels` with -1 for missing.
Data frames come in through narwhals, text cells of a file through `column_from_text`.
"""

from __future__ import annotations

from berkson.table.columns import (
    Column,
    Kind,
    Table,
    is_number,
    listing,
    number_text,
    quoted,
    shorten,
    suggestion,
)
from berkson.table.frames import from_frame
from berkson.table.text import column_from_text

__all__ = [
    "Column",
    "Kind",
    "Table",
    "column_from_text",
    "from_frame",
    "is_number",
    "listing",
    "number_text",
    "quoted",
    "shorten",
    "suggestion",
]
