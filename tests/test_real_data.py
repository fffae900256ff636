"""Real tables as they come: unpenalised fits lie within 1e-6 standard errors of an optimum in extended precision."""

from __future__ import annotations

from pathlib import Path

import pytest
from optimum import optimum, squared_distance

from berkson.model import fit_table
from berkson.read import read_table

HERE = Path(__file__).parent
FETCHED = HERE.parents[1] / "shared" / "data" / "fetched"

FITS = [
    ("birthwt.csv", "low ~ age + lwt + C(race) + smoke + ptl + ht + ui + ftv", None),
    ("titanic_passengers.csv", "survived ~ sex * age + passengerClass", None),
    ("infert.csv", "case ~ age + parity + education + spontaneous + induced", None),
    ("menarche.csv", "Menarche / Total ~ Age", None),
    ("womenlf.csv", "partic ~ hincome + children + region", None),
    ("housing.csv", "Sat ~ Infl + Type + Cont", "Freq"),
    ("lizards.csv", "cbind(grahami, opalinus) ~ height + diameter + light + time", None),
    ("endometrial.csv", "HG ~ PI + EH", None),
    ("wdbc.csv", "malignant ~ mean_radius + mean_texture + mean_smoothness", None),
    ("ucla_admit.csv", "admit ~ gre + gpa + C(rank)", None),
]


@pytest.mark.parametrize(("file", "formula", "weights"), FITS)
def test_within_a_millionth_of_a_standard_error(file: str, formula: str, weights: str | None) -> None:
    path = HERE / "data" / file
    if not path.exists():
        path = FETCHED / file
    if not path.exists():
        pytest.skip(f"{file} is not here")
    _, fitted = fit_table(formula, read_table(path), weights=weights)
    assert fitted.certificate.certified
    assert fitted.certificate.exists
    best = optimum(fitted.problem)
    distance = squared_distance(fitted.problem, fitted.coef, fitted.intercept, best, at_optimum=True) ** 0.5
    # no coefficient is further off than this many standard errors; measured: 2e-11 and less
    assert distance < 1e-6
    # what is proved covers what is true, to the digits of the optimum in longdouble
    assert distance <= fitted.certificate.distance + 1e-10
