"""What the commands have in common: exit codes, reading a table, writing a file, saying a sentence."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from berkson.report.layout import clean
from berkson.report.progress import stage

if TYPE_CHECKING:
    from berkson.formula import Formula
    from berkson.table import Table

OK, NOT_CERTIFIED, INTERRUPTED, PIPE_CLOSED = 0, 1, 130, 141


def verdict(certified: bool, status: str, unseen: bool) -> int:
    """The exit code; where no report was printed, or not to a terminal, what is wrong goes to standard error too."""
    if not certified and (unseen or not sys.stdout.isatty()):
        say(status)
    return OK if certified else NOT_CERTIFIED


def read(args: argparse.Namespace, columns: Sequence[str] | None) -> Table:
    """The table of the arguments, with these columns of it; None: all."""
    from berkson.read import MISSING, read_table

    with stage(f"reading {args.file}", getattr(args, "quiet", False)) as progress:
        return read_table(args.file, columns, missing=MISSING | set(args.na), progress=progress)


def columns(formula: Formula, args: argparse.Namespace, *more: str | None) -> list[str] | None:
    """The columns that a fit needs, with more of them; None for all."""
    from berkson.formula.syntax import has_dot

    if has_dot(formula.right):
        return None
    response = () if formula.response is None else formula.response.columns
    return [*response, *formula.columns, *(name for name in (args.weights, args.offset, *more) if name)]


def writable(path: str) -> str:
    """The path of a file to be written, looked at before any work is done."""
    if Path(path).is_dir():
        raise ValueError(f"{path} is a directory; name a file in it")
    if not Path(path).parent.is_dir():
        raise ValueError(f"there is no directory {Path(path).parent}; make it first")
    return path


def say(sentence: str) -> None:
    """One sentence on standard error."""
    print(f"berkson: {clean(sentence)}", file=sys.stderr)
