"""Boundaries against the formulas of linear models and circles, tables of all kinds, and what the picture holds."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from berkson import DecisionBoundary, LogisticRegression, logit
from berkson.report.contours import contours, joined, region

F64 = npt.NDArray[np.float64]
DATA = Path(__file__).parent / "data"
IRIS = pd.read_csv(DATA / "iris.csv")
BIRTHS = pd.read_csv(DATA / "birthwt.csv")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 100.0, 0.0, 3.0]
Y = (X @ [1.0, 0.1, 3.0, -1.0] - 7.0 + RNG.logistic(size=200) > 0).astype(int)

# points on a line are interpolated between the log-odds of two nodes: rounding of doubles of the size of the columns
ON = {"rtol": 1e-9, "atol": 1e-9}


class Known:
    """A classifier whose log-odds are a given function."""

    classes_ = np.array(["inside", "outside"])

    def __init__(self, log_odds: Any) -> None:
        self.log_odds = log_odds

    def predict_proba(self, rows: F64) -> F64:
        p = 1.0 / (1.0 + np.exp(-self.log_odds(rows)))
        return np.column_stack([1.0 - p, p])


# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [LogisticRegression, Reference])
def test_the_boundary_of_a_linear_model_is_its_straight_line(estimator: Any) -> None:
    model = estimator().fit(X, Y)
    found = DecisionBoundary.of(model, X, Y, features=(1, 3), held={2: 0.05})
    w, b = model.coef_[0], model.intercept_[0]
    constant = b + w[0] * X[:, 0].mean() + w[2] * 0.05
    for p, lines in ((0.5, found.boundary()), (0.9, found.contour(0.9)), (0.25, found.contour(0.25))):
        (line,) = lines
        assert len(line) == 2  # and nothing between its ends, which lie on the edge of the grid
        np.testing.assert_allclose(constant + line @ w[[1, 3]], np.log(p / (1 - p)), **ON)
        edges = np.isin(line[:, 0], found.x[[0, -1]]) | np.isin(line[:, 1], found.y[[0, -1]])
        assert edges.all()


def test_three_linear_classes_meet_in_a_point() -> None:
    model = LogisticRegression().fit(IRIS[["Petal.Length", "Petal.Width"]], IRIS["Species"])
    found = DecisionBoundary.of(model, IRIS[["Petal.Length", "Petal.Width"]])
    for line in found.boundary():
        eta = line @ model.coef_.T + model.intercept_
        first, second, third = np.sort(eta, axis=1)[:, ::-1].T
        np.testing.assert_allclose(first, second, **ON)
        assert (third <= second + 1e-9).all()
        assert len(line) == 2
    X2 = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 3.0]]).repeat(10, axis=0)
    X2 += np.random.default_rng(1).normal(size=X2.shape)
    model = LogisticRegression().fit(X2, np.repeat(["a", "b", "c"], 10))
    lines = DecisionBoundary.of(model, X2).boundary()
    differences = model.coef_[1:] - model.coef_[0]
    meeting = np.linalg.solve(differences, model.intercept_[0] - model.intercept_[1:])
    assert len(lines) == 3
    for line in lines:
        np.testing.assert_allclose(np.abs(line - meeting).sum(axis=1).min(), 0.0, atol=1e-8)


def test_a_circle_is_a_closed_line() -> None:
    corners = np.array([[-2.0, -2.0], [2.0, 2.0]])
    found = DecisionBoundary.of(Known(lambda rows: 4.0 * ((rows**2).sum(axis=1) - 1.0)), corners)
    (line,) = found.boundary()
    assert (line[0] == line[-1]).all()
    # chords of cells of width 4.3 / 200 and height 4.3 / 150: the squared distance is off by h^2 / 4 at most
    np.testing.assert_allclose((line**2).sum(axis=1), 1.0, atol=0.25 * ((4.4 / 200) ** 2 + (4.4 / 150) ** 2) * 2)


def test_saddles_are_not_ambiguous() -> None:
    x = np.linspace(-1.0, 1.0, 41)  # no node on the axes' product's zero but those at 0
    values = np.multiply.outer(x, x)
    lines = contours(x, x, values, 0.01)
    assert len(lines) == 2
    for line in lines:
        np.testing.assert_allclose(line.x * line.y, 0.01, atol=0.05**2)
        assert len(set(np.sign(line.x).tolist())) == 1


def test_regions_are_closed_at_the_edge_and_have_holes() -> None:
    x, y = np.linspace(-2.0, 2.0, 161), np.linspace(-1.0, 3.0, 161)
    distance = np.hypot(x[:, None], y[None, :] - 1.0)
    ring = region(x, y, -np.abs(distance - 1.0), -0.5)  # between circles of radii 0.5 and 1.5
    assert _area(*ring) == pytest.approx(np.pi * (1.5**2 - 0.5**2), rel=2e-3)  # polygons of chords of 1/40
    assert _area(*region(x, y, np.ones((161, 161)), 0.0)) == pytest.approx(16.0)  # the whole grid
    assert _area(*region(x, y, np.add.outer(x, 0.0 * y), 0.0)) == pytest.approx(8.0)
    assert len(region(x, y, -np.ones((161, 161)), 0.0)[0]) == 0
    assert joined([])[0].size == 0


def _area(x: F64, y: F64) -> float:
    """What loops surround an odd number of times: outer loops less those inside, of which each is nested once here."""
    ends = np.flatnonzero(np.isnan(np.append(x, np.nan)))
    start, sizes = 0, []
    for end in ends:
        u, v = x[start:end], y[start:end]
        sizes.append(0.5 * abs(float(u[:-1] @ v[1:] - u[1:] @ v[:-1])))
        start = end + 1
    return 2.0 * max(sizes) - sum(sizes)


def test_probabilities_of_exactly_0_and_1() -> None:
    steps = DecisionTreeClassifier(random_state=0).fit(X[:, :2], X[:, 0] > 0.3)
    found = DecisionBoundary.of(steps, X[:, :2])
    (line,) = found.boundary()
    step = found.x[1] - found.x[0]
    assert np.ptp(line[:, 0]) < 1e-9
    assert abs(line[0, 0] - 0.3) < step + np.diff(np.sort(X[:, 0]))[(np.sort(X[:, 0]) > 0.3).argmax() - 1]


# --- tables -----------------------------------------------------------------------------------------------------------


def test_other_columns_are_held_at_means_and_most_frequent_values() -> None:
    frame = BIRTHS.assign(race=BIRTHS["race"].map({1: "white", 2: "black", 3: "other"}), smoke=BIRTHS["smoke"] == 1)
    encoder = make_column_transformer((OneHotEncoder(), ["race", "smoke"]), remainder="passthrough")
    columns = ["race", "age", "lwt", "smoke", "ptl"]
    model = make_pipeline(encoder, LogisticRegression()).fit(frame[columns], frame["low"])
    found = DecisionBoundary.of(model, frame[columns], frame["low"], features=("age", "lwt"))
    assert found.held == {"race": "white", "smoke": False, "ptl": pytest.approx(frame["ptl"].mean())}
    one = (
        frame[columns]
        .head(1)
        .assign(race="white", smoke=False, ptl=frame["ptl"].mean(), age=found.x[7], lwt=found.y[9])
    )
    np.testing.assert_allclose(found.log_proba[7, 9], model.predict_log_proba(one)[0], rtol=1e-12)
    other = DecisionBoundary.of(model, frame[columns], features=("age", "lwt"), held={"race": "black", "ptl": 2})
    one = one.assign(race="black", ptl=2.0)
    np.testing.assert_allclose(other.log_proba[7, 9], model.predict_log_proba(one)[0], rtol=1e-12)


@pytest.mark.parametrize("kind", [pl.from_pandas, lambda frame: frame.astype({"Species": "category"})])
def test_frames_of_other_kinds_and_categories(kind: Any) -> None:
    frame = kind(IRIS[["Species", "Sepal.Length", "Petal.Length", "Petal.Width"]])

    class Told:
        classes_ = np.array([0, 1])

        def predict_proba(self, rows: Any) -> F64:
            assert type(rows) is type(frame)
            assert list(rows.columns) == list(frame.columns)
            assert str(rows["Species"].dtype) == str(frame["Species"].dtype)
            p = 1.0 / (1.0 + np.exp(3.0 - np.asarray(rows["Petal.Length"])))
            return np.column_stack([1.0 - p, p])

    found = DecisionBoundary.of(Told(), frame, features=("Petal.Length", "Petal.Width"), held={"Species": "virginica"})
    (line,) = found.boundary()
    np.testing.assert_allclose(line[:, 0], 3.0, **ON)


def test_sparse_tables() -> None:
    model = LogisticRegression().fit(sparse.csr_array(X), Y)
    dense = DecisionBoundary.of(model, X, features=(1, 3))
    found = DecisionBoundary.of(model, sparse.csr_array(X), features=(1, 3))
    np.testing.assert_allclose(found.log_proba, dense.log_proba, rtol=1e-12)


def test_a_fit_of_a_formula_knows_its_columns_and_labels() -> None:
    fit = logit("low ~ age * lwt + C(race)", BIRTHS)
    found = DecisionBoundary.of(fit, BIRTHS, features=("age", "lwt"), held={"race": 3})
    assert found.classes == ("0", "1")
    assert (found.codes == BIRTHS["low"]).all()
    assert found.held == {"race": 3}
    row = pd.DataFrame({"age": [found.x[5]], "lwt": [found.y[6]], "race": [3]})
    np.testing.assert_allclose(
        np.exp(found.log_proba[5, 6, 1]), float(np.asarray(fit.predict(row)).ravel()[0]), rtol=1e-10
    )
    assert "Probability of low = 1" in found.figure().svg()


# --- the picture ------------------------------------------------------------------------------------------------------


def drawn(found: DecisionBoundary) -> ET.Element:
    return ET.fromstring(found._repr_svg_())


def test_the_picture_has_regions_lines_rows_and_names() -> None:
    iris = IRIS.assign(Species=IRIS["Species"].replace("setosa", "<b>&"))
    columns = ["Petal.Length", "Petal.Width"]
    model = LogisticRegression().fit(iris[columns], iris["Species"])
    root = drawn(DecisionBoundary.of(model, iris[columns], iris["Species"]))
    texts = ["".join(each.itertext()) for each in root.findall(".//{*}text")]
    assert {"<b>&", "versicolor", "virginica", *columns, "0.9", "0.75"} <= set(texts)
    assert "The most probable Species, and its probability" in texts
    filled = [each for each in root.findall(".//{*}path") if each.get("fill-rule") == "evenodd"]
    assert len(filled) == 3 * 4  # for each class where it leads, and from 0.5, 0.75 and 0.9
    assert len({each.get("fill") for each in filled}) == 3
    marks = [each for each in root.iter() if each.get("class") == "berkson-point" and each.find("{*}title") is not None]
    assert len(marks) == len(IRIS)
    shapes = {each.find("{*}title").text.split(": ")[1]: re.sub(r"[\d.\- ]", "", each.get("d", "")) for each in marks}  # type: ignore[union-attr]
    assert len(set(shapes.values())) == 3  # classes differ by shape as well as colour


def test_rows_that_are_drawn_and_held_columns_are_told() -> None:
    many = np.random.default_rng(2).normal(size=(5000, 6))
    many[7, 0] = np.nan
    labels = (many[:, 1] > 0).astype(int)
    model = LogisticRegression(C=0.01).fit(np.nan_to_num(many), labels)
    found = DecisionBoundary.of(model, many, labels, features=(0, 1))
    text = found._repr_svg_()
    assert "4 other columns held at their means or most frequent values; 1,500 of 5,000 rows drawn" in text
    assert text.count("berkson-point") == 1500 + 2 + 2  # and the keys of two classes, and two lines of style
    assert len(text) < 400_000


def test_keys_keep_inside() -> None:
    labels = np.arange(200) % 40
    names = np.array([f"a class of number {k}" for k in range(40)])
    model = LogisticRegression().fit(X[:, :2], names[labels])
    root = drawn(DecisionBoundary.of(model, X[:, :2]))
    keys = [each for each in root.findall(".//{*}text") if "number" in "".join(each.itertext())]
    assert 2 < len(keys) < 40
    assert max(float(each.get("x", "")) for each in keys) < 700
    assert f"and {40 - len(keys)} more" in ["".join(each.itertext()) for each in root.findall(".//{*}text")]


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_files(tmp_path: Path, kind: str) -> None:
    found = DecisionBoundary.of(LogisticRegression().fit(X[:, :2], Y), X[:, :2], Y)
    found.plot(tmp_path / f"boundary.{kind}")
    assert "berkson-point" in (tmp_path / f"boundary.{kind}").read_text()
    with pytest.raises(ValueError, match="svg"):
        found.plot(tmp_path / "boundary.bmp")


def test_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = DecisionBoundary.of(LogisticRegression().fit(X[:, :2], Y), X[:, :2], Y)
    found.plot(tmp_path / "boundary.png")
    assert (tmp_path / "boundary.png").read_bytes().startswith(b"\x89PNG")


def test_the_command(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "berkson", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    births = str(DATA / "birthwt.csv")
    assert run("fit", births, "low ~ age + lwt + C(race)", "--save", "m.json", "--quiet").returncode == 0
    done = run("boundary", "m.json", births, "age", "lwt", "--hold", "race=2", "--plot", "b.svg")
    assert (done.returncode, done.stderr) == (0, "")
    picture = (tmp_path / "b.svg").read_text()
    assert "at race = 2" in picture
    assert picture.count("berkson-point") == 189 + 2 + 2
    wrong = run("boundary", "m.json", births, "age", "weight", "--plot", "b2.svg")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("berkson: X has no column 'weight'; its columns: age, lwt, race")
    assert not (tmp_path / "b2.svg").exists()
    assert run("boundary", "m.json", births, "age", "lwt", "--hold", "race").returncode == 2


# --- what cannot be drawn ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": None}, r"X has 4 columns: name the two of the axes"),
        ({"features": (0, 0)}, "both axes are 'x0'"),
        ({"features": (0, 4)}, "X has no column 4: they go from 0 to 3"),
        ({"features": ("x0", "y1")}, "X has no column 'y1'"),
        ({"features": "ab"}, "a boundary has two axes"),
        ({"features": (0, 1), "held": {1: 2.0}}, "column 'x1' is an axis"),
        ({"features": (0, 1), "held": {2: "high"}}, "column 'x2' cannot be held at 'high'"),
        ({"features": (0, 1), "y": np.arange(200)}, "y holds 2 in row 2, which the model does not know"),
        ({"features": (0, 1), "y": [0, 1]}, r"y has shape \(2,\), but X has 200 rows"),
    ],
)
def test_one_sentence(options: dict[str, Any], message: str) -> None:
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match=message):
        DecisionBoundary.of(model, X, **options)


def test_one_sentence_about_models_and_columns() -> None:
    with pytest.raises(ValueError, match="Ridge has no predict_proba"):
        DecisionBoundary.of(Ridge(), X)
    frame = IRIS[["Species", "Petal.Length"]]
    model = Known(lambda rows: np.zeros(len(rows)))
    with pytest.raises(ValueError, match="column 'Species' holds String, and the axes"):
        DecisionBoundary.of(model, frame, features=("Species", "Petal.Length"))
    frame = IRIS[["Species", "Petal.Length", "Petal.Width"]]
    with pytest.raises(ValueError, match="column 'Species' has no 'setsa'; did you mean 'setosa'"):
        DecisionBoundary.of(model, frame, features=(1, 2), held={"Species": "setsa"})
    with pytest.raises(ValueError, match=r"'Petal\.Width' has no number to hold it at"):
        DecisionBoundary.of(model, IRIS.assign(**{"Petal.Width": np.nan}).iloc[:, :4], features=(0, 1))
    found = DecisionBoundary.of(model, frame[["Petal.Length", "Petal.Width"]])
    assert found.boundary() == []  # nowhere is one class more probable
    with pytest.raises(ValueError, match="a probability lies between 0 and 1, not at 1"):
        found.contour(1.0)
    with pytest.raises(ValueError, match="there is no class 'in'; the classes are inside, outside"):
        found.contour(0.5, of="in")
