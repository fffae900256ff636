"""A schema as plain data for a model file, and back, trusting nothing.

Only what cannot be derived is saved: columns with their kinds, the terms as text, the levels of factors, what bases
learned, offsets as text, the response.  Keys of what a formula does not have (bases, offsets, contrasts other than
treatment) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from berkson.formula import calls
from berkson.formula.bases import Basis, basis_from_dict, basis_to_dict
from berkson.formula.coding import MAX_COLUMNS, Factor, is_categorical
from berkson.formula.contrasts import CONTRASTS, refuse_many
from berkson.formula.errors import FormulaError
from berkson.formula.formula import Response
from berkson.formula.outcome import Outcome, OutcomeKind
from berkson.formula.parser import MAX_LENGTH, parse_variable
from berkson.formula.schema import Schema
from berkson.formula.syntax import Call, Name, Node, columns_of
from berkson.formula.terms import MAX_TERMS, Term
from berkson.table import Kind, quoted, shorten

_KEYS = ("response", "intercept", "terms", "columns", "factors", "notes")
_MORE_KEYS = ("bases", "offsets")
_FACTOR_KEYS = ("contrasts", "symmetric", "unknown", "shrunken")  # left out where they are as usual
_MAX_TEXT = 100_000  # characters of a name or level


def schema_to_dict(schema: Schema) -> dict[str, Any]:
    """Plain data (str, int, float, bool, list, dict) that `schema_from_dict` reads back to an equal schema."""
    outcome = schema.outcome
    return {
        "response": None
        if outcome is None
        else {
            "kind": outcome.kind,
            "columns": list(outcome.response.columns),
            "second": outcome.response.second,
            "levels": list(outcome.levels),
            "event": outcome.event,
        },
        "intercept": schema.intercept,
        "terms": [[str(variable) for variable in term] for term in schema.terms],
        "columns": dict(schema.kinds),
        "factors": {str(variable): _factor_to_dict(factor) for variable, factor in schema.factors.items()},
        "notes": list(schema.notes),
        **({"bases": {str(v): basis_to_dict(basis) for v, basis in schema.bases.items()}} if schema.bases else {}),
        **({"offsets": list(map(str, schema.offsets))} if schema.offsets else {}),
    }


def _factor_to_dict(factor: Factor) -> dict[str, Any]:
    plain = Factor(factor.levels, factor.reference)
    more = {key: getattr(factor, key) for key in _FACTOR_KEYS if getattr(factor, key) != getattr(plain, key)}
    return {"levels": list(factor.levels), "reference": factor.reference, **more}


def schema_from_dict(data: Any) -> Schema:
    """The schema that `schema_to_dict` wrote; ValueError, one sentence, for anything else.  Nothing is executed."""
    try:
        return _schema(data)
    except FormulaError as error:
        raise ValueError(f"the saved schema is damaged: {error}") from None


def _schema(data: Any) -> Schema:
    saved = _mapping(data, "the schema", _KEYS, _MORE_KEYS)
    intercept = saved["intercept"]
    if not isinstance(intercept, bool):
        raise FormulaError("'intercept' is neither true nor false")
    kinds = _kinds(saved["columns"])
    terms = tuple(_term(term) for term in _list(saved["terms"], "terms", MAX_TERMS))
    if len(set(map(frozenset, terms))) != len(terms):
        raise FormulaError("a term stands twice in 'terms'")
    offsets = tuple(_number(text) for text in _list(saved.get("offsets", []), "offsets", MAX_TERMS))
    if len(set(offsets)) != len(offsets):
        raise FormulaError("an offset stands twice in 'offsets'")
    _refuse_columns(terms, offsets, kinds)
    factors = _factors(saved["factors"], terms, kinds)
    bases = _bases(saved.get("bases", {}), [*(v for term in terms for v in term), *offsets])
    outcome = None if saved["response"] is None else _outcome(saved["response"])
    notes = tuple(_text(note, "a note") for note in _list(saved["notes"], "notes", MAX_COLUMNS))
    schema = Schema(outcome, intercept, terms, kinds, factors, notes, bases=bases, offsets=offsets)
    if {*schema.predictors, *(outcome.response.columns if outcome else ())} != set(kinds):
        raise FormulaError("'columns' are not those that the terms and the response name")
    if not terms and not intercept:
        raise FormulaError("it has neither terms nor an intercept")
    if len(set(schema.names)) != len(schema.names):
        raise FormulaError("two of its columns have one name")
    return schema


def _kinds(data: Any) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for name, kind in _mapping(data, "'columns'").items():
        if kind not in get_args(Kind):
            raise FormulaError(f"the kind of column {quoted(name)} is none of {', '.join(get_args(Kind))}")
        kinds[name] = kind
    return kinds


def _term(data: Any) -> Term:
    variables = tuple(_variable(text) for text in _list(data, "a term", MAX_TERMS))
    if not variables or len(set(variables)) != len(variables):
        raise FormulaError("a term is empty, or names a variable twice")
    return variables


def _variable(data: Any) -> Node:
    """A name, C(name), arithmetic or a basis, in its canonical text."""
    text = _text(data, "a variable", MAX_LENGTH)
    node = parse_variable(text)
    if isinstance(node, Call):
        if node.function != "C":
            calls.check(node)
        elif len(node.arguments) != 1 or not isinstance(node.arguments[0], Name) or node.options:
            raise FormulaError(f"{quoted(text)} is no variable")
    elif not isinstance(node, Name):
        raise FormulaError(f"{quoted(text)} is no variable")
    return _canonical(node, text)


def _number(data: Any) -> Node:
    """Arithmetic on columns, in its canonical text."""
    text = _text(data, "an offset", MAX_LENGTH)
    node = parse_variable(text)
    calls.check_number(node)
    return _canonical(node, text)


def _canonical(node: Node, text: str) -> Node:
    if str(node) != text:
        raise FormulaError(f"{quoted(text)} is not written as '{shorten(str(node))}'")
    return node


def _refuse_columns(terms: tuple[Term, ...], offsets: tuple[Node, ...], kinds: Mapping[str, Kind]) -> None:
    """FormulaError where a variable names a column that is not there, or text where numbers are needed."""
    variables = [*((v, False) for term in terms for v in term), *((v, True) for v in offsets)]
    for variable, number in variables:
        if any(name not in kinds for name in columns_of(variable)):
            raise FormulaError(f"'columns' lack one that {quoted(variable)} names")
        text = any(kinds[name] == "factor" for name in columns_of(variable))
        if text and (number or not is_categorical(variable, kinds)):
            raise FormulaError(f"{quoted(variable)} needs numbers")


def _factors(data: Any, terms: tuple[Term, ...], kinds: Mapping[str, Kind]) -> dict[Node, Factor]:
    factors: dict[Node, Factor] = {}
    for text, value in _mapping(data, "'factors'").items():
        what = f"the factor {quoted(text)}"
        saved = _mapping(value, what, ("levels", "reference"), _FACTOR_KEYS)
        levels = _levels(saved["levels"], f"the levels of {quoted(text)}")
        reference = _text(saved["reference"], "a reference")
        if len(levels) < 2 or reference not in levels:
            raise FormulaError(f"{what} has fewer than two levels, or a reference that is none")
        contrasts = _text(saved.get("contrasts", "treatment"), "contrasts")
        if contrasts not in CONTRASTS:
            raise FormulaError(
                f"the contrasts {quoted(contrasts)} of {quoted(text)} are none of {', '.join(CONTRASTS)}"
            )
        refuse_many(what, contrasts, len(levels))
        symmetric, shrunken = saved.get("symmetric", False), saved.get("shrunken", False)
        unknown = _text(saved["unknown"], "the level 'unknown'") if "unknown" in saved else None
        if not isinstance(symmetric, bool) or not isinstance(shrunken, bool):
            raise FormulaError(f"'symmetric' or 'shrunken' of {what} is neither true nor false")
        if (symmetric and contrasts != "treatment") or (shrunken and (unknown is not None or not symmetric)):
            raise FormulaError(f"{what} is coded in two ways that exclude each other")
        if unknown is not None and unknown not in levels:
            raise FormulaError(f"{what} has no level 'unknown' that it names")
        factors[_variable(text)] = Factor(levels, reference, contrasts, symmetric, unknown, shrunken)
    if {v for term in terms for v in term if is_categorical(v, kinds)} != set(factors):
        raise FormulaError("'factors' are not the categorical variables of the terms")
    return factors


def _bases(data: Any, variables: list[Node]) -> dict[Node, Basis]:
    wanted = {str(call): call for variable in variables for call in calls.learned_calls(variable)}
    saved = _mapping(data, "'bases'", tuple(wanted))
    return {call: basis_from_dict(call, saved[text]) for text, call in wanted.items()}


def _outcome(data: Any) -> Outcome:
    saved = _mapping(data, "'response'", ("kind", "columns", "second", "levels", "event"))
    kind: OutcomeKind = saved["kind"]
    columns = tuple(_text(name, "a column") for name in _list(saved["columns"], "the response's columns", 2))
    second, event = saved["second"], saved["event"]
    levels = _levels(saved["levels"], "the response's levels")
    if kind == "counts":
        right = second in ("trials", "failures") and len(set(columns)) == 2 and not levels and event == columns[0]
    elif kind == "fraction":
        right = second is None and len(columns) == 1 and not levels and event == columns[0]
    elif kind == "binary":
        right = second is None and len(columns) == 1 and len(levels) == 2 and event == levels[1]
    else:
        right = kind == "classes" and second is None and len(columns) == 1 and len(levels) > 2 and event is None
    if not right:
        raise FormulaError("'response' contradicts itself")
    return Outcome(kind, Response(columns, second), levels, event)


def _mapping(data: Any, what: str, keys: tuple[str, ...] | None = None, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """A mapping with all of `keys`, and nothing else but some of `more`; any names where keys is None."""
    if not isinstance(data, dict) or not all(isinstance(key, str) and len(key) <= _MAX_TEXT for key in data):
        raise FormulaError(f"{what} is no mapping of names")
    if keys is not None and set(data) - set(more) != set(keys):
        odd = sorted((set(data) - set(more)) ^ set(keys))[0]
        raise FormulaError(f"{what} {'lacks' if odd in keys else 'has an unknown'} key {quoted(odd)}")
    if len(data) > MAX_COLUMNS:
        raise FormulaError(f"{what} has more than {MAX_COLUMNS} entries")
    return data


def _list(data: Any, what: str, limit: int) -> list[Any]:
    if not isinstance(data, list) or len(data) > limit:
        raise FormulaError(f"{what} is no list of at most {limit} entries")
    return data


def _text(data: Any, what: str, limit: int = _MAX_TEXT) -> str:
    if not isinstance(data, str) or len(data) > limit:
        raise FormulaError(f"{what} is no text of at most {limit} characters")
    return data


def _levels(data: Any, what: str) -> tuple[str, ...]:
    levels = tuple(_text(level, what) for level in _list(data, what, MAX_COLUMNS + 1))
    if len(set(levels)) != len(levels):
        raise FormulaError(f"{what} are not all different")
    return levels
