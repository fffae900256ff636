"""Effects, contrasts and margins: against naive full computations, and what must hold in any model."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from effect_data import Study, random_data, study, table_of

from berkson.fit import fit
from berkson.inference import predictor
from berkson.inference.averages import average_prediction
from berkson.inference.covariance import Covariance, covariance
from berkson.inference.derivative import design_derivative
from berkson.inference.effects import contrasts, effects, margins
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.predictor import Predictor
from berkson.inference.scenarios import (
    Population,
    Shift,
    columns_as_terms,
    fitted_population,
    groups_of,
)
from berkson.kernels.reference import sigmoid, softmax
from berkson.model import prepare
from berkson.problem import Problem
from berkson.table import Table, from_frame

F64 = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def additive() -> Study:
    return study("low ~ age + lwt + C(race) + smoke", table_of("birthwt.csv"))


# --- against naive computations -------------------------------------------------------------------------------------


def naive_average(made: Study, values: dict[str, F64], params: F64) -> F64:
    """Mean probabilities of the table with other values in columns, from named parameters."""
    estimates, _, schema, population = made
    columns = from_frame(values).columns if values else {}
    table = Table({**population.table.columns, **columns}, population.table.n_rows, "altered")
    X = np.column_stack([np.ones(table.n_rows), schema.design(table)])
    coef = params.reshape(-1, X.shape[1])
    if len(coef) == 1:
        probabilities = sigmoid(X @ coef.T)
    else:
        eta = np.zeros((len(X), len(coef) + 1))
        eta[:, list(estimates.equations)] = X @ coef.T
        probabilities = softmax(eta)
    return np.average(probabilities, axis=0, weights=population.weight)


@pytest.mark.parametrize("reference", [0, 2])
@pytest.mark.parametrize("formula", ["y ~ x * g + z", "y ~ poly(x, 3) + log(z):g"])
def test_slopes_and_errors_are_those_of_differences(formula: str, reference: int) -> None:
    made = study(formula, random_data(classes=3), reference=reference, weights="w")
    x = made.population.table["x"].values
    params, found = made.estimates.params, effects(*made, ["x"])
    h = 1e-4  # central differences: errors of h^2, 1e-8, and of rounding over h, 1e-12

    def slope(params: F64) -> F64:
        above, below = (naive_average(made, {"x": x + s * h}, params) for s in (1.0, -1.0))
        return (above - below) / (2.0 * h)

    np.testing.assert_allclose(found.estimate, slope(params), rtol=1e-6, atol=1e-8)
    step = 1e-3 * np.maximum(np.abs(params), 0.1)
    jacobian = np.column_stack(
        [(slope(params + d) - slope(params - d)) / (2.0 * d.sum()) for d in np.diag(step)]  # errors of step^2
    )
    errors = np.sqrt(np.diag(jacobian @ made.covariance.matrix @ jacobian.T))
    np.testing.assert_allclose(found.std_error, errors, rtol=1e-5)


def test_the_link_of_classes_is_against_the_reference() -> None:
    made = study("y ~ x * g + z", random_data(classes=3), reference=1)
    found = effects(*made, ["x"], kind="link", at={"g": "c"})
    params = dict(zip(made.estimates.names, made.estimates.params, strict=True))
    assert found.labels["class"] == ("class 0", "class 2")
    np.testing.assert_allclose(
        found.estimate, [params[f"{k}:x"] + params[f"{k}:x:g[c]"] for k in ("class 0", "class 2")], rtol=1e-12
    )


def test_interaction_and_square_of_a_known_trap() -> None:
    # differentiating terms as if they were columns is off by 30 % here; the truth is the derivative of the whole
    data = random_data()
    made = study("y ~ x * g + I(x^2)", data)
    params = made.estimates.params
    expected = naive_average(made, {"x": data["x"] + 1e-5}, params) - naive_average(made, {"x": data["x"]}, params)
    found = effects(*made, ["x"])
    np.testing.assert_allclose(found.estimate, expected / 1e-5, rtol=1e-3)  # a forward difference


@pytest.mark.parametrize(
    ("formula", "derivative"),
    [
        ("y ~ x + x:g", None),
        ("y ~ I(x^3)", lambda x: 3.0 * x**2),
        ("y ~ log(v)", lambda v: 1.0 / v),
        ("y ~ sqrt(v)", lambda v: 0.5 / np.sqrt(v)),
        ("y ~ I(1/v)", lambda v: -1.0 / v**2),
        ("y ~ exp(x)", np.exp),
        ("y ~ sin(x)", np.cos),
        ("y ~ abs(x)", np.sign),
    ],
)
def test_the_design_is_differentiated_to_ten_digits(formula: str, derivative: Any) -> None:
    rng = np.random.default_rng(2)
    data = random_data() | {"v": np.exp(3.0 * rng.normal(size=300))}  # six orders of magnitude
    made = study(formula, data)
    column = "v" if "v" in formula else "x"
    values = made.population.table[column].values
    found = design_derivative(made.schema, made.population.table, column, float(np.median(values)), 1.0)
    if derivative is None:
        g = np.array(data["g"])
        np.testing.assert_array_equal(found, np.column_stack([np.ones(300), g == "b", g == "c"]))
    else:
        np.testing.assert_allclose(found[:, 0], derivative(values), rtol=1e-10)


@pytest.mark.parametrize("basis", ["bs(x, df=12)", "ns(x, df=8)", "bs(x, df=6, degree=2)"])
def test_splines_are_differentiated_between_and_at_their_knots(basis: str) -> None:
    made = study(f"y ~ {basis}", random_data())
    table = made.population.table
    x = table["x"].values
    found = design_derivative(made.schema, table, "x", float(np.median(x)), 1.0)
    h = 1e-6 * np.ptp(x)
    upper, lower = (
        made.schema.design(Table({**table.columns, **from_frame({"x": x + s * h}).columns}, len(x), ""))
        for s in (1, -1)
    )
    np.testing.assert_allclose(found, (upper - lower) / (2.0 * h), atol=1e-6 * np.abs(found).max())  # rounding over h


def test_where_there_is_no_derivative_is_said() -> None:
    data = random_data()
    data["z"][7] = 0.0
    made = study("y ~ sqrt(z) + x", data)
    with pytest.raises(
        StatisticsError, match=r"the effect of column 'z' is not defined .* contrast between two values"
    ):
        effects(*made, ["z"])
    contrasts(*made, "z", [(0.0, 1.0)])


# --- what must hold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["y ~ x * g + log(z)", "y ~ 0 + g + ns(x, df=3)"])
def test_effects_on_all_classes_sum_to_zero(formula: str) -> None:
    made = study(formula, random_data(classes=4))
    found = effects(*made, by=["g"])
    per_class = found.estimate.reshape(-1, 4)
    np.testing.assert_allclose(per_class.sum(axis=1), 0.0, atol=1e-14)  # rounding of sums of probabilities
    whole = found.covariance.reshape(len(per_class), 4, len(per_class), 4)
    np.testing.assert_allclose(whole.sum(axis=1), 0.0, atol=1e-12 * found.covariance.max())


def test_the_reference_class_changes_no_effect() -> None:
    data = random_data(classes=3)
    first, second = (effects(*study("y ~ x * g + z", data, reference=k)) for k in (0, 2))
    np.testing.assert_allclose(first.estimate, second.estimate, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(first.std_error, second.std_error, rtol=1e-10)


def test_frequency_weights_are_replicated_rows() -> None:
    data = random_data(classes=3)
    repeated = {name: np.repeat(values, data["w"].astype(int)) for name, values in data.items()}
    weighted = effects(*study("y ~ x * g + log(z)", data, weights="w"), by=["g"])
    replicated = effects(*study("y ~ x * g + log(z)", repeated), by=["g"])
    np.testing.assert_allclose(weighted.estimate, replicated.estimate, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(weighted.std_error, replicated.std_error, rtol=1e-9)


def test_sampling_weights_weigh_and_precision_weights_do_not() -> None:
    data = random_data()
    populations = {
        kind: study("y ~ x", data, kind, weights="w").population.weight for kind in ("frequency", "precision")
    }
    np.testing.assert_array_equal(populations["frequency"], data["w"])
    np.testing.assert_array_equal(populations["precision"], np.ones(300))
    prepared = prepare("y ~ x", from_frame(data), weights="w")
    sampled = Estimates(fit(prepared.problem), 0, "sampling")
    np.testing.assert_array_equal(fitted_population(sampled, prepared.schema, prepared.complete).weight, data["w"])


def test_rows_without_weight_do_not_count() -> None:
    data = random_data()
    data["w"][::3] = 0.0
    kept = {name: values[data["w"] > 0] for name, values in data.items()}
    whole, part = (effects(*study("y ~ x * g", d, weights="w"), by=["g"]) for d in (data, kept))
    np.testing.assert_allclose(whole.estimate, part.estimate, rtol=1e-10)
    np.testing.assert_allclose(whole.std_error, part.std_error, rtol=1e-10)


def test_runs_of_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = study("y ~ x * g + log(z)", random_data(classes=3), weights="w")
    whole = effects(*made, by=["g"])
    monkeypatch.setattr(Predictor, "step", 17)
    parts = effects(*made, by=["g"])
    np.testing.assert_allclose(parts.estimate, whole.estimate, rtol=1e-12)
    np.testing.assert_allclose(parts.jacobian, whole.jacobian, rtol=1e-10, atol=1e-13)


def test_a_population_other_than_the_fit() -> None:
    data = random_data()
    made = study("y ~ x + g", data)
    half = from_frame({name: values[:100] for name, values in data.items()})
    found = margins(*made[:3], Population(half))
    X = np.column_stack([np.ones(100), made.schema.design(half)])
    assert found.estimate[0] == pytest.approx(float(sigmoid(X @ made.estimates.params).mean()), rel=1e-12)


def test_an_offset_in_the_formula_moves_with_its_column() -> None:
    prepared = prepare("y ~ x + offset(log(z))", from_frame(random_data()))
    stated = prepared.schema.offset(prepared.complete)
    estimates = Estimates(fit(replace(prepared.problem, offset=stated)))
    population = fitted_population(estimates, prepared.schema, prepared.complete)
    made = Study(estimates, covariance(estimates), prepared.schema, population)
    found = effects(*made, ["z"])
    eta = made.estimates.linear_predictor()[:, 0]
    z = made.population.table["z"].values
    assert found.estimate[0] == pytest.approx(float((sigmoid(eta) * sigmoid(-eta) / z).mean()), rel=1e-9)


def test_aliased_columns_are_left_out_where_they_matter() -> None:
    data = random_data() | {"twice": 2.0 * random_data()["x"]}
    made = study("y ~ x + twice + z", data)
    found = effects(*made)
    assert np.isnan(found.estimate[:2]).all()  # neither moves alone in the data
    assert np.isnan(found.std_error[:2]).all()
    assert "combination of others" in found.notes[0]
    alone = study("y ~ x + z", data)
    np.testing.assert_allclose(found.estimate[2], effects(*alone, ["z"]).estimate[0], rtol=1e-9)
    np.testing.assert_allclose(found.std_error[2], effects(*alone, ["z"]).std_error[0], rtol=1e-9)
    together = margins(*made, at={"x": 1.0, "twice": 2.0})
    np.testing.assert_allclose(together.estimate, margins(*alone, at={"x": 1.0}).estimate, rtol=1e-9)
    assert together.notes == ()


def test_arrays_have_a_term_for_each_column() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(loc=[0.0, 100.0, 0.0], size=(200, 3))
    y = (rng.uniform(size=200) < sigmoid(X[:, 0])).astype(np.uint8)
    estimates = Estimates(fit(Problem(X, y)))
    schema, table = columns_as_terms(estimates.problem)
    found = effects(estimates, covariance(estimates), schema, fitted_population(estimates, schema, table))
    eta = estimates.linear_predictor()[:, 0]
    expected = (sigmoid(eta) * sigmoid(-eta)).mean() * estimates.params[1:]
    np.testing.assert_allclose(found.estimate, expected, rtol=1e-12)
    assert found.labels["column"] == ("x0", "x1", "x2")


def test_ratios_are_tested_and_bounded_on_the_log_scale(additive: Study) -> None:
    found = contrasts(*additive, "race", [("1", "2")], measure="ratio")
    low, high = found.interval(0.9)[0]
    assert low * high == pytest.approx(float(found.estimate[0]) ** 2, rel=1e-12)
    assert found.statistic[0] == pytest.approx(np.log(found.estimate[0]) / found.std_error[0], rel=1e-12)
    assert np.log(high / found.estimate[0]) == pytest.approx(1.6448536269514722 * found.std_error[0], rel=1e-12)
    # 2 Phi(-|z|) by the complementary error function
    assert found.p_value[0] == pytest.approx(math.erfc(abs(found.statistic[0]) / math.sqrt(2.0)), rel=1e-12)


def test_a_column_far_from_zero_keeps_its_digits() -> None:
    data = random_data()
    near = effects(*study("y ~ x + g", data), ["x"])
    far = effects(*study("y ~ x + g", data | {"x": data["x"] + 1e6}), ["x"])
    # x itself keeps 1e-16 * 1e6 of its digits
    np.testing.assert_allclose(far.estimate, near.estimate, rtol=1e-8)
    np.testing.assert_allclose(far.std_error, near.std_error, rtol=1e-8)


def test_statsmodels_agrees_where_it_is_right() -> None:
    discrete = pytest.importorskip("statsmodels.discrete.discrete_model")
    data = random_data()
    made = study("y ~ x + z", data)
    X = np.column_stack([np.ones(300), data["x"], data["z"]])
    result = discrete.Logit((data["y"] == "class 1").astype(float), X).fit(disp=0, tol=1e-14)
    for at, others in (("overall", "observed"), ("mean", "means")):
        theirs = result.get_margeff(at=at)
        ours = effects(*made, others=others)  # type: ignore[arg-type]
        np.testing.assert_allclose(ours.estimate, theirs.margeff, rtol=1e-8)
        np.testing.assert_allclose(ours.std_error, theirs.margeff_se, rtol=1e-6)  # their optimum


def test_many_groups_are_averaged_in_one_pass() -> None:
    rng = np.random.default_rng(3)
    data = random_data() | {"cell": rng.integers(0, 50, size=300)}
    made = study("y ~ x", data)
    groups = groups_of(made.population, ["cell", "g"])
    model = Predictor(made.estimates, made.schema)
    average = average_prediction(model, made.population, groups, {}, "probability")
    eta = made.estimates.linear_predictor()
    for k in range(groups.number):
        own = groups.codes == k
        assert average.value[k, 0] == pytest.approx(float(sigmoid(eta[own]).mean()), rel=1e-12)


def test_a_spline_is_differentiated_at_a_mean_far_from_zero() -> None:
    data = random_data()
    shifted = data | {"x": data["x"] + 2000.0}
    near, far = (effects(*study("y ~ ns(x, df=5)", d), ["x"], others="means") for d in (data, shifted))
    np.testing.assert_allclose(far.estimate, near.estimate, rtol=1e-8)  # x keeps 13 digits less the 3 of 2000
    np.testing.assert_allclose(far.std_error, near.std_error, rtol=1e-8)


def test_robust_errors_keep_their_digits_far_from_zero() -> None:
    data = random_data()
    found = []
    for shift in (0.0, 1e4):
        made = study("y ~ x + g", data | {"x": data["x"] + shift})
        found.append(effects(made.estimates, covariance(made.estimates, "HC1"), made.schema, made.population, ["x"]))
    # a covariance of named parameters has lost (1e4)^2 of its digits
    np.testing.assert_allclose(found[1].std_error, found[0].std_error, rtol=1e-7)


def test_memory_is_that_of_a_run_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    n = 100_000
    data: dict[str, Any] = {f"x{j}": rng.normal(size=n) for j in range(20)}
    data["y"] = rng.uniform(size=n) < sigmoid(data["x0"])
    made = study("y ~ " + " + ".join(f"x{j}" for j in range(20)), data)
    monkeypatch.setattr(predictor, "CELLS", 1 << 16)  # half a megabyte of each array
    tracemalloc.start()
    effects(*made, ["x0"])
    contrasts(*made, "x1", [(0, 1)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 8 * n  # a few columns long, where the design is twenty


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["ag"]}, "no column 'ag'; did you mean 'age'"),
        ({"at": {"ftv": 1}}, "no column 'ftv'"),
        ({"at": {"age": []}}, "no value is given for column 'age'"),
        ({"at": {"age": float("nan")}}, "cannot be held at nan"),
        ({"columns": ["race"], "at": {"race": "1"}}, "is compared, so it cannot be held"),
        ({"columns": ["race"], "slope": "eyex"}, "is not a number, so it has no elasticity"),
        ({"kind": "link", "slope": "eyex"}, "an elasticity is of a probability"),
        ({"kind": "odds"}, "there is no kind 'odds'"),
        ({"others": "medians"}, "there is no others 'medians'"),
        ({"at": {"age": np.arange(200), "lwt": np.arange(200)}}, "40,000 combinations of values are asked for"),
    ],
)
def test_what_cannot_be_answered_is_said(additive: Study, options: dict[str, Any], message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        effects(*additive, **options)


def test_contrasts_of_numbers_need_values(additive: Study) -> None:
    with pytest.raises(StatisticsError, match=r"say which of its values to compare, such as pairs=\[\(20, 30\)\]"):
        contrasts(*additive, "age")
    with pytest.raises(StatisticsError, match="is of probabilities"):
        contrasts(*additive, "race", kind="link", measure="ratio")
    with pytest.raises(StatisticsError, match="column 'race' is not a number, so nothing can be added"):
        contrasts(*study("low ~ race", titled_races()), "race", [(Shift(0), Shift(1))])
    with pytest.raises(ValueError, match="level '9', which the model has not seen"):
        contrasts(*additive, "race", [("1", "9")])


def titled_races() -> dict[str, Any]:
    table = table_of("birthwt.csv")
    return {"low": table["low"].values, "race": np.array(["white", "black", "other"])[table["race"].values - 1]}


def test_no_effects_without_a_proved_optimum() -> None:
    data = random_data() | {"y": np.where(random_data()["x"] > 0, "yes", "no")}
    prepared = prepare("y ~ x", from_frame(data))
    estimates = Estimates(fit(prepared.problem))
    population = fitted_population(estimates, prepared.schema, prepared.complete)
    nothing = Covariance("model", np.zeros((2, 2)))
    with pytest.raises(StatisticsError, match="separated"):
        margins(estimates, nothing, prepared.schema, population)


def test_groups_need_values(additive: Study) -> None:
    table = additive.population.table
    part = from_frame({"part": np.where(np.arange(table.n_rows) < 4, np.nan, 1.0)}).columns
    population = Population(Table({**table.columns, **part}, table.n_rows, table.source))
    with pytest.raises(StatisticsError, match="column 'part' is missing in 4 rows"):
        margins(*additive[:3], population, by=["part"])
