"""Whole analyses of data that ship with R, against glm, car, sandwich and clubSandwich (tests/r/classics.R)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import LogitFit, RankWarning, SeparationWarning, logit
from berkson.inference.estimates import StatisticsError

HERE = Path(__file__).parent
RECORD: dict[str, Any] = json.loads((HERE / "r" / "classics.json").read_text(encoding="utf-8"))
R, SEPARATED = RECORD["fits"], RECORD["separated"]
LEVELS = {
    "alcgp": ["0-39g/day", "40-79", "80-119", "120+"],
    "tobgp": ["0-9g/day", "10-19", "20-29", "30+"],
    "tension": ["L", "M", "H"],
    "trt": ["placebo", "drug", "drug+"],
}
EXACT = 1e-8  # relative: eight digits of R, whose covariances are those of its optimum here
LOOSE = 1e-6  # R's score tests rest on weights of the iterate before the last; where a difference is taken of two fits


def read(name: str) -> pd.DataFrame:
    table = pd.read_csv(HERE / "data" / f"{name}.csv")
    return table.assign(**{k: pd.Categorical(table[k], order) for k, order in LEVELS.items() if k in table})


def cancers() -> pd.DataFrame:
    table = read("esoph")
    trials = table["ncases"] + table["ncontrols"]
    return table.assign(trials=trials, share=table["ncases"] / trials)


def breaks() -> pd.DataFrame:
    table = read("warpbreaks")
    return table.assign(high=table["breaks"] > 26)


def passengers() -> pd.DataFrame:
    return read("titanic").query("Freq > 0")


FITS: dict[str, Callable[[], LogitFit]] = {
    "polynomials": lambda: logit(
        "cbind(ncases, ncontrols) ~ C(agegp, poly) + C(tobgp, contr.poly) + C(alcgp, poly)", cancers()
    ),
    "shares": lambda: logit(
        "share ~ C(agegp, poly) + C(alcgp, poly)", cancers(), weights="trials", weight_kind="precision"
    ),
    "contrasts": lambda: logit("high ~ C(wool, sum) * C(tension, helmert)", breaks()),
    "nested": lambda: logit("high ~ wool / tension", breaks()),
    "weights": lambda: logit("Survived ~ Class + C(Sex) * Age", passengers(), weights="Freq", weight_kind="precision"),
    "aliased": lambda: logit("y ~ trt * week + ap", read("bacteria")),
    "clusters": lambda: logit("y ~ trt * log1p(week)", read("bacteria")),
    "splines": lambda: logit("type ~ npreg + ns(glu, 3) + bmi * ped + log(skin)", read("pima")),
}


@pytest.fixture(scope="module", params=FITS)
def case(request: pytest.FixtureRequest) -> tuple[LogitFit, dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return FITS[request.param](), R[request.param]


def known(values: Any) -> Any:
    """Without the parameters that have no estimate."""
    found = np.asarray(values)
    return found[~np.isnan(found)]


def numbers(values: float | list[float | None]) -> Any:
    """NA as NaN; R writes a vector of one number as a number."""
    return np.atleast_1d(np.array(values, dtype=float))


def test_parameters_and_standard_errors(case: tuple[LogitFit, dict[str, Any]]) -> None:
    fit, expected = case
    np.testing.assert_allclose(fit.params, numbers(expected["params"]), rtol=EXACT, atol=1e-12)
    np.testing.assert_allclose(known(fit.bse), expected["bse"], rtol=EXACT)
    for kind, errors in expected["HC"].items():
        np.testing.assert_allclose(known(fit.robust(kind).bse), errors, rtol=EXACT, err_msg=kind)


def test_likelihoods(case: tuple[LogitFit, dict[str, Any]]) -> None:
    fit, expected = case
    for name in ("deviance", "null_deviance", "llf", "aic", "bic", "df_resid", "nobs"):
        assert getattr(fit, name) == pytest.approx(expected[name], rel=1e-10), name


@pytest.mark.parametrize("name", [name for name in FITS if "clustered" in R[name]])
def test_clustered_standard_errors(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        fit = FITS[name]()
    for kind, errors in R[name]["clustered"].items():
        found = fit.robust("CR1" if kind == "vcovCL" else kind, cluster="ID").bse
        np.testing.assert_allclose(known(found), errors, rtol=EXACT, err_msg=kind)


def test_rows(case: tuple[LogitFit, dict[str, Any]]) -> None:
    fit, expected = case
    for kind, values in expected["residuals"].items():
        np.testing.assert_allclose(fit.diagnostics.residuals(kind)[: len(values)], values, rtol=LOOSE, err_msg=kind)
    influence = fit.diagnostics.influence()
    for name in ("leverage", "cooks_distance", "dffits"):
        np.testing.assert_allclose(influence[name][: len(expected[name])], expected[name], rtol=LOOSE, err_msg=name)


def assert_tested(fit: LogitFit, name: str, expected: dict[str, Any]) -> None:
    kind, method = name.split("_")
    table = fit.drop1(method=method) if kind == "drop1" else fit.anova(kind, method=method)
    tested = numbers(expected["df"]) > 0  # R calls the statistic of an aliased term 0
    np.testing.assert_array_equal(table["df"], numbers(expected["df"]), err_msg=name)
    statistic = numbers(expected["statistic"])[tested]
    np.testing.assert_allclose(table["statistic"][tested], statistic, rtol=LOOSE, atol=1e-12, err_msg=name)


def test_tests_of_terms(case: tuple[LogitFit, dict[str, Any]]) -> None:
    fit, expected = case
    for name, test in expected["tests"].items():
        if name == "vif":
            np.testing.assert_allclose(fit.diagnostics.vif()["gvif"], test, rtol=LOOSE)
        else:
            assert_tested(fit, name, test)


def test_terms_of_separated_data_are_tested_with_all_their_parameters() -> None:
    # of Class:Age one parameter tends to infinity, and one either way: it has two degrees of freedom all the same
    with pytest.warns(SeparationWarning), pytest.warns(RankWarning):
        fit = logit("Survived ~ Class * C(Sex) + Age * Class", passengers(), weights="Freq", weight_kind="precision")
    assert fit.deviance == pytest.approx(SEPARATED["deviance"], rel=1e-9)
    for name, test in SEPARATED["tests"].items():
        assert_tested(fit, name, test)
    wald = fit.anova("III", method="wald").set_index("term")
    assert np.isnan(wald.loc["Class:Age", "statistic"])
    assert wald.loc["Class:C(Sex)", "df"] == 3


def test_hypotheses_about_an_infinite_estimate_have_a_likelihood_ratio() -> None:
    with pytest.warns(SeparationWarning):
        fit = logit("HG ~ NV + PI + EH", read("endometrial"))
    for text, statistic in SEPARATED["hypotheses"].items():
        found = fit.test(text, method="lr")
        np.testing.assert_allclose(found["statistic"], statistic, rtol=LOOSE, err_msg=text)
    with pytest.raises(StatisticsError, match=r"is about NV, whose estimate is infinite, .* use method='lr'"):
        fit.test("NV = 0")
    assert fit.test("PI = 0")["df"][0] == 1
