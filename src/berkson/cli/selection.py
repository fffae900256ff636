"""The commands `berkson path` and `berkson cv`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from berkson.cli.arguments import cv_parser, path_parser
from berkson.cli.common import columns, read, say, verdict, writable
from berkson.report.layout import clean, show, significant
from berkson.report.progress import stage

if TYPE_CHECKING:
    from berkson.formula import Formula
    from berkson.logistic.paths import LogitCrossValidation
    from berkson.logistic.penalised import PenalisedFit

GAMMAS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of --relax, as glmnet has them


def path(argv: Sequence[str]) -> int:
    """Run `berkson path`; the exit code."""
    args = path_parser().read(argv)
    from berkson.logistic.selection import path as fit_path
    from berkson.report.path_record import path_record, relaxed_record
    from berkson.report.path_report import path_blocks

    formula = _ready(args)
    table = read(args, columns(formula, args))
    with stage(f"path of {formula.response}", args.quiet) as progress:
        found = fit_path(formula, table, progress=progress, **_options(args))
    if args.plot is not None:
        found.plot(args.plot)
    if args.json and not args.quiet:
        relaxed = {"relaxed": relaxed_record(found.prepared, found.relaxed.found)} if args.relax else {}
        _print_json(path_record(found.prepared, found.found) | relaxed)
    elif not args.quiet:
        show(list(path_blocks(found.prepared, found.found)), sys.stdout)
        if args.relax:
            show(list(found.relaxed.summary().blocks), sys.stdout)
        _tell("Figure", args.plot)
    if args.quiet:
        for note in found.notes:
            say(f"note: {note}")
    certified = found.certified
    status = "" if certified.all() else found.found.status(int((~certified).argmax()))
    return verdict(bool(certified.all()), status, args.quiet or args.json)


def cv(argv: Sequence[str]) -> int:
    """Run `berkson cv`; the exit code."""
    args = cv_parser().read(argv)
    from berkson.logistic.selection import cross_validate
    from berkson.report.path_record import cross_validation_record
    from berkson.report.path_report import cross_validation_blocks

    formula = _ready(args)
    save = None if args.save is None else writable(args.save)
    folds = int(args.folds) if args.folds.isascii() and args.folds.isdigit() else args.folds
    table = read(args, columns(formula, args, folds if isinstance(folds, str) else None, args.groups))
    with stage(f"cross-validation of {formula.response}", args.quiet) as progress:
        found = cross_validate(
            formula,
            table,
            folds=folds,
            groups=args.groups,
            seed=args.seed,
            measure=args.measure,
            progress=progress,
            relax=GAMMAS if args.relax else None,
            **_options(args),
        )
        chosen = found.best(args.rule)
    if args.plot is not None:
        found.plot(args.plot)
    if save is not None:
        chosen.save(save)
    if args.json and not args.quiet:
        _print_json(cross_validation_record(found.path.prepared, found.found, args.rule) | _blended(found, chosen))
    elif not args.quiet:
        show(list(cross_validation_blocks(found.path.prepared, found.found)), sys.stdout)
        if args.relax:
            show(list(found.summary().blocks), sys.stdout)
        _tell("Figure", args.plot)
        _tell(f"Model of lambda {significant(chosen.lambda_)} (--rule {args.rule})", save)
    if args.quiet:
        for note in found.notes:
            say(f"note: {note}")
    proof = chosen.certificate
    return verdict(proof.certified, proof.status, args.quiet or args.json)


def _ready(args: argparse.Namespace) -> Formula:
    """The formula; ValueError, before any work, for files that cannot be written."""
    from berkson.formula import parse
    from berkson.report.figure import kind_of

    if args.plot is not None:
        kind_of(writable(args.plot))
    return parse(args.formula)


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """Of `path`, for both commands."""
    return {
        "l1_ratio": args.l1_ratio,
        "lambdas": args.lambdas,
        "count": args.count,
        "smallest": args.smallest,
        "unpenalised": args.unpenalised,
        "column_groups": "terms" if args.group_terms else None,
        "standardize": not args.no_standardize,
        "complete": args.complete,
        "event": args.event,
        "weights": args.weights,
        "offset": args.offset,
        "missing": "drop" if args.missing == "drop" else "raise",
        "policy": args.policy,
        "tol": args.tol,
        "max_iterations": args.max_iter,
    }


def _blended(found: LogitCrossValidation, chosen: PenalisedFit) -> dict[str, Any]:
    """What the choice among blends adds to the record, where there was one: means by gamma and lambda."""
    from berkson.logistic.relaxed import RelaxedFit
    from berkson.logistic.relaxed_choice import LogitRelaxedCrossValidation

    if not isinstance(found, LogitRelaxedCrossValidation) or not isinstance(chosen, RelaxedFit):
        return {}
    from berkson.report.path_record import blends_record

    return blends_record(found.relaxed) | {"chosen": chosen.lambda_, "chosen_gamma": chosen.gamma}


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False))


def _tell(what: str, path: str | None) -> None:
    if path is not None:
        print(f"{what} saved as {clean(path)}")
