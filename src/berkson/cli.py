"""The command `berkson`: fit a table, predict with the model, check it against data again.

Nothing heavier than argparse is imported before it is known what to do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from berkson.report.layout import clean, show
from berkson.report.progress import stage

if TYPE_CHECKING:
    from berkson.formula import Formula
    from berkson.table import Table

OK, NOT_CERTIFIED, BAD_INPUT, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

_EXIT_CODES = """\
exit codes
  0    done, and the optimum is certified
  1    the fit is not certified, or no finite optimum exists (the report says why; the model is marked)
  2    bad input: one sentence on standard error, and nothing is written
  130  interrupted; 141 the reader of a pipe went away
"""

_GRAMMAR = """\
formulas
  y ~ a + b             y explained by columns a and b; text, true/false and categories become levels
  y ~ .                 by all other columns;  y ~ . - id  without one of them
  C(g)                  a column of numbers taken as categories;  C(g, ref="b")  compares with level b
  a:b    a*b            interaction;  a + b + a:b
  (a + b + c)^2         all of them and their pairs
  0 +    - 1            no intercept
  I(a*b + 2)  log(x)    arithmetic, and log log2 log10 log1p exp expm1 sqrt abs sin cos tan
  `a name`              a column whose name is not a plain word
  successes / trials    on the left: counts;  cbind(successes, failures)  likewise
"""

_FILES = """\
files
  CSV or TSV (comma, semicolon or tab; UTF-8; .gz too) whose first line names the columns, or Parquet.
  Empty cells, NA, N/A, NaN, nan, null and NULL are missing; --na adds others, such as --na '?'.
"""

_USAGE = f"""\
usage: berkson COMMAND ...

Logistic regression, binary and multinomial, with a proof of the optimum.

commands
  fit FILE FORMULA      fit a model, print it, and save it as JSON
  predict MODEL FILE    predictions of a saved model for new rows, as CSV
  check MODEL FILE      prove (or not) that a saved model is the optimum on these data

examples
  berkson fit births.csv "low ~ age + lwt + C(race) + smoke"
  berkson fit births.csv --target low --event 1 --save all.json
  berkson predict births.model.json new.csv --output predictions.csv
  berkson check births.model.json births.csv

Each command has its own --help: berkson fit --help teaches formulas.  berkson --version

{_EXIT_CODES}"""

_FIT = f"""\
Fit a logistic regression by maximum likelihood (or with a ridge) and certify its optimum.

Two classes: the probability of the event, by default the last level, true, or the larger number.  More classes:
multinomial (softmax).  Rows with a missing value are dropped, and the report says how many and why.

{_GRAMMAR}
examples
  berkson fit births.csv "low ~ age + lwt + C(race) + smoke"
  berkson fit titanic.csv "survived ~ sex * age + class" --event yes
  berkson fit menarche.csv "Menarche / Total ~ Age"
  berkson fit housing.csv "Sat ~ Infl + Type" --weights Freq --save housing.json

{_FILES}
{_EXIT_CODES}"""

_PREDICT = f"""\
Predict for every row of a table with a saved model; CSV, one line a row, in the order of the table.

Columns are found by name; their order is free and others are ignored.  A row with a missing value gets an empty
prediction, and a note on standard error counts them.  A level that the model has not seen is an error.

examples
  berkson predict births.model.json new.csv
  berkson predict births.model.json new.csv --kind class --output classes.csv

{_FILES}
{_EXIT_CODES}"""

_CHECK = f"""\
Certify a saved model against a table: the coefficients are evaluated on it, nothing is fitted.

On the data of the fit this proves the fit again; on other data it tells whether the same coefficients are the optimum
there.  Exit code 0 where the optimum is certified, 1 where it is not.

example
  berkson check births.model.json births.csv

{_FILES}
{_EXIT_CODES}"""


class _Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def __init__(self, command: str, description: str, usage: str) -> None:
        super().__init__(
            prog=f"berkson {command}",
            usage=f"berkson {command} {usage}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.add_argument("-h", "--help", action="help", help="show this and stop")

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"berkson: {clean(message)}; see {self.prog} --help\n")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments, positional ones anywhere; an unknown option is an error that names the nearest."""
        args, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            kind = "option" if unknown[0].startswith("-") else "argument"
            known = self._option_string_actions if kind == "option" else ()
            self.error(f"unknown {kind} '{unknown[0]}'{_nearest(unknown[0].partition('=')[0], list(known))}")
        return args


def _nearest(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(word[:100], known, n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""


def _fit_parser() -> _Parser:
    parser = _Parser("fit", _FIT, 'FILE "FORMULA" [options]')
    add = parser.add_argument
    add("file", metavar="FILE", help="the table")
    add("formula", metavar="FORMULA", nargs="?", help="what is explained by what; see above")
    add("--target", metavar="COLUMN", help="instead of a formula: explain this column by all others")
    add("--event", metavar="LEVEL", help="the class whose probability is modelled, of two")
    add("--weights", metavar="COLUMN", help="a weight for each row, such as how often it was seen")
    add("--offset", metavar="COLUMN", help="a known part of the log-odds")
    add("--strength", type=_not_negative, default=0.0, help="of a ridge penalty, strength/2 |coef|^2 (default 0: none)")
    add("--missing", choices=("drop", "error"), default="drop", help="rows with a missing value (default: drop)")
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    add("--tol", type=_share, default=1e-8, help="certified distance to the optimum, relative (default 1e-8)")
    add("--max-iter", type=_positive, default=100, help="iterations (default 100)")
    add("--save", metavar="PATH", help="the model (default: FILE's name with .model.json, in the current directory)")
    add("--no-save", action="store_true", help="save no model")
    add("--json", action="store_true", help="print the model and its statistics as JSON instead of the report")
    add("--quiet", action="store_true", help="print nothing but problems")
    return parser


def _predict_parser() -> _Parser:
    parser = _Parser("predict", _PREDICT, "MODEL FILE [options]")
    add = parser.add_argument
    add("model", metavar="MODEL", help="written by berkson fit")
    add("file", metavar="FILE", help="the table")
    add("--output", metavar="PATH", help="write here instead of standard output")
    add("--kind", choices=("probability", "class", "link"), default="probability", help="(default: probability)")
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    return parser


def _check_parser() -> _Parser:
    parser = _Parser("check", _CHECK, "MODEL FILE [options]")
    add = parser.add_argument
    add("model", metavar="MODEL", help="written by berkson fit")
    add("file", metavar="FILE", help="the table")
    add("--tol", type=_share, help="distance to the optimum to certify, relative (default: that of the fit)")
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    add("--quiet", action="store_true", help="print nothing but problems")
    return parser


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None


def _not_negative(text: str) -> float:
    value = _real(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number >= 0")
    return value


def _share(text: str) -> float:
    value = _real(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 to 999999999")
    return int(text)


# --- commands -------------------------------------------------------------------------------------------------------


def _fit(argv: Sequence[str]) -> int:
    parser = _fit_parser()
    args = parser.read(argv)
    if (args.formula is None) == (args.target is None):
        parser.error("give a formula or --target, one of them")
    from berkson.formula import parse
    from berkson.formula.syntax import Name
    from berkson.model import fit_table
    from berkson.model_file import save, to_dict

    formula = parse(args.formula if args.target is None else f"{Name(args.target)} ~ .")
    path = None if args.no_save else _writable(args.save or _default_path(args.file))
    table = _read(args, _columns(formula, args))
    with stage(f"fitting {formula.response}", args.quiet):
        model, result = fit_table(
            formula,
            table,
            event=args.event,
            weights=args.weights,
            offset=args.offset,
            strength=args.strength,
            drop_missing=args.missing == "drop",
            tol=args.tol,
            max_iterations=args.max_iter,
        )
    if args.json:
        from berkson.report.record import record

        data = {**to_dict(model), **record(model, result)}
        print(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False))
    elif not args.quiet:
        from berkson.report.summary import summary

        show(summary(model, result, table.source), sys.stdout)
    if path is not None:
        save(model, path)
        if not args.json and not args.quiet:
            print(f"Model saved as {clean(path)}")
    return _verdict(model.proof.certified, model.proof.status, args.quiet or args.json)


def _predict(argv: Sequence[str]) -> int:
    args = _predict_parser().read(argv)
    from berkson.model_file import load, replacing
    from berkson.report.predictions import predict

    output = None if args.output is None else _writable(args.output)
    model = load(args.model)
    table = _read(args, model.predictors)
    with stage(f"predicting {len(model.schema.names)} columns"):
        found = predict(model, table, args.kind)
    if not model.proof.certified:
        _say(f"note: the model is not certified ({model.proof.status})")
    if output is None:
        found.write(sys.stdout)
    else:
        with replacing(output) as file:
            found.write(file)
    if found.empty:
        _say(f"note: {found.empty:,} of {table.n_rows:,} rows have a missing value, and an empty prediction")
    return OK


def _check(argv: Sequence[str]) -> int:
    args = _check_parser().read(argv)
    from berkson.model import proof_of
    from berkson.model_file import load
    from berkson.report.summary import check_report

    model = load(args.model)
    table = _read(args, model.columns)
    with stage("checking", args.quiet):
        certificate, problem, rows = model.certificate(table, args.tol or model.proof.tol)
    proof = proof_of(certificate, problem)
    if not args.quiet:
        show(check_report(model, proof, rows, table.source), sys.stdout)
    return _verdict(proof.certified, proof.status, args.quiet)


def _verdict(certified: bool, status: str, unseen: bool) -> int:
    """The exit code; where no report was printed, or not to a terminal, what is wrong goes to standard error too."""
    if not certified and (unseen or not sys.stdout.isatty()):
        _say(status)
    return OK if certified else NOT_CERTIFIED


def _read(args: argparse.Namespace, columns: Sequence[str] | None) -> Table:
    from berkson.read import MISSING, read_table

    with stage(f"reading {args.file}", getattr(args, "quiet", False)) as progress:
        return read_table(args.file, columns, missing=MISSING | set(args.na), progress=progress)


def _columns(formula: Formula, args: argparse.Namespace) -> list[str] | None:
    """The columns that a fit needs; None for all."""
    from berkson.formula.syntax import has_dot

    if has_dot(formula.right):
        return None
    response = () if formula.response is None else formula.response.columns
    return [*response, *formula.columns, *(name for name in (args.weights, args.offset) if name)]


def _default_path(file: str) -> str:
    return Path(Path(file).name.removesuffix(".gz")).stem + ".model.json"


def _writable(path: str) -> str:
    """The path of a file to be written, looked at before any work is done."""
    if Path(path).is_dir():
        raise ValueError(f"{path} is a directory; name a file in it")
    if not Path(path).parent.is_dir():
        raise ValueError(f"there is no directory {Path(path).parent}; make it first")
    return path


def _say(sentence: str) -> None:
    print(f"berkson: {clean(sentence)}", file=sys.stderr)


# --- entry ----------------------------------------------------------------------------------------------------------

_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"fit": _fit, "predict": _predict, "check": _check}


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
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # what is still in the buffer would fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        _say(f"{error.filename or 'standard output'} cannot be written: {error.strerror or error}")
    except MemoryError:
        _say("there is not enough memory for this table")
    except ValueError as error:
        _say(str(error))
    return BAD_INPUT


def _dispatch(argv: Sequence[str]) -> int:
    if not argv:
        print(_USAGE, end="", file=sys.stderr)
        return BAD_INPUT
    command, rest = argv[0], argv[1:]
    if command in _COMMANDS:
        import warnings

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* encountered in ")  # of NumPy: the certificate is what counts
            warnings.showwarning = _show_warning
            return _COMMANDS[command](rest)
    if command in ("-h", "--help", "help"):
        print(_USAGE, end="")
    elif command == "--version":
        from importlib.metadata import version

        print(f"berkson {version('berkson')}")
    else:
        kind = "option" if command.startswith("-") else "command"
        known = ["--help", "--version"] if kind == "option" else list(_COMMANDS)
        _say(f"unknown {kind} '{command}'{_nearest(command, known)}; see berkson --help")
        return BAD_INPUT
    return OK


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"note: {message}")
