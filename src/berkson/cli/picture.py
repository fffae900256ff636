"""The command `berkson boundary`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from berkson.cli.arguments import boundary_parser
from berkson.cli.common import OK, read, writable
from berkson.report.layout import clean
from berkson.report.progress import stage


def boundary(argv: Sequence[str]) -> int:
    """Run `berkson boundary`; the exit code."""
    args = boundary_parser().read(argv)
    from berkson.model_file import load
    from berkson.report.boundary import DecisionBoundary
    from berkson.report.figure import kind_of

    kind_of(writable(args.plot))
    model = load(args.model)
    held: dict[int | str, Any] = dict(map(_held, args.hold))
    table = read(args, None)  # the response, too, where it is there
    with stage(f"the boundary over {args.x} and {args.y}", args.quiet):
        found = DecisionBoundary.of(model, table, features=(args.x, args.y), held=held)
        found.plot(args.plot)
    if not args.quiet:
        print(f"Figure saved as {clean(args.plot)}")
    return OK


def _held(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--hold {text} tells no value: write {text}=VALUE")
    return name, value
