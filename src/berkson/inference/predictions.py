"""Predictions for rows of any table, with standard errors and intervals of the parameters' uncertainty.

link, two classes       eta = z . theta + offset;  variance z' V z;  eta -+ q se
probability             P = 1 / (1 + e^-eta);  its interval is that of eta, transformed, so inside [0, 1]
link, K classes         log P(k) / P(reference), each as above
probability, K classes  variance of logit P(k) by the delta method; its interval transformed
standard errors         of the link as above; of a probability P (1 - P) times that of its logit (R's predict)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from berkson.formula import Reading, Schema
from berkson.formula.coding import Factor, codes_into
from berkson.formula.syntax import columns_of
from berkson.inference.covariance import Covariance
from berkson.inference.effects import Kind, response_names
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.predictor import CELLS, Predictor
from berkson.inference.quantities import covariance_of_theta, normal_quantile
from berkson.inference.response import link_contrasts, value_and_gradient
from berkson.kernels.reference import sigmoid, softmax_terms
from berkson.table import Column, Table, listing, number_text, quoted

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Policy = Literal["error", "missing", "baseline", "own level", "shrunken"]

POLICIES = get_args(Policy)
LENIENT = ("missing", "baseline")  # under which what a row lacks is no error

NOT_ESTIMABLE = (
    "the prediction is left out in {rows}, of a kind that the data do not tell apart: a column that is a combination "
    "of others is not one there"
)

IN_THE_LIMIT = (
    "the data are separated: in {rows} the probability is 0 or 1 in the limit, or can be either (no prediction), and "
    "has no standard error"
)


@dataclass(frozen=True)
class Predictions:
    """Of n rows, for the R responses in `names`: the event, each of K classes, or each class against the reference.

    value      (n, R), NaN where a value is missing or the prediction is not estimable; `notes` say in how many rows.
    std_error, lower, upper   (n, R) where a covariance was given.
    """

    kind: Kind
    names: tuple[str, ...]
    value: F64
    std_error: F64 | None
    lower: F64 | None
    upper: F64 | None
    notes: tuple[str, ...]

    def most_probable(self) -> npt.NDArray[np.int32]:
        """The class of each row (n,) as its place among the problem's classes, -1 where there is no prediction.

        Two classes: the event where its probability is 0.5 or more.
        """
        if self.kind != "probability":
            raise StatisticsError("the class of a row is that of the largest probability; ask for probabilities")
        known = np.asarray(~np.isnan(self.value).any(axis=1))
        found = np.full(len(known), -1, dtype=np.int32)
        p = self.value[known]
        found[known] = p[:, 0] >= 0.5 if p.shape[1] == 1 else p.argmax(axis=1)
        return found


def predictions(
    estimates: Estimates,
    schema: Schema,
    table: Table,
    *,
    kind: Kind = "probability",
    covariance: Covariance | None = None,
    level: float = 0.95,
    offset: str | F64 | None = None,
    policy: Policy = "error",
) -> Predictions:
    """The predictions for the rows of a table, by the names of its columns.

    covariance  of the parameters, for standard errors and intervals at `level`; None: neither.
    offset      the column, or the values (n,) or (n, K), to add to the linear predictor; needed where the fit had one
                that the formula does not state.
    policy      for a missing value, a level that the model has not seen, and an offset that is not there:
                "error"     StatisticsError that names the column and the first row
                "missing"   the row has no prediction (NaN)
                "baseline"  the level is read as the reference, the offset as 0; a missing value stays missing
                "own level", "shrunken"  of a fit with that policy, whose factors have a place for such rows; what is
                            no level of a factor is an error
    Where two classes are separated, rows that infinite estimates move have the probability that they tend to, 0 or 1,
    NaN where it can be either, without an error.  Whatever is done to rows is told in `notes`.  Raises ValueError for
    an absent column and an undefined value.
    """
    if kind not in ("probability", "link"):
        raise StatisticsError(f"there is no kind {kind!r}; choose one of probability, link")
    refuse_other_policies(policy)
    model = Predictor(estimates, schema, limits=True)
    used = table.with_columns({name: table[name] for name in schema.predictors})
    used, notes = readable(schema, used, policy)
    shift, about_offset = _offset(estimates, schema, table, offset, policy)
    variance = None if covariance is None else covariance_of_theta(estimates, covariance)
    with model.threads(table.n_rows):
        found, unknown, infinite = _predicted(model, kind, used, shift, variance, normal_quantile(level))
    if unknown:
        notes = [*notes, NOT_ESTIMABLE.format(rows=_rows(unknown))]
    if infinite:
        notes = [*notes, IN_THE_LIMIT.format(rows=_rows(infinite))]
    value, error, lower, upper = found if variance is not None else (found[0], None, None, None)
    return Predictions(kind, response_names(estimates, kind), value, error, lower, upper, (*notes, *about_offset))


def _predicted(
    model: Predictor, kind: Kind, table: Table, offset: F64 | None, variance: F64 | None, quantile: float
) -> tuple[F64, int, int]:
    """Values and, with a variance, standard errors, lower and upper ends (1 or 4, n, R), a run of rows at a time; how
    many rows are not estimable, and in how many infinite estimates decide."""
    estimates, n = model.estimates, table.n_rows
    R = len(response_names(estimates, kind))
    if variance is None and model.by_codes(n):
        return _predicted_by_codes(model, kind, table, offset, R)[None], 0, 0
    found = np.empty((1 if variance is None else 4, n, R))
    unknown = infinite = 0
    step = max(1, CELLS // max(len(model.schema.names) + 1, R * len(estimates.theta)))
    for start in range(0, n, step):
        place = slice(start, min(n, start + step))
        rows = model.rows(table.run(place))
        eta = model.linear_predictor(rows, None if offset is None else offset[place])
        unknown += int(np.count_nonzero(~rows.estimable & ~np.isnan(eta).any(axis=1)))
        eta[~rows.estimable] = np.nan
        limit = model.limit_of(rows)
        decided = (limit != 0.0) & ~np.isnan(eta).any(axis=1)
        infinite += int(np.count_nonzero(decided))
        eta[decided] = limit[decided, None]
        found[0, place] = value_and_gradient(kind, eta, estimates.reference)[0]
        if variance is not None:
            centre, link_error, slope = _link_errors(model, kind, eta, rows.Z, variance)
            found[1, place] = link_error * slope
            for end, sign in ((2, -1.0), (3, 1.0)):
                bound = centre + sign * quantile * link_error
                found[end, place] = sigmoid(bound) if kind == "probability" else bound
            found[1:, place][:, decided] = np.nan
    return found, unknown, infinite


def _predicted_by_codes(model: Predictor, kind: Kind, table: Table, offset: F64 | None, R: int) -> F64:
    """Values alone (n, R), where every row without missing values is estimable and none is infinite."""
    absent, _ = model.schema.missing(table, response=False)
    known, value = np.flatnonzero(~absent), np.full((table.n_rows, R), np.nan)
    eta = model.coded_predictor(table.take(known) if len(known) < table.n_rows else table)
    if offset is not None:
        eta += offset[known].reshape(len(eta), -1)
    step = max(1, CELLS // (R * model.logits))
    for start in range(0, len(known), step):
        run = slice(start, start + step)
        value[known[run]] = value_and_gradient(kind, eta[run], model.estimates.reference)[0]
    return value


def _link_errors(model: Predictor, kind: Kind, eta: F64, Z: F64, variance: F64) -> tuple[F64, F64, F64]:
    """(m, R) each: the link or the logit of the probability, its standard error, and by it the derivative of the
    response."""
    if kind == "link" or model.logits == 1:
        contrasts = link_contrasts(model.logits, model.estimates.reference)
        gradient = np.broadcast_to(contrasts, (len(eta), *contrasts.shape))
        centre = eta @ contrasts.T
    else:
        centre, gradient = _logits_of_probabilities(eta)
    slope = np.ones_like(centre) if kind == "link" else sigmoid(centre) * sigmoid(-centre)
    rows = model.to_theta(gradient[:, :, :, None] * Z[:, None, None, :]).reshape(-1, len(variance))
    squares = ((rows @ variance) * rows).sum(axis=1).reshape(centre.shape)
    return centre, np.sqrt(np.maximum(squares, 0.0)), slope


def _logits_of_probabilities(eta: F64) -> tuple[F64, F64]:
    """log P(k) / (1 - P(k)) = eta_k - log sum_{l != k} e^eta_l (m, K), and its derivatives by eta (m, K, K)."""
    K = eta.shape[1]
    centre, gradient = np.empty(eta.shape), np.empty((len(eta), K, K))
    for k in range(K):
        others = eta.copy()
        others[:, k] = -np.inf
        top = others.max(axis=1, keepdims=True)
        logarithm, mu, _ = softmax_terms(others)
        best = others.argmax(axis=1)[:, None]
        centre[:, k] = eta[:, k] - (top - np.take_along_axis(logarithm, best, axis=1))[:, 0]
        gradient[:, k] = -mu
        gradient[:, k, k] = 1.0
    return centre, gradient


# --- what new data lack ---------------------------------------------------------------------------------------------


def refuse_other_policies(policy: object) -> None:
    """StatisticsError for what is no policy."""
    if policy not in POLICIES:
        raise StatisticsError(f"policy={policy!r} is none of {listing(map(repr, POLICIES))}")


def reading_of(policy: Policy, *, symmetric: bool = False, by_reference: tuple[str, ...] = ()) -> Reading:
    """How a fit with a policy reads factors."""
    return Reading(symmetric, by_reference, policy if policy == "own level" or policy == "shrunken" else None)


def readable(schema: Schema, table: Table, policy: Policy) -> tuple[Table, list[str]]:
    """The table with levels that the model has not seen made missing, or the reference, and notes of what was done."""
    columns, notes = dict(table.columns), levels_in_place(schema, table)
    for name, column in table.columns.items():
        absent = column.missing()
        if name in schema.required and absent.any():
            if policy not in LENIENT:
                raise StatisticsError(_sentence(f"column {quoted(name)} has no value", absent, "fill it in"))
            notes.append(f"column {quoted(name)} has no value in {_count(absent)}: no prediction there")
    for variable, factor in schema.factors.items():
        (name,) = columns_of(variable)
        column = columns[name]
        if factor.absorbs:
            continue
        unseen = _unknown(schema, name, factor, column) & ~column.missing()
        if not unseen.any():
            continue
        known = f"the model knows {listing(factor.levels)}"
        first = quoted(_text(column, int(np.argmax(unseen))))
        if policy not in LENIENT:
            problem = f"column {quoted(name)} holds level {first}, which the model has not seen,"
            raise StatisticsError(_sentence(problem, unseen, known))
        done = "no prediction there" if policy == "missing" else f"read as the reference {quoted(factor.reference)}"
        notes.append(f"column {quoted(name)} holds levels not seen, such as {first}, in {_count(unseen)}: {done}")
        if policy == "baseline" and _is_number_elsewhere(schema, name):
            raise StatisticsError(
                f"column {quoted(name)} is a number in one term and a factor in another, so level {first} cannot be "
                "read as the reference; use policy='missing'"
            )
        columns[name] = _recoded(column, unseen, factor.reference if policy == "baseline" else None)
    return table.with_columns(columns), notes


def levels_in_place(schema: Schema, table: Table) -> list[str]:
    """Notes on rows without a level that the model knows, of factors that have a place for them."""
    notes = []
    for variable, factor in schema.factors.items():
        (name,) = columns_of(variable)
        if factor.absorbs and (unknown := _unknown(schema, name, factor, table[name])).any():
            done = "none" if factor.unknown is None else quoted(factor.unknown)
            notes.append(
                f"column {quoted(name)} has no level that the model knows in {_count(unknown)}: read as {done}"
            )
    return notes


def _unknown(schema: Schema, name: str, factor: Factor, column: Column) -> Flags:
    """The rows (n,) without a level that the model knows."""
    codes = codes_into(column, schema.kinds[name], factor.levels, lambda: np.zeros(len(column.values), dtype=bool))
    return np.asarray(codes < 0)


def _recoded(column: Column, rows: Flags, level: str | None) -> Column:
    """The column as a factor with a level, or no value, in these rows; as a number where that is no value."""
    if level is None and column.kind == "number":
        return Column(column.name, "number", np.where(rows, np.nan, column.values))
    factor = column.as_factor()
    levels = factor.levels if level is None or level in factor.levels else (*factor.levels, level)
    code = -1 if level is None else levels.index(level)
    return Column(column.name, "factor", np.where(rows, code, factor.values.astype(np.int32)), levels)


def _is_number_elsewhere(schema: Schema, name: str) -> bool:
    variables = [*(variable for term in schema.terms for variable in term), *schema.offsets]
    return any(name in columns_of(v) and v not in schema.factors for v in variables)


def _text(column: Column, row: int) -> str:
    if column.kind == "factor":
        return column.levels[int(column.values[row])]
    return number_text(column.values[row]) if column.kind == "number" else ("false", "true")[int(column.values[row])]


def _offset(
    estimates: Estimates, schema: Schema, table: Table, offset: str | F64 | None, policy: Policy
) -> tuple[F64 | None, list[str]]:
    """What to add to the linear predictor beside the formula's offset, and notes."""
    logits = 1 if estimates.problem.n_classes == 2 else estimates.problem.n_classes
    n = table.n_rows
    if isinstance(offset, str) and offset in table.columns:
        offset = table[offset].as_number().values.astype(np.float64)
    elif isinstance(offset, str) or (offset is None and estimates.problem.offset is not None and not schema.offsets):
        name = f"column {quoted(offset)} as its offset" if isinstance(offset, str) else "an offset"
        if policy not in LENIENT:
            raise StatisticsError(
                f"the fit had {name}, and {table.source} has none: without it every prediction would be "
                "wrong; give it, or choose policy='baseline' for an offset of 0"
            )
        if policy == "baseline":
            return None, [f"{table.source} has no offset: taken as 0 in every row"]
        return np.full((n, logits), np.nan), [f"{table.source} has no offset: no prediction in any row"]
    if offset is None:
        return None, []
    if len(offset) != n or offset.size not in (n, n * logits):
        raise StatisticsError(f"the offset has shape {offset.shape}, but the table has {n:,} rows; give one a row")
    absent = np.asarray(~np.isfinite(offset.reshape(n, -1)).all(axis=1))
    if not absent.any():
        return offset, []
    if policy not in LENIENT:
        raise StatisticsError(_sentence("the offset has no finite value", absent, "fill it in"))
    filled = np.where(absent if offset.ndim == 1 else absent[:, None], np.nan, offset)
    return filled, [f"the offset has no finite value in {_count(absent)}: no prediction there"]


def _sentence(problem: str, rows: Flags, remedy: str) -> str:
    count = int(np.count_nonzero(rows))
    more = f" and {_rows(count - 1)} more" if count > 1 else ""
    return (
        f"{problem} in row {int(np.argmax(rows)) + 1}{more}; {remedy}, leave out such rows, or choose policy='missing'"
    )


def _count(rows: Flags) -> str:
    return _rows(int(np.count_nonzero(rows)))


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count != 1 else ''}"
