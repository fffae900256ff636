"""The design: against formulaic on real tables, and against R's rules by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import formulaic
import numpy as np
import pandas as pd
import pytest

from berkson.formula import CodedBlock, FormulaError, NumericBlock, Schema, UnseenLevelError, learn
from berkson.table import from_frame

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    found = {path.stem: pd.read_csv(path) for path in DATA.glob("*.csv")}
    return {name: found[name].dropna() for name in ("birthwt", "titanic_passengers", "infert", "womenlf", "lizards")}


# table, our formula, and formulaic's where it is written differently
CASES = [
    ("birthwt", "~ age + lwt", None),
    ("birthwt", "~ age + C(race)", None),
    ("birthwt", "~ 0 + C(race) + age", None),
    ("birthwt", "~ C(race)*smoke - 1", None),
    ("birthwt", "~ C(race)*C(smoke)*age", None),
    ("birthwt", "~ age + C(race):age", None),
    ("birthwt", "~ C(race):age", None),
    ("birthwt", "~ C(race) + C(race):C(smoke)", None),
    ("birthwt", "~ C(smoke) + C(smoke):C(race):age + age:C(smoke)", None),
    ("birthwt", "~ 0 + C(smoke):C(race)", None),
    ("birthwt", "~ C(race, ref=2) + lwt", "~ C(race, contr.treatment(base=2)) + lwt"),
    ("birthwt", "~ I(age*lwt - 2) + log(lwt) + I(age^0.5) + I(lwt/age^2)", None),
    ("birthwt", "~ (age + lwt + C(race))^2 - age:lwt", None),
    ("birthwt", "~ (age + lwt + C(race) + C(smoke) + ht)^3", None),
    ("birthwt", "~ age:lwt:C(race) + age:lwt", None),
    ("titanic_passengers", "~ sex*passengerClass*age", None),
    ("titanic_passengers", "~ 0 + sex:passengerClass", None),
    ("titanic_passengers", "~ sex + passengerClass:age", None),
    ("titanic_passengers", "~ sex:age + passengerClass:age", None),
    ("infert", "~ education + spontaneous + induced", None),
    ("infert", "~ education*(age + parity)", None),
    ("infert", "~ education + C(spontaneous)*C(induced) + `pooled.stratum`", None),
    ("womenlf", "~ hincome + children + region", None),
    ("womenlf", "~ 0 + hincome*children", None),
    ("lizards", "~ (height + diameter + light + time)^2", None),
]  # fmt: skip
# Where R leaves a singular design and the contrasts of two packages may differ: the space is compared alone.
SPACES = [
    ("birthwt", "~ C(race):C(smoke)"),
    ("birthwt", "~ age + C(race):C(smoke)"),
    ("birthwt", "~ age:C(race):C(smoke)"),
    ("birthwt", "~ C(race):C(smoke) + C(smoke):C(ht)"),
    ("lizards", "~ height:light + time - 1"),
    ("lizards", "~ height:light + light:time + height:diameter:time"),
    ("titanic_passengers", "~ sex:passengerClass + passengerClass:age + sex:age"),
]


def design_of(text: str, frame: pd.DataFrame) -> tuple[Schema, np.ndarray]:
    """Ours, with the intercept as its first column where there is one."""
    table = from_frame(frame)
    schema = learn(text, table)
    X = schema.design(table)
    assert X.shape == (len(frame), len(schema.names))
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    return schema, np.column_stack([np.ones(len(X)), X]) if schema.intercept else X


def key(name: str) -> frozenset[str]:
    """A column name without what only one package writes: the order of its factors, `T.` and contrasts."""
    for ours, theirs in ((", contr.treatment(base=2)", ""), ("[T.", "["), ("`", ""), ("**", "^"), (" ", "")):
        name = name.replace(ours, theirs)
    return frozenset(name.replace(",contr.treatment(base=2)", "").split(":"))


def same_space(A: np.ndarray, B: np.ndarray) -> bool:
    """Whether the columns span the same, each scaled to 1 at most and those of cells without rows left out."""
    A, B = (M[:, size > 0] / size[size > 0] for M in (A, B) for size in [np.abs(M).max(axis=0)])
    # the ranks of these small tables are clear to 1e-9 of the largest singular value
    ranks = {int(np.linalg.matrix_rank(np.linalg.qr(M, mode="r"), rtol=1e-9)) for M in (A, B, np.hstack([A, B]))}
    return len(ranks) == 1


@pytest.mark.parametrize(("name", "text", "theirs"), CASES)
def test_columns_are_formulaics(frames: Any, name: str, text: str, theirs: str | None) -> None:
    frame = frames[name]
    schema, X = design_of(text, frame)
    expected = formulaic.model_matrix(theirs or text.replace("^", "**"), frame)
    ours = [key(n) for n in (["Intercept"] if schema.intercept else []) + list(schema.names)]
    columns = {key(n): np.asarray(expected[n], dtype=float) for n in expected.columns}
    assert set(ours) == set(columns)
    assert len(ours) == len(columns) == X.shape[1]
    for place, name_key in enumerate(ours):
        np.testing.assert_allclose(X[:, place], columns[name_key], rtol=1e-15)  # one rounding in log or a power
    assert same_space(X, expected.to_numpy(dtype=float))


@pytest.mark.parametrize(("name", "text"), SPACES)
def test_space_is_formulaics_and_the_rank_is_full(frames: Any, name: str, text: str) -> None:
    _, X = design_of(text, frames[name])
    expected = formulaic.model_matrix(text, frames[name]).to_numpy(dtype=float)
    assert X.shape[1] == expected.shape[1]
    assert same_space(X, expected)


def cells() -> pd.DataFrame:
    """Every cell of three factors twice, and a number."""
    grid = pd.MultiIndex.from_product([["x", "y", "z"], ["p", "q"], ["u", "v"], [0, 1]], names=["a", "b", "c", "k"])
    frame = grid.to_frame(index=False).drop(columns="k")
    frame["x"] = np.arange(len(frame)) ** 2 / 7.0
    frame["t"] = np.arange(len(frame)) % 5 < 2
    return frame


# By hand from R's rules; the comments are colnames(model.matrix(formula)) as R writes them, `ay` for our a[y].
R_CASES = {
    "~ a": ["a[y]", "a[z]"],  # (Intercept) ay az
    "~ 0 + a": ["a[x]", "a[y]", "a[z]"],  # ax ay az
    "~ 0 + a + b": ["a[x]", "a[y]", "a[z]", "b[q]"],  # ax ay az bq
    "~ 0 + b + a": ["b[p]", "b[q]", "a[y]", "a[z]"],  # bp bq ay az
    "~ a*b": ["a[y]", "a[z]", "b[q]", "a[y]:b[q]", "a[z]:b[q]"],  # (Intercept) ay az bq ay:bq az:bq
    "~ a + a:b": ["a[y]", "a[z]", "a[x]:b[q]", "a[y]:b[q]", "a[z]:b[q]"],  # (Intercept) ay az ax:bq ay:bq az:bq
    "~ b:a + a": ["a[y]", "a[z]", "b[q]:a[x]", "b[q]:a[y]", "b[q]:a[z]"],  # (Intercept) ay az bq:ax bq:ay bq:az
    # ax:bp ay:bp az:bp ax:bq ay:bq az:bq: the first factor varies fastest
    "~ 0 + a:b": ["a[x]:b[p]", "a[y]:b[p]", "a[z]:b[p]", "a[x]:b[q]", "a[y]:b[q]", "a[z]:b[q]"],
    "~ a:x": ["a[x]:x", "a[y]:x", "a[z]:x"],  # (Intercept) ax:x ay:x az:x
    "~ x:a": ["x:a[x]", "x:a[y]", "x:a[z]"],  # (Intercept) x:ax x:ay x:az
    "~ x + a:x": ["x", "x:a[y]", "x:a[z]"],  # (Intercept) x x:ay x:az
    "~ 0 + x + a": ["x", "a[x]", "a[y]", "a[z]"],  # x ax ay az
    # (Intercept) ay az bq cv ay:cv az:cv bq:cv
    "~ (a + b + c)^2 - a:b": ["a[y]", "a[z]", "b[q]", "c[v]", "a[y]:c[v]", "a[z]:c[v]", "b[q]:c[v]"],
    "~ t": ["t[true]"],  # (Intercept) tTRUE
    "~ 0 + t + a": ["t[false]", "t[true]", "a[y]", "a[z]"],  # tFALSE tTRUE ay az
    "~ t:x": ["t[false]:x", "t[true]:x"],  # (Intercept) tFALSE:x tTRUE:x
    "~ I(t*x) + log(x + 1)": ["I(t*x)", "log(x + 1)"],  # (Intercept) I(t * x) log(x + 1)
    "~ 1": [],  # (Intercept)
    # R: (Intercept) ax:bp ay:bp az:bp ax:bq ay:bq az:bq, singular; here the same space in full rank
    "~ a:b": ["a[y]", "a[z]", "b[q]", "a[y]:b[q]", "a[z]:b[q]"],
}


@pytest.mark.parametrize("text", R_CASES)
def test_coding_follows_r(text: str) -> None:
    frame = cells()
    schema, X = design_of(text, frame)
    assert list(schema.names) == R_CASES[text]
    start = int(schema.intercept)
    assert np.linalg.matrix_rank(X) == X.shape[1]
    for place, name in enumerate(schema.names):
        np.testing.assert_allclose(X[:, start + place], column_by_name(name, frame), rtol=1e-15)  # log may round


def column_by_name(name: str, frame: pd.DataFrame) -> np.ndarray:
    """The column that a name promises: its indicators and numbers multiplied."""
    if name in ("I(t*x)", "log(x + 1)"):
        return np.asarray(frame.t * frame.x if name[0] == "I" else np.log(frame.x + 1))
    total = np.ones(len(frame))
    for part in name.split(":"):
        column, _, level = part.rstrip("]").partition("[")
        values = frame[column]
        total *= (values.astype(str).str.lower() == level) if level else values
    return total


def test_names_of_odd_columns_are_quoted() -> None:
    frame = pd.DataFrame({"hours per week": [1.0, 2.0, 4.0], "a:b": [0.0, 1.0, 1.0], "class": ["u", "v", "v"]})
    schema = learn("~ . + `hours per week`:class", from_frame(frame))
    assert schema.names == ("`hours per week`", "`a:b`", "class[v]", "`hours per week`:class[v]")
    assert str(schema) == "~ `hours per week` + `a:b` + class + `hours per week`:class"


def test_term_columns_and_text() -> None:
    schema = learn('~ x*C(a, ref="z") + b - 1', from_frame(cells()))
    assert str(schema) == '~ 0 + x + C(a, ref="z") + b + x:C(a, ref="z")'
    assert schema.term_columns == {"x": [0], "C(a)": [1, 2, 3], "b": [4], "x:C(a)": [5, 6]}
    assert schema.names[5:] == ("x:C(a)[x]", "x:C(a)[y]")


def test_blocks_are_the_design_in_coded_form() -> None:
    frame = cells()
    frame.loc[2, "x"] = np.nan
    frame.loc[5, "a"] = None
    table = from_frame(frame)
    schema = learn("~ x + a*b + x:a + x:t - 1", table)
    X, rebuilt = schema.design(table), np.zeros((len(frame), len(schema.names)))
    kinds = set()
    for block in schema.blocks(table):
        kinds.add(type(block))
        if isinstance(block, NumericBlock):
            rebuilt[:, block.column] = block.values
            continue
        for row, code in enumerate(block.codes):
            value = 1.0 if block.scale is None else block.scale[row]
            if code < 0 or np.isnan(value):
                rebuilt[row, block.start : block.stop] = np.nan
            elif block.columns[code] >= 0:
                rebuilt[row, block.columns[code]] = value
    assert kinds == {NumericBlock, CodedBlock}
    np.testing.assert_array_equal(X, rebuilt)
    absent, counts = schema.missing(table)
    assert counts == {"x": 1, "a": 1}
    assert list(np.flatnonzero(absent)) == [2, 5] == list(np.flatnonzero(np.isnan(X).any(axis=1)))
    assert np.isnan(X[5, [schema.names.index(n) for n in ("a[x]", "a[z]", "a[y]:b[q]", "x:a[y]")]]).all()
    assert not np.isnan(X[5, [schema.names.index(n) for n in ("x", "b[q]", "x:t[true]")]]).any()


@pytest.mark.parametrize("name", ["birthwt", "titanic_passengers"])
def test_chunks_make_the_whole(name: str) -> None:
    frame = pd.read_csv(DATA / f"{name}.csv")  # with missing values
    text = {"birthwt": "low ~ . + C(race)*age + log(lwt)", "titanic_passengers": "survived ~ sex*age*passengerClass"}
    table = from_frame(frame)
    schema = learn(text[name], table)
    whole = schema.design(table)
    parts = [schema.design(from_frame(frame.iloc[k : k + 17])) for k in range(0, len(frame), 17)]
    np.testing.assert_array_equal(np.vstack(parts), whole)


def test_a_design_larger_than_one_step_of_assembly() -> None:
    rng = np.random.default_rng(3)
    g = rng.integers(0, 300, 3000)
    table = from_frame({"g": g, "x": rng.normal(size=3000)})
    X = learn("~ C(g):x - 1", table).design(table)
    expected = np.where(g[:, None] == np.unique(g), table["x"].values[:, None], 0.0)
    np.testing.assert_array_equal(X, expected)


def test_undefined_and_infinite_values_name_the_row() -> None:
    table = from_frame({"x": [1.0, 0.0, np.nan, -2.0], "z": [0.5, 1.0, 2.0, np.inf], "g": list("aabb")})
    with pytest.raises(ValueError, match=r"log\(x\) is infinite in row 2 of data frame \(where x = 0\)"):
        learn("~ log(x)", table).design(table)
    with pytest.raises(ValueError, match=r"sqrt\(x\) is not defined in row 4 .*x = -2"):
        learn("~ sqrt(x)", table).design(table)
    with pytest.raises(ValueError, match=r"z is infinite in row 4"):
        learn("~ g:z", table).design(table)
    with pytest.raises(ValueError, match=r"I\(z/x\) is infinite in row 2 .*z = 1, x = 0"):
        learn("~ I(z/x)", table).design(table)


def test_too_many_columns_are_refused_before_they_are_made() -> None:
    n = 2000
    table = from_frame({name: np.arange(n) for name in "abc"})
    with pytest.raises(FormulaError, match=r"C\(a\):C\(b\) needs more than 100000 columns"):
        learn("~ C(a):C(b)", table)
    many = from_frame({f"f{k}": ["u", "v"] * 3 for k in range(12)})
    with pytest.raises(FormulaError, match="crosses too many factors"):
        learn("~ " + ":".join(f"f{k}" for k in range(11)), many)


def test_unseen_level_in_an_incomplete_row_is_missing_alone() -> None:
    train = from_frame({"g": ["a", "b", "q"], "x": [1.0, 2.0, np.nan]})
    schema = learn("~ g + x", train)
    assert schema.notes == ("column 'g': level q left out, no row without missing values has it",)
    assert np.isnan(schema.design(train)[2]).all()
    with pytest.raises(
        UnseenLevelError, match=r"column 'g' holds level 'q', which the model has not seen \(its levels"
    ):
        schema.design(from_frame({"g": ["q"], "x": [1.0]}))


@pytest.mark.parametrize("order", ["C", "F"])
def test_columns_of_one_array_are_read_as_they_lie(order: str) -> None:
    X = np.asarray(np.random.default_rng(3).normal(size=(50, 4)), order=order)  # type: ignore[call-overload]
    table = from_frame({"y": np.arange(50) % 2, **{f"x{j}": X[:, j] for j in range(4)}})
    design = learn("y ~ x0 + x1 + x2 + x3", table).design(table)
    assert np.shares_memory(design, X)
    np.testing.assert_array_equal(design, X)
    assert not design.flags.writeable
    backwards = learn("y ~ x3 + x1", table).design(table)
    np.testing.assert_array_equal(backwards, X[:, [3, 1]])


def test_columns_that_do_not_lie_evenly_are_put_together() -> None:
    X = np.random.default_rng(3).normal(size=(50, 4))
    table = from_frame({"y": np.arange(50) % 2, **{f"x{j}": X[:, j] for j in range(4)}, "z": X[:, 1].copy()})
    for formula, columns in (("y ~ x0 + x1 + x3", [0, 1, 3]), ("y ~ x0 + x1 + z", [0, 1, 1]), ("y ~ x2", [2])):
        design = learn(formula, table).design(table)
        assert not np.shares_memory(design, X)
        np.testing.assert_array_equal(design, X[:, columns])
