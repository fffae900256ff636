"""What every fit of a formula has: classes, event, a file; and what functions that take any kind of fit ask of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from berkson.logistic.inputs import plain_labels
from berkson.model import Model, Prepared, classes_of

if TYPE_CHECKING:
    from berkson.inference.covariance import Covariance
    from berkson.inference.estimates import Estimates
    from berkson.inference.predictions import Policy
    from berkson.logistic.frames import Frames


class Predicting(Protocol):
    """What predictions are shaped by: every fit has it."""

    @property
    def frames(self) -> Frames: ...
    @property
    def prepared(self) -> Prepared: ...
    @property
    def model(self) -> Model: ...
    @property
    def classes(self) -> list[Any]: ...
    @property
    def reference(self) -> int: ...
    @property
    def policy(self) -> Policy: ...


class Answering(Predicting, Protocol):
    """What effects and intervals are made of: fits with a covariance have it."""

    @property
    def estimates(self) -> Estimates: ...
    @property
    def covariance(self) -> Covariance: ...
    @property
    def level(self) -> float: ...


class Fitted:
    """Any fit of a formula."""

    @property
    def classes(self: Predicting) -> list[Any]:
        """The classes as they stand in the response, in order; of two, the event is the last."""
        return plain_labels(self.prepared.schema, classes_of(self.prepared.schema))

    @property
    def event(self: Predicting) -> str | None:
        """The class whose probability is modelled; None for more than two."""
        assert self.prepared.schema.outcome is not None
        return self.prepared.schema.outcome.event

    def save(self: Predicting, path: str | os.PathLike[str]) -> None:
        """Write the model as JSON, for `berkson predict` and `berkson check`; `berkson.model_file.load` reads it."""
        from berkson.model_file import save

        save(self.model, path)
