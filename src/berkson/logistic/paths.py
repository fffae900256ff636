"""Answers of `path` and `cross_validate`: the fits of many penalties, by name, in the caller's kind of table."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.inference.predictions import Policy
from berkson.logistic.frames import Frames
from berkson.logistic.inputs import free
from berkson.logistic.penalised import PenalisedFit, flat, parameter_names
from berkson.logistic.penalties import one_lambda
from berkson.model import Prepared, classes_of
from berkson.notices import RankWarning
from berkson.report.figure import Figure
from berkson.report.layout import significant
from berkson.report.page import Page, Shown
from berkson.report.path_figures import cross_validation_figure, path_figure
from berkson.report.path_report import cross_validation_blocks, path_blocks
from berkson.select.cross_validation import CrossValidation
from berkson.select.measures import Measure
from berkson.select.path import Path
from berkson.select.separated import notes
from berkson.select.uniqueness import doubt

if TYPE_CHECKING:
    from berkson.logistic.leave_one_out import Judged, LogitLeaveOneOut
    from berkson.logistic.relaxed import LogitRelaxedPath

F64 = npt.NDArray[np.float64]
Rule = Literal["min", "1se"]


@dataclass(frozen=True, repr=False)
class LogitPath(Shown):
    """The fits of a sequence of penalties; made by `path`.

    prepared  the caller's data as a problem          frames   makes tables of the caller's kind
    found     the engine's path, as arrays            policy   for what new rows of its fits lack
    """

    prepared: Prepared
    frames: Frames
    found: Path
    policy: Policy = "error"
    reference: int = 0

    @property
    def lambdas(self) -> F64:
        """The penalties (L,), from the largest to the smallest."""
        return self.found.lambdas

    @property
    def certified(self) -> npt.NDArray[np.bool_]:
        """Which fits are proved to within tol (L,)."""
        return self.found.certified

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What to know of the path, a sentence each: columns that separate the classes in every row; those of the last
        fit between which a lasso's coefficients can move."""
        return notes(self.found)

    @property
    def table(self) -> Any:
        """A row for each lambda: df (columns with a coefficient), dev.ratio (the part of the null deviance explained),
        gap (proved, relative to the null objective) and certified."""
        found = self.found
        columns = {
            "lambda": found.lambdas,
            "df": found.df,
            "dev.ratio": found.deviance_ratio,
            "gap": found.gap,
            "certified": found.certified,
        }
        return self.frames.table(columns)

    @property
    def coef(self) -> Any:
        """A row for each lambda, a column for each coefficient: `age`, or `class:age` for more than two classes.  NaN
        where a fit is not certified."""
        found, names = self.found, parameter_names(self.prepared)
        values = flat(self.prepared, found.intercept, found.coef)
        values = np.where(found.certified[:, None], values, np.nan)
        return self.frames.table({free("lambda", names): found.lambdas, **dict(zip(names, values.T, strict=True))})

    def at(self, lambda_: float) -> PenalisedFit:
        """The fit of any lambda, solved there, not interpolated.

        >>> data = {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]}
        >>> round(path("case ~ dose", data, tol=1e-10).at(0.1).params["dose"], 4)
        0.6644
        """
        return self._fit(one_lambda(lambda_), "as asked")

    @cached_property
    def relaxed(self) -> LogitRelaxedPath:
        """The columns of each fit, fitted again without the penalty, and blends of the two."""
        from berkson.logistic.relaxed import LogitRelaxedPath
        from berkson.select.relaxed import relax

        return LogitRelaxedPath(self.prepared, self.frames, relax(self.found), self.policy, self.reference)

    def leave_one_out(self, measure: Judged = "log_loss") -> LogitLeaveOneOut:
        """How well each row is predicted without it, for all lambdas, to first order and without a refit; "log_loss",
        "deviance" or "brier", two classes.  NaN where it would not be close; see `select.leave_one_out`.

        >>> data = {"case": [0, 0, 1, 0, 1, 1] * 5, "dose": [1, 2, 3, 4, 5, 6] * 5}
        >>> path("case ~ dose", data, lambdas=[0.2, 0.1], tol=1e-10).leave_one_out().table["estimate"].round(3)
        array([0.572, 0.49 ])
        """
        from berkson.logistic.leave_one_out import LogitLeaveOneOut
        from berkson.select.leave_one_out import leave_one_out

        return LogitLeaveOneOut(self.frames, leave_one_out(self.found, measure))

    def plot(self, file: str | os.PathLike[str] | None = None, *, scaled: bool = True) -> Figure:
        """Coefficients against lambda, per standard deviation of their columns, or per unit where not `scaled`; saved
        where a file is named, .svg, .html or .png."""
        classes = classes_of(self.prepared.schema)
        title = str(self.prepared.formula)
        return _saved(path_figure(self.found, self.prepared.schema.names, classes, title, scaled=scaled), file)

    def summary(self) -> Page:
        """The path for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(path_blocks(self.prepared, self.found)))

    def _repr_html_(self) -> str:
        drawn = self.plot().svg() if len(self.lambdas) > 1 else ""
        return self.summary().to_html() + drawn

    def _fit(self, lambda_: float, chosen: str) -> PenalisedFit:
        found = self.found.at(lambda_)
        if (said := doubt(found, 0)) is not None:
            warnings.warn(said, RankWarning, stacklevel=3)
        return PenalisedFit(self.prepared, self.frames, found, chosen, self.policy, self.reference)


@dataclass(frozen=True, repr=False)
class LogitCrossValidation(Shown):
    """A path and how well its fits predict rows they have not seen; made by `cross_validate`.

    path   of all rows
    found  the engine's cross-validation, as arrays
    """

    path: LogitPath
    found: CrossValidation

    @property
    def lambda_min(self) -> float:
        """The lambda with the best mean, the largest of equals."""
        return self.found.lambda_min

    @property
    def lambda_1se(self) -> float:
        """The largest lambda whose mean is within one standard error of the best."""
        return self.found.lambda_1se

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the choice, a sentence each."""
        return self.found.notes

    def curve(self, measure: Measure | None = None) -> Any:
        """A row for each lambda: estimate (the mean over folds, by the weight of their rows), std.error, conf.low and
        conf.high (one standard error to either side) and df; of the measure that chose, or another: "log_loss",
        "deviance", "brier", "accuracy" or "auc"."""
        found = self.found.chosen if measure is None else self.found.curve(measure)
        columns = {
            "lambda": self.path.lambdas,
            "estimate": found.mean,
            "std.error": found.se,
            "conf.low": found.mean - found.se,
            "conf.high": found.mean + found.se,
            "df": self.path.found.df,
        }
        return self.path.frames.table(columns)

    @property
    def coef(self) -> Any:
        """A row for each coefficient: term, and its values at lambda_min and lambda_1se."""
        found, given = self.path.found, self.path.prepared
        at = [self.found.chosen.best, self.found.chosen.one_se]
        values = np.where(found.certified[at, None], flat(given, found.intercept[at], found.coef[at]), np.nan)
        columns = {"term": parameter_names(given), "lambda_min": values[0], "lambda_1se": values[1]}
        return self.path.frames.table(columns)

    def best(self, rule: Rule = "min") -> PenalisedFit:
        """The fit at lambda_min, or at lambda_1se ("1se")."""
        if rule not in ("min", "1se"):
            raise ValueError(f"rule={rule!r} is neither 'min' nor '1se'")
        found = self.found
        chosen = found.chosen.best if rule == "min" else found.chosen.one_se
        what = found.measure.replace("_", " ")
        value = f"{significant(float(found.chosen.mean[chosen]))} ± {significant(float(found.chosen.se[chosen]))}"
        how = f"best {what}" if rule == "min" else f"the largest within one standard error of the best {what}"
        text = f"{how} of {found.folds.count} folds, {value} (one of {len(self.path.lambdas)} tried)"
        fit = self.path._fit(float(self.path.lambdas[chosen]), text)
        return replace(fit, cross_validation=self)

    def at(self, lambda_: float) -> PenalisedFit:
        """The fit of any lambda, solved there; see `LogitPath.at`."""
        return replace(self.path.at(lambda_), cross_validation=self)

    def plot(self, file: str | os.PathLike[str] | None = None, *, scaled: bool = True) -> Figure:
        """The curve, mean and standard error, above the coefficients; lines at lambda_min and lambda_1se; see
        `LogitPath.plot`."""
        given = self.path.prepared
        names, classes = given.schema.names, classes_of(given.schema)
        return _saved(cross_validation_figure(self.found, names, classes, str(given.formula), scaled=scaled), file)

    def summary(self) -> Page:
        """The choice for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(cross_validation_blocks(self.path.prepared, self.found)))

    def _repr_html_(self) -> str:
        drawn = self.plot().svg() if len(self.path.lambdas) > 1 else ""
        return self.summary().to_html() + drawn


def _saved(figure: Figure, file: str | os.PathLike[str] | None) -> Figure:
    if file is not None:
        figure.save(file)
    return figure
