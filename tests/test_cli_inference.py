"""Inference in the command: what it prints is what the door says, options, refusals, JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import StatisticsError, logit
from berkson.cli import main

DATA = Path(__file__).parent / "data"
R: dict[str, Any] = json.loads((Path(__file__).parent / "r" / "glm_tables.json").read_text(encoding="utf-8"))
BIRTHS = ["fit", str(DATA / "birthwt.csv"), "low ~ age + lwt + C(race) + smoke", "--no-save"]
WOMEN = ["fit", str(DATA / "womenlf.csv"), "partic ~ hincome + children", "--no-save"]


def as_json(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict[str, Any]:
    assert main([*argv, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def column(found: dict[str, Any], key: str) -> list[float]:
    return [parameter[key] for parameter in found["inference"]["parameters"]]


def test_json_has_the_numbers_of_r(capsys: pytest.CaptureFixture[str]) -> None:
    found, expected = as_json(capsys, *BIRTHS), R["binomials"]["births"]
    for k, key in enumerate(("estimate", "std_error", "statistic", "p_value")):
        np.testing.assert_allclose(column(found, key), np.array(expected["coefficients"])[:, k], rtol=1e-8)
    np.testing.assert_allclose(np.column_stack([column(found, "low"), column(found, "high")]), expected["confint"])
    glance = expected["glance"]
    keys = {
        "log_likelihood": "logLik",
        "deviance": "deviance",
        "null_deviance": "null.deviance",
        "df_residual": "df.residual",
        "df_null": "df.null",
        "aic": "AIC",
        "bic": "BIC",
        "n_obs": "nobs",
    }
    for ours, theirs in keys.items():
        assert found["statistics"][ours] == pytest.approx(glance[theirs], rel=1e-9)
    assert found["refused"] == []


@pytest.mark.parametrize(
    ("options", "arguments", "method"),
    [
        ([], {}, "wald"),
        (["--robust", "HC1"], {"covariance": "HC1"}, "wald"),
        (["--cluster", "age"], {"cluster": "age"}, "wald"),
        (
            ["--cluster", "age", "--cluster", "race", "--robust", "CR0"],
            {"cluster": ["age", "race"], "covariance": "CR0"},
            "wald",
        ),
        (["--ci", "profile", "--level", "0.9"], {"level": 0.9}, "profile"),
        (["--firth", "--ci", "profile"], {"bias_reduction": "firth"}, "profile"),
        (["--weights", "ftv", "--weight-kind", "sampling"], {"weights": "ftv", "weight_kind": "sampling"}, "wald"),
    ],
)
def test_options_are_those_of_the_door(
    capsys: pytest.CaptureFixture[str], options: list[str], arguments: dict[str, Any], method: Any
) -> None:
    fit = logit(BIRTHS[2], pd.read_csv(DATA / "birthwt.csv"), **arguments)
    found, expected = as_json(capsys, *BIRTHS, *options), fit.tidy(method=method)
    for ours, theirs in (
        ("estimate", "estimate"),
        ("std_error", "std.error"),
        ("low", "conf.low"),
        ("high", "conf.high"),
    ):
        np.testing.assert_allclose(column(found, ours), expected[theirs], rtol=1e-9)
    assert found["inference"]["covariance"] == fit.covariance.text
    assert main([*BIRTHS, *options]) == 0
    printed, told = capsys.readouterr().out.splitlines(), str(fit.summary(method)).splitlines()
    assert printed[3:-1] == told[3:-1]  # but for the name of the table, and the seconds


def test_marginal_effects(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, *WOMEN, "--margins")["effects"]
    expected = logit(WOMEN[2], pd.read_csv(DATA / "womenlf.csv")).effects()
    np.testing.assert_allclose([effect["estimate"] for effect in found], expected["estimate"], rtol=1e-9)
    np.testing.assert_allclose([effect["high"] for effect in found], expected["conf.high"], rtol=1e-9)
    assert main([*WOMEN, "--margins"]) == 0
    out = capsys.readouterr().out
    assert "average effect on the probability" in out
    assert "P(not.work): children: present - absent" in out


def test_the_reference_is_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, *WOMEN, "--reference", "not.work")["inference"]
    assert found["reference"] == "not.work"
    assert [parameter["class"] for parameter in found["parameters"]] == ["fulltime"] * 3 + ["parttime"] * 3
    assert main([*WOMEN, "--reference", "not.work"]) == 0
    assert "each class against not.work" in capsys.readouterr().out


def test_infinite_estimates_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["fit", str(DATA / "endometrial.csv"), "HG ~ NV + PI + EH", "--no-save", "--ci", "profile"]
    found = as_json(capsys, *argv, code=1)
    by_name = {parameter["term"]: parameter for parameter in found["inference"]["parameters"]}
    assert by_name["NV"]["estimate"] is None
    assert by_name["NV"]["infinite"] == 1
    assert by_name["NV"]["low"] == pytest.approx(1.2841, abs=1e-4)  # log of 3.6115
    assert by_name["NV"]["high"] is None
    assert "infinite" not in by_name["PI"]
    assert as_json(capsys, *argv, "--margins", code=1)["refused"]


def test_bias_reduced_models_are_saved_and_not_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, data = tmp_path / "m.json", str(DATA / "endometrial.csv")
    assert main(["fit", data, "HG ~ NV + PI + EH", "--firth", "--save", str(path)]) == 0
    assert json.loads(path.read_text())["bias_reduction"] == "mean"
    assert main(["predict", str(path), data]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    fit = logit("HG ~ NV + PI + EH", pd.read_csv(data), bias_reduction="firth")
    predicted = [float(line) for line in out[out.index("P(HG = 1)\n") :].splitlines()[1:]]
    np.testing.assert_allclose(predicted, fit.predict(), rtol=1e-12)
    assert main(["check", str(path), data]) == 2
    assert "bias-reduced" in capsys.readouterr().err
    path.write_text(path.read_text().replace('"mean"', '"mode"'))
    assert main(["predict", str(path), data]) == 2
    assert "'bias_reduction' of the model is neither mean nor median" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--robust", "HC9"], "there is no covariance 'HC9'"),
        (["--robust", "CR1"], "needs clusters"),
        (["--cluster", "hospital"], "has no column 'hospital'"),
        (["--robust", "HC1", "--ci", "profile"], "does not; ask for Wald intervals"),
        (["--strength", "1", "--robust", "HC1"], "a penalised fit has estimates and predictions, but no inference"),
        (["--firth", "--strength", "1"], "fit without a penalty"),
        (["--reference", "1"], "event= chooses"),
        (["--level", "95"], "is not between 0 and 1"),
        (["--weight-kind", "robust"], "invalid choice"),
        (["--ci", "exact"], "invalid choice"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], sentence: str
) -> None:
    assert main([*BIRTHS[:3], "--save", str(tmp_path / "m.json"), *options]) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("policy", ["error", "missing", "baseline"])
def test_the_policy_for_what_new_data_lack_is_saved_with_the_model(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    g, x, t = rng.choice(["a", "b", "c"], 90), rng.normal(size=90), rng.uniform(-1, 1, 90)
    y = (rng.random(90) < 0.5).astype(int)
    old, new, model = tmp_path / "old.csv", tmp_path / "new.csv", tmp_path / "m.json"
    rows = (f"{a},{b},{c!r},{d!r}" for a, b, c, d in zip(y, g, x.tolist(), t.tolist(), strict=True))
    old.write_text("\n".join(["y,g,x,t", *rows]))
    new.write_text("g,x\nb,0.5\nd,0.5\na,0.5\n")  # d was not seen, and there is no t
    assert main(["fit", str(old), "y ~ g + x", "--offset", "t", "--policy", policy, "--save", str(model)]) == 0
    capsys.readouterr()
    done = main(["predict", str(model), str(new)])
    out, err = capsys.readouterr()
    table = {"y": y, "g": g, "x": x, "t": t}
    fit = logit("y ~ g + x", table, offset="t", policy=policy)  # type: ignore[arg-type]
    if policy == "error":
        assert done == 2
        assert "no column 't'" in err
        with pytest.raises(StatisticsError, match="'d', which the model has not seen"):
            fit.predict({"g": ["b", "d", "a"], "x": [0.5] * 3})
        return
    assert done == 0
    assert "'d'" in err
    assert "no offset" in err
    with pytest.warns(UserWarning, match="not seen|no offset"):
        expected = fit.predict({"g": ["b", "d", "a"], "x": [0.5] * 3})
    assert np.isnan(expected).all() == (policy == "missing")
    found = [float(line.strip('"') or math.nan) for line in out.splitlines()[1:]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    if policy == "baseline":
        assert expected[1] == expected[2]  # a is the reference
