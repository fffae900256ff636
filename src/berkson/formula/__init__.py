"""Formulas: `parse` reads one, `learn` fits it to a table, the `Schema` that results reads any other table."""

from __future__ import annotations

from berkson.formula.errors import FormulaError, UnseenLevelError
from berkson.formula.formula import Formula, parse
from berkson.formula.learn import BY_REFERENCE, Reading, learn
from berkson.formula.outcome import Outcome
from berkson.formula.saved import schema_from_dict, schema_to_dict
from berkson.formula.schema import Block, CodedBlock, NumericBlock, Schema

__all__ = [
    "BY_REFERENCE",
    "Block",
    "CodedBlock",
    "Formula",
    "FormulaError",
    "NumericBlock",
    "Outcome",
    "Reading",
    "Schema",
    "UnseenLevelError",
    "learn",
    "parse",
    "schema_from_dict",
    "schema_to_dict",
]
