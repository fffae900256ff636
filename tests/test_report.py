"""Reports: numbers and names on a page, statistics against R, verdicts where they belong."""

from __future__ import annotations

import io
import math
import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from berkson import logit
from berkson.inference.likelihood import likelihood
from berkson.model import fit_table
from berkson.read import read_table
from berkson.report import progress
from berkson.report.layout import Grid, Paragraph, Row, clean, exponential, lines, show, significant
from berkson.report.summary import summary
from berkson.table import Table, from_frame

DATA = Path(__file__).parent / "data"


def text(blocks: list[Any], width: int | None = None) -> list[str]:
    return ["".join(span for span, _ in line) for line in lines(blocks, width)]


def report(formula: str, table: Table, **options: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report has their sentences
        fit = logit(formula, table, **options)
    out = io.StringIO()
    show(summary(fit.findings()), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.000"),
        (0.33245157, "0.3325"),
        (-0.022478, "-0.02248"),
        (12.345678, "12.35"),
        (9.99996, "10.00"),
        (999.96, "1000"),
        (123456.7, "123457"),
        (1234567.0, "1.235e+06"),
        (0.000123456, "0.0001235"),
        (0.0000123456, "1.235e-05"),
        (0.000099999, "0.0001000"),
        (1e300, "1.000e+300"),
        (math.inf, "+inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_four_significant_digits(value: float, shown: str) -> None:
    assert significant(value) == shown


@given(st.floats(-1.79e308, 1.79e308))
def test_what_is_shown_is_the_number(value: float) -> None:
    assert float(significant(value)) == pytest.approx(value, rel=5.1e-4, abs=0)  # half of the fourth digit


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "1.000"),
        (-1.3e-5, "0.99999"),  # 1.000 would not tell on which side of 1 it lies
        (3.04e-4, "1.0003"),
        (-4.96e-4, "0.9995"),
        (6e-4, "1.001"),
        (1e-10, "1.000"),
        (1.23167137, "3.427"),
        (-21.2263949, "6.046e-10"),
        (-math.inf, "0"),
        (math.inf, "inf"),
        (800.0, "2.726e+347"),  # mpmath: exp(800) = 2.72637457e347
        (-800.0, "3.668e-348"),
    ],
)
def test_odds_ratios_beyond_doubles(value: float, shown: str) -> None:
    assert exponential(value) == shown


def test_numbers_stand_on_their_points() -> None:
    grid = Grid(
        ("", "log-odds"), (Row("a", ("-12.35",)), Row("bb", ("0.02248",)), Row("c", ("5",)), Row("d", ("+inf",)))
    )
    page = text([grid])
    assert page == ["     log-odds", "a   -12.35", "bb    0.02248", "c     5", "d        +inf"]
    assert {line.index(".") for line in page if "." in line} == {7}


def test_wide_characters_take_two_cells() -> None:
    page = text([Grid(("", "v"), (Row("年齢", ("1.5",)), Row("abcd", ("2.5",))))])
    assert page[1:] == ["年齢  1.5", "abcd  2.5"]


def test_pages_fit_their_width() -> None:
    rows = tuple(Row("a_very_long_column_name_" * 4 + str(k), ("1.234", "3.433"), "per unit of " * 9) for k in range(3))
    blocks = [Paragraph("words and more words " * 20), Grid(("", "log-odds", "odds ratio"), rows)]
    for width in (40, 60, 80):
        page = text(blocks, width)
        assert max(map(len, page)) <= width
        found = [line for line in page if "1.234" in line and "3.433" in line]
        assert [line.split()[0][-2:] for line in found] == ["_0", "_1", "_2"]  # both ends of a name stay
        assert all("per unit" in line for line in found) is (width >= 60)  # remarks go first
    assert "…" not in "".join(text(blocks))
    assert text(blocks)[0] == blocks[0].text  # a pipe gets whole lines


def test_text_of_strangers_is_made_harmless() -> None:
    assert clean("a\x1b[31m\nb\u202e é") == "a\\x1b[31m\\nb\\u202e é"
    page = text([Paragraph("x\ny"), Grid(("", "v"), (Row("\x07", ("1",), "\x1b"),))])
    assert not [c for line in page for c in line if not c.isprintable()]


# --- statistics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "formula", "options", "expected"),
    [
        # R 4.2.2: logLik(m), deviance(m), m$null.deviance of glm(..., binomial)
        (
            "birthwt.csv",
            "low ~ age + lwt + C(race) + smoke",
            {},
            (-107.288617267, 214.577234534, 234.671996193),
        ),
        ("birthwt.csv", "low ~ 0 + age + C(race)", {}, (-114.06375291, 228.127505821, 262.009634252)),
        ("menarche.csv", "Menarche / Total ~ Age", {}, (-55.3776271566, 26.7034516358, 3693.88357479)),
        # nnet::multinom(partic ~ hincome + children), and with ~ 1
        ("womenlf.csv", "partic ~ hincome + children", {}, (-211.440962897, 422.881925795, 500.492560797245)),
    ],
)
def test_statistics_are_those_of_r(
    file: str, formula: str, options: dict[str, Any], expected: tuple[float, float, float]
) -> None:
    model, result = fit_table(formula, read_table(DATA / file), **options)
    assert model.schema.outcome is not None
    found = likelihood(result, result.problem.weight if model.schema.outcome.kind == "counts" else None)
    assert (found.log_likelihood, found.deviance, found.null_deviance) == pytest.approx(expected, rel=1e-10)


def test_shares_have_the_deviance_of_counts() -> None:
    table = read_table(DATA / "menarche.csv")
    share = table["Menarche"].values / table["Total"].values
    shares = from_frame({"share": share, "Age": table["Age"].values, "Total": table["Total"].values})
    _, result = fit_table("share ~ Age", shares, weights="Total")
    assert likelihood(result).deviance == pytest.approx(26.7034516358, rel=1e-10)


def test_the_null_model_keeps_the_offset() -> None:
    rng = np.random.default_rng(1)
    known, x = rng.normal(size=60), rng.normal(size=60)
    y = (rng.random(60) < 1 / (1 + np.exp(-known - x))).astype(int)
    table = from_frame({"y": y, "x": x, "known": known})
    _, with_intercept = fit_table("y ~ x", table, offset="known")
    _, alone = fit_table("y ~ 1", table, offset="known")
    null = likelihood(with_intercept).null_deviance
    assert null == pytest.approx(likelihood(alone).deviance, rel=1e-12)
    _, without = fit_table("y ~ 0 + x", table, offset="known")
    by_hand = 2 * np.sum(np.log1p(np.exp(known)) - y * known)
    assert likelihood(without).null_deviance == pytest.approx(by_hand, rel=1e-12)


# --- summaries ------------------------------------------------------------------------------------------------------


def test_factors_show_their_reference() -> None:
    page = report('low ~ C(race, ref="2") + ht', read_table(DATA / "birthwt.csv"))
    assert re.search(r"C\(race\)\n  1 +-?[\d.]+ .* against 2\n  2 +0 +1 +reference\n  3 .* against 2\n", page)


def test_full_coding_has_no_reference() -> None:
    page = report("low ~ 0 + C(race)", read_table(DATA / "birthwt.csv"))
    assert "reference" not in page
    assert "against" not in page
    assert "(Intercept)" not in page
    assert len(re.findall(r"^  [123] +-[\d.]+ .* 0\.\d+ +0\.\d+ +[\d.]+$", page, re.MULTILINE)) == 3


def test_interactions_and_booleans() -> None:
    rng = np.random.default_rng(2)
    flag = rng.random(300) < 0.5
    x = rng.normal(size=300)
    table = from_frame({"y": (rng.random(300) < 0.4).astype(int), "flag": flag, "x": x})
    page = report("y ~ flag*x", table)
    assert re.search(r"^flag\[true\] .* against false, where x = 0$", page, re.MULTILINE)
    assert re.search(r"^flag\[true\]:x .* ratio of odds ratios$", page, re.MULTILINE)


def test_an_interaction_coded_in_full_tells_of_each_group() -> None:
    # without main effects exp(coef) is an odds ratio, or the odds, of a group: no ratio of odds ratios
    births = read_table(DATA / "birthwt.csv")
    assert re.search(
        r"^C\(race\)\[2\]:lwt .* per unit of lwt in this group$", report("low ~ C(race):lwt", births), re.M
    )
    within = report("low ~ C(race) + C(race):C(smoke)", births)
    assert re.search(r"^C\(race\)\[1\]:C\(smoke\)\[1\] .* odds ratio in this group$", within, re.M)
    cells = report("low ~ 0 + C(race):C(smoke)", births)
    assert re.search(r"^C\(race\)\[1\]:C\(smoke\)\[0\] .* odds in this group$", cells, re.M)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_names_that_differ_are_shown_differently(width: int) -> None:
    names = [f"sex[male]:{middle}:class[{level}]" for middle in ("age", "fare", "lwt") for level in ("2nd", "3rd")]
    grid = Grid(("", "log-odds", "odds ratio"), tuple(Row(name, ("-0.5", "0.6065"), "a ratio") for name in names))
    printed = ["".join(span for span, _ in line) for line in lines([grid], width)]
    assert len({line.split()[0] for line in printed[1:]}) == len(names)


def test_many_classes_are_not_all_listed() -> None:
    rng = np.random.default_rng(3)
    y = [f"k{k:02d}" for k in range(23)] * 4
    page = report("y ~ x", from_frame({"y": y, "x": rng.normal(size=92)}), strength=1.0)
    assert "over 23 classes: k00 4, k01 4" in page
    assert "k19 4 and 3 more of 92 rows" in page


def test_classes_are_contrasted_with_the_first() -> None:
    page = report("partic ~ hincome", read_table(DATA / "womenlf.csv"))
    model, _ = fit_table("partic ~ hincome", read_table(DATA / "womenlf.csv"))
    difference = model.coef[2, 0] - model.coef[0, 0]
    block = page[page.index("parttime : fulltime") :]
    assert re.search(
        rf"hincome +{re.escape(significant(difference))} .* {re.escape(significant(math.exp(difference)))} ", block
    )
    assert "P(partic) over 3 classes: fulltime 66, not.work 155, parttime 42 of 263 rows" in page


def test_notes_of_the_schema_are_shown() -> None:
    table = from_frame({"y": [0, 1, 0, 1, 1, 0], "g": ["a", "b", "a", "b", "a", "c"], "x": [1.0, 2, 2, 1, 2, math.nan]})
    assert "level c left out" in report("y ~ g + x", table, strength=1.0)


def test_infinite_contrasts_of_classes() -> None:
    # class c is where x is large, alone; a and b overlap
    x = np.array([1.0, 2, 3, 4, 1, 2, 3, 4, 7, 8, 9])
    table = from_frame({"y": list("abaabbab") + ["c"] * 3, "x": x})
    page = report("y ~ x", table)
    assert "eparation" in page
    ab, ac = page[page.index("b : a") : page.index("c : a")], page[page.index("c : a") :]
    assert re.search(r"x +-?[\d.]+ .* per unit of x", ab)
    assert re.search(r"x +\+inf +inf +no finite estimate", ac)


def test_penalised_fits_say_so_and_give_no_deviance() -> None:
    page = report("low ~ age", read_table(DATA / "birthwt.csv"), strength=4.0)
    assert "ridge of strength 4.000 (C = 0.2500)" in page
    assert "deviance" not in page
    assert "objective " in page


# --- progress -------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals_and_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = io.StringIO()
    monkeypatch.setattr("sys.stderr", quiet)
    with progress.stage("reading") as tell:
        assert tell is None
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress.stage("reading", quiet=True) as tell:
        assert tell is None
    with progress.stage("reading") as tell:
        assert tell is not None
        tell(0.5)
    assert (quiet.getvalue(), terminal.getvalue()) == ("", "")  # over before anybody would ask
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    with progress.stage("reading [x]") as tell:
        assert tell is not None
        deadline = time.monotonic() + 20
        while "reading [x]" not in terminal.getvalue() and time.monotonic() < deadline:
            tell(0.5)
            time.sleep(0.01)
    assert "reading [x]" in terminal.getvalue()
