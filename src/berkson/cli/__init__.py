"""The command `berkson`."""

from __future__ import annotations

from berkson.cli.commands import main

__all__ = ["main"]
