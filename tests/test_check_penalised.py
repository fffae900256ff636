"""Saved fits of paths are proved again under their own penalty, and coefficients that are not those are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import cross_validate, path
from berkson.cli import main
from berkson.model import Model
from berkson.model_file import from_dict, to_dict
from berkson.table import from_frame

BIRTHS = Path(__file__).parent / "data" / "birthwt.csv"
TOL = 1e-6

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "lasso": ("low ~ age + lwt + C(race) + smoke + ht", {}),
    "ridge": ("low ~ age + lwt + C(race) + smoke", {"l1_ratio": 0.0}),
    "elastic net, raw units": ("low ~ age + lwt + C(race) * smoke", {"l1_ratio": 0.3, "standardize": False}),
    "free columns": ("low ~ age + lwt + C(race) + smoke", {"unpenalised": "race"}),
    "factors": ("low ~ age + lwt + C(race) + smoke", {"factors": {"age": np.inf, "lwt": 2.0}}),
    "groups": ("low ~ age + lwt + C(race) + smoke", {"column_groups": "terms"}),
    "sparse groups": ("low ~ age + lwt + C(race) + smoke", {"column_groups": "terms", "share": 0.3}),
    "bounds": ("low ~ age + lwt + C(race) + smoke", {"lower": {"lwt": 0.0}, "upper": {"smoke": 0.25}}),
    "many classes": ("race ~ age + lwt + smoke", {}),
    "many classes, groups": ("race ~ age + lwt + smoke", {"column_groups": {"age": 1, "lwt": 1}}),
    "weights": ("low ~ age + lwt + C(race)", {"weights": "w", "scale": "sum", "lambdas": [8.0, 4.0]}),
    "no intercept": ("low ~ 0 + age + lwt + C(race)", {}),
}


@pytest.fixture(scope="module")
def births() -> pd.DataFrame:
    data = pd.read_csv(BIRTHS)
    return data.assign(w=1 + data["ptl"])


def saved(formula: str, data: pd.DataFrame, **options: Any) -> tuple[Model, float]:
    """A model in the middle of a path, as it comes from a file, and its objective."""
    fits = path(formula, data, **{"count": 20, **options})
    fit = fits.at(float(fits.lambdas[len(fits.lambdas) // 2]))
    return from_dict(to_dict(fit.model)), fit.certificate.objective


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_proved_again(births: pd.DataFrame, kind: str) -> None:
    formula, options = KINDS[kind]
    model, objective = saved(formula, births, **options)
    proof, rows = model.check(from_frame(births), TOL)
    assert proof.certified
    assert rows.used == len(births)
    np.testing.assert_allclose(proof.objective, objective, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_other_coefficients_are_not(births: pd.DataFrame, kind: str) -> None:
    formula, options = KINDS[kind]
    model, objective = saved(formula, births, **options)
    proof, _ = replace(model, coef=1.05 * model.coef).check(from_frame(births), TOL)
    assert not proof.certified
    excess = (proof.objective - objective) / proof.null_objective
    assert excess <= proof.relative_gap  # the bound is one
    weaker = replace(model, penalty=replace(model.penalty, lambda_=0.5 * model.penalty.lambda_))  # type: ignore[union-attr]
    assert not weaker.check(from_frame(births), TOL)[0].certified


def test_what_the_penalty_leaves_out_has_no_coefficient(births: pd.DataFrame) -> None:
    for kind, column in (("factors", 0), ("bounds", 1)):
        model, _ = saved(*KINDS[kind][:1], births, **KINDS[kind][1])
        coef = model.coef.copy()
        assert coef[0, column] == 0.0
        coef[0, column] = -1e-12
        assert replace(model, coef=coef).check(from_frame(births), TOL)[0].relative_gap == np.inf


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dense", [4000, 100], ids=["with a Hessian", "by a gradient"])
def test_more_columns_than_rows(l1_ratio: float, dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 300))).rename(columns="c{}".format)
    frame = frame.assign(y=np.arange(60) % 2)
    model, _ = saved("y ~ .", frame, l1_ratio=l1_ratio, count=6)
    monkeypatch.setattr("berkson.select.judge.DENSE_UP_TO", dense)
    assert model.check(from_frame(frame), TOL)[0].certified
    assert not replace(model, coef=1.05 * model.coef).check(from_frame(frame), TOL)[0].certified


def test_the_command(births: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "lasso.json"
    assert main(["cv", str(BIRTHS), "low ~ age + lwt + C(race)", "--count", "20", "--save", str(model), "--quiet"]) == 0
    assert main(["check", str(model), str(BIRTHS)]) == 0
    assert "the objective is within" in capsys.readouterr().out
    other = tmp_path / "other.csv"
    births.iloc[::2].to_csv(other, index=False)
    assert main(["check", str(model), str(other)]) == 1
    relaxed = tmp_path / "relaxed.json"
    asked = ["low ~ age + lwt + C(race) + smoke + ht", "--relax", "--save", str(relaxed), "--quiet"]
    assert main(["cv", str(BIRTHS), *asked]) == 0
    gamma = from_dict(to_dict(cross_validate(asked[0], births, relax=(0, 0.25, 0.5, 0.75, 1)).best().model))
    assert gamma.penalty is not None
    assert gamma.penalty.gamma < 1.0  # else the next line shows nothing
    assert main(["check", str(relaxed), str(BIRTHS)]) == 2
    assert "is the optimum of nothing that a check could prove" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [{"factors": [1.0]}, {"groups": [0, 1, 2, -1]}, {"share": 1.5}, {"gamma": "no"}, {"lower": [None, "x", 0, 0]}],
    ids=str,
)
def test_damaged_penalties_are_refused(births: pd.DataFrame, change: dict[str, Any]) -> None:
    data = to_dict(saved("low ~ age + lwt + smoke + ht", births)[0])
    data["penalty"] |= change
    with pytest.raises(ValueError, match="penalty"):
        from_dict(data)
