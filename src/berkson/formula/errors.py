"""What a formula is refused with."""

from __future__ import annotations


class FormulaError(ValueError):
    """The text is not a formula, or not one that the table can answer; one sentence with the place."""


class UnseenLevelError(ValueError):
    """New data holds a level of a factor that the model has not seen."""
