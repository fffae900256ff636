"""What is said of a fit: the model in words, coefficients and their inference, how well it fits, what is proved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from berkson.fit import Info
from berkson.formula import Schema
from berkson.inference.estimates import Estimates
from berkson.inference.goodness import Goodness
from berkson.inference.limiting import LimitingEstimates
from berkson.inference.quantities import Quantities
from berkson.inference.smooth import SmoothEstimates
from berkson.model import Model, RowCount
from berkson.problem import Problem
from berkson.proof import Proof
from berkson.report.coefficients import Coefficients
from berkson.report.grids import grids
from berkson.report.layout import Block, Paragraph, Style, probability, significant
from berkson.report.smooths import smooth_blocks, smooth_goodness

SHOWN_CLASSES = 20  # with how often each was seen
MEANING = {
    "frequency": "so many rows",
    "precision": "so often in the log-likelihood",
    "sampling": "so many of the population",
}


@dataclass(frozen=True)
class Findings:
    """What a summary has to show of a fit.

    source        the name of the table
    coefficients  None where there is no inference; then `refusal` is the sentence that says why
    goodness      None of a penalised fit, and where nothing is proved
    level         of intervals
    effects       average marginal effects, or the sentence that says why not; None where nobody asked
    """

    model: Model
    estimates: Estimates
    source: str
    coefficients: Coefficients | None
    refusal: str | None
    goodness: Goodness | None
    level: float
    effects: Quantities | str | None = None


def summary(found: Findings) -> list[Block]:
    """The report of a fit."""
    model, problem = found.model, found.estimates.problem
    return [
        Paragraph(model.formula, "title"),
        *outcome_text(model.schema, problem, model.weights),
        *_rows(found),
        *(Paragraph(sentence(note)) for note in model.schema.notes),
        *grids(model, found.estimates, found.coefficients),
        *_smooths(found),
        *_inference(found),
        *_effects(found),
        *_goodness(found),
        *verdict(model.proof),
        Paragraph(_effort(found.estimates.fit.info), "quiet"),
    ]


def check_report(model: Model, proof: Proof, rows: RowCount, source: str) -> list[Block]:
    """The report of a proof of saved coefficients on the table named `source`."""
    blocks = [Paragraph(model.formula, "title"), Paragraph(rows_text(rows, source)), *verdict(proof)]
    saved = model.proof.objective
    return [
        *blocks,
        Paragraph(f"objective {_exact(proof.objective)} on these data, {_exact(saved)} when fitted", "quiet"),
    ]


def verdict(proof: Proof) -> list[Block]:
    """What is proved, and what stands in the way."""
    style: Style = "good" if proof.certified else "bad"
    said = [Paragraph(sentence(text), "bad") for text in proof.verdicts]
    if proof.exists is False and said:
        return list(said)
    return [*said, Paragraph(sentence(proof.status), style)]


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _exact(value: float) -> str:
    return f"{value:.10g}"


def _effort(info: Info) -> str:
    passes = f"{info.passes:.3g}"
    plural = "" if passes == "1" else "es"
    return f"{passes} pass{plural} over the data, {info.seconds:.3f} s; {info.solver}, since {info.why}."


def outcome_text(schema: Schema, problem: Problem, weights: str | None) -> Iterator[Block]:
    """What the probability is of, and how often that was seen."""
    outcome = schema.outcome
    assert outcome is not None
    totals = problem.class_weights()
    name = outcome.response.columns[0]
    unit = "trials" if outcome.kind == "counts" else "rows" if weights is None else "total weight"
    if outcome.kind == "classes":
        each = [f"{level} {total:,.10g}" for level, total in zip(outcome.levels, totals, strict=True)]
        more = f" and {len(each) - SHOWN_CLASSES} more" if len(each) > SHOWN_CLASSES else ""
        listed = ", ".join(each[:SHOWN_CLASSES]) + more
        yield Paragraph(f"P({name}) over {len(totals)} classes: {listed} of {totals.sum():,.10g} {unit}")
        return
    event = outcome.event if outcome.kind != "binary" else f"{name} = {outcome.event}"
    yield Paragraph(f"P({event}): {totals[1]:,.10g} of {totals.sum():,.10g} {unit}")


def _rows(found: Findings) -> Iterator[Block]:
    model = found.model
    yield Paragraph(rows_text(model.rows, found.source))
    if model.weights is not None:
        yield Paragraph(f"weights: {model.weights}, {MEANING[found.estimates.weight_kind]}")
    if model.offset is not None:
        yield Paragraph(f"offset: {model.offset}")
    if model.bias_reduction is not None:
        firth = " (Firth: Jeffreys' prior)" if model.bias_reduction == "mean" else ""
        yield Paragraph(f"{model.bias_reduction} bias reduction{firth}")
    if model.strength > 0.0:
        ridge = f"ridge of strength {significant(model.strength)} (C = {significant(1.0 / model.strength)})"
        yield Paragraph(f"{ridge} on every coefficient but the intercept: they are shrunk towards 0")


def rows_text(rows: RowCount, source: str) -> str:
    """How many rows were used, and why others were not."""
    if rows.read == rows.used:
        return f"{rows.read:,} rows of {source}, none dropped"
    causes = ", ".join(f"{name} in {count:,}" for name, count in rows.missing.items())
    return (
        f"{rows.used:,} of {rows.read:,} rows of {source}; {rows.read - rows.used:,} dropped, a value missing: {causes}"
    )


# --- fit ------------------------------------------------------------------------------------------------------------


def _inference(found: Findings) -> Iterator[Block]:
    """What standard errors and intervals rest on, or why there are none."""
    shown = found.coefficients
    if shown is not None:
        if not np.isfinite(shown.std_error).any():
            return
        kind = "model-based" if shown.covariance.kind == "model" else shown.covariance.text
        level = f"{100.0 * shown.level:.6g}%"
        test = "" if shown.test == "Wald" else f"z and p: {shown.test}; "
        yield Paragraph(f"standard errors: {kind}; {test}{level} intervals of odds ratios: {shown.interval}", "quiet")
        yield from (Paragraph(sentence(note)) for note in shown.covariance.notes)
    elif found.refusal is not None and found.model.proof.status not in found.refusal:
        yield Paragraph(sentence(found.refusal), "plain" if found.model.strength > 0.0 else "bad")


def _smooths(found: Findings) -> Iterator[Block]:
    """The smooths of a fit that is proved."""
    if isinstance(found.estimates, SmoothEstimates) and found.coefficients is not None:
        yield from smooth_blocks(found.estimates, found.model.schema)


def _effects(found: Findings) -> Iterator[Block]:
    """Average marginal effects, where they were asked for."""
    if found.effects == found.refusal:
        return
    if isinstance(found.effects, str):
        yield Paragraph(sentence(found.effects), "bad")
    elif found.effects is not None:
        from berkson.report.effects import effects_blocks

        yield from effects_blocks(found.effects, found.level, len(found.model.classes) > 2)


def _goodness(found: Findings) -> Iterator[Block]:
    """How well the model fits; of a penalised one, what it minimises."""
    fitted, certificate = found.goodness, found.estimates.fit.certificate
    if fitted is None:
        if found.model.strength > 0.0:
            objective, null = _exact(certificate.objective), _exact(certificate.null_objective)
            yield Paragraph(f"objective {objective}, of the null model {null}")
        if isinstance(found.estimates, SmoothEstimates) and found.coefficients is not None:
            yield from smooth_goodness(found.estimates)
        return
    assert found.model.schema.outcome is not None
    kind, likelihood = found.model.schema.outcome.kind, fitted.likelihood
    limit = " in the limit" if isinstance(found.estimates, LimitingEstimates) else ""
    if kind != "fraction" or found.estimates.trials is not None:  # else it has no binomial coefficients
        values = f"{likelihood.log_likelihood:.3f}{limit}, of the null model {likelihood.null_log_likelihood:.3f}"
        pseudo = "pseudo-" if fitted.pseudo else ""
        criteria = "" if fitted.pseudo else f"; AIC {fitted.aic:.2f}, BIC {fitted.bic:.2f}"
        yield Paragraph(f"{pseudo}log-likelihood {values}{_ratio(found, fitted)}{criteria}")
    share = "share explained" if kind in ("counts", "fraction") else "McFadden R²"
    explained = f"; {share} {likelihood.explained:.4f}" if math.isfinite(likelihood.explained) else ""
    yield Paragraph(
        f"deviance {likelihood.deviance:.2f}{limit} on {fitted.df_residual:,.10g} df, of the null model "
        f"{likelihood.null_deviance:.2f} on {fitted.df_null:,.10g} df{explained}"
    )


def _ratio(found: Findings, fitted: Goodness) -> str:
    """The test of all terms together, where the likelihood is taken at its word."""
    shown = found.coefficients
    if shown is None or found.model.bias_reduction or not shown.covariance.of_the_likelihood or not fitted.df_model:
        return ""
    p = probability(fitted.p_value)
    return f"; likelihood ratio {fitted.likelihood_ratio:.2f} on {fitted.df_model} df, p {p.replace('<', '< ')}"
