"""Bases, contrasts and offsets: against formulaic and SciPy, names, missing values, chunks, refusals and files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import formulaic
import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import BSpline as ScipySpline

from berkson.formula import FormulaError, Schema, UnseenLevelError, learn, schema_from_dict, schema_to_dict
from berkson.formula.contrasts import CONTRASTS, contrast_matrix
from berkson.formula.splines import learn_bspline
from berkson.formula.syntax import columns_of
from berkson.table import Table, from_frame

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def birthwt() -> pd.DataFrame:
    return pd.read_csv(DATA / "birthwt.csv")


def design(text: str, frame: pd.DataFrame) -> tuple[Schema, np.ndarray]:
    table = from_frame(frame)
    schema = learn(text, table)
    return schema, schema.design(table)


# --- against others -------------------------------------------------------------------------------------------------

FORMULAICS = {
    "~ poly(age, 3)": "~ poly(age, degree=3)",
    "~ poly(lwt, 2, raw=TRUE)": "~ poly(lwt, degree=2, raw=True)",
    "~ scale(lwt)": "~ scale(lwt)",
    "~ bs(lwt, df=6)": "~ bs(lwt, df=6)",
    "~ bs(age, knots=c(20, 25), degree=2)": "~ bs(age, knots=[20, 25], degree=2)",
    "~ cr(lwt, df=4)": "~ cr(lwt, df=4, constraints='center')",
    "~ cr(age, knots=c(20, 25, 30))": "~ cr(age, knots=[20, 25, 30], constraints='center')",
    "~ 0 + cr(lwt, df=5, intercept=TRUE)": "~ 0 + cr(lwt, df=5)",
    "~ C(race, sum)*smoke": "~ C(race, contr.sum)*smoke",
    "~ C(race, helmert):age + age": "~ C(race, contr.helmert(scale=False)):age + age",
    "~ C(ftv, poly)": "~ C(ftv, contr.poly)",
    "~ C(race)/age": "~ C(race)/age",
}


@pytest.mark.parametrize("text", FORMULAICS)
def test_columns_are_formulaics(birthwt: pd.DataFrame, text: str) -> None:
    _, X = design(text, birthwt)
    expected = formulaic.model_matrix(FORMULAICS[text], birthwt)
    theirs = expected[[name for name in expected.columns if name != "Intercept"]].to_numpy(dtype=float)
    assert X.shape == theirs.shape
    np.testing.assert_allclose(X, theirs, rtol=0.0, atol=1e-11 * np.abs(theirs).max())  # sums in another order


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_bsplines_are_scipys(degree: int) -> None:
    x = np.sort(np.random.default_rng(degree).gamma(2.0, size=300))
    basis = learn_bspline(x, df=degree + 5, degree=degree, intercept=True)
    low, high = basis.boundary
    t = np.array([*[low] * (degree + 1), *basis.knots, *[high] * (degree + 1)])
    expected = ScipySpline.design_matrix(x, t, degree).toarray()
    np.testing.assert_allclose(basis.evaluate(x), expected, rtol=0.0, atol=1e-14)  # two recurrences of few terms
    out = np.array([low - 1.0, high + 2.0])
    beyond = ScipySpline(t, np.eye(basis.width), degree, extrapolate=True)(out)
    np.testing.assert_allclose(basis.evaluate(out), beyond, rtol=1e-9)  # cancellation outside


def test_ns_and_cr_are_the_same_curves(birthwt: pd.DataFrame) -> None:
    """Two constructions of the natural cubic splines on the same knots span the same space, far outside too."""
    frame = pd.concat([birthwt, pd.DataFrame({"age": [0, 80], "lwt": [1, 999]})])
    columns = []
    for name in ("ns", "cr"):
        schema = learn(f"~ {name}(age, knots=c(19, 23, 30))", from_frame(birthwt))
        X = schema.design(from_frame(frame))
        columns.append(np.column_stack([np.ones(len(X)), X]))
    both = np.hstack(columns)
    assert np.linalg.matrix_rank(both) == np.linalg.matrix_rank(columns[0]) == 5
    assert columns[0].shape[1] == columns[1].shape[1] == 5


@pytest.mark.parametrize("levels", [2, 3, 7, 40, 95])
def test_contrasts_span_what_is_beside_the_constant(levels: int) -> None:
    for name in CONTRASTS[1:]:
        matrix = contrast_matrix(name, levels)
        assert matrix.shape == (levels, levels - 1)
        assert np.linalg.matrix_rank(np.column_stack([np.ones(levels), matrix])) == levels
        np.testing.assert_allclose(matrix.sum(axis=0), 0.0, atol=1e-11)  # of up to 95 terms
    polynomials = contrast_matrix("poly", levels)
    np.testing.assert_allclose(polynomials.T @ polynomials, np.eye(levels - 1), atol=1e-13)


# --- names and terms ------------------------------------------------------------------------------------------------


def test_names_and_terms(birthwt: pd.DataFrame) -> None:
    schema, _ = design("low ~ ns(age, df=2)*C(race, sum) + C(smoke):C(race) + poly(lwt, 1) + scale(lwt)", birthwt)
    assert schema.names == (
        "ns(age, df=2)[1]", "ns(age, df=2)[2]",
        "C(race)[sum.1]", "C(race)[sum.2]",
        "poly(lwt, 1)", "scale(lwt)",
        "ns(age, df=2)[1]:C(race)[sum.1]", "ns(age, df=2)[2]:C(race)[sum.1]",
        "ns(age, df=2)[1]:C(race)[sum.2]", "ns(age, df=2)[2]:C(race)[sum.2]",
        "C(race)[1]:C(smoke)[1]", "C(race)[2]:C(smoke)[1]", "C(race)[3]:C(smoke)[1]",
    )  # fmt: skip
    assert schema.term_columns == {
        "ns(age, df=2)": [0, 1],
        "C(race)": [2, 3],
        "poly(lwt, 1)": [4],
        "scale(lwt)": [5],
        "ns(age, df=2):C(race)": [6, 7, 8, 9],
        "C(race):C(smoke)": [10, 11, 12],
    }
    assert str(schema) == (
        "low ~ ns(age, df=2) + C(race, sum) + poly(lwt, 1) + scale(lwt) + ns(age, df=2):C(race, sum) + "
        "C(race, sum):C(smoke)"
    )
    assert schema.predictors == ("age", "race", "lwt", "smoke")
    assert [list(columns_of(v)) for (v,) in schema.terms[:4]] == [["age"], ["race"], ["lwt"], ["lwt"]]
    assert learn("~ C(race, poly) + C(ftv, diff)", from_frame(birthwt)).names == (
        "C(race)[poly.L]", "C(race)[poly.Q]",
        "C(ftv)[1-0]", "C(ftv)[2-1]", "C(ftv)[3-2]", "C(ftv)[4-3]", "C(ftv)[6-4]",
    )  # fmt: skip
    names = learn("~ 0 + C(ftv, poly) + C(race, helmert)", from_frame(birthwt)).names
    assert names[:2] + names[-2:] == ("C(ftv)[0]", "C(ftv)[1]", "C(race)[helmert.1]", "C(race)[helmert.2]")
    assert learn("~ C(ftv, poly)", from_frame(birthwt)).names[3:] == ("C(ftv)[poly^4]", "C(ftv)[poly^5]")


def test_the_order_of_text_levels_is_noted() -> None:
    values = ["low", "high", "middle", "low"]
    text = from_frame({"g": values})
    assert learn("~ C(g, poly)", text).notes == (
        "column 'g': poly contrasts take its levels in the order high, low, middle",
    )
    assert learn("~ C(g, sum)", text).notes == ()
    ordered = pd.DataFrame({"g": pd.Categorical(values, ["low", "middle", "high"], ordered=True)})
    schema = learn("~ C(g, diff)", from_frame(ordered))
    assert (schema.notes, schema.names) == ((), ("C(g)[middle-low]", "C(g)[high-middle]"))


# --- new data, missing values, chunks -------------------------------------------------------------------------------

EVERYTHING = (
    "low ~ ns(age, df=3)*C(race, sum) + bs(lwt, df=5):C(smoke) + poly(age, 3)/C(ftv, helmert) + cr(log(lwt), df=3)"
    " + I(scale(age)^2) + C(race):C(ht, diff) + offset(log(lwt)/2) + offset(ui)"
)


def holed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype(float)
    for place, name in enumerate(["age", "race", "lwt", "smoke", "ftv", "ui", "ht"]):
        frame.loc[frame.index[5 + 11 * place], name] = np.nan
    return frame


@pytest.mark.parametrize("size", [1, 7, 64])
def test_chunks_make_the_whole_bit_for_bit(birthwt: pd.DataFrame, size: int) -> None:
    frame = holed(birthwt)
    schema, whole = design(EVERYTHING, frame)
    offset = schema.offset(from_frame(frame))
    assert offset is not None
    parts = [from_frame(frame.iloc[k : k + size]) for k in range(0, len(frame), size)]
    np.testing.assert_array_equal(np.vstack([schema.design(part) for part in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([schema.offset(part) for part in parts]), offset)  # type: ignore[misc]


def test_a_design_larger_than_one_step_of_assembly() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=60_000)
    x[59_000] = np.nan
    table = from_frame({"x": x, "g": rng.integers(0, 4, len(x))})
    schema = learn("~ ns(x, df=9)*C(g, sum)", table)
    whole = schema.design(table)
    assert schema.missing(table)[1] == {"x": 1}
    alone = [schema.design(table.take(np.arange(k, k + 3))) for k in (0, 2_000, 58_999, 59_997)]
    np.testing.assert_array_equal(
        np.vstack(alone), whole[[k + i for k in (0, 2_000, 58_999, 59_997) for i in range(3)]]
    )
    assert np.isnan(whole[59_000]).sum() == 9 * 4


def test_missing_values_are_missing_across_their_terms(birthwt: pd.DataFrame) -> None:
    frame = holed(birthwt)
    schema, X = design(EVERYTHING, frame)
    rows, counts = schema.missing(from_frame(frame))
    assert counts == {"age": 1, "race": 1, "lwt": 1, "smoke": 1, "ftv": 1, "ui": 1, "ht": 1}
    offset = schema.offset(from_frame(frame))
    np.testing.assert_array_equal(rows, np.isnan(X).any(axis=1) | np.isnan(offset))
    named = np.array(schema.names)
    for place, name in enumerate(["age", "race", "lwt", "smoke", "ftv", "ui", "ht"]):
        of_name = np.array([f"{name})" in n or f"{name}," in n for n in named])
        np.testing.assert_array_equal(np.isnan(X[5 + 11 * place]), of_name)


def test_a_basis_learns_from_every_row_that_knows_its_argument(birthwt: pd.DataFrame) -> None:
    frame = birthwt.astype(float)
    frame.loc[frame.age > 30, "lwt"] = np.nan
    schema = learn("~ scale(age) + lwt", from_frame(frame))
    np.testing.assert_allclose(
        schema.design(from_frame(birthwt))[:, 0], (birthwt.age - birthwt.age.mean()) / birthwt.age.std(), rtol=1e-12
    )


def test_columns_may_be_replaced(birthwt: pd.DataFrame) -> None:
    """What effects do: one column at other values, the others as they are."""
    table = from_frame(birthwt)
    schema = learn(EVERYTHING, table)
    moved = Table({**table.columns, "age": from_frame({"age": birthwt.age + 40.5})["age"]}, table.n_rows, "moved")
    X = schema.design(moved)
    np.testing.assert_array_equal(X, schema.design(from_frame(birthwt.assign(age=birthwt.age + 40.5))))
    same = [k for k, name in enumerate(schema.names) if "age" not in name]
    np.testing.assert_array_equal(X[:, same], schema.design(table)[:, same])


def test_kinds_of_numbers_make_no_difference(birthwt: pd.DataFrame) -> None:
    text = "~ ns(age, df=3) + scale(smoke) + C(race, sum)"
    _, X = design(text, birthwt)
    for changed in (
        {"age": birthwt.age.astype(np.float32)},
        {"age": birthwt.age.astype(np.int8), "smoke": birthwt.smoke.astype(bool)},
        {"race": birthwt.race.astype(str)},
    ):
        np.testing.assert_array_equal(design(text, birthwt.assign(**changed))[1], X)
    schema = learn(text, from_frame(birthwt))
    text_cells = birthwt.assign(age=birthwt.age.astype(str), race=birthwt.race.astype(float))
    np.testing.assert_array_equal(schema.design(from_frame(text_cells)), X)
    with pytest.raises(UnseenLevelError, match="column 'race' holds level '4'"):
        schema.design(from_frame(birthwt.assign(race=4)))


def test_units_and_origins_make_no_difference(birthwt: pd.DataFrame) -> None:
    for text in ("~ ns(x, df=4)", "~ bs(x, df=5)", "~ cr(x, df=4)", "~ poly(x, 4)", "~ scale(x)"):
        _, X = design(text, birthwt.assign(x=birthwt.lwt))
        _, Y = design(text, birthwt.assign(x=1e5 + birthwt.lwt / 1024.0))
        np.testing.assert_allclose(X, Y, rtol=0.0, atol=1e-8)  # x keeps 17 - 8 digits of its spread


# --- offsets --------------------------------------------------------------------------------------------------------


def test_offsets() -> None:
    table = from_frame({"y": [0, 1, 1], "t": [1.0, np.e, np.nan], "b": [True, False, True], "x": [1.0, 2.0, 4.0]})
    schema = learn("y ~ x + offset(log(t)) + offset(b)", table)
    assert schema.names == ("x",)
    assert str(schema) == "y ~ x + offset(log(t)) + offset(b)"
    assert schema.predictors == ("x", "t", "b")
    assert schema.missing(table)[1] == {"t": 1} == schema.missing(table, response=False)[1]
    np.testing.assert_allclose(schema.offset(table), [1.0, 1.0, np.nan], rtol=1e-15)  # type: ignore[arg-type]
    assert learn("y ~ x", table).offset(table) is None
    assert str(learn("~ offset(t/2)", table)) == "~ 1 + offset(t/2)"
    with pytest.raises(ValueError, match=r"log\(t\) is infinite in row 1 .*t = 0"):
        schema.offset(from_frame({"t": [0.0], "b": [True]}))
    with pytest.raises(ValueError, match="no column 't'"):
        schema.offset(from_frame({"x": [0.0], "b": [True]}))
    with pytest.raises(FormulaError, match=r"offset\(g\) needs numbers, and column 'g' is a factor"):
        learn("~ x + offset(g)", from_frame({"x": [1.0, 2.0], "g": ["a", "b"]}))
    with pytest.raises(FormulaError, match="neither terms nor an intercept"):
        learn("~ 0 + offset(x)", table)


def test_a_dot_takes_an_offset_in_and_says_so() -> None:
    """R's terms(y ~ . + offset(log(t)), data) has t among the terms, in silence."""
    table = from_frame({"y": [0, 1, 1], "t": [1.0, 3.0, 2.0], "x": [1.0, 2.0, 4.0]})
    schema = learn("y ~ . + offset(log(t))", table)
    assert schema.names == ("t", "x")
    assert schema.notes == ("column 't' stands in an offset and among the terms; with - t it is an offset alone",)
    assert learn("y ~ . - t + offset(log(t))", table).notes == ()


# --- refusals -------------------------------------------------------------------------------------------------------

CANNOT = {
    "~ ns(c, 3)": r"ns\(c, 3\) has a constant argument \(every value is 2\); leave it out",
    "~ bs(c)": r"bs\(c\) has a constant argument",
    "~ cr(c, df=2)": r"cr\(c, df=2\) has a constant argument",
    "~ scale(c)": r"scale\(c\) has a constant argument",
    "~ poly(c, 1)": r"poly\(c, 1\) needs more than 1 distinct values, and there are 1",
    "~ poly(x, 5)": "needs more than 5 distinct values, and there are 5; lower the degree",
    "~ poly(x, 200)": "degree above 100",
    "~ ns(x, df=1, intercept=TRUE)": "needs df of 2 or more, not 1",
    "~ bs(x, df=2)": "needs df of 3 or more, not 2",
    "~ bs(x, degree=20)": "needs a degree from 1 to 10, not 20",
    "~ cr(x)": r"cr\(x\) needs df= or knots=, as in cr\(x, df=4\)",
    "~ cr(x, df=5)": "needs df from 1 to 4, since its argument has 5 distinct values",
    "~ cr(x, df=1, intercept=TRUE)": "needs df from 2 to 5",
    "~ ns(t, df=4)": r"ns\(t, df=4\) has a knot at 0, which is not inside its boundaries 0 and 1; lower df",
    "~ ns(x, knots=c(2, 9))": "has a knot at 9, which is not inside its boundaries 1 and 5",
    "~ cr(x, knots=1)": "has a knot at 1, which is not inside",
    "~ cr(x, knots=c(2, 2))": "has more than 1 knots at 2",
    "~ bs(x, knots=c(2, 2, 2, 2))": "has more than 3 knots at 2; lower df, or give different knots=",
    "~ ns(x, df=2, Boundary.knots=3)": r"needs two Boundary.knots, as in c\(20, 60\), not 1",
    "~ ns(x, df=2, Boundary.knots=c(3, 3))": "needs two different boundaries",
    "~ ns(x, df=2, Boundary.knots=c(8, 9))": "has no value inside its Boundary.knots",
    "~ ns(g, 3)": r"ns\(g, 3\) needs numbers, and column 'g' is a factor",
    "~ scale(log(t))": r"log\(t\) is infinite in row 1 of data frame \(where t = 0\)",
    "~ scale(big)": "size is beyond computation; rescale it",
    "~ poly(big, 2)": "cannot be computed at degree 1; lower the degree, or rescale",
    "~ C(many, poly)": "column 'many' has 96 levels, and poly contrasts are for 95 at most; use treatment",
    "~ ns(nothing, 3)": "column 'nothing' is missing in 96 of 96 rows",
}


@pytest.mark.parametrize("text", CANNOT)
def test_what_the_values_cannot_give_is_refused_in_a_sentence(text: str) -> None:
    n = 96
    table = from_frame(
        {
            "x": np.arange(n) % 5 + 1.0,
            "c": np.full(n, 2.0),
            "t": np.where(np.arange(n) == n - 1, 1.0, 0.0),
            "g": ["a", "b"] * (n // 2),
            "big": 1e308 * np.linspace(-1.0, 1.0, n),
            "many": [f"level {k}" for k in range(n)],
            "nothing": np.full(n, np.nan),
        }
    )
    with pytest.raises(FormulaError, match=CANNOT[text]) as caught:
        learn(text, table)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_values_that_a_basis_cannot_take_name_the_row() -> None:
    schema = learn("~ bs(x, df=4) + poly(x, 3)", from_frame({"x": np.arange(10.0)}))
    rows = from_frame({"x": [1.0, np.nan, np.inf]})
    with pytest.raises(ValueError, match="x is infinite in row 3"):
        schema.design(rows)
    with pytest.raises(ValueError, match=r"bs\(x, df=4\) is (infinite|not defined) in row 2 .*x = 1e\+200"):
        schema.design(from_frame({"x": [1.0, 1e200]}))


def test_a_degree_that_rounding_cannot_give_is_refused() -> None:
    x = np.random.default_rng(1).normal(size=200) ** 5
    with pytest.raises(FormulaError, match=r"poly\(x, 60\) cannot be computed"):
        learn("~ poly(x, 60)", from_frame({"x": x}))


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [EVERYTHING, "~ poly(age, 2, raw=TRUE) - 1", "~ scale(age, FALSE, TRUE) + bs(lwt, 4)"])
def test_json_gives_back_the_schema(birthwt: pd.DataFrame, text: str) -> None:
    table = from_frame(birthwt)
    schema = learn(text, table)
    restored = schema_from_dict(json.loads(json.dumps(schema_to_dict(schema), allow_nan=False)))
    assert restored == schema
    assert (restored.names, str(restored)) == (schema.names, str(schema))
    new = from_frame(holed(birthwt) + 3.0 * (birthwt.columns == "age") + 30.5 * (birthwt.columns == "lwt"))
    np.testing.assert_array_equal(restored.design(new), schema.design(new))
    assert learn(str(schema), table).names == schema.names


def test_a_formula_without_the_new_has_no_new_keys(birthwt: pd.DataFrame) -> None:
    saved = schema_to_dict(learn("~ age + C(race)", from_frame(birthwt)))
    assert set(saved) == {"response", "intercept", "terms", "columns", "factors", "notes"}
    assert set(saved["factors"]["C(race)"]) == {"levels", "reference"}


@pytest.fixture
def saved(birthwt: pd.DataFrame) -> dict[str, Any]:
    text = "~ ns(age, df=3) + bs(lwt, knots=c(100, 120)) + cr(bwt, df=3) + poly(ftv, 2) + scale(ui) + C(race, sum)"
    return copy.deepcopy(schema_to_dict(learn(text + " + offset(log(lwt))", from_frame(birthwt))))


NS, BS, CR, POLY = "ns(age, df=3)", "bs(lwt, knots=c(100, 120))", "cr(bwt, df=3)", "poly(ftv, 2)"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("bases",), {}, "'bases' lacks key"),
        (("bases",), [], "'bases' is no mapping"),
        (("bases", "ns(age)"), {}, "unknown key 'ns(age)'"),
        (("bases", NS), [1.0], "is no mapping with the keys knots, boundary, intercept"),
        (("bases", NS, "degree"), 3, "is no mapping with the keys"),
        (("bases", NS, "knots"), [20.0], "is not what its call asks for"),
        (("bases", NS, "knots"), [25.0, 20.0], "not in ascending order"),
        (("bases", NS, "knots"), [20.0, 99.0], "a knot at 99, which is not inside"),
        (("bases", NS, "knots"), [20.0, float("nan")], "no number, list of numbers"),
        (("bases", NS, "knots"), [20.0, 10**400], "no number, list of numbers"),
        (("bases", NS, "knots"), [20.0, True], "no number, list of numbers"),
        (("bases", NS, "knots"), ["20", 21.0], "no number, list of numbers"),
        (("bases", NS, "knots"), [20.0] * 2001, "no number, list of numbers"),
        (("bases", NS, "knots"), [20.0 + k / 1e4 for k in range(1500)], "1500 knots, and 1000 are the limit"),
        (("bases", NS, "boundary"), [45.0, 14.0], "two different boundaries"),
        (("bases", NS, "boundary"), [14.0], "two different boundaries"),
        (("bases", NS, "intercept"), 0, "no number, list of numbers"),
        (("bases", NS, "intercept"), True, "is not what its call asks for"),
        (("bases", BS, "degree"), 2, "is not what its call asks for"),
        (("bases", BS, "degree"), True, "no number, list of numbers"),
        (("bases", BS, "degree"), 10**9, "no number, list of numbers"),
        (("bases", BS, "degree"), 500, "degree from 1 to 10"),
        (("bases", BS, "knots"), [100.0, 121.0], "is not what its call asks for"),
        (("bases", CR, "knots"), [1.0, 2.0, 2.0, 3.0], "ascending knots"),
        (("bases", CR, "means"), [0.5, 0.5], "a mean for each knot"),
        (("bases", CR, "means"), [0.0] * 4, "a mean for each knot"),
        (("bases", CR, "means"), [], "is not what its call asks for"),
        (("bases", POLY, "norm"), [1.0, 0.0], "a positive norm"),
        (("bases", POLY, "center"), [1.0], "for each degree"),
        (("bases", POLY), {"center": [1.0], "carry": [0.0], "norm": [1.0]}, "is not what its call asks for"),
        (("factors", "C(race)", "contrasts"), "eval", "are none of treatment, sum"),
        (("factors", "C(race)", "contrasts"), 1, "no text"),
        (("factors", "C(race)", "levels"), [str(k) for k in range(1, 1002)], "sum contrasts are for 1000 at most"),
        (("terms", 0, 0), "ns(age, df=4)", "'bases' has an unknown key"),
        (("terms", 0, 0), "ns(age,df=3)", "is not written as"),
        (("terms", 0, 0), "ns(eval(age), df=3)", "unknown function 'eval'"),
        (("terms", 0, 0), "offset(age)", "offset at position 1 is no number"),
        (("terms", 0, 0), "C(race, sum)", "is no variable"),
        (("offsets",), ["log(lwt)", "log(lwt)"], "an offset stands twice"),
        (("offsets",), "log(lwt)", "offsets is no list of at most"),
        (("offsets",), ["zzz"], "'columns' lack one that 'zzz' names"),
        (("offsets",), ["1"], "names no column"),
        (("offsets",), ["C(race)"], "is no number"),
        (("offsets", 0), "log( lwt )", "is not written as"),
    ],
)
def test_damaged_bases_are_refused_in_a_sentence(
    saved: dict[str, Any], path: tuple[Any, ...], value: Any, message: str
) -> None:
    schema_from_dict(saved)
    at = saved
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")) as caught:
        schema_from_dict(saved)
    assert str(caught.value).startswith("the saved schema is damaged: ")
    assert len(str(caught.value)) < 250


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def test_whatever_is_changed_is_refused_or_a_schema_that_reads(saved: dict[str, Any], birthwt: pd.DataFrame) -> None:
    table = from_frame(birthwt)
    refused = read = 0
    for path in places(saved)[1:]:
        for value in (None, 1.5, -1, True, {}, [], [[]], [1.0, 2.0, 3.0], 1e300, 5e-324, "ns(age, df=3)"):
            changed = copy.deepcopy(saved)
            at = changed
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
            try:
                schema = schema_from_dict(changed)
                assert schema_from_dict(schema_to_dict(schema)) == schema
                schema.design(table)
            except ValueError:
                refused += 1
            else:
                read += 1
    assert refused > 500
    assert read > 10
