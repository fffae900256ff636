"""The options of paths, which all doors to penalties have: checked, and as the engine takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from berkson.inference.estimates import WeightKind
from berkson.inference.predictions import Policy, reading_of, refuse_other_policies
from berkson.logistic.inputs import Options
from berkson.logistic.penalties import bounds_by_name, factors_by_name, free_by_name, groups_by_name, numbers
from berkson.model import Prepared
from berkson.select.start import Scale
from berkson.table import listing, suggestion

Progress = Callable[[float], None]

FOLDS = ("folds", "groups", "seed", "measure", "relax")  # options of `cross_validate` besides those of a path


@dataclass(frozen=True)
class Asked:
    """The options of `path`, which `cross_validate` and `logit` have, too; see there."""

    l1_ratio: float = 1.0
    lambdas: Any = None
    count: int = 100
    smallest: float | None = None
    unpenalised: str | Iterable[str] = ()
    factors: Any = None
    column_groups: Any = None
    share: float = 0.0
    lower: Any = None
    upper: Any = None
    standardize: bool = True
    scale: Scale = "mean"
    complete: bool = False
    event: object | None = None
    weights: Any = None
    offset: Any = None
    intercept: bool = True
    missing: Literal["drop", "raise"] = "drop"
    policy: Policy = "error"
    tol: float = 1e-6
    max_iterations: int = 100
    progress: Progress | None = None
    weight_kind: WeightKind = "precision"  # of `logit` alone; a path takes weights as they are

    def __post_init__(self) -> None:
        names = (self.unpenalised,) if isinstance(self.unpenalised, str) else tuple(self.unpenalised)
        object.__setattr__(self, "unpenalised", names)  # once: of an iterator the second reading is empty

    def check(self) -> None:
        """ValueError, one sentence, for what the engine does not look at."""
        for name in ("l1_ratio", "count", "tol", "max_iterations", "share"):
            if not isinstance(getattr(self, name), (int, float, np.number)):
                raise ValueError(f"{name}={getattr(self, name)!r} is no number")
        for name in ("count", "max_iterations"):
            value = getattr(self, name)
            if not (float(value).is_integer() and value > 0):
                raise ValueError(f"{name}={value:g} is no whole number above 0: give one, such as 100")
        for name in ("standardize", "complete", "intercept"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(f"{name}={getattr(self, name)!r} is neither True nor False")
        if self.smallest is not None and not isinstance(self.smallest, (int, float, np.number)):
            raise ValueError(f"smallest={self.smallest!r} is no number: give a part of the largest lambda, say 1e-4")
        if self.share and self.column_groups is None:
            raise ValueError("share= divides a penalty between groups and their columns: give column_groups= as well")
        if self.weight_kind not in get_args(WeightKind):
            raise ValueError(f"weight_kind={self.weight_kind!r} is none of {listing(get_args(WeightKind))}")
        if not 0.0 < self.tol < 1.0:
            raise ValueError(f"tol={self.tol:g} is no distance relative to the null model's objective: give 1e-6, say")
        if self.missing not in ("drop", "raise"):
            raise ValueError(f"missing={self.missing!r} is neither 'drop' nor 'raise'")
        refuse_other_policies(self.policy)

    def reading(self, apart: tuple[str, ...] = ()) -> Options:
        """How the caller's rows are read."""
        drop = self.missing == "drop"
        free = free_by_name(self.unpenalised, self.factors)
        factors = reading_of(self.policy, symmetric=True, by_reference=free)
        return Options(
            *(self.event, self.weights, self.offset, drop, 0.0, bool(self.intercept), apart),
            factors=factors,
            sparse=True,
        )

    def of_path(self, prepared: Prepared, groups: str) -> dict[str, Any]:
        """The engine's options; `groups` is what it calls those of columns."""
        schema = prepared.schema
        engine: dict[str, Any] = {
            "l1_ratio": float(self.l1_ratio),
            "lambdas": None if self.lambdas is None else numbers(self.lambdas, "lambdas"),
            "count": int(self.count),
            "smallest": self.smallest,
            "factors": factors_by_name(schema, self.unpenalised, self.factors),
            "standardize": bool(self.standardize),
            "scale": self.scale,
            "complete": bool(self.complete),
            "tol": float(self.tol),
            "max_iterations": int(self.max_iterations),
            "progress": self.progress,
        }
        if self.column_groups is not None:
            engine |= {groups: groups_by_name(prepared, self.column_groups), "share": float(self.share)}
        for name, default in (("lower", -np.inf), ("upper", np.inf)):
            if getattr(self, name) is not None:
                engine[name] = bounds_by_name(schema, getattr(self, name), name, default)
        return engine


def asked_of(door: str, options: dict[str, Any], more: tuple[str, ...] = ()) -> Asked:
    """TypeError for an option that there is not; `more`: those that the door has besides."""
    known = [field.name for field in fields(Asked)]
    for name in options:
        if name not in known:
            raise TypeError(f"{door}() has no option {name!r}{suggestion(name, [*known, *more])}")
    asked = Asked(**options)
    asked.check()
    return asked
