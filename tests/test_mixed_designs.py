"""Formulas whose factors stay codes: every number is that of the same formula with a dense column for each level."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import berkson
from berkson import assemble, logit
from berkson.design import Mixed
from berkson.formula import learn
from berkson.model import fit_table
from berkson.table import from_frame

N = 1500
MAIN, K = "y ~ x + z + g + C(h)", "k ~ x + g + h"


def data(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(5, 2, n),
            "g": pd.Categorical(rng.integers(0, 20, n).astype(str), [*map(str, range(20)), "never"]),
            "h": rng.choice(list("abcd"), n),
            "c": rng.integers(0, 60, n),
            "w": rng.integers(1, 4, n),
            "b": rng.random(n) < 0.4,
        }
    )
    eta = 0.5 * frame["x"] + 0.4 * (frame["h"] == "a") - 0.2 + 0.8 * np.sin(frame["g"].astype(str).astype(int))
    frame["y"] = (rng.logistic(size=n) < eta).astype(int)
    frame["k"] = np.array(["low", "middle", "high"])[np.digitize(eta + rng.logistic(size=n), [-0.5, 0.8])]
    frame.loc[::40, "z"] = np.nan
    return frame


DATA = data()
NEW = DATA.head(120).assign(h=np.where(DATA.index[:120] % 7 > 0, DATA["h"].head(120), "e"))  # a level not seen


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], tuple[Any, Any]]:
    """What is asked, of coded factors and of dense ones; warnings apart, which are the same."""

    def ask(question: Callable[[], Any]) -> tuple[Any, Any]:
        answers = []
        for indicators in (2, 1 << 30):
            monkeypatch.setattr(assemble, "INDICATORS", indicators)
            monkeypatch.setattr(assemble, "CELLS", 0)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                answers.append((question(), [str(each.message) for each in said]))
        (coded, said_of_codes), (dense, said_of_dense) = answers
        assert said_of_codes == said_of_dense
        return coded, dense

    return ask


def numbers(answer: Any) -> Any:
    if isinstance(answer, tuple):
        return np.concatenate([numbers(each) for each in answer])
    if isinstance(answer, pd.DataFrame):
        answer = answer.select_dtypes("number")
    return np.asarray(answer, dtype=np.float64).ravel()


@pytest.mark.parametrize(
    "formula",
    [
        MAIN,
        "y ~ g*h + ns(x, 3) + h:x + log(abs(z) + 1)",
        "y ~ 0 + h + g + C(h, sum):x",
        "y ~ C(g, sum) + h + b",
        "y ~ g:h + x",
        'y ~ h + C(g, ref="7") + z',
        "y ~ 0 + g:x + h",
        "y ~ g + h",
    ],
)
def test_the_design_is_the_dense_one(formula: str) -> None:
    table = from_frame(DATA.dropna())
    schema = learn(formula, table)
    X = assemble.coded(schema, table)
    assert isinstance(X, Mixed)
    assert X.shape == (table.n_rows, len(schema.names))
    np.testing.assert_array_equal(X.few_rows(slice(None)), schema.design(table))


ASKED: dict[str, Callable[[], Any]] = {
    "estimates": lambda: numbers((logit(MAIN, DATA).params, logit(MAIN, DATA).bse)),
    "references": lambda: logit('y ~ x + C(h, ref="c") + g', DATA).bse,
    "no intercept": lambda: logit("y ~ 0 + g + h + x", DATA).bse,
    "interactions": lambda: logit("y ~ g + h*x + b", DATA).bse,
    "weights": lambda: logit(MAIN, DATA, weights="w").bse,
    "sampling": lambda: logit(MAIN, DATA, weights="w", weight_kind="sampling").bse,
    "offset": lambda: logit("y ~ x + g + h + offset(z)", DATA).bse,
    **{kind: (lambda kind=kind: logit(MAIN, DATA, covariance=kind).vcov()) for kind in ("HC0", "HC1", "HC2", "HC3")},
    **{
        kind: (lambda kind=kind: logit(MAIN, DATA, cluster="c", covariance=kind).vcov())
        for kind in ("CR0", "CR1", "CR2")
    },
    "profile": lambda: logit("y ~ x + h + g", DATA.head(300)).confint("profile"),
    "firth": lambda: logit("y ~ x + h + g", DATA, bias_reduction="firth").bse,
    "median": lambda: logit("y ~ x + h + g", DATA, bias_reduction="median").params,
    "predict": lambda: logit(MAIN, DATA).predict(DATA.dropna().head(200), interval=True),
    "predict, missing": lambda: logit(MAIN, DATA).predict(NEW, policy="missing"),
    "predict, baseline": lambda: logit(MAIN, DATA).predict(NEW, "link", policy="baseline"),
    "predict, offset": lambda: logit("y ~ x + g + h + offset(z)", DATA).predict(DATA.dropna()),
    "predict, classes": lambda: logit(K, DATA, tol=1e-14).predict(DATA),
    "predict, aliased": lambda: logit("y ~ g + h + twin", DATA.assign(twin=DATA["h"])).predict(
        NEW.assign(twin="a", h=NEW["h"].replace("e", "a")), policy="missing"
    ),
    "effects": lambda: logit(MAIN, DATA).effects(),
    "margins": lambda: logit(MAIN, DATA).margins(at={"h": ["a", "b"]}),
    "contrast": lambda: logit(MAIN, DATA).contrast("h"),
    "anova": lambda: logit(MAIN, DATA).anova(),
    "drop1": lambda: logit(MAIN, DATA).drop1(),
    "augment": lambda: logit(MAIN, DATA).augment(),
    "glance": lambda: logit(MAIN, DATA).glance(),
    "bootstrap": lambda: logit(MAIN, DATA).bootstrap(40, seed=1).replicates.std(axis=0),
    "classes": lambda: logit(K, DATA, tol=1e-14).bse,
    "classes, robust": lambda: logit(K, DATA, tol=1e-14, covariance="HC1").bse,
    "classes, effects": lambda: logit(K, DATA, tol=1e-14).effects(),
    "ridge": lambda: logit(MAIN, DATA, strength=2.0).params,
    "lasso": lambda: logit(MAIN, DATA, penalty="lasso", lambda_=0.01).params,
}


@pytest.mark.parametrize("asked", ASKED)
def test_statistics_are_those_of_the_dense_design(asked: str, both: Any) -> None:
    coded, dense = map(numbers, both(ASKED[asked]))
    # 1e-10, and of what is solved for (profile, bootstrap, classes, penalties) what its own tolerance leaves
    loose = {"bootstrap": 1e-4, "lasso": 1e-6, "ridge": 1e-7, "profile": 1e-7}.get(asked, 1e-10)
    assert len(coded) == len(dense) > 0
    np.testing.assert_allclose(coded, dense, rtol=loose, atol=loose * 1e-2)


def test_sentences_are_the_same(both: Any) -> None:
    frame = DATA.assign(copy=DATA["x"] * 2.0, twin=DATA["h"], only=(DATA["g"] == "3") & (DATA["y"] == 1))
    for formula in (MAIN, "y ~ x + copy + g", "y ~ h + twin + g", "y ~ g + only + x"):

        def sentences(formula: str = formula) -> Any:
            fit = logit(formula, frame)
            return (
                list(fit.params.index),
                str(fit.certificate.rank.sentence(fit.estimates.problem)),
                [each for each in str(fit.summary()).splitlines() if " passes over " not in each],
            )

        coded, dense = both(sentences)
        assert coded == dense


def test_what_is_coded() -> None:
    schema = learn(MAIN, from_frame(DATA))
    assert len(schema.names) == 24
    assert not assemble.is_coded(schema, 10**9)  # few levels
    many = DATA.assign(g=np.random.default_rng(0).integers(0, 200, N).astype(str))
    schema = learn(MAIN, from_frame(many))
    assert not assemble.is_coded(schema, N)  # a small table
    assert assemble.is_coded(schema, 10**5)
    assert assemble.stored_columns(schema, 10**5) == 2
    assert not assemble.is_coded(learn("y ~ g:x", from_frame(many)), 10**5)  # numbers in place of indicators


def test_paths_and_cross_validation(both: Any) -> None:
    coded, dense = both(lambda: berkson.path(MAIN, DATA, l1_ratio=0.5, tol=1e-10).found.coef)
    np.testing.assert_allclose(coded, dense, rtol=1e-4, atol=1e-6)  # both proved to 1e-10 of the objective
    coded, dense = both(lambda: numbers(berkson.cross_validate(MAIN, DATA, folds=4, seed=1, tol=1e-9).curve()))
    np.testing.assert_allclose(coded, dense, atol=1e-5)  # ranks of nearly equal predictions may change places


@pytest.mark.parametrize("codes", [np.int8, np.int16, np.int32])
def test_codes_are_narrow_and_not_copied(codes: Any) -> None:
    given = np.array([0, 2, 1], dtype=codes)
    narrow = assemble.narrow(given, 3 if codes is np.int8 else 300 if codes is np.int16 else 70_000)
    assert np.shares_memory(narrow, given)
    assert assemble.narrow(given.astype(np.int64), 300).dtype == np.uint16


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_many_rows_and_levels_by_formula(strength: float) -> None:
    rng, n = np.random.default_rng(3), 60_000
    sizes = {"a": 300, "b": 40, "c": 7}
    frame = pd.DataFrame({name: pd.Categorical(rng.integers(0, k, n).astype(str)) for name, k in sizes.items()})
    for j in range(3):
        frame[f"x{j}"] = rng.normal(size=n)
    effect = {name: rng.normal(0, 0.4, k) for name, k in sizes.items()}
    eta = sum(effect[name][frame[name].astype(str).astype(int)] for name in sizes) + frame["x0"]
    frame["y"] = (rng.logistic(size=n) < eta).astype(int)
    model, result = fit_table("y ~ x0 + x1 + x2 + a + b + c", from_frame(frame), strength=strength)
    assert isinstance(result.problem.X, Mixed)
    assert result.certificate.certified
    assert result.problem.X.nbytes == n * (3 * 8 + 2 + 1 + 1)
    assert model.certificate(from_frame(frame), 1e-8)[0].certified
    # The likelihood's gradient by a level is the sum of its residuals, less what the ridge asks for: 0 at the optimum
    residual = frame["y"] - model.probabilities(from_frame(frame))[:, 1]
    coef = pd.Series(model.coef[0], model.schema.names)
    for name in sizes:
        slopes = residual.groupby(frame[name], observed=True).sum()
        for level in slopes.index[1:]:
            if f"{name}[{level}]" in coef.index:
                assert slopes[level] == pytest.approx(strength * coef[f"{name}[{level}]"], abs=2e-2)


# --- too many columns without a penalty -----------------------------------------------------------------------------


def test_many_levels_without_a_penalty_are_refused_with_the_reason() -> None:
    rng, levels = np.random.default_rng(0), 4100
    g = np.tile(np.arange(levels), 8)  # four rows of each class
    frame = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=len(g)), "y": np.repeat([0, 1], len(g) // 2)})
    with pytest.raises(ValueError, match=r"takes a dense 4,100 x 4,100 matrix to tell.*: set a ridge penalty"):
        logit("y ~ x + g", frame)
    frame.loc[frame["g"].isin(["0", "7", "19"]), "y"] = 1  # "0" is the reference, which has no column
    said = r"without a penalty 3 of 4,100 levels, as 'g\[19\]', have no finite estimate, since their rows lack a class"
    with pytest.raises(ValueError, match=said):
        logit("y ~ x + g", frame)
    lacking = frame["g"].isin(["0", "7", "19"])
    with pytest.raises(ValueError, match=said):
        logit("s ~ x + g", frame.assign(s=np.where(lacking, 1.0, 0.25 + 0.5 * frame["y"])))
    assert logit("y ~ x + g", frame, strength=1.0).certificate.certified
