"""The choice of a penalty and of how far its fit is relaxed, by cross-validation, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from berkson.logistic.paths import LogitCrossValidation, Rule
from berkson.logistic.penalised import flat, parameter_names
from berkson.logistic.penalties import one_lambda
from berkson.logistic.relaxed import LogitRelaxedPath, RelaxedFit
from berkson.report.layout import Block, Grid, Paragraph, Row, significant
from berkson.report.page import Page
from berkson.report.summary import sentence
from berkson.select.measures import Measure
from berkson.select.relaxed import RelaxedCrossValidation


@dataclass(frozen=True, repr=False)
class LogitRelaxedCrossValidation(LogitCrossValidation):
    """A path, its relaxed fits, and how well blends of the two predict rows they have not seen; made by
    `cross_validate(..., relax=)`.

    relaxed  the engine's choice of lambda and gamma, as arrays; `found` is that of gamma = 1 alone
    """

    relaxed: RelaxedCrossValidation

    @cached_property
    def blends(self) -> LogitRelaxedPath:
        """The relaxed fits of all rows."""
        given = self.path
        return LogitRelaxedPath(given.prepared, given.frames, self.relaxed.relaxed, given.policy, given.reference)

    @property
    def lambda_min(self) -> float:
        """The lambda with the best mean of all blends, the largest of equals."""
        return self.relaxed.lambda_min

    @property
    def gamma_min(self) -> float:
        """The gamma with the best mean; 1 is the penalised fit, 0 the fit without a penalty."""
        return self.relaxed.gamma_min

    @property
    def lambda_1se(self) -> float:
        """The largest lambda of which some blend is within one standard error of the best."""
        return self.relaxed.lambda_1se

    @property
    def gamma_1se(self) -> float:
        """The largest gamma there that is."""
        return self.relaxed.gamma_1se

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the choice, a sentence each."""
        found = self.relaxed
        return (*self.found.notes, *found.relaxed.notes, *([found.refused] if found.refused else []))

    def curve(self, measure: Measure | None = None) -> Any:
        """A row for each gamma and lambda: estimate (the mean over folds), std.error, conf.low and conf.high (one
        standard error to either side) and df; NaN where a fold has no relaxed fit."""
        if measure not in (None, self.found.measure):
            raise ValueError(f"blends are judged by {self.found.measure!r}: give measure={measure!r} to cross_validate")
        found, count = self.relaxed, len(self.path.lambdas)
        mean, se = found.mean.ravel(), found.se.ravel()
        columns = {
            "gamma": np.repeat(found.gammas, count),
            "lambda": np.tile(self.path.lambdas, len(found.gammas)),
            "estimate": mean,
            "std.error": se,
            "conf.low": mean - se,
            "conf.high": mean + se,
            "df": np.tile(self.path.found.df, len(found.gammas)),
        }
        return self.path.frames.table(columns)

    @property
    def coef(self) -> Any:
        """A row for each coefficient: term, and its values at (lambda_min, gamma_min) and (lambda_1se, gamma_1se)."""
        given, columns = self.path.prepared, {"term": parameter_names(self.path.prepared)}
        for name, (g, i) in (("lambda_min", self.relaxed.best), ("lambda_1se", self.relaxed.one_se)):
            coef, intercept = self.relaxed.relaxed.blend(float(self.relaxed.gammas[g]))
            columns[name] = flat(given, intercept[i : i + 1], coef[i : i + 1])[0]
        return self.path.frames.table(columns)

    def best(self, rule: Rule = "min") -> RelaxedFit:
        """The blend at (lambda_min, gamma_min), or at (lambda_1se, gamma_1se) ("1se")."""
        if rule not in ("min", "1se"):
            raise ValueError(f"rule={rule!r} is neither 'min' nor '1se'")
        found = self.relaxed
        g, i = found.best if rule == "min" else found.one_se
        what = self.found.measure.replace("_", " ")
        how = f"best {what}" if rule == "min" else f"the largest within one standard error of the best {what}"
        value = f"{significant(float(found.mean[g, i]))} ± {significant(float(found.se[g, i]))}"
        tried = f"one of {len(self.path.lambdas)} x {len(found.gammas)} tried"
        text = f"{how} of {self.found.folds.count} folds, {value} ({tried})"
        fit = self.blends.fit(float(self.path.lambdas[i]), float(found.gammas[g]), text)
        return replace(fit, cross_validation=self)

    def at(self, lambda_: float, gamma: float | None = None) -> RelaxedFit:
        """The blend at any lambda, of gamma_min where nothing is said; see `LogitRelaxedPath.at`."""
        gamma = self.gamma_min if gamma is None else float(gamma)
        return replace(self.blends.fit(one_lambda(lambda_), gamma, "as asked"), cross_validation=self)

    def summary(self) -> Page:
        """The choice for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(self._blocks()))

    def _blocks(self) -> Iterator[Block]:
        found, lambdas = self.relaxed, self.path.lambdas
        yield Paragraph(f"{self.path.prepared.formula}: relaxed fits", "title")
        measure = self.found.measure.replace("_", " ")
        yield Paragraph(f"{self.found.folds.count} folds; for each gamma the lambda with the best {measure}")
        rows = []
        for g, gamma in enumerate(found.gammas.tolist()):
            mean = found.mean[g]
            if np.isnan(mean).all():
                rows.append(Row(f"{gamma:g}", ("", "", "", ""), "no lambda has proved fits in all folds", "plain"))
                continue
            i = int(np.nanargmax(mean) if self.found.measure in ("accuracy", "auc") else np.nanargmin(mean))
            numbers = [significant(float(value)) for value in (lambdas[i], mean[i], found.se[g, i])]
            chosen = "best" if g == found.best[0] else ""
            rows.append(Row(f"{gamma:g}", (*numbers, str(self.path.found.df[i])), chosen, "plain"))
        yield Grid(("gamma", "lambda", measure, "std. error", "columns"), tuple(rows))
        yield Paragraph(
            f"the largest lambda within one standard error is {significant(self.lambda_1se)}, gamma {self.gamma_1se:g}"
        )
        yield from (Paragraph(sentence(note), "bad") for note in self.notes)
