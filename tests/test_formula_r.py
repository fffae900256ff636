"""Bases, contrasts, nesting and offsets against R: tests/r/formula.R wrote the numbers of tests/r/formula.json."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from berkson.fit import fit
from berkson.formula import learn, schema_from_dict, schema_to_dict
from berkson.problem import Problem
from berkson.table import from_frame

HERE = Path(__file__).parent
R = json.loads((HERE / "r" / "formula.json").read_text(encoding="utf-8"))
NEW = {
    "birthwt": pd.DataFrame(R["new_birthwt"]),
    "holes": pd.DataFrame(R["new_birthwt"]),
    "menarche": pd.DataFrame({"Age": [5, 9.21, 12, 17.58, 20]}),
}


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    found = {name: pd.read_csv(HERE / "data" / f"{name}.csv") for name in ("birthwt", "infert", "lizards", "menarche")}
    found["holes"] = found["birthwt"].copy()
    found["holes"]["lwt"] = found["birthwt"]["lwt"].where(found["birthwt"]["lwt"] <= 180)
    found["menarche"]["rest"] = found["menarche"]["Total"] - found["menarche"]["Menarche"]
    return found


def ours(text: str) -> str:
    """R's formula with our names: C(g) for factor(g), diff for contr.sdif, ref= for a base."""
    for theirs, here in (
        (r"C\(factor\((\w+)\), contr\.treatment\(3, base = 2\)\)", r"C(\1, treatment, ref=2)"),
        (r"C\(factor\((\w+)\), ", r"C(\1, "),
        (r"factor\((\w+)\)", r"C(\1)"),
        (r"MASS::contr\.sdif", "diff"),
    ):
        text = re.sub(theirs, here, text)
    return text


def assert_close(found: np.ndarray, expected: list[list[float]]) -> None:
    """To 1e-10 of each column's largest entry: what R's own order of operations leaves of 16 digits, and more."""
    wanted = np.array(expected, dtype=float).reshape(len(found), -1)
    assert found.shape == wanted.shape
    scale = np.maximum(np.abs(wanted).max(axis=0), 1e-300)
    np.testing.assert_allclose(found / scale, wanted / scale, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("case", R["designs"], ids=lambda case: f"{case['data']} {case['r']}")
def test_the_columns_are_rs(frames: dict[str, pd.DataFrame], case: dict[str, Any]) -> None:
    frame = frames[case["data"]]
    schema = learn(ours(case["r"]), from_frame(frame))
    picked = from_frame(frame.iloc[[k - 1 for k in case["picked"]]])
    assert_close(schema.design(picked), case["train"]["rows"])
    assert len(set(schema.names)) == len(case["train"]["names"])
    restored = schema_from_dict(json.loads(json.dumps(schema_to_dict(schema))))
    assert restored == schema
    if "new" in case:
        assert_close(restored.design(from_frame(NEW[case["data"]])), case["new"]["rows"])


@pytest.mark.parametrize("case", R["smooths"], ids=lambda case: f"k={case['k']} absorb={case['absorb']}")
def test_cr_is_mgcvs(frames: dict[str, pd.DataFrame], case: dict[str, Any]) -> None:
    text = f"~ cr(lwt, df={case['k'] - 1})" if case["absorb"] else f"~ 0 + cr(lwt, df={case['k']}, intercept=TRUE)"
    schema = learn(text, from_frame(frames["birthwt"]))
    picked = from_frame(frames["birthwt"].iloc[[k - 1 for k in case["picked"]]])
    assert_close(schema.design(picked), case["train"])
    assert_close(schema.design(from_frame(NEW["birthwt"])), case["new"])


@pytest.mark.parametrize("case", R["fits"], ids=lambda case: case["r"])
def test_fits_are_glms(frames: dict[str, pd.DataFrame], case: dict[str, Any]) -> None:
    table = from_frame(frames[case["data"]])
    schema = learn(ours(case["r"]).replace("Total - Menarche", "rest"), table)
    absent, _ = schema.missing(table)
    table = table.take(~absent)
    y, trials = schema.response(table)
    X, offset = schema.design(table), schema.offset(table)
    assert len(X) == case["n"]
    result = fit(Problem(X, y, 2, trials, offset), tol=1e-12)
    # glm stops where its deviance does: its coefficients are good to the square root of its rounding, 8 digits
    found = np.append(result.intercept, result.coef)
    expected = np.array(case["coef"])
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
