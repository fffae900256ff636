"""Predictions of a fit and averages of them: effects, margins, contrasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from berkson.logistic.fitted import Answering

if TYPE_CHECKING:
    from berkson.inference.averages import Slope
    from berkson.inference.effects import Kind, Measure, Pairs
    from berkson.inference.predictions import Policy
    from berkson.inference.scenarios import Others


class Averages:
    """What a fit with a covariance says of probabilities."""

    # --- prediction -----------------------------------------------------------------------------------------------

    def predict(
        self: Answering,
        new: Any = None,
        kind: Literal["probability", "link", "class"] = "probability",
        *,
        interval: bool | float = False,
        offset: Any = None,
        policy: Policy | None = None,
    ) -> Any:
        """Of new rows (columns by name), or of the rows fitted: the probability of the event, its log-odds ("link"), or
        the class.  Of more than two classes a column for each; log-odds are then against the reference.

        interval  True, or a level: a table of estimate, std.error, conf.low and conf.high, of more classes with a line
                  for each row and class
        offset    of new rows, where the fit had one: name of a column, or values
        policy    for a missing value, a level that the model has not seen, and an absent offset; that of the fit, if
                  nothing is said: "error"; "missing": no prediction; "baseline": the reference level, offset 0.  What
                  is done is told in a warning.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.predict({"dose": [2, 5]}).round(4)
        array([0.1393, 0.8607])
        """
        from berkson.logistic.answers import predict

        return predict(self, new, kind, interval, offset, self.policy if policy is None else policy)

    # --- effects --------------------------------------------------------------------------------------------------

    def effects(
        self: Answering,
        columns: str | Sequence[str] | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        others: Others = "observed",
        by: str | Sequence[str] = (),
        kind: Kind = "probability",
        slope: Slope = "dydx",
        discrete: str | Sequence[str] = (),
        level: float | None = None,
    ) -> Any:
        """Average marginal effects: slopes of numbers, differences to the reference of categories.

        The formula is known: interactions, powers, splines and factors are changed as a whole.  `at` holds columns at
        values, others="means" takes the mean row, `by` groups rows, `slope` may be an elasticity; see
        `inference.effects.effects`.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.effects()["estimate"].round(4)
        array([0.1586])
        """
        from berkson.inference.effects import effects
        from berkson.logistic.answers import listed, population, quantities_table

        found = effects(
            self.estimates,
            self.covariance,
            self.prepared.schema,
            population(self),
            None if columns is None else listed(columns),
            at=at,
            others=others,
            by=listed(by),
            kind=kind,
            slope=slope,
            discrete=listed(discrete),
        )
        return quantities_table(self, found, level)

    def margins(
        self: Answering,
        at: Mapping[str, Any] | None = None,
        *,
        others: Others = "observed",
        by: str | Sequence[str] = (),
        kind: Kind = "probability",
        level: float | None = None,
    ) -> Any:
        """Average predictions: over the rows, or with columns held at values in every row; see `effects`.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.margins({"dose": [1, 6]})["estimate"].round(4)
        array([0.0459, 0.9541])
        """
        from berkson.inference.effects import margins
        from berkson.logistic.answers import listed, population, quantities_table

        found = margins(
            self.estimates,
            self.covariance,
            self.prepared.schema,
            population(self),
            at=at,
            others=others,
            by=listed(by),
            kind=kind,
        )
        return quantities_table(self, found, level)

    def contrast(
        self: Answering,
        column: str,
        pairs: Pairs = "reference",
        *,
        measure: Measure = "difference",
        at: Mapping[str, Any] | None = None,
        others: Others = "observed",
        by: str | Sequence[str] = (),
        kind: Kind = "probability",
        level: float | None = None,
    ) -> Any:
        """Average predictions compared between levels or values of a column.

        pairs    "reference", "sequential", "pairwise", or (from, to) pairs such as [(100, 150)]
        measure  "difference" (of risks), "ratio" (of risks) or "odds_ratio"; std.error of a ratio is of its logarithm

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.contrast("dose", [(1, 6)], measure="ratio")["estimate"].round(2)
        array([20.8])
        """
        from berkson.inference.effects import contrasts
        from berkson.logistic.answers import listed, population, quantities_table

        found = contrasts(
            self.estimates,
            self.covariance,
            self.prepared.schema,
            population(self),
            column,
            pairs,
            measure=measure,
            at=at,
            others=others,
            by=listed(by),
            kind=kind,
        )
        return quantities_table(self, found, level)
