"""The arguments of each command, and what is wrong with them in one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from berkson.cli.help import BOUNDARY, CHECK, CV, FIT, PATH, PREDICT, RELAX, WEIGHT_KIND
from berkson.report.layout import clean

BAD_INPUT = 2  # exit code
POLICIES = ("error", "missing", "baseline", "own level", "shrunken")  # of `inference.predictions`, nor is that
MEASURES = ("log_loss", "deviance", "brier", "accuracy", "auc")  # of `select.measures`, which is not imported for this


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
            self.error(f"unknown {kind} '{unknown[0]}'{nearest(unknown[0].partition('=')[0], list(known))}")
        return args


def nearest(word: str, known: Sequence[str]) -> str:
    """` (did you mean 'fit'?)` where a known word is close, else nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word[:100], known, n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""


def fit_parser() -> _Parser:
    """The arguments of `berkson fit`."""
    parser = _Parser("fit", FIT, 'FILE "FORMULA" [options]')
    add = parser.add_argument
    add("file", metavar="FILE", help="the table")
    add("formula", metavar="FORMULA", nargs="?", help="what is explained by what; see above")
    add("--target", metavar="COLUMN", help="instead of a formula: explain this column by all others")
    add("--event", metavar="LEVEL", help="the class whose probability is modelled, of two")
    add("--weights", metavar="COLUMN", help="a weight for each row, such as how often it was seen")
    add("--weight-kind", choices=("frequency", "precision", "sampling"), default="frequency", help=WEIGHT_KIND)
    add("--reference", metavar="CLASS", help="of more classes, the one that others are compared with")
    add("--offset", metavar="COLUMN", help="a known part of the log-odds")
    add(
        "--robust",
        metavar="KIND",
        help="standard errors: HC0 to HC3, robust, bootstrap; of clusters CR0, CR1, CR1S, CR2",
    )
    add("--cluster", metavar="COLUMN", action="append", default=[], help="which rows belong together; twice: two ways")
    add(
        "--ci",
        choices=("wald", "profile", "bootstrap", "percentile", "basic"),
        default="wald",
        help="intervals (default: wald)",
    )
    add("--firth", action="store_true", help="reduce bias (Jeffreys' prior): finite estimates on separated data, too")
    add("--margins", action="store_true", help="average marginal effects, too")
    add("--level", type=_share, default=0.95, help="of intervals (default 0.95)")
    add("--strength", type=_not_negative, default=0.0, help="of a ridge penalty, strength/2 |coef|^2 (default 0: none)")
    add("--missing", choices=("drop", "error"), default="drop", help="rows with a missing value (default: drop)")
    _add_policy(parser)
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    add("--tol", type=_share, default=1e-8, help="certified distance to the optimum, relative (default 1e-8)")
    add("--max-iter", type=_positive, default=100, help="iterations (default 100)")
    add("--save", metavar="PATH", help="the model (default: FILE's name with .model.json, in the current directory)")
    add("--no-save", action="store_true", help="save no model")
    add("--json", action="store_true", help="print the model and its statistics as JSON instead of the report")
    add("--quiet", action="store_true", help="print nothing but problems")
    return parser


def path_parser() -> _Parser:
    """The arguments of `berkson path`."""
    parser = _Parser("path", PATH, 'FILE "FORMULA" [options]')
    _add_penalty(parser)
    return parser


def cv_parser() -> _Parser:
    """The arguments of `berkson cv`."""
    parser = _Parser("cv", CV, 'FILE "FORMULA" [options]')
    add = parser.add_argument
    add("--folds", metavar="N|COLUMN", default="10", help="how many, or the column that tells each row's (default 10)")
    add("--groups", metavar="COLUMN", help="rows that stay together in the drawing of folds")
    add("--seed", type=_count, default=0, help="of the drawing (default 0)")
    add("--measure", choices=MEASURES, default="log_loss", help="by which the penalty is chosen (default: log_loss)")
    add(
        "--rule",
        choices=("min", "1se"),
        default="min",
        help="the best mean, or the largest lambda within one std. error",
    )
    add("--save", "--model", metavar="PATH", help="the model of the penalty chosen, for berkson predict")
    _add_penalty(parser)
    return parser


def _add_penalty(parser: _Parser) -> None:
    """The table, the penalty, and what is made of them: arguments of `berkson path` and `berkson cv`."""
    add = parser.add_argument
    add("file", metavar="FILE", help="the table")
    add("formula", metavar="FORMULA", help="what is explained by what; see berkson fit --help")
    add("--l1-ratio", type=_unit, default=1.0, help="from 0 (ridge) to 1 (lasso, the default)")
    add("--lambda", dest="lambdas", metavar="X", type=_not_negative, action="append", help="a penalty; once for each")
    add("--count", type=_positive, default=100, help="how many, where --lambda does not say (default 100)")
    add("--smallest", type=_share, help="the smallest, as a part of the largest (default: 1e-4; of wide tables 1e-2)")
    add("--unpenalised", metavar="NAMES", type=_names, action="extend", default=[], help="a,b: always in the model")
    add("--group-terms", action="store_true", help="the columns of a term come and go together")
    add("--no-standardize", action="store_true", help="penalise coefficients per unit of their columns")
    add("--relax", action="store_true", help=RELAX)
    add("--complete", action="store_true", help="go on to the smallest lambda, even where fits hardly change")
    add("--event", metavar="LEVEL", help="the class whose probability is modelled, of two")
    add("--weights", metavar="COLUMN", help="a weight for each row")
    add("--offset", metavar="COLUMN", help="a known part of the log-odds")
    add("--missing", choices=("drop", "error"), default="drop", help="rows with a missing value (default: drop)")
    _add_policy(parser)
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    add("--tol", type=_share, default=1e-6, help="certified distance to each optimum, relative (default 1e-6)")
    add("--max-iter", type=_positive, default=100, help="iterations of a fit (default 100)")
    add("--plot", metavar="PATH", help="a figure: .svg, .html or (with matplotlib) .png")
    add("--json", action="store_true", help="print everything as JSON instead of the report")
    add("--quiet", action="store_true", help="print nothing but problems")


def _add_policy(parser: _Parser) -> None:
    """What the model does with rows that lack what it needs."""
    parser.add_argument(
        "--policy",
        type=_policy,
        default="error",
        metavar="POLICY",
        help="of the model, for levels it has not seen and an absent offset: error (default); missing, no prediction; "
        "baseline, the reference level and offset 0; and for levels that are missing, in the fit, too: own-level, a "
        "level 'missing'; shrunken, under a penalty, no level",
    )


def _policy(text: str) -> str:
    """A policy by its name, whose words a command line joins by hyphens."""
    policy = text.replace("-", " ")
    if policy not in POLICIES:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(POLICIES).replace(' level', '-level')}")
    return policy


def predict_parser() -> _Parser:
    """The arguments of `berkson predict`."""
    parser = _Parser("predict", PREDICT, "MODEL FILE [options]")
    add = parser.add_argument
    add("model", metavar="MODEL", help="written by berkson fit or berkson cv")
    add("file", metavar="FILE", help="the table")
    add("--output", metavar="PATH", help="write here instead of standard output")
    add("--kind", choices=("probability", "class", "link"), default="probability", help="(default: probability)")
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    return parser


def check_parser() -> _Parser:
    """The arguments of `berkson check`."""
    parser = _Parser("check", CHECK, "MODEL FILE [options]")
    add = parser.add_argument
    add("model", metavar="MODEL", help="written by berkson fit")
    add("file", metavar="FILE", help="the table")
    add("--tol", type=_share, help="distance to the optimum to certify, relative (default: that of the fit)")
    add("--na", metavar="TEXT", action="append", default=[], help="a text that means missing, besides the usual")
    add("--quiet", action="store_true", help="print nothing but problems")
    return parser


def boundary_parser() -> _Parser:
    """The arguments of `berkson boundary`."""
    parser = _Parser("boundary", BOUNDARY, "MODEL FILE X Y --plot PATH [options]")
    add = parser.add_argument
    add("model", metavar="MODEL", help="written by berkson fit or berkson cv")
    add("file", metavar="FILE", help="the table, whose rows are drawn")
    add("x", metavar="X", help="the column of numbers across")
    add("y", metavar="Y", help="the column of numbers upwards")
    add("--plot", metavar="PATH", required=True, help="the figure: .svg, .html or (with matplotlib) .png")
    add("--hold", metavar="NAME=VALUE", action="append", default=[], help="the value of another column; see above")
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


def _unit(text: str) -> float:
    value = _real(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of names: separate them by commas")
    return names


def _count(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 to 999999999")
    return int(text)
