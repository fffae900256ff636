"""Smooths: bases, smoothing parameters by REML against mgcv and the formulas, and all that is asked of a fit."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.integrate import quad  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]

import berkson as bk
from berkson.cli.commands import main
from berkson.formula import learn, schema_from_dict, schema_to_dict
from berkson.formula.smooth_terms import penalties_of, ridge_of
from berkson.formula.smooths import Smooth, learn_smooth
from berkson.inference.estimates import Estimates, StatisticsError
from berkson.inference.smooth import _tail
from berkson.model_file import from_dict, load, to_dict
from berkson.prepare import standardised
from berkson.select.laplace import Groups
from berkson.solvers.run import Work
from berkson.table import from_frame

F64 = npt.NDArray[np.float64]

HERE = Path(__file__).parent
R = json.loads((HERE / "r" / "mgcv.json").read_text(encoding="utf-8"))


def read(name: str) -> Any:
    return pd.read_csv(HERE / "data" / f"{name}.csv")


def wavy(n: int = 300, seed: int = 3) -> dict[str, Any]:
    """A response that a curve in x explains, and z does not."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    y = (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(-2.0 * np.sin(2.0 * x)))).astype(int)
    return {"x": x, "z": z, "y": y, "g": rng.choice(list("abc"), n), "w": rng.integers(1, 4, n)}


def smooth(formula: str, data: Any, **options: Any) -> bk.SmoothFit:
    fit: Any = bk.logit(formula, data, **options)
    assert isinstance(fit, bk.SmoothFit)
    return fit


def data_of(case: str) -> Any:
    birthwt = read("birthwt")
    if case in ("birthwt", "weighted"):
        return birthwt.assign(weight=1 + birthwt["ftv"], shift=0.3 * (birthwt["ht"] - 0.5))
    if case == "by_factor":
        return read("titanic_passengers").dropna(subset="age")
    return read("menarche" if case == "menarche" else "pima")


CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "pima": (
        'type ~ s(glu) + s(bmi, k=8, bs="ps") + s(age) + npreg',
        {"glu": [40, 120, 210], "bmi": [15, 33, 70], "age": [20, 40, 90], "npreg": [0, 3, 8]},
        {},
    ),
    "birthwt": (
        'low ~ s(age, k=8) + s(lwt, k=12, bs="ps") + smoke',
        {"age": [12, 25, 50], "lwt": [70, 120, 260], "smoke": [0, 1, 1]},
        {},
    ),
    "menarche": ("cbind(Menarche, Total - Menarche) ~ s(Age)", {"Age": [8, 13, 19]}, {}),
    "by_factor": (
        "survived ~ sex + passengerClass + sex:s(age, k=8)",
        {"sex": ["female", "male"], "passengerClass": ["1st", "3rd"], "age": [30, 85]},
        {},
    ),
    "by_number": ("type ~ glu + bmi + s(age, k=6):glu", {"glu": [90, 150], "bmi": [30, 35], "age": [25, 60]}, {}),
    "weighted": (
        "low ~ s(lwt) + smoke + offset(shift)",
        {"lwt": [90, 150], "smoke": [0, 1], "shift": [0, 0]},
        {"weights": "weight"},
    ),
}


@pytest.fixture(scope="module")
def fits() -> dict[str, bk.SmoothFit]:
    return {case: smooth(formula, data_of(case), **options) for case, (formula, _, options) in CASES.items()}


# --- against mgcv ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_fit_is_that_of_mgcv(case: str, fits: dict[str, bk.SmoothFit]) -> None:
    fit, truth = fits[case], R[case]
    # mgcv stops a strength without an end somewhere, which leaves 1e-8 of what it holds; the rest agrees to 1e-11
    np.testing.assert_allclose(fit.predict(), truth["fitted"], atol=2e-9)
    np.testing.assert_allclose(list(fit.edf.values()), truth["edf"], atol=1e-7)
    np.testing.assert_allclose(fit.estimates.freedom, truth["total_edf"], atol=1e-7)
    np.testing.assert_allclose(fit.deviance, truth["deviance"], rtol=1e-8)
    np.testing.assert_allclose(fit.llf, truth["log_likelihood"], rtol=1e-8)
    finite = ~fit.smoothing.at_end
    np.testing.assert_allclose(fit.smoothing.strengths[finite], np.atleast_1d(truth["strength"])[finite], rtol=1e-6)
    assert fit.smoothing.converged
    assert fit.certificate.certified
    assert fit.certificate.exists
    assert "at these smoothing parameters the penalised objective" in fit.certificate.status


@pytest.mark.parametrize("case", CASES)
def test_intervals_and_new_rows_are_those_of_mgcv(case: str, fits: dict[str, bk.SmoothFit]) -> None:
    fit, truth, new = fits[case], R[case], pd.DataFrame(CASES[case][1])
    own = fit.predict(kind="link", interval=True)
    np.testing.assert_allclose(own["std.error"], truth["se_fitted"], rtol=1e-7)
    found = fit.predict(new, kind="link", interval=True)  # beyond the range of x, too: straight lines
    np.testing.assert_allclose(found["estimate"], truth["link"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["std.error"], truth["se"], rtol=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case != "by_number"])  # there glu x age is coded otherwise
def test_terms_and_tests_are_those_of_mgcv(case: str, fits: dict[str, bk.SmoothFit]) -> None:
    fit, truth = fits[case], R[case]
    table = fit.tidy()
    np.testing.assert_allclose(table["estimate"], truth["parametric"], rtol=1e-6)
    np.testing.assert_allclose(table["std.error"], truth["parametric_se"], rtol=1e-6)
    np.testing.assert_allclose(fit.smooths["ref.df"], truth["ref_df"], atol=1e-6)
    np.testing.assert_allclose(
        fit.smooths["p.value"], truth["p_value"], atol=2e-5
    )  # mgcv's own error: tol of psum.chisq


# --- against the formulas -------------------------------------------------------------------------------------------


def reml(fit: bk.SmoothFit, rho: F64) -> float:
    """The criterion written out: a dense design, its minimiser by scipy, determinants by NumPy."""
    given = fit.prepared
    X = np.column_stack([given.schema.design(given.complete), np.ones(given.complete.n_rows)])
    scale = np.append(np.abs(X[:, :-1]).max(axis=0), 1.0)
    X, y = X / scale, given.problem.y.astype(float)
    ridge = np.append(ridge_of(given.schema.smooths, np.exp(rho).tolist(), X.shape[1] - 1), 0.0) / scale**2

    def objective(b: F64) -> tuple[float, F64]:
        eta = X @ b
        p = 1.0 / (1.0 + np.exp(-eta))
        return float(np.logaddexp(0.0, eta).sum() - y @ eta + 0.5 * ridge @ b**2), X.T @ (p - y) + ridge * b

    def hessian(b: F64) -> F64:
        p = 1.0 / (1.0 + np.exp(-(X @ b)))
        return np.asarray((X.T * (p * (1.0 - p))) @ X + np.diag(ridge))

    b = minimize(
        objective, np.zeros(X.shape[1]), jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-9}
    ).x
    b = b - np.linalg.solve(hessian(b), objective(b)[1])
    sizes = np.array([len(columns) for columns in penalties_of(given.schema.smooths).values()])
    constant = float(np.log(scale).sum())
    return objective(b)[0] + 0.5 * float(np.linalg.slogdet(hessian(b))[1]) + constant - 0.5 * float(sizes @ rho)


@pytest.mark.parametrize("formula", ["y ~ s(x, k=6) + g", "y ~ s(x, k=5) * s(z, k=5)", 'y ~ g + s(x, k=6, bs="ps"):g'])
def test_no_smoothing_parameters_are_better(formula: str) -> None:
    fit = smooth(formula, wavy())
    rho, open_ = np.log(fit.smoothing.strengths), ~fit.smoothing.at_end
    best = reml(fit, rho)
    steps = [step * row for row in np.eye(len(rho))[open_] for step in (-0.1, 0.1, -2.0, 2.0)]
    worse = np.array([reml(fit, rho + step) for step in steps]) - best
    assert (worse > 1e-7).all()
    np.testing.assert_allclose(worse[0::4], worse[1::4], atol=0.02 * worse[0::4].max() + 1e-3)  # level where it stands
    for k in np.flatnonzero(~open_):  # and an end that is none is no better
        assert (
            min(reml(fit, np.where(np.arange(len(rho)) == k, at, rho)) for at in (-6.0, -2.0, 2.0, 6.0)) > best - 1e-6
        )


def test_derivatives_of_the_criterion_are_exact() -> None:
    data = wavy() | {"o": 0.3 * wavy()["z"]}
    given = smooth("y ~ s(x, k=6) + s(z, k=5)*g", data, weights="w", offset="o").prepared
    penalties = list(penalties_of(given.schema.smooths).values())
    groups = Groups.of(standardised(given.problem), penalties)
    start = np.zeros(groups.rows.coordinates.size)

    def at(rho: F64) -> Any:
        found = groups.fitted(rho, start, 1e-24, Work())
        assert found is not None
        return found

    rho = np.array([-6.0, -4.0, -5.0, 2.0])
    slope, bend = at(rho).derivatives
    h = 1e-4
    ends = [(at(rho + h * e), at(rho - h * e)) for e in np.eye(len(rho))]
    # a central difference is off by h^2 of the third derivative, and by rounding 1e-16 * 200 / h
    np.testing.assert_allclose(slope, [(a.value - b.value) / (2 * h) for a, b in ends], atol=2e-8)
    differences = np.array([(a.derivatives[0] - b.derivatives[0]) / (2 * h) for a, b in ends])
    np.testing.assert_allclose(bend, differences, atol=2e-8)


def test_a_search_is_not_caught_where_a_smooth_is_a_straight_line() -> None:
    data = wavy()
    heavy = {"y": data["y"], "x": np.exp(3.0 * data["x"])}  # begun with little freedom, it would end at none
    fit = smooth("y ~ s(x)", heavy)
    groups = Groups.of(standardised(fit.prepared.problem), list(penalties_of(fit.prepared.schema.smooths).values()))
    start = np.zeros(groups.rows.coordinates.size)
    for rho in np.linspace(-32.0, 0.0, 17):
        other = groups.fitted(np.array([rho]), start, 1e-24, Work())
        assert other is not None
        assert other.value >= fit.smoothing.criterion
    assert fit.edf["s(x)"] > 4.0


@pytest.mark.parametrize(("whole", "parts"), [(0, (1.3, 0.4)), (1, (1.2, 0.1)), (4, (1.4, 0.6))])
@pytest.mark.parametrize("statistic", [0.5, 6.0, 40.0])
def test_tails_of_weighted_chi_squareds(whole: int, parts: tuple[float, float], statistic: float) -> None:
    # Imhof (1961): the inverse of the characteristic function
    weights, df = np.array([1.0, *parts]), np.array([whole, 1.0, 1.0])

    def integrand(u: float) -> float:
        angle = 0.5 * float(df @ np.arctan(weights * u)) - 0.5 * statistic * u
        return float(np.sin(angle) / (u * np.prod((1.0 + (weights * u) ** 2) ** (0.25 * df))))

    pieces = np.arange(0.0, 400.0, 2.0 * np.pi / max(1.0, statistic))
    truth = 0.5 + sum(quad(integrand, a, b)[0] for a, b in pairwise(pieces)) / np.pi
    # Imhof's integral is cut off at 400, where what is left oscillates with a height of 400^-(1 + whole / 2)
    assert _tail(statistic, whole, parts) == pytest.approx(truth, abs=5e-4 if whole == 0 else 2e-5)


# --- bases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bs", ["cr", "ps"])
def test_columns_are_a_line_and_bends_with_a_ridge(bs: str) -> None:
    x = np.random.default_rng(0).gamma(2.0, size=400)
    basis = learn_smooth(x, 9, bs)
    X = basis.evaluate(x)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-12)
    moments = X.T @ X / len(x)
    np.testing.assert_allclose(moments, np.diag(moments.diagonal()), atol=1e-12)
    np.testing.assert_allclose(X[:, 0], (x - x.mean()) / x.std(), atol=1e-10)
    assert (np.diff(moments.diagonal()[1:]) < 0.0).all()
    if bs == "cr":  # the integral of f''(u)^2 by parabolas between knots: f'' is linear there
        low, high = basis.knots[0], basis.knots[-1]
        knots, h = np.array(basis.knots), 1e-4 * (high - low)

        def bends(at: F64) -> F64:
            return (basis.evaluate(at + h) - 2.0 * basis.evaluate(at) + basis.evaluate(at - h)) / (
                h / (high - low)
            ) ** 2

        total = np.zeros((8, 8))
        for a, b in pairwise(knots):
            near, far = a + 0.2 * (b - a), a + 0.8 * (b - a)  # a line is known from two points
            f, g = bends(np.array([near, far]))
            first, last = f + (f - g) / 3.0, g + (g - f) / 3.0
            total += (
                (b - a)
                / (high - low)
                / 6.0
                * (np.outer(first, first) + np.outer(last, last) + np.outer(first + last, first + last))
            )
        np.testing.assert_allclose(
            total, np.diag([0.0, *[1.0] * 7]), atol=1e-5
        )  # of second differences: rounding / h^2
    else:
        matrix = np.array(basis.matrix).reshape(9, 8)
        differences = np.diff(matrix, 2, axis=0)
        np.testing.assert_allclose(differences.T @ differences, np.diag([0.0, *[1.0] * 7]), atol=1e-10)
        np.testing.assert_allclose(np.diff(basis.knots), np.diff(basis.knots)[0])
        np.testing.assert_allclose(basis.range, (x.min(), x.max()), rtol=1e-12)


@pytest.mark.parametrize("bs", ["cr", "ps"])
def test_beyond_its_range_a_smooth_is_straight(bs: str) -> None:
    basis = learn_smooth(np.random.default_rng(1).normal(size=100), 7, bs)
    for side in (-20.0, 20.0):
        a, b, c = basis.evaluate(np.array([side, 1.5 * side, 2.0 * side]))
        np.testing.assert_allclose(c - b, b - a, rtol=1e-9)
    assert np.isnan(basis.evaluate(np.array([np.nan]))).all()


def test_a_row_is_the_same_in_any_company() -> None:
    x = np.random.default_rng(2).normal(size=500)
    for bs in ("cr", "ps"):
        basis = learn_smooth(x, 10, bs)
        assert (basis.evaluate(x)[7:8] == basis.evaluate(x[7:8])).all()


def test_smooths_of_a_design() -> None:
    data = from_frame(wavy())
    schema = learn("y ~ g + s(x, k=4):g + s(x, k=3)*s(z, k=4) + z:s(exp(x), k=3)", data)
    names = schema.names
    found = {smooth.name: smooth for smooth in schema.smooths}
    assert list(found)[:2] == ["s(x, k=3)", "s(z, k=4)"]
    level = found["g[b]:s(x, k=4)"]
    assert [names[j] for j in level.columns] == [f"g[b]:s(x, k=4)[{k}]" for k in (1, 2, 3)]
    assert level.penalties == {"g[b]:s(x, k=4)": level.columns[1:]}
    surface = found["s(x, k=3):s(z, k=4)"]
    held = {part.split(" bent in ")[1]: {names[j] for j in columns} for part, columns in surface.penalties.items()}
    assert held == {
        "s(x, k=3)": {"s(x, k=3)[2]:s(z, k=4)[1]"},
        "s(z, k=4)": {"s(x, k=3)[1]:s(z, k=4)[2]", "s(x, k=3)[1]:s(z, k=4)[3]"},
        "s(x, k=3) and s(z, k=4)": {"s(x, k=3)[2]:s(z, k=4)[2]", "s(x, k=3)[2]:s(z, k=4)[3]"},
    }
    (varying,) = [smooth for smooth in schema.smooths if "exp(x)" in smooth.name]
    assert len(varying.columns) == 2
    assert all(names[j].count("z") == 1 for j in varying.columns)
    columns = [j for smooth in schema.smooths for j in smooth.columns]
    assert len(columns) == len(set(columns)) == sum("s(" in name for name in names)


def test_a_saved_basis_reads_back_bit_for_bit_and_is_checked() -> None:
    schema = learn('y ~ s(x) + s(z, k=5, bs="ps")', from_frame(wavy()))
    text = json.dumps(schema_to_dict(schema))
    assert schema_from_dict(json.loads(text)) == schema
    for path, value in (("matrix", [1.0] * 3), ("knots", [0.0] * 10), ("cardinal", False), ("matrix", "text")):
        broken = json.loads(text)
        broken["bases"]["s(x)"][path] = value
        with pytest.raises(ValueError, match="the saved schema is damaged"):
            schema_from_dict(broken)
    with pytest.raises(ValueError, match="needs a matrix"):
        Smooth((0.0, 1.0, 2.0), True, (1.0,))


# --- the fit --------------------------------------------------------------------------------------------------------


def test_what_a_summary_says() -> None:
    fit = smooth("y ~ s(x) + s(z) + g", wavy())
    text = str(fit.summary())
    assert "smooth" in text
    assert "a straight line; smoothing infinite" in text
    assert "1.000" in text
    assert "at these smoothing parameters" in text
    assert "s(x)[1]" not in text
    assert fit.edf["s(z)"] == pytest.approx(1.0, abs=1e-6)
    line = smooth("y ~ s(x) + z + g", wavy())
    np.testing.assert_allclose(fit.predict(), line.predict(), atol=1e-7)  # 1e-8 of the bends of s(z) are left


def test_frequencies_are_rows() -> None:
    data = wavy()
    once = smooth("y ~ s(x) + g", data, weights="w")
    again = {name: np.repeat(values, data["w"]) for name, values in data.items()}
    many = smooth("y ~ s(x) + g", again)
    # the constraint is over rows, so only the intercept differs
    np.testing.assert_allclose(np.repeat(once.predict(), data["w"]), many.predict(), atol=1e-10)
    np.testing.assert_allclose(once.edf["s(x)"], many.edf["s(x)"], rtol=1e-8)
    assert once.nobs == many.nobs


def test_units_and_origin_do_not_matter() -> None:
    data = wavy()
    far = data | {"x": 1e6 * data["x"] + 1e9}
    for formula in ("y ~ s(x)", "y ~ s(x, bs=ps)"):
        one, other = smooth(formula, data), smooth(formula, far)
        np.testing.assert_allclose(one.predict(), other.predict(), atol=1e-7)  # x keeps 7 digits fewer there
        np.testing.assert_allclose(one.smoothing.strengths, other.smoothing.strengths, rtol=1e-5)


def test_curves_are_what_predictions_move_by() -> None:
    fit = smooth("y ~ s(x) + z", wavy())
    curve = fit.curves(5)
    link = np.asarray(fit.predict({"x": curve["x"], "z": np.zeros(5)}, kind="link"))
    np.testing.assert_allclose(np.diff(curve["estimate"]), np.diff(link), atol=1e-10)
    at_rows = fit.predict(kind="link") - fit.params["z"] * fit.prepared.complete["z"].values - fit.params["(Intercept)"]
    assert abs(np.mean(at_rows)) < 1e-10
    svg = fit.plot().svg()
    assert "s(x), edf" in svg
    with pytest.raises(ValueError, match="no smooth of one variable"):
        smooth("y ~ s(x, k=4):s(z, k=4)", wavy()).plot()


def test_effects_are_slopes_of_the_curve() -> None:
    fit = smooth("y ~ s(x) + g", wavy())
    found = fit.effects("x")
    data, h = wavy(), 1e-5
    ends = [np.asarray(fit.predict({"x": data["x"] + step, "g": data["g"]})) for step in (h, -h)]
    np.testing.assert_allclose(found["estimate"], np.mean(ends[0] - ends[1]) / (2.0 * h), rtol=1e-6)
    assert fit.margins({"x": [0.0]})["std.error"][0] > 0.0
    assert fit.contrast("x", [(0, 1)])["estimate"][0] > 0.0


def test_a_saved_model_predicts_and_is_proved_again(tmp_path: Path) -> None:
    fit = smooth("y ~ s(x) + g", wavy())
    fit.save(tmp_path / "m.json")
    model = load(tmp_path / "m.json")
    np.testing.assert_array_equal(
        model.probabilities(from_frame(wavy()))[:, 1], fit.model.probabilities(from_frame(wavy()))[:, 1]
    )
    assert model.smoothing == fit.parameters
    certificate, problem, _ = model.certificate(from_frame(wavy()), 1e-8)
    assert certificate.certified
    assert problem.smoothing is not None
    saved = to_dict(fit.model)
    for broken in ({}, {"s(x)": -1.0}, {"s(z)": 1.0}):
        with pytest.raises(ValueError, match="smoothing"):
            from_dict(saved | {"smoothing": broken})
    with pytest.raises(ValueError, match="smoothing"):
        from_dict({key: value for key, value in saved.items() if key != "smoothing"})


def test_other_coefficients_are_not_certified() -> None:
    fit = smooth("y ~ s(x) + g", wavy())
    moved = replace(fit.model, coef=fit.model.coef * 1.01)
    certificate = moved.certificate(from_frame(wavy()), 1e-8)[0]
    assert not certificate.certified
    stiffer = replace(fit.model, smoothing={"s(x)": 2.0 * fit.parameters["s(x)"]})
    assert not stiffer.certificate(from_frame(wavy()), 1e-8)[0].certified


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, model = tmp_path / "t.csv", tmp_path / "m.json"
    pd.DataFrame(wavy()).to_csv(table, index=False)
    assert main(["fit", str(table), "y ~ s(x) + g", "--save", str(model)]) == 0
    assert "edf" in capsys.readouterr().out
    assert main(["check", str(model), str(table)]) == 0
    assert "Optimum certified" in capsys.readouterr().out
    assert main(["path", str(table), "y ~ s(x)"]) != 0
    assert "s(x) is a smooth" in capsys.readouterr().err


# --- refusals -------------------------------------------------------------------------------------------------------


def strange() -> dict[str, Any]:
    data = wavy()
    x = data["x"]
    return data | {
        "wide": (np.abs(x) > 1.0).astype(int),
        "right": (x > 0.0).astype(int),
        "x2": 2.0 * x + 1.0,
        "three": np.arange(len(x)) % 3,
        "one": np.ones(len(x)),
    }


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("wide ~ s(x)", {}, "separate the classes"),
        ("right ~ s(x)", {}, r"separated by 's\(x\)\[1\]'.*leave that term out"),
        ("y ~ s(x) + x2", {}, "cannot be told apart from other columns that no smoothing parameter holds"),
        ("y ~ s(x) + s(x2)", {}, "cannot be told apart"),
        ("three ~ s(x)", {}, "two classes, and the response has 3"),
        ("y ~ s(one)", {}, "constant argument"),
        ("y ~ s(three)", {}, "3 distinct values, too few for k=10: give k=3"),
        ("y ~ s(g)", {}, "needs numbers"),
        ("y ~ s(x, k=2)", {}, "needs k from 3 to 200"),
        ("y ~ s(x, k=3, bs=ps)", {}, "needs k from 4 to 200"),
        ('y ~ s(x, bs="tp")', {}, 'is "cr"'),
        ("y ~ te(x, z)", {}, r"s\(x\) \+ s\(z\) \+ s\(x\):s\(z\)"),
        ("y ~ log(s(x))", {}, "no number that arithmetic could use"),
        ("y ~ s(x)", {"strength": 1.0}, "strength= and smooths"),
        ("y ~ s(x)", {"covariance": "HC1"}, "covariance= and smooths"),
        ("y ~ s(x)", {"bias_reduction": "firth"}, "bias_reduction= and smooths"),
        ("y ~ s(x)", {"weights": "w", "weight_kind": "sampling"}, "sampling weights have no likelihood"),
        ("y ~ s(x)", {"penalty": "lasso", "lambda_": 0.1}, r"s\(x\) is a smooth"),
    ],
)
def test_refusals_are_sentences(formula: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smooth(formula, strange(), **options)


def test_what_needs_a_maximum_of_the_likelihood_is_refused() -> None:
    fit = smooth("y ~ s(x)", wavy())
    for name in ("bootstrap", "test", "anova", "compare", "robust", "diagnostics"):
        with pytest.raises(StatisticsError, match=f"no {name}"):
            getattr(fit, name)
    with pytest.raises(StatisticsError, match="profile"):
        fit.findings("profile")
    with pytest.raises(StatisticsError, match="penalised"):
        _ = Estimates(fit.estimates.fit).inverse
    with pytest.raises(AttributeError):
        _ = fit.nothing
    for door in (bk.path, bk.cross_validate):
        with pytest.raises(ValueError, match="is a smooth"):
            door("y ~ s(x)", wavy())


def test_a_least_value_that_is_not_the_least_is_told() -> None:
    rng = np.random.default_rng(34)
    n = int(rng.choice([40, 80, 150, 400, 1000]))  # 40 rows, which 26 columns can separate
    x, z, v = rng.normal(size=n), rng.uniform(size=n), rng.gamma(0.7, size=n)
    eta = 2.0 * rng.normal() * np.sin(2 * x) + 2.0 * rng.normal() * np.cos(6 * z) + rng.normal() * np.log(v + 0.1)
    y = (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    with pytest.warns(UserWarning, match="less smooth curves could separate the classes"):
        fit = smooth('y ~ s(x) + s(z, k=8, bs="ps") + s(v)', {"x": x, "z": z, "v": v, "y": y})
    assert fit.smoothing.local
    assert "Less smooth curves could separate the classes" in str(fit.summary())


def test_few_rows_for_many_coefficients_are_told() -> None:
    rng = np.random.default_rng(11)
    n = 40
    x, z = rng.normal(size=n), rng.normal(size=n)
    y = (rng.uniform(size=n) < 0.5).astype(int)
    with pytest.warns(UserWarning, match="may have no greatest value"):
        fit = smooth("y ~ s(x, k=12) + s(z, k=12)", {"x": x, "z": z, "y": y})
    assert fit.smoothing.local
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        smooth("y ~ s(x, k=5)", {"x": x, "z": z, "y": y})
