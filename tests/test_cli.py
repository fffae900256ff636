"""The command: its numbers against R's, its sentences for bad input, its exit codes, and what it leaves behind."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from berkson.cli import main

DATA = Path(__file__).parent / "data"
BIRTHS = ["fit", str(DATA / "birthwt.csv"), "low ~ age + lwt + C(race) + smoke"]

# Numbers of R 4.2.2, printed with 15 digits.  glm with glm.control(epsilon = 1e-15, maxit = 100); nnet::multinom with
# reltol = abstol = 1e-15, maxit = 1000, whose quasi-Newton steps end within about 1e-6 of the optimum.
R: dict[str, tuple[list[str], dict[str, dict[str, float]], float, float]] = {
    # glm(low ~ age + lwt + factor(race) + smoke, binomial, MASS::birthwt)
    "birthwt": (
        ["birthwt.csv", "low ~ age + lwt + C(race) + smoke"],
        {
            "1": {
                "(Intercept)": 0.332451571956955,
                "age": -0.0224782798746429,
                "lwt": -0.0125256640164384,
                "C(race)[2]": 1.23167137307152,
                "C(race)[3]": 0.943262653283988,
                "smoke": 1.05443864781853,
            }
        },
        214.577234534,
        1e-9,
    ),
    # glm(survived ~ sex*age + passengerClass, binomial, carData::TitanicSurvival)
    "titanic": (
        ["titanic_passengers.csv", "survived ~ sex*age + passengerClass"],
        {
            "yes": {
                "(Intercept)": 2.7908390145928,
                "sex[male]": -1.02975490702746,
                "age": -0.00408399239326423,
                "passengerClass[2nd]": -1.4245822416975,
                "passengerClass[3rd]": -2.38817805380386,
                "sex[male]:age": -0.0528913557943879,
            }
        },
        961.91700917,
        1e-9,
    ),
    # glm(cbind(Menarche, Total - Menarche) ~ Age, binomial, MASS::menarche)
    "menarche": (
        ["menarche.csv", "Menarche / Total ~ Age"],
        {"Menarche": {"(Intercept)": -21.2263949051674, "Age": 1.63196834822757}},
        26.7034516358,
        1e-9,
    ),
    # glm(case ~ education*spontaneous + log(age), binomial, infert)
    "infert": (
        ["infert.csv", "case ~ education*spontaneous + log(age)"],
        {
            "1": {
                "(Intercept)": -1.30058311957819,
                "education[12+ yrs]": -0.867107984867725,
                "education[6-11yrs]": -0.426194605943811,
                "spontaneous": 0.223563157681046,
                "log(age)": 0.143885054404966,
                "education[12+ yrs]:spontaneous": 1.17331887606506,
                "education[6-11yrs]:spontaneous": 0.666433625916415,
            }
        },
        280.755430416,
        1e-9,
    ),
    # glm(low ~ 0 + age + factor(race), binomial, birthwt)
    "no intercept": (
        ["birthwt.csv", "low ~ 0 + age + C(race)"],
        {
            "1": {
                "(Intercept)": 0.0,
                "age": -0.0395112049510063,
                "C(race)[1]": -0.208019948193712,
                "C(race)[2]": 0.537232768322447,
                "C(race)[3]": 0.361686334642119,
            }
        },
        228.127505821,
        1e-9,
    ),
    # multinom(partic ~ hincome + children, carData::Womenlf), against the first class
    "womenlf": (
        ["womenlf.csv", "partic ~ hincome + children"],
        {
            "not.work": {
                "(Intercept)": -1.982822581037275,
                "hincome": 0.097230675074359438,
                "children[present]": 2.5585951294226823,
            },
            "parttime": {
                "(Intercept)": -3.415129862923417,
                "hincome": 0.104122832946501584,
                "children[present]": 2.5800864073303855,
            },
        },
        422.88192579478977,
        1e-5,
    ),
    # multinom(Sat ~ Infl + Type + Cont, MASS::housing, weights = Freq), levels in alphabetical order
    "housing": (
        ["housing.csv", "Sat ~ Infl + Type + Cont", "--weights", "Freq"],
        {
            "Low": {
                "(Intercept)": -1.2200835722181296,
                "Infl[Low]": 1.61263106703728654,
                "Infl[Medium]": 0.87776783739843167,
                "Type[Atrium]": -0.32765365807990643,
                "Type[Terrace]": 0.67669595099106472,
                "Type[Tower]": -0.73563174194654535,
                "Cont[Low]": 0.48182700815748214,
            },
            "Medium": {
                "(Intercept)": -1.0492137699327411,
                "Infl[Low]": 0.94769575185139943,
                "Infl[Medium]": 0.65922842166279283,
                "Type[Atrium]": 0.23940535177121963,
                "Type[Terrace]": 0.44581418109249010,
                "Type[Tower]": -0.29994302731264560,
                "Cont[Low]": 0.12097512615975965,
            },
        },
        3470.0838663411218,
        1e-5,
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def contrasts(data: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Coefficients of each class, against the first where there are several."""
    entries = [{"(Intercept)": e["intercept"], **e["columns"]} for e in data["coefficients"]]
    names = [e["class"] for e in data["coefficients"]]
    if len(entries) == 1:
        return {names[0]: entries[0]}
    first = entries[0]
    return {n: {c: v - first[c] for c, v in e.items()} for n, e in zip(names[1:], entries[1:], strict=True)}


@pytest.mark.parametrize("name", R)
def test_the_numbers_are_those_of_r(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (file, *rest), expected, deviance, tolerance = R[name]
    assert main(["fit", str(DATA / file), *rest, "--json", "--no-save"]) == 0
    data = json.loads(capsys.readouterr().out)
    found = contrasts(data)
    assert {k: set(v) for k, v in found.items()} == {k: set(v) for k, v in expected.items()}
    for event, coefficients in expected.items():
        for column, value in coefficients.items():
            assert found[event][column] == pytest.approx(value, rel=tolerance, abs=1e-12), (event, column)
    assert data["statistics"]["deviance"] == pytest.approx(deviance, rel=1e-10)  # R prints 12 digits
    assert data["certificate"]["certified"] is True


def test_an_offset_is_that_of_r(capsys: pytest.CaptureFixture[str]) -> None:
    # glm(low ~ age + smoke, binomial, birthwt, offset = -0.01 * lwt)
    rows = read_rows((DATA / "birthwt.csv").read_text())
    lines = [f"{r['low']},{r['age']},{r['smoke']},{-0.01 * float(r['lwt'])!r}" for r in rows]
    Path("t.csv").write_text("\n".join(["low,age,smoke,known", *lines]))
    assert main(["fit", "t.csv", "low ~ .", "--offset", "known", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert contrasts(data)["1"] == pytest.approx(
        {"(Intercept)": 1.13689869464865, "age": -0.0406771596291202, "smoke": 0.673958986443803}, rel=1e-9
    )
    assert data["statistics"]["deviance"] == pytest.approx(223.003531161, rel=1e-10)
    assert data["statistics"]["null_deviance"] == pytest.approx(229.141937632, rel=1e-10)
    assert main(["predict", "t.model.json", str(DATA / "birthwt.csv")]) == 2
    assert "no column 'known'" in capsys.readouterr().err


def test_fit_prints_a_report_and_writes_a_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(BIRTHS) == 0
    out, err = capsys.readouterr()
    assert err == ""
    said = re.sub(r"[\d.]+ passes over the data, [\d.]+ s;", "EFFORT;", re.sub(r"within \S+ of", "within GAP of", out))
    assert said == (
        "low ~ age + lwt + C(race) + smoke\n"
        "P(low = 1): 59 of 189 rows\n"
        "189 rows of birthwt.csv, none dropped\n"
        "\n"
        "             log-odds  std. error      z       p  odds ratio  95% from         to\n"
        "(Intercept)   0.3325     1.108      0.30  0.764       1.394     0.1590  12.22      odds at 0 and references\n"
        "age          -0.02248    0.03417   -0.66  0.511       0.9778    0.9144   1.045     per unit of age\n"
        "lwt          -0.01253    0.006386  -1.96  0.0498      0.9876    0.9753   0.999990  per unit of lwt\n"
        "C(race)\n"
        "  1           0                                       1                            reference\n"
        "  2           1.232      0.5172     2.38  0.017       3.427     1.244    9.443     against 1\n"
        "  3           0.9433     0.4162     2.27  0.023       2.568     1.136    5.807     against 1\n"
        "smoke         1.054      0.3800     2.77  0.006       2.870     1.363    6.045     per unit of smoke\n"
        "\n"
        "standard errors: model-based; 95% intervals of odds ratios: Wald\n"
        "log-likelihood -107.289, of the null model -117.336; likelihood ratio 20.09 on 5 df, p 0.001; AIC 226.58, "
        "BIC 246.03\n"
        "deviance 214.58 on 183 df, of the null model 234.67 on 188 df; McFadden R² 0.0856\n"
        "Optimum certified: the objective is within GAP of its least possible value, relative to the null model's.\n"
        "EFFORT; newton, since 189 rows x 6 unknowns: "
        "an exact Hessian costs less than avoiding it.\n"
        "Model saved as birthwt.model.json\n"
    )
    assert [path.name for path in folder.iterdir()] == ["birthwt.model.json"]


def test_dropped_rows_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["fit", str(DATA / "titanic_passengers.csv"), "survived ~ age + sex", "--no-save"]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert "P(survived = yes): 427 of 1,046 rows" in out
    assert "1,046 of 1,309 rows of titanic_passengers.csv; 263 dropped, a value missing: age in 263" in out
    assert main([*argv, "--missing", "error"]) == 2
    assert "263 of 1,309 rows of titanic_passengers.csv lack a value (age in 263)" in capsys.readouterr().err


def test_the_event_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["fit", str(DATA / "titanic_passengers.csv"), "survived ~ sex", "--json", "--no-save"]
    assert main(argv) == 0
    yes = contrasts(json.loads(capsys.readouterr().out))["yes"]
    assert main([*argv, "--event", "no"]) == 0
    no = contrasts(json.loads(capsys.readouterr().out))["no"]
    assert no == pytest.approx({name: -value for name, value in yes.items()}, rel=1e-9)


def test_a_target_stands_for_all_other_columns(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DATA / "birthwt.csv").read_text().replace('"low"', '"is low"')
    Path("t.csv").write_text(text)
    assert main(["fit", "t.csv", "--target", "is low", "--json", "--strength", "1"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["formula"] == "`is low` ~ ."
    assert len(data["coefficients"][0]["columns"]) == 9
    assert data["statistics"] is None
    assert main(["fit", "t.csv", "--strength", "1", "`is low` ~ ."]) == 0  # arguments in any order
    assert "ridge of strength 1.000 (C = 1.000)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "formula", "kind", "shown"),
    [
        ("endometrial.csv", "HG ~ NV + PI + EH", "Quasi-complete separation", r"NV +\+inf +inf +no finite estimate"),
        ("wdbc.csv", "malignant ~ .", "Complete separation", r"mean_area +\+inf +inf +no finite estimate"),
        ("iris.csv", "Species ~ .", "separation", r"Petal.Width +.inf"),
    ],
)
def test_separated_data_have_no_fit(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, formula: str, kind: str, shown: str
) -> None:
    assert main(["fit", str(DATA / file), formula]) == 1
    out, err = capsys.readouterr()
    assert kind in out
    assert re.search(shown, out)
    assert err.startswith("berkson: no finite optimum: the data are separated")
    assert err.count("\n") == 1
    (model,) = folder.iterdir()
    assert json.loads(model.read_text())["certificate"]["exists"] is False
    assert main(["predict", model.name, str(DATA / file)]) == 0
    assert "the model is not certified" in capsys.readouterr().err


def test_finite_coefficients_of_separated_data_are_those_of_r(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(DATA / "endometrial.csv"), "HG ~ NV + PI + EH", "--json", "--no-save"]) == 1
    found = contrasts(json.loads(capsys.readouterr().out))["1"]
    # glm(HG ~ NV + PI + EH, binomial, brglm2::endometrial), maxit = 30; the limit is reached to what the report shows
    for column, value in {"(Intercept)": 4.30451778, "PI": -0.0421834033, "EH": -2.90260562}.items():
        assert found[column] == pytest.approx(value, rel=1e-4)


def test_aliased_columns_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    rows = read_rows((DATA / "birthwt.csv").read_text())
    lines = [f"{r['low']},{r['age']},{r['lwt']},{2 * int(r['age']) - int(r['lwt'])},5" for r in rows]
    Path("t.csv").write_text("\n".join(["low,age,lwt,both,five", *lines]))
    assert main(["fit", "t.csv", "low ~ age + lwt + both + five"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"both +- +- +not estimable: = 2 age - lwt\n", out)
    assert re.search(r"five +- +- +not estimable: = 5\n", out)
    assert "cannot be told apart" in out


def test_a_limit_of_iterations_is_told(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main([*BIRTHS, "--max-iter", "1"]) == 1
    out, err = capsys.readouterr()
    assert "Stopped after 1 iteration" in out
    assert err.startswith("berkson: stopped after 1 iteration")
    assert [path.name for path in folder.iterdir()] == ["birthwt.model.json"]


# --- predict and check ----------------------------------------------------------------------------------------------


def test_predictions_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BIRTHS, "--quiet"]) == 0
    births = str(DATA / "birthwt.csv")
    outputs = {}
    for kind in ("probability", "class", "link"):
        assert main(["predict", "birthwt.model.json", births, "--kind", kind]) == 0
        outputs[kind] = read_rows(capsys.readouterr().out)
    # R: head(predict(fit, type = "response"), 3) and type = "link"
    p = [float(row["P(low = 1)"]) for row in outputs["probability"]]
    assert p[:3] == pytest.approx([0.241836859373276, 0.196621257733582, 0.406640705718534], rel=1e-12)
    eta = [float(row["log-odds(low = 1)"]) for row in outputs["link"]]
    assert eta[:3] == pytest.approx([-1.142635223581531, -1.407546933170225, -0.377870099443401], rel=1e-12)
    assert [row["low"] for row in outputs["class"]] == ["1" if v >= 0.5 else "0" for v in p]
    assert len(p) == 189


def test_predictions_of_classes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(DATA / "womenlf.csv"), "partic ~ hincome + children", "--quiet"]) == 0
    argv = ["predict", "womenlf.model.json", str(DATA / "womenlf.csv"), "--kind"]
    assert main([*argv, "probability"]) == 0
    rows = read_rows(capsys.readouterr().out)
    classes = ["fulltime", "not.work", "parttime"]
    assert list(rows[0]) == [f"P(partic = {name})" for name in classes]
    assert all(sum(map(float, row.values())) == pytest.approx(1.0, rel=1e-14) for row in rows)
    # the score equations: fitted probabilities of a class sum to its rows
    for name, count in zip(classes, [66, 155, 42], strict=True):
        assert sum(float(row[f"P(partic = {name})"]) for row in rows) == pytest.approx(count, rel=1e-9)
    assert main([*argv, "link"]) == 0
    first = read_rows(capsys.readouterr().out)[0]
    assert list(first) == [f"log-odds(partic = {name} : fulltime)" for name in classes[1:]]
    assert main([*argv, "class"]) == 0
    assert {row["partic"] for row in read_rows(capsys.readouterr().out)} == {"fulltime", "not.work"}


def test_predict_finds_columns_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BIRTHS, "--quiet"]) == 0
    assert main(["predict", "birthwt.model.json", str(DATA / "birthwt.csv")]) == 0
    expected = capsys.readouterr().out
    rows = read_rows((DATA / "birthwt.csv").read_text())
    order = ["smoke", "race", "other", "lwt", "age"]
    lines = ["\t".join(str(row.get(name, "?")) for name in order) for row in rows]
    Path("t.tsv.gz").write_bytes(gzip.compress("\n".join(["\t".join(order), *lines]).encode()))
    assert main(["predict", "birthwt.model.json", "t.tsv.gz", "--output", "p.csv"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("p.csv").read_text() == expected


def test_missing_values_give_empty_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BIRTHS, "--quiet"]) == 0
    Path("t.csv").write_text("age,lwt,race,smoke\n20,100,1,0\nNA,100,1,0\n20,,?,1\n")
    for kind in ("probability", "class", "link"):
        assert main(["predict", "birthwt.model.json", "t.csv", "--kind", kind, "--na", "?"]) == 0
        out, err = capsys.readouterr()
        lines = out.splitlines()
        assert lines[1] != '""'
        assert lines[2:] == ['""', '""']
        assert err == "berkson: note: 2 of 3 rows have a missing value, and an empty prediction\n"


def test_check_proves_the_fit_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BIRTHS, "--quiet"]) == 0
    assert main(["check", "birthwt.model.json", str(DATA / "birthwt.csv")]) == 0
    out = capsys.readouterr().out
    assert "Optimum certified" in out
    assert "objective 107.2886173 on these data, 107.2886173 when fitted" in out


def test_check_of_other_data_proves_nothing(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main([*BIRTHS, "--quiet"]) == 0
    lines = (DATA / "birthwt.csv").read_text().splitlines()
    Path("half.csv").write_text("\n".join(lines[:1] + lines[1::2]))
    assert main(["check", "birthwt.model.json", "half.csv"]) == 1
    out, err = capsys.readouterr()
    assert "95 rows of half.csv" in out
    assert "certified" not in out
    assert err.startswith("berkson: ")
    changed = json.loads(Path("birthwt.model.json").read_text())
    changed["coefficients"][0]["columns"]["smoke"] += 0.01
    Path("changed.json").write_text(json.dumps(changed))
    assert main(["check", "changed.json", str(DATA / "birthwt.csv")]) == 1
    assert main(["check", "changed.json", str(DATA / "birthwt.csv"), "--tol", "0.1", "--quiet"]) == 0
