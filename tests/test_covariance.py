"""Covariances against R's sandwich and clubSandwich (tests/r/covariance.R), and against what they are by definition."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from berkson.fit import fit
from berkson.inference import scores
from berkson.inference.clusters import Clusters, clusters_of
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.estimates import Estimates, StatisticsError, WeightKind
from berkson.model import Prepared, prepare
from berkson.problem import Problem
from berkson.read import read_table
from berkson.table import Column, Table

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "covariance.json").read_text())

LOW = "low ~ age + lwt + C(race) + smoke"
LIZARDS = "cbind(grahami, opalinus) ~ height + diameter + light + time"
KINDS = ("model", "HC0", "HC1", "HC2", "HC3")


def table_of(name: str, **columns: Any) -> Table:
    """A data set with further columns, functions of it."""
    table = read_table(HERE / "data" / f"{name}.csv")
    more = {column: Column(column, "number", make(table)) for column, make in columns.items()}
    return Table({**table.columns, **more}, table.n_rows, table.source)


def estimates_of(prepared: Prepared, weight_kind: WeightKind = "frequency") -> Estimates:
    result = fit(prepared.problem)
    assert result.certificate.certified
    return Estimates(result, 0, weight_kind, prepared.schema.response(prepared.complete)[1])


def birthwt() -> Table:
    return table_of(
        "birthwt",
        w=lambda t: 1.0 + t["ftv"].values,
        shift=lambda t: 0.01 * t["lwt"].values,
        twice=lambda t: 2.0 * t["age"].values,
    )


def case(name: str) -> Estimates:
    """The fits of tests/r/covariance.R, by the name of their results."""
    match name:
        case "birthwt":
            return estimates_of(prepare(LOW, birthwt()))
        case "without_intercept":
            return estimates_of(prepare("low ~ 0 + lwt + smoke", birthwt()))
        case "aliased":
            return estimates_of(prepare("low ~ age + twice + lwt", birthwt()))
        case "offset":
            return estimates_of(prepare("low ~ age + smoke", birthwt(), offset="shift"))
        case "precision":
            return estimates_of(prepare("low ~ age + lwt + C(race)", birthwt(), weights="w"), "precision")
        case "menarche":
            return estimates_of(prepare("Menarche / Total ~ Age", table_of("menarche")))
        case "lizards":
            return estimates_of(prepare(LIZARDS, table_of("lizards")))
        case "infert":
            return estimates_of(prepare("case ~ age + spontaneous + induced", table_of("infert")))
        case "frequency":
            high = {"high": lambda t: (t["Sat"].values == t["Sat"].levels.index("High")).astype(float)}
            return estimates_of(prepare("high ~ Infl + Type + Cont", table_of("housing", **high), weights="Freq"))
    raise KeyError(name)


def close(ours: Covariance, theirs: Any) -> None:
    """To 8 digits of the standard errors that a covariance belongs to."""
    known = ~np.isnan(ours.std_error)
    matrix, expected = ours.matrix[np.ix_(known, known)], np.asarray(theirs, np.float64)
    scale = np.sqrt(np.diag(expected))
    # R's optimum is good to about 1e-9 of a standard error, and so are fitted values; measured: 6e-10 and less
    np.testing.assert_allclose(matrix / scale[:, None] / scale, expected / scale[:, None] / scale, rtol=2e-9, atol=2e-9)


def clusters(table: Table, *names: str) -> list[Clusters]:
    return [clusters_of(table[name]) for name in names]


@pytest.mark.parametrize(
    "name",
    ["birthwt", "without_intercept", "aliased", "offset", "precision", "menarche", "lizards", "frequency"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_as_r(name: str, kind: str) -> None:
    """In "frequency" R saw the expanded table: each row as often as its frequency says."""
    close(covariance(case(name), kind), R[name][kind])


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2"])
@pytest.mark.parametrize(
    ("name", "data", "column"),
    [
        ("infert", "infert", "stratum"),
        ("infert", "infert", "education"),
        ("birthwt", "birthwt", "age"),
        ("precision", "birthwt", "age"),
        ("lizards", "lizards", "time"),
        ("frequency", "housing", "Type"),
    ],
)
def test_clusters_as_r(name: str, data: str, column: str, kind: str) -> None:
    found = covariance(case(name), kind, clusters(table_of(data), column))
    close(found, R[f"{name}_{column.lower()}"][kind])
    assert found.text == f"cluster-robust ({column}, {found.clusters[0][1]} clusters, {kind})"


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S"])
@pytest.mark.parametrize(("name", "key"), [("birthwt", "two_way"), ("precision", "two_way_weights")])
def test_two_ways_as_r(name: str, key: str, kind: str) -> None:
    close(covariance(case(name), kind, clusters(birthwt(), "age", "lwt")), R[key][kind])


def test_two_ways_that_are_not_positive_are_made_so() -> None:
    """R's covariance of these has negative variances; others are not positive only in some direction, and stay."""
    found = covariance(case("birthwt"), "CR1", clusters(birthwt(), "ftv", "ptl"))
    close(found, R["two_way_fixed"])
    assert any("negative eigenvalues" in note for note in found.notes)
    # 1e-12 of the largest is rounding
    assert np.linalg.eigvalsh(found.matrix).min() > -1e-12 * np.trace(found.matrix)
    left = covariance(case("birthwt"), "CR1", clusters(birthwt(), "age", "lwt"))
    assert np.linalg.eigvalsh(left.matrix).min() < 0
    assert any("not positive in every direction" in note for note in left.notes)


def test_sampling_weights() -> None:
    estimates = replace(case("precision"), weight_kind="sampling")
    found = covariance(estimates)
    assert found.kind == "robust"
    assert not found.of_the_likelihood
    close(found, R["sampling"])
    with pytest.raises(StatisticsError, match="use 'robust'"):
        covariance(estimates, "model")


def test_defaults() -> None:
    estimates = case("birthwt")
    assert covariance(estimates).kind == "model"
    assert covariance(estimates).of_the_likelihood
    assert covariance(estimates, cluster=clusters(birthwt(), "age")).kind == "CR1"


def expanded(problem: Problem, times: npt.NDArray[np.int64]) -> Problem:
    rows = np.repeat(np.arange(len(times)), times)
    offset = None if problem.offset is None else problem.offset[rows]
    return replace(problem, X=problem.X[rows], y=problem.y[rows], weight=None, offset=offset)


@pytest.mark.parametrize("kind", ["model", "HC0", "HC1", "robust", "CR0", "CR1", "CR1S"])
def test_frequencies_are_rows_for_three_classes(kind: str) -> None:
    table = table_of("housing")
    problem = prepare("Sat ~ Infl + Cont", table, weights="Freq").problem
    assert problem.weight is not None
    times = problem.weight.astype(np.int64)
    codes = clusters_of(table["Type"]).codes
    ways = [Clusters("Type", codes)] if kind.startswith("CR") else []
    long_ways = [Clusters("Type", np.repeat(codes, times))] if ways else []
    short = covariance(Estimates(fit(problem)), kind, ways)
    long = covariance(Estimates(fit(expanded(problem, times))), kind, long_ways)
    close(short, long.matrix)


def naive_sandwich(estimates: Estimates, codes: npt.NDArray[Any] | None = None) -> F64:
    """bread (sum s s') bread in named parameters, all rows at once: HC0, or CR0 with clusters."""
    (block,) = estimates.blocks()
    residual = estimates.residuals()
    scores = np.hstack([block.weight[:, None] * residual[:, [e]] * block.X for e in range(residual.shape[1])])
    if codes is not None:
        scores = np.array([scores[codes == code].sum(axis=0) for code in np.unique(codes)])
    eta = np.column_stack([np.zeros(len(residual)), block.X @ estimates.params.reshape(residual.shape[1], -1).T])
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    E, q = residual.shape[1], block.X.shape[1]
    information = np.zeros((E, q, E, q))
    for a in range(E):
        for b in range(E):
            curvature = block.weight * p[:, a + 1] * ((a == b) - p[:, b + 1])
            information[a, :, b] = block.X.T @ (curvature[:, None] * block.X)
    bread = np.linalg.inv(information.reshape(E * q, E * q))
    return np.asarray(bread @ scores.T @ scores @ bread)


@pytest.mark.parametrize("weight_kind", ["precision", "sampling"])
def test_three_classes_by_definition(weight_kind: WeightKind) -> None:
    table = table_of("womenlf", w=lambda t: 1.0 + t["hincome"].values % 3)
    prepared = prepare("partic ~ hincome + children", table, weights="w")
    estimates = Estimates(fit(prepared.problem), 0, weight_kind)
    n, k, found = len(prepared.problem.y), 6, naive_sandwich(estimates)
    close(covariance(estimates, "HC0"), found)
    close(covariance(estimates, "HC1"), found * n / (n - k))
    region = clusters_of(table["region"])
    grouped = naive_sandwich(estimates, region.codes)
    G = len(np.unique(region.codes))
    # five clusters span four directions at most, and R's scale is not theirs: compared by standard errors
    close(covariance(estimates, "CR1", region), grouped * G / (G - 1))


@pytest.mark.parametrize("sorted_rows", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("long", [1, 10_000])
def test_clusters_in_blocks_and_shares(
    monkeypatch: pytest.MonkeyPatch, sorted_rows: bool, n_classes: int, long: int
) -> None:
    """Clusters that go over blocks, rows in any order, rows without weight that are not finite, threads."""
    monkeypatch.setattr(scores, "LONG", long)
    monkeypatch.setattr(scores, "BATCH", 7)
    monkeypatch.setattr(scores, "BLOCK_CELLS", 400)
    monkeypatch.setattr(scores, "RUN_CELLS", 3000)
    monkeypatch.setattr(scores, "threads_for", lambda work: 2)
    rng = np.random.default_rng(3)
    n = 5000
    X, codes = rng.normal(size=(n, 3)) + 100.0, rng.geometric(0.02, size=n).astype(np.int32) * 70_000
    codes = np.sort(codes) if sorted_rows else codes
    y = rng.integers(0, n_classes, n).astype(np.uint8)
    weight = rng.integers(0, 4, n).astype(np.float64)
    if sorted_rows:
        weight = weight + 1.0  # as they come, without an index
    X[weight == 0, 1] = np.nan
    estimates = Estimates(fit(Problem(X, y, n_classes, weight=weight)), 0, "precision")
    seen = weight > 0
    same = Estimates(fit(Problem(X[seen], y[seen], n_classes, weight=weight[seen])), 0, "precision")
    found = covariance(estimates, "CR0", Clusters("id", codes))
    close(found, naive_sandwich(same, codes[seen]))
    close(covariance(estimates, "HC0"), naive_sandwich(same))
    assert found.clusters == (("id", len(np.unique(codes[seen]))),)


def test_order_by_counting() -> None:
    rng = np.random.default_rng(0)
    for top in (1, 70_000, 5_000_000_000):
        codes = rng.integers(0, top, 1000)
        assert np.array_equal(scores.stable_order(codes), np.argsort(codes, kind="stable"))


def test_units_of_columns_do_not_matter() -> None:
    """A column counted from 1.7e9 gives the same slopes' covariance to 8 digits."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 2))
    y = (rng.random(400) < 1 / (1 + np.exp(-x[:, 0]))).astype(np.uint8)
    far = np.round(x * 1024) * 4 + np.array([1.7e9, 0.0])  # exact in float64, as is the same without the origin
    ids = Clusters("id", rng.integers(0, 50, 400))
    for kind, ways in (("HC3", []), ("CR1", [ids]), ("CR2", [ids])):
        near = covariance(Estimates(fit(Problem(far - np.array([1.7e9, 0.0]), y))), kind, ways).matrix[1:, 1:]
        there = covariance(Estimates(fit(Problem(far, y))), kind, ways).matrix[1:, 1:]
        np.testing.assert_allclose(there, near, rtol=1e-8, atol=1e-8 * near.max())


def test_few_clusters_are_said() -> None:
    table = table_of("infert")
    few = covariance(case("infert"), "CR1", clusters(table, "education"))
    assert few.clusters == (("education", 3),)
    assert "only 3 clusters" in few.notes[0]
    assert "at most 2 of the 4 coefficients" in few.notes[0]
    assert covariance(case("infert"), "CR1", clusters(table, "stratum")).notes == ()


def test_refusals() -> None:
    estimates = case("birthwt")
    one = Clusters("all", np.zeros(189, np.int64))
    age = clusters_of(birthwt()["age"])
    for kind, ways, words in [
        ("HC9", [], "choose one of model, HC0"),
        ("HC1", [age], "knows no clusters"),
        ("CR1", [], "needs clusters"),
        ("CR1", [one], "all rows belong to one cluster"),
        ("CR2", [age, age], "use CR1 for two"),
        ("CR1", [age, age, age], "two ways, not 3"),
        ("CR1", [Clusters("short", np.zeros(3, np.int64))], "3 rows, but 189 were fitted"),
    ]:
        with pytest.raises(StatisticsError, match=words):
            covariance(estimates, kind, ways)
    women = estimates_of(prepare("partic ~ hincome", table_of("womenlf")))
    with pytest.raises(StatisticsError, match="use HC1"):
        covariance(women, "HC3")
    lonely = np.zeros((50, 2))
    lonely[:, 0], lonely[7, 1] = np.arange(50), 1.0
    soft = np.full(50, 0.4)
    soft[:20] = 0.3
    with pytest.raises(StatisticsError, match="row 8 has leverage 1"):
        covariance(Estimates(fit(Problem(lonely, soft))), "HC3")
    with pytest.raises(StatisticsError, match="without a penalty"):
        covariance(Estimates(fit(replace(estimates.problem, strength=1.0))), "HC1")


def test_clusters_of_any_column() -> None:
    text = Column("g", "factor", np.array([1, 0, 1]), ("a", "b"))
    assert clusters_of(text).codes.tolist() == [1, 0, 1]
    numbers = clusters_of(Column("id", "number", np.array([2.5, 1e9, 2.5])))
    assert numbers.codes.tolist() == [0, 1, 0]
    with pytest.raises(StatisticsError, match=r"lacks a value in 1 of 3 rows \(the first is row 2\)"):
        clusters_of(Column("id", "number", np.array([1.0, np.nan, 2.0])))


def test_cr2_refuses_what_it_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("berkson.inference.covariance.LARGEST_CLUSTER", 20)
    with pytest.raises(StatisticsError, match="use CR1"):
        covariance(case("infert"), "CR2", clusters(table_of("infert"), "education"))
