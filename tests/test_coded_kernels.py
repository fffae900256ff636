"""Kernels for numbers and factors side by side: the compiled twin against the reference, that against dense ones."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from berkson.kernels import coded_reference, reference
from berkson.kernels.coded_reference import Blocks, Tables

try:
    from berkson.kernels import coded_compiled
except ImportError:
    coded_compiled = None  # type: ignore[assignment]

needs_native = pytest.mark.skipif(coded_compiled is None, reason="the compiled kernels were not built")
BACKENDS = [pytest.param(coded_reference, id="reference")]
if coded_compiled is not None:
    BACKENDS.append(pytest.param(coded_compiled, id="native"))


def blocks(
    rng: np.random.Generator, n: int, p: int, levels: tuple[int, ...], kinds: str = "BHi", numbers: str = "f8"
) -> Blocks:
    codes = tuple(rng.integers(0, size, n).astype(kinds[f % len(kinds)]) for f, size in enumerate(levels))
    return Blocks((3.0 * rng.normal(size=(n, p))).astype(numbers), codes, levels)


def indicators(X: Blocks) -> Any:
    """[numbers, 1, indicators] as one dense array."""
    dummies = [codes[:, None] == np.arange(size) for codes, size in zip(X.codes, X.levels, strict=True)]
    return np.column_stack([X.numbers, np.ones(X.n), *dummies]).astype(np.float64)


def questions(
    rng: np.random.Generator, n: int, slots: int, F: int, M: int, full: bool
) -> list[tuple[str, tuple[Any, ...]]]:
    """Every kernel's further arguments: with weights (some 0), offsets and soft labels where `full`."""
    coef, direction, root = rng.normal(size=(slots, M)), rng.normal(size=(slots, M)), rng.normal(size=(slots, slots))
    weight = rng.random(n) * (rng.random(n) < 0.7) if full else None
    weights = rng.random((n, M)) * (rng.random((n, M)) < 0.7) if full else None
    offset, offsets = (rng.normal(size=n), rng.normal(size=(n, M))) if full else (None, None)
    y = rng.random(n) if full else (rng.random(n) < 0.4).astype(np.uint8)
    labels = rng.dirichlet(np.ones(M), size=n) if full else rng.integers(0, M, n).astype(np.int32)
    every, some = (True,) * F, tuple(f % 2 == 0 for f in range(F))
    several = [
        *(("multinomial", (coef, labels, weight, offsets, order)) for order in (0, 1)),
        ("multinomial_curvature", (coef, direction, weight, offsets)),
    ]
    return [
        ("linear_predictor", (coef, offsets)),
        *(("logistic", (coef, y, weights, offsets, order)) for order in (0, 1)),
        *(("logistic_tables", (coef[:, 0].copy(), y, weight, offset, which)) for which in (every, some)),
        *(several if M > 1 else []),
        ("logistic_curvature", (coef[:, 0], direction[:, 0], weight, offset)),
        *(("tables", (weight, which)) for which in (every, some)),
        ("quadratic_form", (root @ root.T,)),
    ]


def flat(answer: Any) -> list[Any]:
    if isinstance(answer, Tables):
        return [answer.numbers, *answer.beside, *answer.pairs.values()]
    if isinstance(answer, tuple):
        return [x for each in answer for x in flat(each)]
    return [answer]


def check_same(name: str, got: Any, wanted: Any) -> None:
    for a, b in zip(flat(got), flat(wanted), strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            # Sums of up to some hundred terms of either sign, added in another order: relative to the largest entry
            scale = np.max(np.abs(b), initial=0.0)
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


@needs_native
@pytest.mark.parametrize("numbers", ["f8", "f4", "?", "i2"])
@pytest.mark.parametrize("kinds", ["BHi", "bhq", "IQL"])
def test_native_is_reference_for_every_type(numbers: str, kinds: str) -> None:
    rng = np.random.default_rng(1)
    shapes = [(1, 1, (2,)), (83, 5, (40, 3, 7)), (300, 0, (4, 90)), (60, 17, (5, 1, 3, 2)), (50, 3, ())]
    for (n, p, levels), M, full, picked in product(shapes, (1, 2, 9), (False, True), (False, True)):
        X = blocks(rng, n, p, levels, kinds, numbers)
        rows = rng.integers(-n, n, size=61) if picked else None
        m, center = n if rows is None else 61, rng.normal(size=p)
        for name, rest in questions(rng, m, X.slots, len(levels), M, full):
            wanted = getattr(coded_reference, name)(X, rows, center, *rest)
            check_same(name, getattr(coded_compiled, name)(X, rows, center, *rest), wanted)


@needs_native
def test_native_reads_any_layout() -> None:
    rng = np.random.default_rng(2)
    wide = blocks(rng, 200, 12, (30, 6))
    X = Blocks(wide.numbers[::2, ::3], tuple(codes[::2] for codes in wide.codes), wide.levels)
    copied = Blocks(np.asfortranarray(X.numbers), tuple(codes.copy() for codes in X.codes), X.levels)
    for name, rest in questions(rng, 100, X.slots, 2, 3, True):
        wanted = getattr(coded_reference, name)(X, None, np.zeros(4), *rest)
        for each in (X, copied):
            check_same(name, getattr(coded_compiled, name)(each, None, np.zeros(4), *rest), wanted)


@needs_native
def test_answers_are_the_same_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(3)
    X = blocks(rng, 20_000, 3, (50, 20))
    for name, rest in questions(rng, 20_000, X.slots, 2, 3, True):
        first = flat(getattr(coded_compiled, name)(X, None, np.ones(3), *rest, threads=1))
        for threads in (2, 3, 5):
            again = flat(getattr(coded_compiled, name)(X, None, np.ones(3), *rest, threads=threads))
            assert all(a is b or np.array_equal(a, b) for a, b in zip(first, again, strict=True)), (name, threads)


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("full", [False, True])
def test_answers_are_those_of_indicators(kernel: Any, full: bool) -> None:
    rng = np.random.default_rng(4)
    X = blocks(rng, 120, 4, (9, 3, 5))
    dense, center = indicators(X), rng.normal(size=4)
    dense[:, :4] -= center
    dense = np.delete(dense, 4, axis=1)  # the reference adds its own constant, last
    order = np.append(np.delete(np.arange(X.slots), 4), 4)  # slots in the order of the dense columns
    none, p = np.zeros(dense.shape[1]), X.slots - 1
    coef, direction, root = rng.normal(size=(p + 1, 3)), rng.normal(size=(p + 1, 3)), rng.normal(size=(p + 1, p + 1))
    back = np.empty_like(order)
    back[order] = np.arange(p + 1)
    weight, offset, offsets = (
        (rng.random(120), rng.normal(size=120), rng.normal(size=(120, 3))) if full else (None,) * 3
    )
    y, codes = rng.integers(0, 2, 120).astype(np.uint8), rng.integers(0, 3, 120).astype(np.uint8)
    one, along, metric = coef[:, 0].copy(), direction[:, 0].copy(), root @ root.T
    at, to = (X, None, center), (dense, None, none)

    def same(name: str, got: Any, wanted: Any) -> None:
        check_same(name, got, wanted)

    same("eta", kernel.linear_predictor(*at, coef[back], offsets), reference.linear_predictor(*to, coef, offsets))
    value, margin, gradient = kernel.logistic(*at, coef[back], y, weight, offsets, 1)
    same("many", (value, margin, gradient[order]), reference.logistic_many(*to, coef, y, weight, offsets))
    value, margin, gradient = kernel.multinomial(*at, coef[back], codes, weight, offsets, 1)
    same("softmax", (value, margin, gradient[order]), reference.multinomial(*to, coef, codes, weight, offsets, 1)[:3])
    got = kernel.logistic_curvature(*at, one[back], along[back], weight, offset)
    same("product", got[order], reference.logistic_curvature(*to, one, along, weight, offset))
    got = kernel.multinomial_curvature(*at, coef[back], direction[back], weight, offsets)
    same("products", got[order], reference.multinomial_curvature(*to, coef, direction, weight, offsets))
    same("forms", kernel.quadratic_form(*at, metric[np.ix_(back, back)]), reference.quadratic_form(*to, metric))
    full_hessian = reference.logistic(*to, one, y, weight, offset, 2)
    value, margin, gradient, tables = kernel.logistic_tables(*at, one[back], y, weight, offset, (True, True, True))
    same("gradient", (value, margin, gradient[order]), full_hessian[:3])
    check_tables(X, tables, full_hessian[3][np.ix_(back, back)])  # type: ignore[index]
    gram = reference.gram(*to, weight)[np.ix_(back, back)]
    check_tables(X, kernel.tables(*at, weight, (True, True, True)), gram)
    check_tables(X, kernel.tables(*at, weight, (True, False, True)), gram)


def check_tables(X: Blocks, tables: Tables, gram: Any) -> None:
    """Every table against its place in the Gram matrix of slots."""
    q = X.numbers.shape[1] + 1
    places = [slice(first, first + size) for first, size in zip(X.firsts, X.levels, strict=True)]
    check_same("numbers", tables.numbers, gram[:q, :q])
    for f, place in enumerate(places):
        check_same("diagonal", tables.diagonal(f), gram[place, place].diagonal())
        if tables.beside[f].ndim == 2:
            check_same("beside", tables.beside[f], gram[place, :q])
    for (f, g), table in tables.pairs.items():
        check_same("pair", table, gram[places[f], places[g]])


@pytest.mark.parametrize("kernel", BACKENDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_of_weight_zero_contribute_nothing(kernel: Any, bad: float) -> None:
    rng = np.random.default_rng(5)
    X, weight = blocks(rng, 40, 2, (4, 3)), rng.random(40)
    weight[[0, 7, 39]] = 0.0
    spoiled = X.numbers.copy()
    spoiled[weight == 0.0] = bad
    y, codes, coef = (
        rng.integers(0, 2, 40).astype(np.uint8),
        rng.integers(0, 3, 40).astype(np.uint8),
        rng.normal(size=(10, 3)),
    )
    asked = {
        "logistic": (coef, y, weight, None, 1),
        "logistic_tables": (coef[:, 0].copy(), y, weight, None, (True, True)),
        "multinomial": (coef, codes, weight, None, 1),
        "logistic_curvature": (coef[:, 0], coef[:, 1], weight, None),
        "multinomial_curvature": (coef, coef[::-1].copy(), weight, None),
        "tables": (weight, (True, True)),
    }
    for name, rest in asked.items():
        wanted = getattr(kernel, name)(X, None, np.zeros(2), *rest)
        check_same(name, getattr(kernel, name)(X._replace(numbers=spoiled), None, np.zeros(2), *rest), wanted)
