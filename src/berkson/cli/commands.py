"""The command `berkson`: fit a table, predict with the model, check it against data again.

Nothing heavier than argparse is imported before it is known what to do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from berkson.cli.arguments import BAD_INPUT, check_parser, fit_parser, nearest, predict_parser
from berkson.cli.common import INTERRUPTED, OK, PIPE_CLOSED, columns, read, say, verdict, writable
from berkson.cli.help import USAGE
from berkson.cli.picture import boundary
from berkson.cli.selection import cv, path
from berkson.report.layout import clean, show
from berkson.report.progress import stage

if TYPE_CHECKING:
    from berkson.logistic import LogitFit
    from berkson.report.summary import Findings


# --- commands -------------------------------------------------------------------------------------------------------


def _fit(argv: Sequence[str]) -> int:
    parser = fit_parser()
    args = parser.read(argv)
    if (args.formula is None) == (args.target is None):
        parser.error("give a formula or --target, one of them")
    from berkson.formula import parse
    from berkson.formula.syntax import Name
    from berkson.logistic import logit
    from berkson.model_file import save, to_dict

    formula = parse(args.formula if args.target is None else f"{Name(args.target)} ~ .")
    path = None if args.no_save else writable(args.save or _default_path(args.file))
    table = read(args, columns(formula, args, *args.cluster))
    with stage(f"fitting {formula.response}", args.quiet), _told_in_the_report():
        fit = logit(
            formula,
            table,
            event=args.event,
            reference=args.reference,
            weights=args.weights,
            weight_kind=args.weight_kind,
            offset=args.offset,
            missing="drop" if args.missing == "drop" else "raise",
            covariance=args.robust,
            cluster=args.cluster or None,
            level=args.level,
            bias_reduction="firth" if args.firth else None,
            strength=args.strength,
            policy=args.policy,
            tol=args.tol,
            max_iterations=args.max_iter,
        )
        found = _findings(fit, args)
    if args.json and not args.quiet:
        from berkson.report.record import record

        data = {**to_dict(fit.model), **record(found)}
        print(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False))
    elif not args.quiet:
        from berkson.report.summary import summary

        show(summary(found), sys.stdout)
    if path is not None:
        save(fit.model, path)
        if not args.json and not args.quiet:
            print(f"Model saved as {clean(path)}")
    proof = fit.model.proof
    return verdict(proof.certified, proof.status, args.quiet or args.json)


def _findings(fit: LogitFit, args: argparse.Namespace) -> Findings:
    """What is to be shown; ValueError where an option asks for what a certified fit does not have."""
    found = fit.findings(args.ci)
    if found.refusal is not None and fit.certificate.certified and (args.robust or args.cluster or args.ci != "wald"):
        raise ValueError(found.refusal)
    if not args.margins:
        return found
    from berkson.logistic.answers import average_effects

    return replace(found, effects=average_effects(fit))


@contextmanager
def _told_in_the_report() -> Iterator[None]:
    """Without the warnings whose sentences the report has."""
    import warnings

    from berkson.notices import RankWarning, SeparationWarning

    with warnings.catch_warnings():
        for told in (RankWarning, SeparationWarning):
            warnings.simplefilter("ignore", told)
        yield


def _predict(argv: Sequence[str]) -> int:
    args = predict_parser().read(argv)
    from berkson.model_file import load, replacing
    from berkson.report.predictions import predict

    output = None if args.output is None else writable(args.output)
    model = load(args.model)
    # an offset may be absent where the policy allows: all columns, then, and what is there is found by name
    table = read(args, model.predictors if model.policy == "error" else None)
    with stage(f"predicting {len(model.schema.names)} columns"):
        found = predict(model, table, args.kind)
    if not model.proof.certified:
        say(f"note: the model is not certified ({model.proof.status})")
    if output is None:
        found.write(sys.stdout)
    else:
        with replacing(output) as file:
            found.write(file)
    for note in found.notes:
        say(f"note: {note}")
    if found.empty:
        say(f"note: {found.empty:,} of {table.n_rows:,} rows have a missing value, and an empty prediction")
    return OK


def _check(argv: Sequence[str]) -> int:
    args = check_parser().read(argv)
    from berkson.model_file import load
    from berkson.report.summary import check_report

    model = load(args.model)
    table = read(args, model.columns)
    with stage("checking", args.quiet):
        proof, rows = model.check(table, args.tol or model.proof.tol)
    if not args.quiet:
        show(check_report(model, proof, rows, table.source), sys.stdout)
    return verdict(proof.certified, proof.status, args.quiet)


def _default_path(file: str) -> str:
    return Path(Path(file).name.removesuffix(".gz")).stem + ".model.json"


# --- entry ----------------------------------------------------------------------------------------------------------

_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "fit": _fit,
    "path": path,
    "cv": cv,
    "predict": _predict,
    "boundary": boundary,
    "check": _check,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see `berkson --help`."""
    argv = sys.argv[1:] if argv is None else argv
    for closed in [name for name in ("stdout", "stderr") if getattr(sys, name) is None]:
        setattr(sys, closed, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # of argparse
        return stop.code if isinstance(stop.code, int) else OK
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # what is still in the buffer would fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        say(f"{error.filename or 'standard output'} cannot be written: {error.strerror or error}")
    except MemoryError:
        say("there is not enough memory for this table")
    except ValueError as error:
        say(str(error))
    return BAD_INPUT


def _dispatch(argv: Sequence[str]) -> int:
    if not argv:
        print(USAGE, end="", file=sys.stderr)
        return BAD_INPUT
    command, rest = argv[0], argv[1:]
    if command in _COMMANDS:
        import warnings

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* encountered in ")  # of NumPy: the certificate is what counts
            warnings.showwarning = _show_warning
            return _COMMANDS[command](rest)
    if command in ("-h", "--help", "help"):
        print(USAGE, end="")
    elif command == "--version":
        from importlib.metadata import version

        print(f"berkson {version('berkson')}")
    else:
        kind = "option" if command.startswith("-") else "command"
        known = ["--help", "--version"] if kind == "option" else list(_COMMANDS)
        say(f"unknown {kind} '{command}'{nearest(command, known)}; see berkson --help")
        return BAD_INPUT
    return OK


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"note: {message}")
