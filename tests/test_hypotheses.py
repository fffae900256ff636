"""Tests of hypotheses and terms against R (tests/r/hypotheses.R), refits, and what they are by definition."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from berkson.fit import fit
from berkson.inference import restricted
from berkson.inference.bias_reduction import reduce_bias
from berkson.inference.clusters import clusters_of
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.estimates import Estimates, StatisticsError, WeightKind
from berkson.inference.hypotheses import (
    HypothesisTest,
    likelihood_ratio_test,
    linear_hypothesis,
    score_test,
    wald_test,
)
from berkson.inference.hypothesis_text import parse_hypothesis
from berkson.inference.nested import compare
from berkson.inference.terms import TableType, TermTests, term_tests
from berkson.model import Prepared, prepare
from berkson.problem import Problem
from berkson.read import read_table
from berkson.rows.memory import InMemory
from berkson.table import Column, Table

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R: dict[str, Any] = json.loads((HERE / "r" / "hypotheses.json").read_text())
LOW = "low ~ age + lwt + C(race) + smoke"
RTOL = 1e-9  # R's optimum is good to about 1e-9 of a standard error; measured: 1e-10 and less


def table_of(name: str, **columns: Any) -> Table:
    """A data set with further columns, functions of it."""
    table = read_table(HERE / "data" / f"{name}.csv")
    more = {column: Column(column, "number", make(table)) for column, make in columns.items()}
    return Table({**table.columns, **more}, table.n_rows, table.source)


def birthwt() -> Table:
    return table_of("birthwt", w=lambda t: 1.0 + t["ftv"].values, twice=lambda t: 3.0 - 2.0 * t["age"].values)


def estimates_of(prepared: Prepared, weight_kind: WeightKind = "frequency") -> Estimates:
    return Estimates(fit(prepared.problem), 0, weight_kind, prepared.schema.response(prepared.complete)[1])


def low() -> Estimates:
    return estimates_of(prepare(LOW, birthwt()))


TERMS = {"age": [0], "lwt": [1], "C(race)": [2, 3], "smoke": [4]}


def agrees(test: HypothesisTest, expected: Any, rtol: float = RTOL) -> None:
    assert test.df == expected["df"]
    assert test.statistic == pytest.approx(expected["statistic"], rel=rtol)
    assert test.p_value == pytest.approx(expected["p"], rel=rtol * (1.0 + test.statistic))


# --- linear hypotheses -----------------------------------------------------------------------------------------------

RATIO, BOTH, JOINT = "age = 2*lwt", "C(race)[2] = C(race)[3] = 0", ["age = 0", "smoke = 1"]


@pytest.mark.parametrize(
    ("text", "key"),
    [(RATIO, "ratio"), (BOTH, "both"), ("C(race)", "both"), (JOINT, "joint"), ("age - 2*lwt + 0.1", "shifted")],
)
def test_wald_as_r(text: Any, key: str) -> None:
    estimates = low()
    agrees(
        wald_test(estimates, covariance(estimates), linear_hypothesis(estimates, text, terms=TERMS)), R["linear"][key]
    )


def test_wald_with_robust_covariances_as_r() -> None:
    estimates = low()
    race = linear_hypothesis(estimates, "C(race)", terms=TERMS)
    one = wald_test(estimates, covariance(estimates, "HC1"), linear_hypothesis(estimates, RATIO))
    agrees(one, R["linear"]["ratio_HC1"])
    assert one.covariance == "HC1"
    agrees(wald_test(estimates, covariance(estimates, "HC3"), race), R["linear"]["both_HC3"])
    clustered = covariance(estimates, cluster=clusters_of(birthwt()["age"]))
    found = wald_test(estimates, clustered, race)
    agrees(found, R["linear"]["both_cluster"])
    assert found.covariance == "cluster-robust (age, 24 clusters, CR1)"


@pytest.mark.parametrize(("text", "key"), [("C(race)", "race"), (RATIO, "ratio"), (JOINT, "joint")])
def test_likelihood_ratio_and_score_as_r(text: Any, key: str) -> None:
    estimates = low()
    hypothesis = linear_hypothesis(estimates, text, terms=TERMS)
    ratio = likelihood_ratio_test(estimates, hypothesis, covariance(estimates))
    agrees(ratio, R["linear"][f"{key}_lr"])
    assert 0.0 <= ratio.error < 1e-9
    agrees(score_test(estimates, hypothesis), R["linear"][f"{key}_score"])


def test_a_matrix_is_a_hypothesis() -> None:
    estimates = low()
    matrix = np.zeros((2, 6))
    matrix[0, 1], matrix[1, 5] = 1.0, 1.0
    found = linear_hypothesis(estimates, matrix, [0.0, 1.0])
    assert found.text == "age = 0, smoke = 1"
    agrees(wald_test(estimates, covariance(estimates), found), R["linear"]["joint"])
    assert linear_hypothesis(estimates, [0, 1, -2, 0, 0, 0]).text == "age - 2*lwt = 0"


def test_three_classes() -> None:
    """Names of parameters, of columns in every equation, and of terms in one or in all."""
    prepared = prepare("partic ~ hincome + children + region", table_of("womenlf"))
    estimates, terms = estimates_of(prepared), prepared.schema.term_columns
    d = len(estimates.names)

    def rows(text: str) -> list[list[int]]:
        matrix = linear_hypothesis(estimates, text, terms=terms).matrix
        assert matrix.shape[1] == d
        return [np.flatnonzero(row).tolist() for row in matrix]

    assert rows("not.work:hincome = 0") == [[1]]
    assert rows("hincome") == [[1], [8]]
    assert rows("not.work:hincome = parttime:hincome") == [[1, 8]]
    assert rows("parttime:region") == [[10], [11], [12], [13]]
    assert rows("region = 0, not.work:(Intercept) = 1") == [[3], [4], [5], [6], [10], [11], [12], [13], [0]]
    whole = likelihood_ratio_test(estimates, linear_hypothesis(estimates, "region", terms=terms))
    agrees(whole, R["three"]["region"])


def constrained_optimum(problem: Problem, C: F64, r: F64) -> tuple[float, F64, F64]:
    """(log-likelihood, score, information) of softmax parameters (class 0 without an equation) under C b = r: Newton
    on the Lagrangian, all rows at once."""
    X = np.column_stack([np.ones(len(problem.y)), problem.X])
    E = problem.n_classes - 1
    Y = (problem.y[:, None] == np.arange(1, E + 1)).astype(float)
    b, m = np.zeros(E * X.shape[1]), len(C)
    for _ in range(50):
        eta = np.column_stack([np.zeros(len(X)), X @ b.reshape(E, -1).T])
        P = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        score = ((Y - P[:, 1:]).T @ X).ravel()
        information = np.block(
            [[X.T @ ((P[:, i + 1] * ((i == j) - P[:, j + 1]))[:, None] * X) for j in range(E)] for i in range(E)]
        )
        system = np.block([[information, C.T], [C, np.zeros((m, m))]])
        b = b + np.linalg.solve(system, np.concatenate([score, r - C @ b]))[: len(b)]
    value = float((np.log(P)[np.arange(len(X)), problem.y]).sum())
    return value, score, information


@pytest.mark.parametrize(
    "text", ["not.work:hincome = parttime:hincome", "not.work:children[present] = 1", "parttime:region"]
)
def test_restrictions_across_equations_by_definition(text: str) -> None:
    prepared = prepare("partic ~ hincome + children + region", table_of("womenlf"))
    estimates = estimates_of(prepared)
    hypothesis = linear_hypothesis(estimates, text, terms=prepared.schema.term_columns)
    value, score, information = constrained_optimum(prepared.problem, hypothesis.matrix, hypothesis.value)
    # 1e-9: the naive sums are of 263 rows in double precision
    ratio = likelihood_ratio_test(estimates, hypothesis)
    assert ratio.statistic == pytest.approx(2.0 * (-estimates.at.value - value), rel=1e-9)
    by_score = float(score @ np.linalg.solve(information, score))
    assert score_test(estimates, hypothesis).statistic == pytest.approx(by_score, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "same"),
    [("parttime:region", "fulltime:region"), ("not.work:hincome = parttime:hincome", "not.work:hincome")],
)
def test_another_reference_says_the_same(text: str, same: str) -> None:
    prepared = prepare("partic ~ hincome + children + region", table_of("womenlf"))
    terms = prepared.schema.term_columns
    one, other = (Estimates(fit(prepared.problem), reference) for reference in (0, 2))
    first, second = linear_hypothesis(one, text, terms=terms), linear_hypothesis(other, same, terms=terms)
    for test in (likelihood_ratio_test, score_test):
        # rounding of other linear combinations
        assert test(other, second).statistic == pytest.approx(test(one, first).statistic, rel=1e-10)
    wald = [wald_test(e, covariance(e, "HC0"), h).statistic for e, h in ((one, first), (other, second))]
    assert wald[0] == pytest.approx(wald[1], rel=1e-10)


def test_no_parameter_left() -> None:
    estimates = estimates_of(prepare("low ~ 0 + lwt", birthwt()))
    found = likelihood_ratio_test(estimates, linear_hypothesis(estimates, "lwt"))
    n = len(estimates.problem.y)
    assert found.statistic == pytest.approx(2.0 * (n * np.log(2.0) - estimates.at.value), rel=1e-12)


def test_a_hypothesis_far_away() -> None:
    """Where the full fit's Hessian says nothing of the restricted optimum."""
    estimates = low()
    for value in (-3.0, 40.0):
        found = likelihood_ratio_test(estimates, linear_hypothesis(estimates, f"smoke = {value:g}"))
        problem = estimates.problem
        offset = value * problem.X[:, 4].astype(float)
        inner = fit(replace(problem, X=problem.X[:, :4], offset=offset, names=problem.names[:4]))
        expected = 2.0 * (inner.certificate.objective - estimates.fit.certificate.objective)
        assert found.statistic == pytest.approx(expected, rel=1e-10)


def test_frequencies_are_rows() -> None:
    table = table_of("housing")
    prepared = prepare("Sat ~ Infl + Type + Cont", table, weights="Freq")
    assert prepared.problem.weight is not None
    times = prepared.problem.weight.astype(int)
    rows = np.repeat(np.arange(len(times)), times)
    long = replace(prepared.problem, X=prepared.problem.X[rows], y=prepared.problem.y[rows], weight=None)
    short = term_tests(estimates_of(prepared), prepared.schema, "II")
    same = term_tests(Estimates(fit(long)), prepared.schema, "II")
    np.testing.assert_allclose(short.statistic, same.statistic, rtol=1e-10)  # other sums, of rounding 1e-13
    assert short.df.tolist() == same.df.tolist() == [4, 6, 2]


# --- tables of terms -------------------------------------------------------------------------------------------------


def tabled(name: str) -> tuple[Estimates, Prepared]:
    """The fits whose tables are in tests/r/hypotheses.R."""
    kind: WeightKind = "frequency"
    match name:
        case "birthwt":
            prepared = prepare(LOW, birthwt())
        case "crossed":
            prepared = prepare("low ~ age * smoke + lwt * smoke + C(race) + age:lwt", birthwt())
        case "precision":
            prepared, kind = prepare("low ~ age + C(race) * smoke", birthwt(), weights="w"), "precision"
        case "without_intercept":
            prepared = prepare("low ~ 0 + C(race) + lwt + age:lwt", birthwt())
        case "lizards":
            formula = "cbind(grahami, opalinus) ~ height * diameter + light + time"
            prepared = prepare(formula, table_of("lizards"))
        case _:
            prepared = prepare("Menarche / Total ~ poly(Age, 2, raw=TRUE)", table_of("menarche"))
    return estimates_of(prepared, kind), prepared


@pytest.mark.parametrize(
    "table", ["drop1_lr", "drop1_score", "I_lr", "I_score", "II_lr", "III_lr", "II_wald", "III_wald"]
)
@pytest.mark.parametrize("name", ["birthwt", "crossed", "precision", "without_intercept", "lizards", "menarche"])
def test_tables_as_r(name: str, table: str) -> None:
    estimates, prepared = tabled(name)
    type_, method = table.split("_")
    found = term_tests(estimates, prepared.schema, type_, method, covariance(estimates))  # type: ignore[arg-type]
    expected = R[name][table]
    assert found.df.tolist() == np.atleast_1d(expected["df"]).tolist()
    np.testing.assert_allclose(found.statistic, np.atleast_1d(expected["statistic"]), rtol=RTOL)
    np.testing.assert_allclose(found.p_value, np.atleast_1d(expected["p"]), rtol=1e-7)  # tails of large statistics
    if "terms" in expected:
        ours = [term.replace("C(race)", "race") for term in found.terms]
        same = {frozenset(term.split(":")) for term in np.atleast_1d(expected["terms"]).tolist()}
        assert {frozenset(term.split(":")) for term in ours} == same or name == "menarche"


def test_the_score_of_a_sequence_as_anova_has_it() -> None:
    estimates, prepared = tabled("birthwt")
    found = term_tests(estimates, prepared.schema, "I", "score")
    # R's weights are those of the iteration before its last
    np.testing.assert_allclose(found.statistic, R["birthwt_anova_score"], rtol=1e-8)


@pytest.mark.parametrize("type_", ["drop1", "II", "III"])
def test_terms_of_three_classes_as_r(type_: TableType) -> None:
    prepared = prepare("partic ~ hincome + children + region", table_of("womenlf"))
    found = term_tests(estimates_of(prepared), prepared.schema, type_)
    assert found.terms == ("hincome", "children", "region")
    for i, term in enumerate(found.terms):
        assert found.df[i] == R["three"][term]["df"]
        assert found.statistic[i] == pytest.approx(R["three"][term]["statistic"], rel=RTOL)


def test_sequence_of_three_classes_as_r() -> None:
    prepared = prepare("partic ~ hincome + children + region", table_of("womenlf"))
    found = term_tests(estimates_of(prepared), prepared.schema, "I")
    expected = [R["three"][key]["statistic"] for key in ("I_hincome", "I_children", "region")]
    np.testing.assert_allclose(found.statistic, expected, rtol=RTOL)


def objective(formula: str, table: Table) -> float:
    return fit(prepare(formula, table).problem).certificate.objective


def test_an_aliased_column_takes_over() -> None:
    """R refits the columns that are left, so without `age` its aliased twin explains as much."""
    table = birthwt()
    prepared = prepare("low ~ age + twice + lwt", table)
    found = term_tests(estimates_of(prepared), prepared.schema, "drop1")
    assert found.df.tolist() == [0, 0, 1]
    assert np.isnan(found.statistic[:2]).all()
    assert np.isnan(found.p_value[:2]).all()
    expected = 2.0 * (objective("low ~ age", table) - objective("low ~ age + lwt", table))
    assert found.statistic[2] == pytest.approx(expected, rel=1e-10)
    both = prepare("low ~ lwt + age:C(smoke) + C(smoke):age", table)
    assert term_tests(estimates_of(both), both.schema, "II").df.sum() > 0


def test_a_table_shares_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four refits side by side ask four questions a round."""
    rounds: list[int] = []
    answer = InMemory.answer

    def counted(self: InMemory, questions: Any) -> Any:
        rounds.append(len(questions))
        return answer(self, questions)

    monkeypatch.setattr(InMemory, "answer", counted)
    estimates, prepared = tabled("birthwt")
    term_tests(estimates, prepared.schema, "III")
    assert rounds[0] == 4
    assert len(rounds) < 25  # one refit alone takes about ten


def wald_by_conjugates(V: F64, b: F64, larger: list[int], smaller: list[int]) -> float:
    def form(places: list[int]) -> float:
        return float(b[places] @ np.linalg.solve(V[np.ix_(places, places)], b[places])) if places else 0.0

    return form(smaller) - form(larger)


@pytest.mark.parametrize("kind", ["HC1", "CR1"])
def test_robust_wald_tables_by_definition(kind: str) -> None:
    estimates, prepared = tabled("crossed")
    ways = [clusters_of(birthwt()["age"])] if kind == "CR1" else []
    robust = covariance(estimates, kind, ways)
    found = term_tests(estimates, prepared.schema, "II", "wald", robust)
    assert found.covariance == robust.text
    columns = {term: estimates.positions(of) for term, of in prepared.schema.term_columns.items()}
    larger = [*columns["age:smoke"], *columns["smoke:lwt"]]
    expected = wald_by_conjugates(robust.matrix, estimates.params, larger, [*larger, *columns["smoke"]])
    # the naive inverse is of a matrix in raw units: 1e-16 times its condition
    assert found.statistic[found.terms.index("smoke")] == pytest.approx(expected, rel=1e-6)


def test_bias_reduced_estimates() -> None:
    prepared = prepare("HG ~ NV + PI + EH", table_of("endometrial"))
    reduced = reduce_bias(estimates_of(prepared))
    one = likelihood_ratio_test(reduced, linear_hypothesis(reduced, "NV"))
    table = term_tests(reduced, prepared.schema, "III")
    assert table.statistic[0] == pytest.approx(one.statistic, rel=1e-9)
    assert 0.0 < one.p_value < 0.05
    with pytest.raises(StatisticsError, match="likelihood-ratio"):
        score_test(reduced, linear_hypothesis(reduced, "NV"))
    with pytest.raises(StatisticsError, match="use 'model'"):
        covariance(reduced, "HC1")


# --- nested models ---------------------------------------------------------------------------------------------------


def test_nested_models_as_r() -> None:
    small, large = estimates_of(prepare("low ~ age + smoke", birthwt())), low()
    found = compare(small, large)
    assert found.smaller == 0
    assert compare(large, small).smaller == 1
    for key in ("lr", "lrtest"):
        expected = R["nested"][key]
        assert found.df == expected["df"]
        assert found.statistic == pytest.approx(expected["statistic"], rel=RTOL)
        assert found.p_value == pytest.approx(expected["p"], rel=1e-8)
    race = linear_hypothesis(large, "C(race)", terms=TERMS)
    agrees(wald_test(large, covariance(large), race), R["nested"]["waldtest"])


def test_nested_by_span_not_by_name() -> None:
    """A product of two columns lies in the span of others; another origin and unit do not matter."""
    table = table_of(
        "birthwt",
        mixed=lambda t: 1e9 + 3.0 * t["age"].values - t["lwt"].values,
        odd=lambda t: t["age"].values ** 2.0,
    )
    large = estimates_of(prepare("low ~ age + lwt", table))
    assert compare(estimates_of(prepare("low ~ mixed", table)), large).df == 1
    with pytest.raises(StatisticsError, match=r"not nested: 'odd' .* no combination"):
        compare(estimates_of(prepare("low ~ odd", table)), large)
    with pytest.raises(StatisticsError, match="both models have 3 parameters"):
        compare(estimates_of(prepare("low ~ age + smoke", table)), large)


def test_nested_models_of_other_data_are_refused() -> None:
    table = birthwt()
    large = low()
    used = np.ones(189, bool)
    used[3] = False
    fewer = estimates_of(prepare("low ~ age", table.take(used)))
    with pytest.raises(StatisticsError, match="189 and 188"):
        compare(large, fewer)
    other = np.roll(used, 1)
    small = estimates_of(prepare("low ~ age", table))
    with pytest.raises(StatisticsError, match="different rows"):
        compare(large, small, rows=(used, other))
    with pytest.raises(StatisticsError, match="different rows"):
        compare(large, small, rows=(None, other))
    assert compare(large, small, rows=(used, used)).df == 4
    with pytest.raises(StatisticsError, match="different responses"):
        compare(large, estimates_of(prepare("ht ~ age", table)))
    with pytest.raises(StatisticsError, match="different weights"):
        compare(large, estimates_of(prepare("low ~ age", table, weights="w")))
    with pytest.raises(StatisticsError, match="different offsets"):
        compare(large, estimates_of(prepare("low ~ age", table, offset="w")))
    with pytest.raises(StatisticsError, match="use a Wald test"):
        compare(large, replace(small, weight_kind="sampling"))
    with pytest.raises(StatisticsError, match=r"\(HC1\); use a Wald test"):
        compare(large, small, covariances=(covariance(large, "HC1"), None))


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agee = 0", "did you mean 'age'"),
        ("nothing", "it has age, lwt"),
        ("age =", "ends too early"),
        ("", "ends too early"),
        ("age lwt", "out of place"),
        ("age)", "out of place"),
        ("age * lwt = 0", "multiply a parameter"),
        ("2age = 0", "'2age'"),
        ("age / 0", "divides by"),
        ("1 / age", "divides by"),
        ("1 = 0", "restricts no parameter"),
        ("age = 0 = 1", "restricts no parameter"),
        ("age = 1e999", "not finite"),
        ("age = 1e300 * 1e300", "not finite"),
        ("age = lwt = age", "depend on each other"),
        ("age = 0, age = 1", "depend on each other"),
        ("(" * 60 + "age" + ")" * 60, "nests deeper"),
        ("-" * 5000 + "age", "nests deeper"),
        ("age+" * 4000 + "age", "characters"),
    ],
)
def test_texts_that_are_no_hypothesis(text: str, words: str) -> None:
    with pytest.raises(StatisticsError, match=words):
        linear_hypothesis(low(), text, terms=TERMS)


@given(st.text(alphabet="age2.*/+-=(), `\u00e9:[]1e", max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        matrix, value = parse_hypothesis(text, {"age": [0], "a:g[2]": [1, 2], "a b": [3]}, 4)
    except StatisticsError:
        return
    assert matrix.shape == (len(value), 4)
    assert np.isfinite(matrix).all()


def test_names_of_any_characters() -> None:
    names = {
        "x": [0],
        "x:g[a]": [1],
        "a - b": [2],
        "ns(x, df=2)[1]": [3],
        "`my col`": [4],
        "C(g)": [1, 3],
        "(Intercept)": [5],
    }
    for text, expected in [
        ("x = 2*x:g[a]", [[1, -2, 0, 0, 0, 0]]),
        ("`a - b` = x", [[-1, 0, 1, 0, 0, 0]]),
        ("a - b", [[0, 0, 1, 0, 0, 0]]),
        ("ns(x,df = 2)[1] / 2 = - (x - (Intercept))", [[1, 0, 0, 0.5, 0, -1]]),
        ("`my col` == 0.5e1", [[0, 0, 0, 0, 1, 0]]),
        ("C( g ) = 3*x", [[-3, 1, 0, 0, 0, 0], [-3, 0, 0, 1, 0, 0]]),
    ]:
        assert parse_hypothesis(text, names, 6)[0].tolist() == expected, text
    assert parse_hypothesis("3 - x = 5 + 2*x, C(g) = 1", names, 6)[1].tolist() == [2.0, 1.0, 1.0]
    with pytest.raises(StatisticsError, match="sets 2 parameters beside 3"):
        parse_hypothesis("C(g) = three", {**names, "three": [0, 2, 4]}, 6)


def test_refusals_of_tests() -> None:
    estimates = low()
    hypothesis = linear_hypothesis(estimates, "age")
    sampling = replace(estimates, weight_kind="sampling")
    for test in (likelihood_ratio_test, score_test):
        with pytest.raises(StatisticsError, match="use a Wald test"):
            test(sampling, hypothesis)
        with pytest.raises(StatisticsError, match="use a Wald test"):
            test(estimates, hypothesis, covariance(estimates, "HC0"))
    penalised = Estimates(fit(replace(estimates.problem, strength=1.0)))
    with pytest.raises(StatisticsError, match="penalised"):
        likelihood_ratio_test(penalised, hypothesis)
    separated = Estimates(fit(prepare("HG ~ NV + PI + EH", table_of("endometrial")).problem))
    with pytest.raises(StatisticsError, match="separated"):
        likelihood_ratio_test(separated, linear_hypothesis(separated, "NV"))
    few = covariance(estimates, "CR1", clusters_of(birthwt()["ht"]))
    with pytest.raises(StatisticsError, match="2 clusters of 'ht' cannot tell 2 restrictions"):
        wald_test(estimates, few, linear_hypothesis(estimates, "C(race)", terms=TERMS))
    flat = Covariance("bootstrap", np.zeros((6, 6)))
    with pytest.raises(StatisticsError, match="bootstrap is not positive"):
        wald_test(estimates, flat, hypothesis)
    for matrix, words in [
        (np.zeros((1, 5)), "6 columns"),
        (np.zeros((1, 6)), "names no parameter"),
        ([["x"]], "text such"),
    ]:
        with pytest.raises(StatisticsError, match=words):
            linear_hypothesis(estimates, matrix)  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="1 values"):
        linear_hypothesis(estimates, np.eye(6)[:1], [1.0, 2.0])
    aliased = estimates_of(prepare("low ~ age + twice", birthwt()))
    with pytest.raises(StatisticsError, match="twice, which has no estimate"):
        linear_hypothesis(aliased, "twice = 0")


def test_an_optimum_that_is_not_proved_gives_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    estimates = low()
    monkeypatch.setattr(restricted, "ACCEPTED", 0.0)
    monkeypatch.setattr(restricted, "AIM", 1e-3)
    with pytest.raises(StatisticsError, match="is not proved"):
        likelihood_ratio_test(estimates, linear_hypothesis(estimates, "smoke"))


@pytest.mark.parametrize("close", [0.0, 0.2])
def test_the_proved_gap_is_one(monkeypatch: pytest.MonkeyPatch, close: float) -> None:
    """Stopped early, a restricted fit is no further from its optimum than its bound says, by lengths or leverages."""
    monkeypatch.setattr(restricted, "CLOSE", close)
    estimates = low()
    space = restricted.without_columns(estimates, {2, 3, 4})
    (exact,) = restricted.restricted_fits(estimates, [space])
    monkeypatch.setattr(restricted, "ACCEPTED", np.inf)
    for aim in (1e-2, 1e-4):
        monkeypatch.setattr(restricted, "AIM", aim)
        (early,) = restricted.restricted_fits(estimates, [space])
        assert exact.value <= early.value <= exact.value + early.gap
        assert early.gap < 10.0 * aim


def test_tables_refuse() -> None:
    estimates, prepared = tabled("birthwt")
    with pytest.raises(StatisticsError, match="choose drop1, I, II or III"):
        term_tests(estimates, prepared.schema, "IV")  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="choose lr, score or wald"):
        term_tests(estimates, prepared.schema, "II", "F")  # type: ignore[arg-type]
    with pytest.raises(StatisticsError, match="need a covariance"):
        term_tests(estimates, prepared.schema, "II", "wald")
    found: TermTests = term_tests(estimates, prepared.schema)
    assert (found.type, found.method, found.covariance) == ("II", "lr", "")
