"""Effects, contrasts and margins against R, where they were written out by hand: `r/effects.R`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from effect_data import HERE, Study, study, table_of

from berkson.fit import fit
from berkson.inference.bias_reduction import reduce_bias
from berkson.inference.covariance import covariance
from berkson.inference.effects import contrasts, effects, margins
from berkson.inference.estimates import Estimates
from berkson.inference.quantities import Quantities
from berkson.inference.scenarios import Shift, fitted_population
from berkson.model import prepare
from berkson.table import Table, from_frame

R = json.loads((HERE / "r" / "effects.json").read_text(encoding="utf-8"))
AGREE = 1e-8  # relative: eight digits, as asked; both optima are exact to far more


def agrees(found: Quantities, expected: dict[str, Any] | list[dict[str, Any]]) -> None:
    each = expected if isinstance(expected, list) else [expected]
    estimates = np.ravel([e["estimate"] for e in each])
    errors = np.ravel([e["se"] for e in each])
    # an effect near 0 is a difference of far larger numbers: then to eight digits of its standard error
    np.testing.assert_allclose(found.estimate, estimates, rtol=AGREE, atol=AGREE * errors.min())
    np.testing.assert_allclose(found.std_error, errors, rtol=AGREE)


@pytest.fixture(scope="module")
def additive() -> Study:
    return study("low ~ age + lwt + C(race) + smoke", table_of("birthwt.csv"))


@pytest.fixture(scope="module")
def curved() -> Study:
    return study("low ~ age * smoke + I(age^2) + log(lwt) * C(race)", table_of("birthwt.csv"))


@pytest.fixture(scope="module")
def women() -> Study:
    return study("partic ~ hincome + children", table_of("womenlf.csv"))


def test_slopes_and_level_differences_are_those_of_r(additive: Study) -> None:
    found = effects(*additive)
    expected = R["additive"]
    agrees(found, [expected[name] for name in ("age", "lwt", "race_21", "race_31", "smoke_slope")])
    assert found.labels["column"] == ("age", "lwt", "race", "race", "smoke")
    assert found.labels["contrast"] == ("dydx", "dydx", "2 - 1", "3 - 1", "dydx")
    assert found.labels["class"] == ("1",) * 5


def test_a_zero_one_column_is_discrete_on_request(additive: Study) -> None:
    found = effects(*additive, ["smoke"], discrete=["smoke"])
    agrees(found, R["additive"]["smoke_discrete"])
    assert found.labels["contrast"] == ("1 - 0",)


@pytest.mark.parametrize("slope", ["eyex", "eydx", "dyex"])
def test_elasticities_are_those_of_r(additive: Study, slope: Any) -> None:
    agrees(effects(*additive, ["lwt"], slope=slope), R["additive"][f"lwt_{slope}"])


def test_interactions_powers_and_logarithms_are_those_of_r(curved: Study) -> None:
    agrees(effects(*curved, ["age"]), R["curved"]["age"])
    agrees(effects(*curved, ["age"], at={"age": 35}), R["curved"]["age_at_35"])
    agrees(effects(*curved, ["lwt"]), R["curved"]["lwt"])
    agrees(contrasts(*curved, "race", [("1", "3")]), R["curved"]["race_31"])


def test_a_spline_is_that_of_r() -> None:
    formula = "low ~ bs(age, knots=c(19, 23, 27)) + smoke"
    agrees(effects(*study(formula, table_of("birthwt.csv")), ["age"]), R["spline"]["age"])


def test_contrasts_are_those_of_r(additive: Study) -> None:
    expected = R["additive"]
    found = contrasts(*additive, "race", "pairwise")
    agrees(found, [expected["race_21"], expected["race_31"], expected["race_32"]])
    agrees(contrasts(*additive, "race", "sequential"), [expected["race_21"], expected["race_32"]])
    agrees(contrasts(*additive, "race", [(1, 2)], measure="ratio"), expected["race_ratio_21"])
    agrees(contrasts(*additive, "race", [("1", "2")], measure="odds_ratio"), expected["race_odds_21"])
    agrees(contrasts(*additive, "lwt", [(Shift(0), Shift(10))]), expected["lwt_plus10"])


def test_effects_at_the_mean_and_in_groups_are_those_of_r(additive: Study) -> None:
    expected = R["additive"]
    found = effects(*additive, ["age", "race"], others="means")
    agrees(
        Quantities(**{**vars(found), "estimate": found.estimate[:2], "jacobian": found.jacobian[:2]}),
        [expected["age_at_means"], expected["race_21_at_means"]],
    )
    groups = effects(*additive, ["age"], by=["race"])
    assert groups.groups == {"race": ("1", "2", "3")}
    np.testing.assert_allclose(groups.estimate[1], expected["age_race2"]["estimate"], rtol=AGREE)
    np.testing.assert_allclose(groups.std_error[1], expected["age_race2"]["se"], rtol=AGREE)


def test_margins_are_those_of_r(additive: Study) -> None:
    expected = R["additive"]
    agrees(margins(*additive, at={"race": "3"}), expected["margin_race3"])
    agrees(margins(*additive, at={"age": 30, "smoke": True}), expected["margin_age30_smoke1"])
    found = margins(*additive, at={"race": ["1", "2", "3"], "smoke": 1}, others="means", kind="link")
    agrees(found, R["emmeans"])
    assert found.at == {"race": ("1", "2", "3"), "smoke": (1.0, 1.0, 1.0)}


def test_grouped_counts_average_over_trials_as_in_r() -> None:
    menarche = study("Menarche / Total ~ Age", table_of("menarche.csv"))
    agrees(effects(*menarche), R["counts"]["Age"])
    agrees(margins(*menarche, at={"Age": 13}), R["counts"]["margin_13"])


def test_an_offset_is_that_of_r() -> None:
    table = table_of("birthwt.csv")
    exposure = np.log(table["lwt"].values / 100.0)
    data = {name: column.values for name, column in table.columns.items()} | {"exposure": exposure}
    agrees(effects(*study("low ~ age + smoke", data, offset="exposure"), ["age"]), R["offset"]["age"])


def test_weights_are_those_of_r() -> None:
    table = table_of("housing.csv")
    high = np.array([level == "High" for level in np.array(table["Sat"].levels)[table["Sat"].values]])
    data = Table({**table.columns, "high": from_frame({"high": high})["high"]}, table.n_rows, "housing")
    for kind in ("frequency", "precision"):
        made = study("high ~ Infl + Cont", data, kind, weights="Freq")
        agrees(contrasts(*made, "Infl", [("High", "Low")]), R["weights"][kind])


def test_bias_reduced_estimates_have_those_of_r() -> None:
    prepared = prepare("HG ~ NV + PI + EH", table_of("endometrial.csv"))
    estimates = reduce_bias(Estimates(fit(prepared.problem)))
    population = fitted_population(estimates, prepared.schema, prepared.complete)
    made = Study(estimates, covariance(estimates), prepared.schema, population)
    agrees(effects(*made, ["EH"]), R["firth"]["EH"])
    agrees(contrasts(*made, "NV", [(0, 1)]), R["firth"]["NV"])


def test_every_class_is_that_of_r(women: Study) -> None:
    found = effects(*women)
    expected = R["multinomial"]
    agrees(found, [expected["hincome"], expected["children"]])
    assert found.labels["class"] == tuple(expected["classes"]) * 2
    np.testing.assert_allclose(found.estimate.reshape(2, 3).sum(axis=1), 0.0, atol=1e-15)  # rounding of three terms
