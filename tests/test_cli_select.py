"""The commands `berkson path` and `berkson cv`: what they print, save and draw, and their sentences."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson import cross_validate, logit, path
from berkson.cli import main
from berkson.logistic.relaxed_choice import LogitRelaxedCrossValidation
from berkson.report.progress import _Bar, stage

DATA = Path(__file__).parent / "data"
BIRTHS = str(DATA / "birthwt.csv")
FORMULA = "low ~ age + lwt + C(race) + smoke + ht"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def births() -> pd.DataFrame:
    return pd.read_csv(BIRTHS)


# --- path -----------------------------------------------------------------------------------------------------------


def test_path_prints_where_columns_come_and_go(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["path", BIRTHS, FORMULA, "--unpenalised", "race,age"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    expected = str(path(FORMULA, births(), unpenalised=["race", "age"])).replace("data frame", "birthwt.csv")
    # all but the last line, which tells the time
    assert out.splitlines()[:-1] == expected.splitlines()[:-1]
    assert "not penalised: age, C(race)[2], C(race)[3]" in out
    assert not list(Path().iterdir())


def test_path_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--l1-ratio", "0.5", "--lambda", "0.01", "--lambda", "0.1", "--no-standardize", "--weights", "ptl"]
    assert main(["path", BIRTHS, "low ~ age + smoke", "--json", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = path("low ~ age + smoke", births(), l1_ratio=0.5, lambdas=[0.1, 0.01], standardize=False, weights="ptl")
    assert [fit["lambda"] for fit in found["fits"]] == [0.1, 0.01]
    for fit, row in zip(found["fits"], expected.coef.to_dict("records"), strict=True):
        (entry,) = fit["coefficients"]
        assert entry["class"] == "1"
        assert entry["intercept"] == row["(Intercept)"]
        assert entry["columns"] == {name: row[name] for name in ("age", "smoke") if row[name] != 0.0}
        assert fit["certified"] is True
    assert (found["l1_ratio"], found["standardize"], found["columns"]) == (0.5, False, ["age", "smoke"])


def test_group_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["path", BIRTHS, FORMULA, "--json", "--group-terms", "--count", "40"]) == 0
    fits = json.loads(capsys.readouterr().out)["fits"]
    used = [set(fit["coefficients"][0]["columns"]) & {"C(race)[2]", "C(race)[3]"} for fit in fits]
    assert {len(each) for each in used} == {0, 2}


@pytest.mark.parametrize("name", ["a.svg", "a.html", "a.png"])
def test_figures_are_drawn(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name.endswith("png"):
        pytest.importorskip("matplotlib")
    for command in ("path", "cv"):
        assert main([command, BIRTHS, FORMULA, "--count", "10", "--plot", name]) == 0
        assert f"Figure saved as {name}" in capsys.readouterr().out
        assert Path(name).stat().st_size > 2000
        Path(name).unlink()


# --- cv -------------------------------------------------------------------------------------------------------------


def test_cv_saves_a_model_that_predicts(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [BIRTHS, FORMULA, "--rule", "1se", "--folds", "5", "--measure", "brier", "--seed", "3"]
    assert main(["cv", *arguments, "--save", "model.json"]) == 0
    out = capsys.readouterr().out
    assert "(--rule 1se) saved as model.json" in out
    assert "5 folds, each proved by itself" in out
    chosen = cross_validate(FORMULA, births(), folds=5, measure="brier", seed=3).best("1se")
    saved = json.loads(Path("model.json").read_text(encoding="utf-8"))
    assert saved["penalty"]["lambda"] == chosen.lambda_
    assert "largest within one standard error of the best brier" in saved["penalty"]["chosen"]
    assert main(["predict", "model.json", BIRTHS]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["P(low = 1)"]
    np.testing.assert_allclose(np.array(rows[1:], float)[:, 0], chosen.predict(births()), rtol=1e-12)
    assert main(["check", "model.json", BIRTHS]) == 0
    assert "the objective is within" in capsys.readouterr().out


def test_cv_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cv", BIRTHS, "low ~ . - bwt", "--folds", "race", "--json", "--measure", "auc", "--count", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = cross_validate("low ~ . - bwt", births(), folds="race", measure="auc", count=20)
    assert "race" not in found["columns"]
    assert (found["lambda_min"], found["lambda_1se"]) == (expected.lambda_min, expected.lambda_1se)
    assert found["chosen"] == expected.lambda_min
    assert found["folds"] == 3
    np.testing.assert_allclose([fit["mean"] for fit in found["fits"]], expected.curve()["estimate"], rtol=1e-12)
    np.testing.assert_allclose([fit["std_error"] for fit in found["fits"]], expected.curve()["std.error"], rtol=1e-12)


def test_cv_of_groups_and_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cv", BIRTHS, "low ~ lwt + smoke", "--groups", "age", "--count", "5"]) == 0
    capsys.readouterr()
    assert main(["cv", str(DATA / "iris.csv"), "Species ~ .", "--folds", "3", "--count", "5"]) == 0
    assert "log-odds: versicolor" in capsys.readouterr().out


def test_quiet_says_only_what_is_to_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cv", BIRTHS, "low ~ . - bwt", "--quiet"]
    assert main([*arguments, "--save", "a.json"]) == 0
    assert capsys.readouterr() == ("", "")
    assert Path("a.json").exists()
    assert main([*arguments, "--lambda", "0.05", "--lambda", "0.04"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "note: the best lambda, 0.04, is the smallest tried" in err


def test_what_is_not_certified_has_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [BIRTHS, "low ~ .", "--max-iter", "1", "--tol", "1e-12", "--lambda", "0.01", "--lambda", "0.001"]
    assert main(["path", *arguments]) == 1
    out, err = capsys.readouterr()
    assert "2 of 2 fits are not certified" in out
    assert "proved to lie within" in err
    assert main(["cv", *arguments, "--folds", "3"]) == 1


# --- bad input ------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[list[str], str]] = {
    "file": (["path", "absent.csv", "y ~ x"], "there is no file absent.csv"),
    "formula": (["path", BIRTHS], "required: FORMULA"),
    "response": (["path", BIRTHS, "~ age"], "has no response"),
    "ratio": (["path", BIRTHS, FORMULA, "--l1-ratio", "2"], "2 is not from 0 to 1"),
    "names": (["path", BIRTHS, FORMULA, "--unpenalised", "age,,lwt"], "separate them by commas"),
    "name": (["path", BIRTHS, FORMULA, "--unpenalised", "agee"], "did you mean 'age'?"),
    "lambda": (["path", BIRTHS, FORMULA, "--lambda", "-1"], "--lambda"),
    "figure": (["path", BIRTHS, FORMULA, "--plot", "a.jpg"], "end its name in .svg, .html or .png"),
    "folder": (["path", BIRTHS, FORMULA, "--plot", "no/a.svg"], "there is no directory no"),
    "one lambda": (
        ["path", BIRTHS, FORMULA, "--lambda", "1", "--plot", "a.svg"],
        "a path of one penalty has no figure",
    ),
    "option": (["cv", BIRTHS, FORMULA, "--fold", "3"], "did you mean '--folds'?"),
    "folds": (["cv", BIRTHS, FORMULA, "--folds", "1"], "give 2 to 189"),
    "fold column": (["cv", BIRTHS, FORMULA, "--folds", "rase"], "did you mean 'race'?"),
    "groups": (["cv", BIRTHS, FORMULA, "--groups", "rase"], "did you mean 'race'?"),
    "both": (["cv", BIRTHS, FORMULA, "--groups", "age", "--folds", "race"], "leave one of the two out"),
    "measure": (["cv", BIRTHS, FORMULA, "--measure", "r2"], "invalid choice: 'r2'"),
    "policy": (
        ["path", BIRTHS, FORMULA, "--policy", "own"],
        "'own' is none of error, missing, baseline, own-level, shrunken",
    ),
    "seed": (["cv", BIRTHS, FORMULA, "--seed", "-1"], "--seed"),
    "classes": (
        ["cv", str(DATA / "iris.csv"), "Species ~ .", "--measure", "auc", "--count", "3"],
        "auc is for two classes",
    ),
    "save": (["cv", BIRTHS, FORMULA, "--save", "."], "is a directory"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, sentence = BAD[case]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("berkson: ")
    assert err.count("\n") == 1
    assert sentence in err
    assert not list(Path().iterdir())


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert {"path FILE FORMULA", "cv FILE FORMULA"} <= {
        line.strip()[:17].strip() for line in capsys.readouterr().out.split("\n")
    }
    for command in ("path", "cv"):
        assert main([command, "--help"]) == 0
        out = capsys.readouterr().out
        assert "--unpenalised" in out
        assert max(map(len, out.splitlines())) <= 120


# --- progress -------------------------------------------------------------------------------------------------------


def test_the_engine_tells_how_far_it_is() -> None:
    told: list[float] = []
    found = path(FORMULA, births(), count=20, complete=True, progress=told.append)
    np.testing.assert_allclose(told, np.arange(1, 21) / 20)
    assert len(found.lambdas) == 20
    told.clear()
    cross_validate(FORMULA, births(), folds=3, count=20, complete=True, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_progress_has_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    shown = _Bar("path of low")
    shown.tell(0.25)
    shown.start()
    shown.tell(0.5)
    shown.stop()
    assert "path of low" in screen.getvalue()
    assert "left" in screen.getvalue()
    with stage("quick") as progress:
        assert progress is not None
    assert "quick" not in screen.getvalue()


def test_a_table_on_a_terminal_fits_it() -> None:
    """The report of a narrow terminal, as rich sets it."""
    main_end, other_end = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    command = [sys.executable, "-m", "berkson", "path", str(DATA / "wdbc.csv"), "malignant ~ .", "--count", "30"]
    with subprocess.Popen(command, stdout=other_end, stderr=subprocess.PIPE, env=environment) as process:
        os.close(other_end)
        shown = b""
        while part := _read(main_end):
            shown += part
        assert process.wait(60) == 0
    os.close(main_end)
    text = shown.decode()
    assert "worst_radius" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert max(map(len, plain.replace("\r", "").splitlines())) <= 80


def _read(end: int) -> bytes:
    try:
        return os.read(end, 1 << 16)
    except OSError:  # the other end is closed
        return b""


# --- relaxed fits, rows without a level -----------------------------------------------------------------------------


def test_relaxed_fits_are_shown_and_chosen_among(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [BIRTHS, FORMULA, "--relax", "--folds", "5", "--count", "30"]
    assert main(["cv", *arguments, "--save", "model.json"]) == 0
    assert "relaxed fits" in capsys.readouterr().out
    assert main(["cv", *arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = cross_validate(FORMULA, births(), folds=5, count=30, relax=found["gammas"])
    assert isinstance(expected, LogitRelaxedCrossValidation)
    assert found["gammas"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (found["chosen"], found["chosen_gamma"]) == (expected.lambda_min, expected.gamma_min)
    np.testing.assert_allclose(np.array(found["blends"], float), expected.relaxed.mean, rtol=1e-9)
    assert main(["predict", "model.json", BIRTHS]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    np.testing.assert_allclose(np.array(rows[1:], float)[:, 0], expected.best().predict(births()), rtol=1e-9)


def test_a_path_has_its_relaxed_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["path", BIRTHS, FORMULA, "--relax", "--lambda", "0.05", "--lambda", "0.01", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["relaxed"]
    expected = path(FORMULA, births(), lambdas=[0.05, 0.01]).relaxed
    assert [each["lambda"] for each in found] == [0.05, 0.01]
    intercepts = [each["coefficients"][0]["intercept"] for each in found]
    np.testing.assert_allclose(intercepts, expected.coef["(Intercept)"], rtol=1e-9)
    assert main(["path", BIRTHS, FORMULA, "--relax", "--count", "5"]) == 0
    assert "relaxed fits" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["fit", "cv"])
def test_rows_without_a_level_are_fitted_and_predicted(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = births().assign(race=lambda d: d["race"].map({1: "white", 2: "black", 3: "other"}).where(d.index % 9 != 0))
    data.to_csv("holes.csv", index=False)
    new = pd.DataFrame({"age": [25, 25, 25], "race": ["black", "", "martian"]})
    new.to_csv("new.csv", index=False)
    more = [] if command == "fit" else ["--count", "15"]
    asked = ["holes.csv", "low ~ age + race", "--policy", "own-level", "--save", "m.json", "--quiet", *more]
    assert main([command, *asked]) == 0
    capsys.readouterr()
    assert main(["predict", "m.json", "new.csv"]) == 0
    out, err = capsys.readouterr()
    values = [float(line) for line in out.splitlines()[1:]]
    assert len(values) == 3
    assert values[1] == values[2]
    assert "column 'race' has no level that the model knows in 2 rows: read as 'missing'" in err
    filled = data.assign(race=data["race"].fillna("missing"))
    best: Any = logit("low ~ age + race", filled)
    if command == "cv":
        best = cross_validate("low ~ age + race", filled, count=15).best()
    expected = best.predict(new.assign(race=["black", "missing", "missing"]))
    np.testing.assert_allclose(values, expected, rtol=1e-6)
