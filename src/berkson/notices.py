"""What the doors warn of: answers that exist only in part."""

from __future__ import annotations


class SeparationWarning(UserWarning):
    """The data are separated: maximum likelihood has no finite optimum, and the named coefficients are infinite."""


class RankWarning(UserWarning):
    """Columns are combinations of others: the named coefficients cannot be told apart and are set to zero."""
