"""Answers of relaxed paths: the columns that a penalty chose, fitted without it, and blends, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from berkson.inference.estimates import StatisticsError
from berkson.inference.predictions import Policy
from berkson.logistic.frames import Frames
from berkson.logistic.inputs import free
from berkson.logistic.penalised import PenalisedFit, flat, parameter_names
from berkson.logistic.penalties import one_lambda
from berkson.model import Model, Prepared
from berkson.proof import Proof
from berkson.report.layout import Block, Grid, Paragraph, Row, significant
from berkson.report.page import Page, Shown
from berkson.report.summary import sentence
from berkson.select.relaxed import Relaxed, check_gamma, relax

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class RelaxedFit(PenalisedFit):
    """A blend, gamma times a penalised fit and 1 - gamma times the fit without a penalty on its columns."""

    gamma: float = 1.0

    @cached_property
    def model(self) -> Model:
        """The model without the data: predicts, and can be saved."""
        plain = super().model
        assert plain.penalty is not None
        return replace(plain, penalty=replace(plain.penalty, gamma=self.gamma))

    @cached_property
    def certificate(self) -> Proof:
        """What is proved of the two fits that are blended: the larger gap, and each within tol."""
        proof = super().certificate
        if not proof.certified:
            return proof
        status = (
            f"the penalised fit and that of its columns without a penalty, which gamma {self.gamma:g} blends: each "
            f"objective is within {max(proof.relative_gap, 2.2e-16):.1g} of its least possible value"
        )
        return replace(proof, status=status)


@dataclass(frozen=True, repr=False)
class LogitRelaxedPath(Shown):
    """The fits without a penalty on the columns that each fit of a path has; made by `LogitPath.relaxed`.

    prepared  the caller's data as a problem          frames   makes tables of the caller's kind
    found     the engine's fits, as arrays            policy   for what new rows of its fits lack
    """

    prepared: Prepared
    frames: Frames
    found: Relaxed
    policy: Policy = "error"
    reference: int = 0

    @property
    def lambdas(self) -> F64:
        """The penalties (L,) that chose the columns, from the largest to the smallest."""
        return self.found.path.lambdas

    @property
    def certified(self) -> npt.NDArray[np.bool_]:
        """Which fits are there, and proved (L,)."""
        return np.isfinite(self.found.gap) & self.found.path.certified

    @property
    def notes(self) -> tuple[str, ...]:
        """Which fits are not there and why, and which columns are combinations of others, a sentence each."""
        return self.found.notes

    @property
    def table(self) -> Any:
        """A row for each lambda: df, dev.ratio (the part of the null deviance explained; NaN where there is no fit),
        gap (proved) and certified."""
        found = self.found.as_path(0.0)
        columns = {"lambda": found.lambdas, "df": found.df, "dev.ratio": found.deviance_ratio, "gap": self.found.gap}
        return self.frames.table(columns | {"certified": self.certified})

    @property
    def coef(self) -> Any:
        """A row for each lambda, a column for each coefficient; NaN where there is no fit."""
        return self.blend(0.0)

    def blend(self, gamma: float) -> Any:
        """The coefficients of gamma times the path and 1 - gamma times the fits without a penalty, as `coef`."""
        given, names = self.prepared, parameter_names(self.prepared)
        coef, intercept = self.found.blend(gamma)
        values = np.where(self.certified[:, None], flat(given, intercept, coef), np.nan)
        columns = {free("lambda", names): self.lambdas, **dict(zip(names, values.T, strict=True))}
        return self.frames.table(columns)

    def at(self, lambda_: float, gamma: float = 0.0) -> RelaxedFit:
        """The blend at any lambda, solved there.  StatisticsError where the columns chosen have no fit without a
        penalty.

        >>> data = {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]}
        >>> round(path("case ~ dose", data, tol=1e-10).relaxed.at(0.1).params["dose"], 3)
        1.214
        """
        return self.fit(one_lambda(lambda_), float(gamma), "as asked")

    def fit(self, lambda_: float, gamma: float, chosen: str) -> RelaxedFit:
        """The blend at a lambda that was found as `chosen` says."""
        check_gamma(gamma)
        found = relax(self.found.path.at(lambda_))
        if found.refused[0] and gamma < 1.0:
            raise StatisticsError(f"at lambda {lambda_:.4g} there is no relaxed fit: {found.refused[0]}")
        text = f"{chosen}; relaxed, gamma {gamma:g}"
        common = self.prepared, self.frames, found.as_path(gamma), text, self.policy, self.reference
        return RelaxedFit(*common, gamma=gamma)

    def summary(self) -> Page:
        """The fits for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(self._blocks()))

    def _blocks(self) -> Iterator[Block]:
        yield Paragraph(f"{self.prepared.formula}: relaxed fits", "title")
        explained, rows = self.found.as_path(0.0).deviance_ratio, []
        for i, lambda_ in enumerate(self.lambdas.tolist()):
            shown = f"{100.0 * explained[i]:.2f}%" if self.certified[i] else "no fit"
            rows.append(Row(significant(lambda_), (str(self.found.path.df[i]), shown)))
        yield Grid(("lambda", "columns", "explained"), tuple(rows))
        yield from (Paragraph(sentence(note), "bad") for note in self.notes)
