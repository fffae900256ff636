"""The language of formulas: what is read, how it prints, what it expands to, and what is refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from berkson.formula import FormulaError, parse


def terms(text: str, others: tuple[str, ...] = ()) -> str:
    """The expansion as text: 1 or 0 for the intercept, then the terms."""
    expansion = parse(text).expand(others)
    return " + ".join([str(int(expansion.intercept)), *(":".join(map(str, term)) for term in expansion.terms)])


# By hand from the rules of R's terms(): the intercept in front, then term.labels (C(g) without its ref).
EXPANSIONS = {
    "y ~ 1": "1",
    "y ~ a": "1 + a",
    "y ~ a + b - 1": "0 + a + b",
    "y ~ 0 + a": "0 + a",
    "y ~ a + 0": "0 + a",
    "y ~ -1 + a": "0 + a",
    "y ~ a + 0 + 1": "1 + a",
    "y ~ a - 0": "1 + a",
    "y ~ (a - 1) + b": "0 + a + b",
    "y ~ a*b": "1 + a + b + a:b",
    "y ~ a:b + a + b": "1 + a + b + a:b",  # by degree
    "y ~ b:a + a": "1 + a + b:a",  # variables in order of appearance
    "y ~ a + a + a:a": "1 + a",
    "y ~ a*b*c": "1 + a + b + c + a:b + a:c + b:c + a:b:c",
    "y ~ (a + b + c)^2": "1 + a + b + c + a:b + a:c + b:c",
    "y ~ (a + b + c)**2 - a:b": "1 + a + b + c + a:c + b:c",
    "y ~ (a + b):c": "1 + a:c + b:c",
    "y ~ a*b - a": "1 + b + a:b",
    "y ~ a*b*c - a:b:c": "1 + a + b + c + a:b + a:c + b:c",
    "y ~ (a*b)^2": "1 + a + b + a:b",
    "y ~ a - a": "1",
    "y ~ a*b:c": "1 + a + b:c + a:b:c",  # ':' binds tighter than '*'
    "y ~ I(a + b) + I( a+b )": "1 + I(a + b)",
    "y ~ C(g, ref='b')*x + C(g):z": "1 + C(g) + x + C(g):x + C(g):z",
    "y ~ .": "1 + p + q",
    "y ~ .^2 - p": "1 + q + p:q",
    "y ~ .:x + 0": "0 + p:x + q:x",
    "y ~ a/b": "1 + a + a:b",
    "y ~ a/b/c": "1 + a + a:b + a:b:c",
    "y ~ a/(b + c)": "1 + a + a:b + a:c",
    "y ~ (a + b)/c": "1 + a + b + a:b:c",
    "y ~ a*b/c": "1 + a + b + a:b + a:b:c",
    "y ~ a/b*c": "1 + a + c + a:b + a:c + a:b:c",
    "y ~ (a + b)^2/c": "1 + a + b + a:b + a:b:c",
    "y ~ a/a": "1 + a",
    "y ~ a/b - 1": "0 + a + a:b",
    "y ~ b %in% a": "1 + b:a",
    "y ~ a + b %in% a": "1 + a + a:b",
    "y ~ (b + c) %in% a": "1 + b:a + c:a",
    "y ~ b %in% (a + c)": "1 + b:a:c",
    "y ~ a %in% c:(b + d)": "1 + a:c:b:d",  # ':' binds tighter than '%in%'
    "y ~ a:(b + d) %in% c": "1 + a:b:c + a:d:c",
    "y ~ a %in% b %in% (c + d)": "1 + a:b:c:d",
    "y ~ a*b %in% c": "1 + a + b:c + a:b:c",  # '%in%' binds tighter than '*'
    "y ~ ns(x, df = 3)*C(g, sum) + C(g)": "1 + ns(x, df=3) + C(g) + ns(x, df=3):C(g)",
    "y ~ poly(x, 2)/g": "1 + poly(x, 2) + poly(x, 2):g",
    "y ~ a + offset(log(t))": "1 + a",
    "y ~ offset(t) - 1 + a": "0 + a",
    "y ~ `an odd name` + .b_1 + _c.d": "1 + `an odd name` + .b_1 + _c.d",
}


@pytest.mark.parametrize("text", EXPANSIONS)
def test_expansion_follows_r(text: str) -> None:
    assert terms(text, ("p", "q")) == EXPANSIONS[text]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("y~a+b *c-1", "y ~ a + b*c - 1"),
        ("y ~ ((a))", "y ~ a"),
        ("~ (a + (b))", "~ a + b"),
        ("y ~ (a+b)**2", "y ~ (a + b)^2"),
        ("y ~ a + (b + c)", "y ~ a + (b + c)"),
        ("`odd name` ~ `a` + `b c` + `tick \\` and \\\\`", "`odd name` ~ a + `b c` + `tick \\` and \\\\`"),
        ("successes/trials ~ x", "successes / trials ~ x"),
        ("cbind( s,f )~.", "cbind(s, f) ~ ."),
        ("cbind(s, n - s) ~ x", "s / n ~ x"),
        ("y ~ C(g,ref='b')", 'y ~ C(g, ref="b")'),
        ("y ~ C(g, ref=2.0)", "y ~ C(g, ref=2)"),
        ("y ~ I((-a)^2*-b / (c-1.50))", "y ~ I((-a)^2*-b/(c - 1.5))"),
        ("y ~ I(-a^2) + I(2^-x) + I((a^b)^c) + I(a^b^c)", "y ~ I(-a^2) + I(2^-x) + I((a^b)^c) + I(a^b^c)"),
        ("y ~ I(x/(a*b)) + I(x - (a - b)) + I(a*-(b + c))", "y ~ I(x/(a*b)) + I(x - (a - b)) + I(a*-(b + c))"),
        ("y ~ log( x + 1e-3 )", "y ~ log(x + 0.001)"),
        ("y ~ a%in%(b+c):d/e", "y ~ a %in% (b + c):d/e"),
        ("y~ns(x,knots=c(-1,2),intercept=TRUE)", "y ~ ns(x, knots=c(-1, 2), intercept=TRUE)"),
        ("y ~ C(g,contr.sum)+offset(a/2)", "y ~ C(g, contr.sum) + offset(a/2)"),
    ],
)
def test_text_is_canonical_and_reads_back(text: str, canonical: str) -> None:
    formula = parse(text)
    assert str(formula) == canonical
    assert parse(canonical) == formula
    assert str(parse(canonical)) == canonical


REFUSED = {
    "y ~ __import__('os').system('x')": "an operator is needed at position 21, not '.system'",
    "y ~ {a}": "'{' at position 5",
    "y ~ a.__class__ + b[0]": r"'\[' at position 20",
    "y ~ lambda: 1": "0 or 1 inside a product",
    "y ~ (lambda x: x)(1)": r"'\)' is needed to close the '\(' of position 5 at position 13, not 'x'",
    "y ~ eval(x)": "unknown function 'eval' at position 5; there are C, cbind",
    "y ~ np.log(x)": r"unknown function 'np\.log'",
    "y ~ sinh(x)": "unknown function 'sinh'",
    "y ~ I(foo(x))": "unknown function 'foo'",
    "y ~ log(x, 2)": "log at position 5 takes one argument",
    "y ~ log(x, base=2)": "takes one argument and no options",
    "y ~ I(a:b)": "not arithmetic",
    "y ~ I(.)": "not arithmetic",
    "y ~ I('a')": "not arithmetic",
    "y ~ I(C(g))": "C at position 7 is no number",
    "y ~ I(2)": "names no column",
    "y ~ log()": "takes one argument",
    "y ~ C(a + b)": "takes the name of one column",
    "y ~ C(g, base='b')": "no option 'base'",
    "y ~ C(g, ref=x)": "is no level",
    "y ~ C(g, ref='a') + C(g, ref='b')": "two references, 'a' and 'b'",
    "y ~ (a + b": r"'\)' is needed to close the '\(' of position 5 at position 11, not the end",
    "y ~ log(a": r"to close the '\(' after log",
    "y ~ a)": "operator is needed at position 6",
    "y ~ a b": "operator is needed at position 7, not 'b'",
    "y ~ a +": "name is needed at position 8, not the end",
    "y ~ * a": "name is needed at position 5",
    "y ~ ": "write 'y ~ 1'",
    "y": "there is no ~",
    "": "there is no ~",
    "y ~ a ~ b": "operator is needed at position 7",
    "y ~ 2": "the number 2 at position 5 is no term",
    "y ~ a + 1.5": "only 0 and 1",
    "y ~ a*1": "0 or 1 inside a product",
    "y ~ (a + 1)^2": "0 or 1 inside a product",
    "y ~ a + -b": "no term",
    "y ~ 'a'": "no term",
    "y ~ a^b": "exponent 'b'",
    "y ~ a^1.5": "no whole number",
    "y ~ (a + b)^11": "no whole number from 1 to 10",
    "y ~ (a + b)^0": "no whole number",
    "y ~ a^2^2": "no whole number",
    "y ~ a - b": "'b' at position 9 is taken away, but is not among the terms",
    "y ~ `a": "` at position 5 is not closed",
    'y ~ C(g, ref="a)': '" at position 14 is not closed',
    "y ~ a | b": r"'\|' at position 7",
    "y ~ a %of% b": "'%' at position 7",
    "y ~ a + y": "response 'y' stands on the right of ~ too, at position 9",
    "y ~ log(y)": "response 'y' stands on the right",
    "cbind(s, f) ~ f": "response 'f'",
    "s / n ~ s": "response 's'",
    "log(y) ~ a": "cannot be a response",
    "y + z ~ a": "cannot be a response",
    "a / b / c ~ x": "cannot be a response",
    "C(y) ~ x": "cannot be a response",
    "cbind(a, b, c) ~ x": "cannot be a response",
    "cbind(a, b - c) ~ x": "cannot be a response",
    "cbind(a, b + a) ~ x": "cannot be a response",
    "s / s ~ x": "twice",
    "1 ~ x": "cannot be a response",
    "y ~ cbind(a, b)": "left of ~",
    'y ~ relevel(g, "b")': "position 5: the reference of a factor is C",
    "y ~ I(x + 1e999)": "too large",
    "y ~ qq(x)": "unknown function 'qq' at position 5; there are C, cbind .on the left., offset, poly, ns, bs, cr",
    "y ~ sqr(x)": "did you mean 'sqrt'. There are",
    "y ~ factor(g)": "unknown function 'factor' at position 5; did you mean 'C'. There are",
    "y ~ ns()": r"ns at position 5 takes a column .* as in ns\(x, df=3\)",
    "y ~ ns(2)": "names no column",
    "y ~ ns(x, def=3)": "ns at position 5 has no option 'def'; did you mean 'df'.; its options are df, knots",
    "y ~ ns(x, df=0)": "df of ns at position 5 is a whole number from 1 to 1000, not 0",
    "y ~ ns(x, df=2.5)": "is a whole number from 1 to 1000, not 2.5",
    "y ~ ns(x, df=x)": "is a whole number",
    "y ~ ns(x, df=1e9)": "is a whole number from 1 to 1000",
    "y ~ ns(x, 3, df=4)": "given df twice",
    "y ~ ns(x, df=3, knots=2)": "both df and knots",
    "y ~ ns(x, knots=z)": r"takes numbers, as in c\(20, 30\), not z",
    "y ~ ns(x, knots=c())": "has 0 numbers",
    "y ~ ns(x, knots=c(1, 'a'))": "not arithmetic",
    "y ~ ns(x, knots=log(0))": "finite numbers",
    "y ~ ns(x, knots=eval(1))": "unknown function 'eval'",
    "y ~ ns(x, intercept=1)": "intercept of ns at position 5 is TRUE or FALSE, not 1",
    "y ~ ns(x, 3, 4, TRUE, c(1, 2), 7)": "takes one expression and 4 settings at most",
    "y ~ poly(x, z)": "degree of poly at position 5 is a whole number",
    "y ~ ns('x', 3)": "not arithmetic",
    "y ~ ns(C(g), 3)": "C at position 8 is no number",
    "y ~ log(ns(x, 3))": "ns at position 9 is no number",
    "y ~ ns(., 3)": "not arithmetic",
    "y ~ I(offset(t))": "offset at position 7 is no number",
    "y ~ C(g, summ)": "unknown contrasts 'summ' at position 10; did you mean 'sum'. There are treatment, sum, helmert",
    "y ~ C(g, 2)": "unknown contrasts '2'",
    "y ~ C(g, sum, 3)": "takes the name of one column, and contrasts",
    "y ~ C(g, sum, ref='a')": "only treatment contrasts have a reference",
    "y ~ C(g, ref='a') + C(g, helmert)": "only treatment contrasts have a reference",
    "y ~ C(g, sum)*C(g, helmert)": "two contrasts, 'sum' and 'helmert'",
    "y ~ a*offset(t)": "offset inside a product; it stands in sums",
    "y ~ (a + offset(t))^2": "offset inside a product",
    "y ~ a - offset(t)": "cannot be taken away",
    "y ~ offset(t, 2)": "takes one argument",
    "y ~ offset(2)": "names no column",
    "y ~ offset(C(g))": "C at position 12 is no number",
    "y ~ offset(y)": "response 'y' stands on the right",
    "y ~ a/(b - 1)": "0 or 1 inside a product",
    "y ~ I(a %in% b)": "not arithmetic",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_say_what_and_where(text: str) -> None:
    with pytest.raises(FormulaError, match=REFUSED[text]) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_trials_may_explain() -> None:
    assert terms("s / n ~ n") == "1 + n"


def test_only_text_is_a_formula() -> None:
    with pytest.raises(FormulaError, match="not list"):
        parse(["y ~ x"])  # type: ignore[arg-type]


HOSTILE = {
    "long": ("y ~ " + "+".join(["a"] * 5001), "10000 are the limit"),
    "parentheses": ("y ~ " + "(" * 5000, "nested more than 50 deep"),
    "signs": ("y ~ " + "-" * 9000 + "a", "nested more than 50 deep"),
    "powers": ("y ~ I(a" + "^2" * 4000 + ")", "nested more than 50 deep"),
    "calls": ("y ~ " + "log(" * 2000 + "x", "nested more than 50 deep"),
    "pairs": ("y ~ (" + "+".join(f"a{i}" for i in range(1500)) + ")^2", "pairs of terms"),
    "all subsets": ("y ~ " + "*".join(f"a{i}" for i in range(1500)), "more than 10000 terms"),
    "collapsing": ("y ~ (" + "*".join("abcdefghijklm") + ")^10", "pairs of terms"),
    "products": ("y ~ " + ":".join(["(a*b*c*d*e*f*g*h*i*j*k*l)"] * 300), "pairs of terms"),
    "quotes": ("y ~ " + '"' + "\\" * 5001, "not closed"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_refused_fast(kind: str) -> None:
    text, message = HOSTILE[kind]
    started = time.process_time()
    with pytest.raises(FormulaError, match=message):
        parse(text)
    assert time.process_time() - started < 5.0  # measured: 0.04 s at most


@pytest.mark.parametrize(
    "pattern", ["(", "(a + b*c:", "I(", "-", "(1 + a):(", "I(1 + 2*-log(", "(a + b*c:d %in% ", "ns(scale("]
)
def test_the_deepest_nesting_fits_the_stack(pattern: str) -> None:
    """Whatever is nested inside what, no depth gives a RecursionError."""
    for depth in range(1, 60):
        inside = pattern * depth + "x" + ")" * (pattern.count("(") * depth)
        for text in (f"y ~ {inside}", f"y ~ I({inside})"):
            try:
                formula = parse(text)
                assert parse(str(formula)) == formula
                hash(formula)
            except FormulaError:
                pass


PIECES = [
    "y", "a", "b1", ".x", ".", "~", "+", "-", "*", "/", ":", "^", "**", "(", ")", "I(", "C(", "log(", "cbind(", ",",
    "0", "1", "2", "1e5", "ref=", "%in%", "ns(", "scale(", "df=", "knots=c(",
    "offset(", "sum", "TRUE", '"q"', "'", "`c d`", "`", " ", "=", "\\",
    "{", "\n", "é", "__import__",
]  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)))
@settings(max_examples=400, deadline=2000)
def test_any_text_is_a_formula_or_a_formula_error(text: str) -> None:
    for tried in (text, "y ~ " + text):
        try:
            formula = parse(tried)
        except FormulaError:
            continue
        assert parse(str(formula)) == formula
