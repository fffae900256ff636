"""The model of bias-reduced estimates: their coefficients, and what is known of how exactly they were found."""

from __future__ import annotations

from dataclasses import replace

from berkson.inference.bias_reduction import ACCEPTED, BiasReducedEstimates
from berkson.model import Model


def reduced(model: Model, estimates: BiasReducedEstimates) -> Model:
    """The model with the bias-reduced coefficients; its proof tells of the root of the adjusted score."""
    coef, intercept = estimates.rows.coordinates.original(estimates.theta)
    norm = estimates.score_norm
    certified = norm <= ACCEPTED
    kind = "mean bias reduction (Firth)" if estimates.method == "mean" else "median bias reduction"
    found = "" if certified else "not found: "
    separation, about_rank = (
        estimates.fit.certificate.separation,
        estimates.fit.certificate.rank.sentence(estimates.problem),
    )
    infinite = (
        "" if separation is None else f"; maximum likelihood has no finite estimates ({separation.kind} separation)"
    )
    proof = replace(
        model.proof,
        certified=certified,
        exists=True,
        status=f"{found}{kind}: the adjusted score is {norm:.1g} standard errors from zero{infinite}",
        gap=0.5 * norm * norm,
        relative_gap=0.5 * norm * norm / model.proof.null_objective,
        distance=norm,
        objective=estimates.at.value,
        verdicts=() if about_rank is None else (about_rank,),
        infinite=(),
    )
    return replace(model, coef=coef, intercept=intercept, proof=proof, bias_reduction=estimates.method)
