"""Separation: whether maximum likelihood has no finite optimum, and which coefficients are infinite, which way."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from berkson.margins import F64, Flags, Indices, Labelled, label
from berkson.problem import Problem
from berkson.recession import (
    ROUNDED,
    ROUNDS,
    TOO_LARGE,
    TOO_LONG,
    UndecidedError,
    WorkingSet,
    Worst,
    extreme,
    free_directions,
    widest,
)

ZERO = 1e-9  # relative: a coefficient below it is rounding
SIGN_PROGRAMMES = 24  # coefficients up to which their sign over the whole cone is sought, a linear programme each
SIGN_CELLS = 300_000  # of the working set beyond which they are not
SPARSE_CELLS = 100_000  # of the programme for a direction with few columns; beyond it none is sought
REWEIGHTED = 3  # programmes for it
NAMED = 3  # coefficients that a sentence names
DIGITS = (1, 2, 3, 4, 6, 9)  # digits tried for a direction that a sentence spells out


@dataclass(frozen=True, slots=True)
class Infinite:
    """A coefficient without a finite estimate: its column (p: the constant), class (None for two), sign.

    sign is +1 or -1 where every direction of recession moves the coefficient that way, 0 where either way is possible
    (or, where there are more than 24 of them or the programmes are large, was not looked into).
    """

    column: int
    class_index: int | None
    sign: int


@dataclass(frozen=True, slots=True)
class Separation:
    """The likelihood rises for ever along `direction`: no finite maximum exists.

    kind             'complete': every row's own class gets probability 1 in the limit; else 'quasi-complete'
    infinite         quasi-complete: every coefficient that some direction of recession moves, those of `direction`
                     first.  Complete: no coefficient has an estimate; listed are those of `direction`.
                     For K classes a coefficient stands for its difference to the classes of `reference`.
    separated_rows   rows of positive weight whose own class gets probability 1 in the limit
    overlapping_rows the other rows of positive weight: the finite estimates are those of these rows alone
    direction        (p + 1,) or, for K classes, (p + 1, K): a direction of recession on the caller's columns, the
                     constant last; no row's loss grows along it.  It has few columns where several directions exist.
    reference        classes whose coefficients stay finite among themselves, the largest such group; () for two classes
    exhaustive       False: the search was cut short, so there may be more infinite coefficients and separated rows
    """

    kind: str
    infinite: tuple[Infinite, ...]
    separated_rows: int
    overlapping_rows: int
    direction: F64
    reference: tuple[int, ...] = ()
    exhaustive: bool = True

    def sentence(self, problem: Problem) -> str:
        """The verdict by the names of columns and classes, and the way out."""
        says = _complete(self, problem) if self.kind == "complete" else _quasi_complete(self, problem)
        return f"{says}; use {problem.wording.penalty}, or drop or merge columns"


def find_separation(problem: Problem, kept: npt.NDArray[np.intp] | None) -> Separation | None:
    """Whether the unpenalised likelihood of the problem has no finite maximum; None where no such thing was found.

    kept : positions among (columns, constant) of the coefficients that are estimated, of full rank; None: all.

    Rows of zero weight do not count, offsets do not matter.  A separation that is returned has been checked by the sign
    of every row's margin, to 1e-12 of the lengths of row and direction in uncorrelated columns (more where columns are
    far from zero or nearly collinear) and, at a tie, to 1e-9 of the terms that add up to it.  Costs a few linear
    programmes on a part of the rows and a few readings of X, which is not copied.

    Raises UndecidedError, with the reason, where the programmes are too large, take longer than 30 s in all, or where
    rounding hides the answer.
    """
    labelled = label(problem, kept)
    work, total, left = widest(labelled)
    if not total.any():
        return None
    basis = few = total[None, :] / np.linalg.norm(total)
    held: tuple[Indices, Indices] | None = None
    if work is not None:
        try:
            free, *pairs = free_directions(work, left)
            held = (pairs[0], pairs[1])
            if len(free):  # else what is left is zero to rounding only: of the directions, `total` is the one sure
                basis = free
        except UndecidedError:
            work = None
    total, basis = labelled.standardise(total), labelled.standardise(basis)
    if not labelled.holds(total):
        raise UndecidedError(ROUNDED)
    few = total
    if work is not None and held is not None and len(basis) > 1:
        with suppress(UndecidedError):  # too large a programme: named by the direction that is there
            found = _in_few_columns(work, left, *held)
            few = found if labelled.holds(found) else total
    return _verdict(problem, labelled, work, total, few, basis, left)


def _verdict(
    problem: Problem, labelled: Labelled, work: WorkingSet | None, total: F64, few: F64, basis: F64, left: Flags
) -> Separation:
    overlap: Flags = np.asarray(left.any(axis=1))
    if labelled.tied is not None:
        overlap = overlap | np.asarray(labelled.tied.any(axis=1))
    if labelled.used is not None:
        overlap = overlap & labelled.used
    n_used = len(labelled.own) if labelled.used is None else int(labelled.used.sum())
    complete = not overlap.any()
    reference = _reference(basis, labelled)
    infinite = _infinite(labelled, work, total, few, basis, reference, complete)
    direction = _on_columns(few, labelled, reference)
    if complete:
        direction = _rounded(direction, labelled)
    overlapping = int(overlap.sum())
    kind = "complete" if complete else "quasi-complete"
    group = () if problem.n_classes == 2 else reference
    return Separation(kind, infinite, n_used - overlapping, overlapping, direction, group, complete or work is not None)


# --- a direction with few columns -----------------------------------------------------------------------------------


def _in_few_columns(work: WorkingSet, left: Flags, index: Indices, against: Indices) -> F64:
    """A direction on few standardised columns that gives margin 0 to the pairs given, which stand for all that are
    left, and at least 1 to every other: of least absolute sum over columns and classes, reweighted so that small
    coefficients cost most (Candes, Wakin and Boyd, J. Fourier Anal. Appl. 14, 2008)."""
    labelled = work.labelled
    first = np.where(labelled.kept == len(labelled.center), 0.01, 1.0)  # the constant is hardly a column
    first = cost = np.tile(first, 1 if labelled.n_classes == 2 else labelled.n_classes)
    held = _independent(_per_class(labelled.constraints(index, against), labelled))
    for _ in range(REWEIGHTED):
        each = _cheapest(work, left, held, cost)
        cost = first / (np.abs(each) / np.abs(each).max() + 1e-3)
    return _contrasts(each, labelled)


def _cheapest(work: WorkingSet, left: Flags, held: F64, cost: F64) -> F64:
    """argmin cost'|D| over directions with margin 0 in `held` and at least 1 in every pair that is not left."""
    from scipy.optimize import linprog  # type: ignore[import-untyped]

    labelled = work.labelled
    ask = labelled.pairs() & ~left
    for _ in range(ROUNDS):
        inside = ask[work.index, work.against]
        rows = _per_class(labelled.constraints(work.index[inside], work.against[inside]), labelled)
        if 2 * rows.size > SPARSE_CELLS:
            raise UndecidedError(TOO_LARGE)
        answer = linprog(
            np.tile(cost, 2),
            A_ub=np.hstack([-rows, rows]),
            b_ub=-np.ones(len(rows)),
            A_eq=np.hstack([held, -held]) if len(held) else None,
            b_eq=np.zeros(len(held)) if len(held) else None,
            method="highs-ds",
            options={"time_limit": work.seconds_left()},
        )
        if answer.status != 0:
            raise UndecidedError(TOO_LONG if answer.status == 1 else ROUNDED)
        each = np.asarray(answer.x[: len(cost)] - answer.x[len(cost) :], dtype=np.float64)
        worst = Worst(max(100, 3 * labelled.unknowns), 1e-6)
        for part, margins in labelled.margins(_contrasts(each, labelled)[None, :]):
            short = margins[:, 0, :] * labelled.length[part, None] - 1.0
            worst.look(part.start, np.where(ask[part], short, 0.0))
        if len(worst.index) == 0:
            return each
        if not work.add(worst.index, worst.against):
            raise UndecidedError(ROUNDED)
    raise UndecidedError(ROUNDED)


def _contrasts(each: F64, labelled: Labelled) -> F64:
    """(D_1 - D_0, ...) of a direction (D_0, D_1, ...); of two classes it is the difference already."""
    if labelled.n_classes == 2:
        return each
    return (each.reshape(labelled.n_classes, -1) - each[: labelled.columns])[1:].ravel()


def _per_class(rows: F64, labelled: Labelled) -> F64:
    """Functions of (D_1 - D_0, ...) as functions of (D_0, D_1, ...); of two classes only of the difference."""
    if labelled.n_classes == 2:
        return rows
    each = rows.reshape(len(rows), labelled.n_classes - 1, labelled.columns)
    each = np.concatenate([-each.sum(axis=1, keepdims=True), each], axis=1)
    return each.reshape(len(rows), labelled.n_classes * labelled.columns)


def _independent(rows: F64) -> F64:
    """Orthonormal rows of the same span."""
    if len(rows) == 0:
        return rows
    _, values, vectors = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=False)
    return np.asarray(vectors[values > ZERO * values[0]], dtype=np.float64)


# --- which coefficients, and which way ------------------------------------------------------------------------------


def _reference(basis: F64, labelled: Labelled) -> tuple[int, ...]:
    """The largest group of classes that every direction of recession moves together."""
    K, q = labelled.n_classes, labelled.columns
    moves = np.zeros((K, len(basis), q))
    moves[1:] = basis.reshape(len(basis), K - 1, q).transpose(1, 0, 2)
    groups: list[list[int]] = []
    for k in range(K):
        for group in groups:
            if np.abs(moves[k] - moves[group[0]]).max(initial=0.0) <= 1e-7 * np.abs(moves).max(initial=0.0):
                group.append(k)
                break
        else:
            groups.append([k])
    largest = max(len(group) for group in groups)
    return tuple(next(group for group in groups if len(group) == largest))


def _functionals(labelled: Labelled, reference: tuple[int, ...]) -> tuple[list[tuple[int, int]], F64]:
    """(place in kept, class) and, as functions (m, unknowns) of a direction, the caller's coefficients relative to the
    reference classes, in units of the standardised columns."""
    K, q, p = labelled.n_classes, labelled.columns, len(labelled.center)
    on_columns = np.eye(q)
    constant = labelled.kept == p
    if constant.any():
        shift = np.append(labelled.center, 0.0)[labelled.kept] / labelled.scale
        row = np.where(constant, 1.0, -shift)
        on_columns[constant] = row / np.linalg.norm(row)
    classes = [k for k in range(K) if k not in reference]
    places = [(j, k) for k in classes for j in range(q)]
    functions = np.zeros((len(places), K, q))
    for i, (j, k) in enumerate(places):
        functions[i, k] += on_columns[j]
        functions[i, reference[0]] -= on_columns[j]
    return places, functions[:, 1:].reshape(len(places), -1)


def _infinite(
    labelled: Labelled,
    work: WorkingSet | None,
    total: F64,
    few: F64,
    basis: F64,
    reference: tuple[int, ...],
    complete: bool,
) -> tuple[Infinite, ...]:
    """The infinite coefficients, those of the direction in few columns first, by size, the constants after."""
    places, functions = _functionals(labelled, reference)
    size = functions @ few
    moved = np.abs(size) > ZERO * np.abs(size).max()
    free = np.abs(functions @ basis.T).max(axis=1, initial=0.0) > ZERO
    chosen = np.flatnonzero(moved if complete else free)
    constant = np.array([labelled.kept[j] == len(labelled.center) for j, _ in places])
    chosen = chosen[np.lexsort((-np.abs(size[chosen]), constant[chosen], ~moved[chosen]))]
    signs = [0] * len(chosen)
    if work is None:
        pass  # other directions may be there
    elif len(basis) == 1:
        signs = [int(np.sign(s)) for s in functions[chosen] @ total]
    elif len(chosen) <= SIGN_PROGRAMMES and len(work) * labelled.unknowns <= SIGN_CELLS:
        signs = [_sign(work, total, f) for f in functions[chosen]]
    two = labelled.n_classes == 2
    return tuple(
        Infinite(int(labelled.kept[places[i][0]]), None if two else places[i][1], sign)
        for i, sign in zip(chosen, signs, strict=True)
    )


def _sign(work: WorkingSet, total: F64, function: F64) -> int:
    """The sign of a coefficient all over the cone: that of `total`, which lies inside, if the other is not found."""
    here = float(function @ total)
    if abs(here) <= ZERO * float(np.abs(function) @ np.abs(total)):
        return 0
    sign = 1 if here > 0 else -1
    try:
        return sign if extreme(work, -sign * work.labelled.uncorrelate(function)) is None else 0
    except UndecidedError:
        return 0


# --- the direction on the caller's columns --------------------------------------------------------------------------


def _on_columns(d: F64, labelled: Labelled, reference: tuple[int, ...]) -> F64:
    """(p + 1,) or (p + 1, K) coefficients of a direction, the largest standardised one 1."""
    p, K = len(labelled.center), labelled.n_classes
    each = np.zeros((K, labelled.columns))
    each[1:] = d.reshape(K - 1, -1)
    if K > 2:
        each = each - each[list(reference)].mean(axis=0)
    each = np.where(np.abs(each) > ZERO * np.abs(each).max(), each, 0.0)
    coef = np.zeros((p + 1, K))
    coef[labelled.kept] = (each / (np.abs(each).max() * labelled.scale)).T
    coef[p] -= labelled.center @ coef[:p]
    return coef[:, 1] if K == 2 else coef


def _rounded(direction: F64, labelled: Labelled) -> F64:
    """A direction of two classes scaled to a first coefficient of 1, with as few digits as still separate every row."""
    if direction.ndim > 1 or np.count_nonzero(direction[:-1]) > NAMED:
        return direction
    first = direction[np.flatnonzero(direction)[0]]
    for digits in DIGITS:
        short = np.array([float(f"{a:.{digits}g}") for a in direction / abs(first)])
        if _separates(short, labelled):
            return short
    return direction


def _separates(direction: F64, labelled: Labelled) -> bool:
    p = len(labelled.center)
    standardised = np.append(direction[:p], direction[p] + labelled.center @ direction[:p])[labelled.kept]
    for part, margins in labelled.margins((standardised * labelled.scale)[None, :]):
        of_other = margins[np.arange(len(margins)), 0, 1 - labelled.own[part]]
        if labelled.used is not None:
            of_other = of_other[labelled.used[part]]
        if of_other.min(initial=np.inf) <= 0:
            return False
    return True


# --- sentences ------------------------------------------------------------------------------------------------------


def _complete(found: Separation, problem: Problem) -> str:
    columns = [a.column for a in found.infinite]
    p = problem.X.shape[1]
    names = list(dict.fromkeys(repr(problem.column(j)) for j in columns if j < p))
    if found.direction.ndim == 1 and len(names) <= NAMED:
        how = f"the sign of {_expression(found.direction, problem)} tells class {_class(problem, 1)} from "
        how += f"{_class(problem, 0)} in every row"
    else:
        how = f"a combination of {_listed(names)} tells the classes apart in every row"
    return f"complete separation: {how}, so no finite maximum-likelihood estimate exists"


def _listed(words: list[str]) -> str:
    """'a', 'b' and 27 more."""
    if len(words) > NAMED:
        words = [*words[:NAMED], f"{len(words) - NAMED:,} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _quasi_complete(found: Separation, problem: Problem) -> str:
    infinite, among = found.infinite, ""
    classes = {a.class_index for a in infinite}
    if len(classes) == 1 and infinite[0].class_index is not None:
        among = f"class {_class(problem, infinite[0].class_index)}: "
    named = _listed([_coefficient(a, problem, with_class=len(classes) > 1) for a in infinite])
    what = f"the coefficient of {named} is" if len(infinite) == 1 else f"the coefficients of {named} are"
    perfect = f"{_rows(found.separated_rows)} predicted perfectly"
    if found.separated_rows == 0:
        perfect = "some classes are ruled out in some rows"
    rest = f"the rest is estimable on the {_rows(found.overlapping_rows, ' overlapping')}"
    if not found.exhaustive:
        perfect, rest = f"at least {perfect}", "and there may be more: the problem is too large to look for all"
    return f"quasi-complete separation: {among}{what} infinite ({perfect}), {rest}"


def _rows(count: int, adjective: str = "") -> str:
    return f"{count:,}{adjective} row{'' if count == 1 else 's'}"


def _class(problem: Problem, k: int) -> str:
    return repr(problem.class_name(k))


def _coefficient(infinite: Infinite, problem: Problem, with_class: bool) -> str:
    notes = [{1: "+", -1: "-", 0: ""}[infinite.sign]]
    if with_class and infinite.class_index is not None:
        notes.append(f"class {_class(problem, infinite.class_index)}")
    inside = ", ".join(filter(None, notes))
    return repr(problem.column(infinite.column)) + (f" ({inside})" if inside else "")


def _expression(direction: F64, problem: Problem) -> str:
    """A direction in words: 'x1' - 0.5 'x2' + 3."""
    p, text = problem.X.shape[1], ""
    for j in np.flatnonzero(direction):
        number = f"{abs(direction[j]):.12g}"
        name = "" if j == p else repr(problem.column(int(j)))
        sign = " - " if direction[j] < 0 else " + "
        text += sign + (name if number == "1" and name else f"{number} {name}".rstrip())
    return "-" + text[3:] if text.startswith(" - ") else text[3:]
