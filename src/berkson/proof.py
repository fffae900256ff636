"""What was proved of a model, by the names of columns and classes: a certificate without the data."""

from __future__ import annotations

from dataclasses import dataclass

from berkson.fit import Certificate
from berkson.problem import Problem


@dataclass(frozen=True)
class Infinite:
    """A coefficient without a finite estimate: column, class (None for two classes), sign (0: either)."""

    column: str
    class_name: str | None
    sign: int


@dataclass(frozen=True)
class Proof:
    """What was proved of a model on some data: `fit.Certificate` with names for positions; see there.

    `verdicts` are sentences about separation and rank, `aliased` the columns whose coefficient was set to 0.
    """

    certified: bool
    exists: bool | None
    status: str
    gap: float
    relative_gap: float
    distance: float
    objective: float
    null_objective: float
    tol: float
    verdicts: tuple[str, ...]
    infinite: tuple[Infinite, ...]
    aliased: tuple[str, ...]


def proof_of(certificate: Certificate, problem: Problem) -> Proof:
    """A certificate with the names of columns and classes."""
    separation, rank = certificate.separation, certificate.rank
    sentences = [] if separation is None else [separation.sentence(problem)]
    about_rank = rank.sentence(problem)
    infinite = () if separation is None else separation.infinite
    return Proof(
        certificate.certified,
        certificate.exists,
        certificate.status,
        certificate.gap,
        certificate.relative_gap,
        certificate.distance,
        certificate.objective,
        certificate.null_objective,
        certificate.tol,
        (*sentences, *([about_rank] if about_rank else [])),
        tuple(
            Infinite(
                problem.column(i.column),
                None if i.class_index is None else problem.class_name(i.class_index),
                i.sign,
            )
            for i in infinite
        ),
        tuple(problem.column(alias.column) for alias in rank.aliased),
    )
