"""The studies: which data, who does the work, and what is asked of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.studies import data
from benchmarks.studies.data import Data

Build = Callable[[], Data]


@dataclass(frozen=True, slots=True)
class Rivals:
    """Who solves the same problem, and how many times faster than the fastest of them ours is to be."""

    what: str
    programs: tuple[str, ...]
    asked: float


@dataclass(frozen=True, slots=True)
class Study:
    """ours, peers : names in PROGRAMS, or of what runs outside (`outside.py`)
    accuracy : the suboptimality, relative to the null objective, at which everyone is timed; the worst of all penalties
    asked    : how many times faster than the fastest peer ours is to be
    most     : of ours, the extra memory as a part of the table that is allowed; None: nothing is asked
    rivals   : peers of whom ours is to be so many times faster whatever accuracy they get to, and what they are called
    patience : seconds that peers have at least, where the run's limit is shorter
    peers_count : how many of a peer's fits the work of ours stands against (the bootstrap's replicates)
    """

    name: str
    what: str
    build: Build
    quick: Build
    ours: str
    peers: tuple[str, ...]
    asked: float
    accuracy: float = 1e-6
    most: float | None = None
    peers_count: int = 1
    rivals: Rivals | None = None
    patience: float = 0.0


SKLEARN = ("scikit-learn lbfgs", "scikit-learn newton-cg", "scikit-learn liblinear")
LASSO_FOLDS = tuple(f"scikit-learn lasso folds, {solver}" for solver in ("saga", "liblinear"))
FOLDS = tuple(f"scikit-learn folds, {solver}" for solver in ("lbfgs", "newton-cg", "newton-cholesky"))
PARTS = tuple(0.02 ** (k / 99) for k in range(100))
CS = tuple(10.0 ** (-4 + 8 * k / 9) for k in range(10))
WIDE_CS = tuple(10.0 ** (-5 + 6 * k / 49) for k in range(50))

# A study of folds, at most how many times the study without them it may take, and what that is of.
OF_OURS = (
    ("lasso path, 10 folds", 2.5, "lasso path", "path"),
    ("ridge, one strength, 10 folds", 4.0, "ridge, one strength", "fit"),
)
STUDIES = (
    Study(
        "lasso",
        "L1 at 0.1 of its largest use, dense",
        lambda: data.lasso(100_000, 100),
        lambda: data.lasso(4_000, 20),
        "berkson lasso",
        ("skglm", "glmnet", "adelie"),
        4.0,
    ),
    Study(
        "lasso path",
        "100 penalties to 1e-3 of the largest, dense",
        lambda: data.lasso_path(100_000, 100),
        lambda: data.lasso_path(3_000, 15),
        "berkson path",
        ("glmnet", "adelie", "skglm"),
        5.0,
    ),
    Study(
        "lasso path, 10 folds",
        "the same path and its cross-validation",
        lambda: data.lasso_path(100_000, 100),
        lambda: data.lasso_path(3_000, 15),
        "berkson path and folds",
        ("cv.glmnet", "cv.adelie", *LASSO_FOLDS),
        15.0,
        rivals=Rivals("LogisticRegressionCV", LASSO_FOLDS, 50.0),
        patience=150.0,
    ),
    Study(
        "ridge, one strength",
        "one fit",
        lambda: data.ridge_grid(1_000_000, 50, (1.0,)),
        lambda: data.ridge_grid(3_000, 10, (1.0,)),
        "berkson ridge",
        ("scikit-learn lbfgs", "scikit-learn newton-cholesky"),
        1.0,
        1e-8,
    ),
    Study(
        "ridge, one strength, 10 folds",
        "the same fit and its cross-validation",
        lambda: data.ridge_grid(1_000_000, 50, (1.0,)),
        lambda: data.ridge_grid(3_000, 10, (1.0,)),
        "berkson ridge and folds",
        ("scikit-learn folds, lbfgs", "scikit-learn folds, newton-cholesky"),
        1.0,
        1e-8,
    ),
    Study(
        "ridge, 10 folds",
        "10 strengths, 10 folds: LogisticRegressionCV",
        lambda: data.ridge_grid(100_000, 50, CS),
        lambda: data.ridge_grid(3_000, 10, CS),
        "berkson folds",
        FOLDS,
        10.0,
        1e-8,
    ),
    Study(
        "bootstrap",
        "1,000 replicates against 1,000 fits",
        lambda: data.ridge_grid(100_000, 20, (1e12,)),
        lambda: data.ridge_grid(3_000, 5, (1e12,)),
        "berkson bootstrap",
        ("scikit-learn lbfgs", "scikit-learn newton-cholesky"),
        100.0,
        1e-8,
        peers_count=1000,
    ),
    Study(
        "text",
        "sparse, 60 words a row, a ridge",
        lambda: data.text_ridge(500_000, 100_000),
        lambda: data.text_ridge(5_000, 2_000),
        "berkson ridge",
        SKLEARN,
        2.0,
        1e-8,
    ),
    Study(
        "text, lasso",
        "the same rows, L1 at 0.02 of its largest use",
        lambda: data.text_lasso(500_000, 100_000, (0.02,)),
        lambda: data.text_lasso(5_000, 2_000, (0.02,)),
        "berkson lasso",
        ("celer", "skglm", "liblinear lasso"),
        2.0,
    ),
    Study(
        "text, lasso path",
        "the same rows, 100 penalties to 0.02 of the largest",
        lambda: data.text_lasso(500_000, 100_000, PARTS),
        lambda: data.text_lasso(3_000, 1_000, PARTS[::10]),
        "berkson path",
        ("celer", "skglm"),
        3.0,
    ),
    Study(
        "wide, 5 folds",
        "50 strengths, 5 folds: LogisticRegressionCV",
        lambda: data.ridge_grid(1_000, 100_000, WIDE_CS, informative=200, folds=5),
        lambda: data.ridge_grid(100, 1_000, WIDE_CS[::10], informative=20, folds=5),
        "berkson folds",
        (*FOLDS[:2], "glmnet ridge folds"),
        20.0,
        1e-8,
        patience=150.0,
    ),
    Study(
        "factors",
        "5 numbers, factors of 1,000, 200 and 50 levels, a ridge",
        lambda: data.factors(1_000_000, (1_000, 200, 50)),
        lambda: data.factors(10_000, (50, 20, 5)),
        "berkson factors",
        ("glum",),
        5.0,
        1e-8,
        most=0.3,
    ),
    Study(
        "factors, 100,000 levels",
        "5 numbers, factors of 100,000, 200 and 50 levels, a ridge",
        lambda: data.factors(1_000_000, (100_000, 200, 50)),
        lambda: data.factors(10_000, (2_000, 20, 5)),
        "berkson factors",
        ("glum",),
        1.0,
        1e-8,
    ),
)
