"""The fit of one penalty: coefficients, predictions, a certificate, and no inference."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from berkson.design import Sparse
from berkson.fitted_penalty import Penalty
from berkson.inference.estimates import StatisticsError
from berkson.inference.predictions import LENIENT, Policy, readable, refuse_other_policies
from berkson.kernels.reference import sigmoid, softmax
from berkson.logistic.answers import shaped
from berkson.logistic.fitted import Fitted
from berkson.logistic.frames import Frames
from berkson.logistic.inputs import OFFSET, index_of, predictors_table
from berkson.logistic.sparse import is_sparse, linear_predictor, new_rows
from berkson.model import Model, Prepared, classes_of
from berkson.proof import Proof
from berkson.report.page import Page, Shown
from berkson.report.path_report import fit_blocks, penalty_text
from berkson.select.path import Path
from berkson.table import Column, Table, from_frame

F64 = npt.NDArray[np.float64]

REFUSED = {
    *("bse", "zvalues", "pvalues", "conf_int", "confint", "cov_params", "vcov", "robust", "covariance", "bootstrap"),
    *("goodness", "llf", "llnull", "llr", "llr_pvalue", "prsquared", "aic", "bic", "df_resid"),
    *("effects", "margins", "contrast", "test", "drop1", "anova", "compare", "diagnostics", "augment"),
}


@dataclass(frozen=True, repr=False)
class PenalisedFit(Fitted, Shown):
    """A logistic regression with a penalty, at one lambda; made by `logit(..., penalty=)` and by paths.

    prepared   the caller's data as a problem
    frames     makes tables of the caller's kind
    path       of this lambda alone
    chosen     how lambda was found, in words
    policy     for what new rows lack
    reference  of more than two classes, the one that log-odds of predictions are against
    cross_validation   by which lambda was chosen, or None

    Of more than two classes each has coefficients, `class:column`, as glmnet has them: differences between classes are
    log-odds ratios.  Standard errors, intervals, tests and likelihoods are refused: coefficients are shrunk, and
    chosen by the data that would judge them.
    """

    prepared: Prepared
    frames: Frames
    path: Path
    chosen: str
    policy: Policy = "error"
    reference: int = 0
    cross_validation: Any = None

    # --- the fit ------------------------------------------------------------------------------------------------------

    @property
    def lambda_(self) -> float:
        """The penalty, on the scale of `path`."""
        return float(self.path.lambdas[0])

    @cached_property
    def certificate(self) -> Proof:
        """What is proved of the coefficients."""
        found = self.path
        return Proof(
            certified=bool(found.certified[0]),
            exists=True,
            status=found.status(0),
            gap=float(found.gap[0]) * found.null_objective,
            relative_gap=float(found.gap[0]),
            distance=float("inf"),
            objective=float(found.objective[0]),
            null_objective=found.null_objective,
            tol=found.tol,
            verdicts=(),
            infinite=(),
            aliased=(),
        )

    @cached_property
    def model(self) -> Model:
        """The model without the data: predicts, and can be saved."""
        from importlib.metadata import version

        given, options = self.prepared, self.path.options
        words = f"{penalty_text(options)}; {self.chosen}"
        groups = None if options.groups is None else np.unique(options.groups, return_inverse=True)[1].tolist()
        penalty = Penalty(
            *(float(options.l1_ratio), self.lambda_, options.standardize, options.scale, words),
            factors=_each(options.factors, given),
            groups=None if groups is None else tuple(groups),
            share=float(options.share),
            lower=_each(options.lower, given),
            upper=_each(options.upper, given),
        )
        coef, intercept = self.path.coef[0], self.path.intercept[0]
        return Model(
            *(str(given.formula), given.schema, coef, intercept, 0.0, given.weights, given.offset, given.rows),
            *(self.certificate, version("berkson")),
            policy=self.policy,
            penalty=penalty,
        )

    # --- coefficients -------------------------------------------------------------------------------------------------

    @property
    def params(self) -> Any:
        """Coefficients by name, on the scale of log-odds; 0 where the penalty holds them there."""
        return self.frames.vector(parameter_names(self.prepared), self._values)

    @property
    def odds_ratios(self) -> Any:
        """e^coefficient by name; of more than two classes, against the geometric mean of all."""
        return self.frames.vector(parameter_names(self.prepared), np.exp(self._values))

    @property
    def selected(self) -> list[str]:
        """The columns with a coefficient that is not 0, in any class."""
        self._require()
        used = (self.path.coef[0] != 0.0).any(axis=0)
        return [name for name, used_ in zip(self.prepared.schema.names, used.tolist(), strict=True) if used_]

    def tidy(self, exponentiate: bool = False) -> Any:
        """A row for each coefficient: term and estimate; of more than two classes y.level first.  `exponentiate`: odds
        ratios.

        >>> data = {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]}
        >>> logit("case ~ dose", data, penalty="ridge", lambda_=1.0).tidy()
        term         estimate
        (Intercept)   -0.5612
        dose           0.1603
        """
        terms = equation_names(self.prepared)
        columns: dict[str, Any] = {}
        if self.prepared.problem.n_classes > 2:
            columns["y.level"] = [name for name in self.model.classes for _ in terms]
        columns["term"] = terms * len(self.path.coef[0])
        columns["estimate"] = np.exp(self._values) if exponentiate else self._values
        return self.frames.table(columns)

    # --- likelihood ---------------------------------------------------------------------------------------------------

    @property
    def deviance_ratio(self) -> float:
        """The part of the null deviance that is explained."""
        return float(self.path.deviance_ratio[0])

    @property
    def null_deviance(self) -> float:
        """2 (largest possible log-likelihood - that of the model of intercept and offset alone)."""
        return self.path.null_deviance

    @property
    def deviance(self) -> float:
        """2 (largest possible log-likelihood - that of the fit)."""
        return (1.0 - self.deviance_ratio) * self.null_deviance

    @property
    def df(self) -> int:
        """Columns with a coefficient that is not 0."""
        return int(self.path.df[0])

    def glance(self) -> Any:
        """One row on the fit: lambda, l1_ratio, df, null.deviance, deviance, dev.ratio and certified."""
        row = {
            "lambda": self.lambda_,
            "l1_ratio": self.path.options.l1_ratio,
            "df": self.df,
            "null.deviance": self.null_deviance,
            "deviance": self.deviance,
            "dev.ratio": self.deviance_ratio,
            "certified": self.certificate.certified,
        }
        return self.frames.table({name: [value] for name, value in row.items()})

    # --- predictions --------------------------------------------------------------------------------------------------

    def predict(
        self,
        new: Any = None,
        kind: Literal["probability", "link", "class"] = "probability",
        *,
        offset: Any = None,
        policy: Policy | None = None,
    ) -> Any:
        """Of new rows (columns by name), or of the rows fitted: the probability of the event, its log-odds ("link"), or
        the class; see `LogitFit.predict`, which has intervals, too.

        >>> data = {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]}
        >>> logit("case ~ dose", data, penalty="ridge", lambda_=1.0).predict({"dose": [2, 5]}).round(4)
        array([0.4402, 0.5598])
        """
        if kind not in ("probability", "link", "class"):
            raise ValueError(f"kind={kind!r} is no kind of prediction; choose 'probability', 'link' or 'class'")
        refuse_other_policies(policy or self.policy)
        self._require()
        if new is None:
            eta = self._linear_predictor()
            return shaped(self, kind, self._response(kind, eta), self.frames.index_of(self.prepared.used))
        if is_sparse(new):
            eta = linear_predictor(self.model, *new_rows(self.model, new, offset))
            return shaped(self, kind, self._response(kind, eta), None)
        table, notes = self._readable(predictors_table(new, self.prepared.schema), offset, policy or self.policy)
        for note in notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        return shaped(self, kind, self._response(kind, self.model.linear_predictor(table)), index_of(new))

    def _linear_predictor(self) -> F64:
        """Of the rows fitted."""
        problem = self.prepared.problem
        if isinstance(problem.X, Sparse):
            return linear_predictor(self.model, problem.X, problem.offset)
        return self.model.linear_predictor(self.prepared.complete)

    def _response(self, kind: str, eta: F64) -> F64:
        """Log-odds or probabilities (n, R) of linear predictors, NaN where these are."""
        if eta.shape[1] == 1:
            return eta if kind == "link" else sigmoid(eta)
        if kind == "link":
            others = [k for k in range(eta.shape[1]) if k != self.reference]
            return eta[:, others] - eta[:, [self.reference]]
        known = ~np.isnan(eta).any(axis=1)
        found = np.full(eta.shape, np.nan)
        found[known] = softmax(eta[known])
        return found

    def _readable(self, table: Table, offset: Any, policy: Policy) -> tuple[Table, list[str]]:
        """The columns of a prediction, as the policy reads what the model has not seen."""
        schema, name = self.prepared.schema, self.model.offset
        used, notes = readable(schema, table.only(schema.predictors), policy)
        if name is None:
            if offset is not None:
                raise ValueError("the fit had no offset, so a prediction takes none: leave it out")
            return used, notes
        if offset is None or isinstance(offset, str):
            wanted = name if offset is None else offset
            if wanted in table.columns or isinstance(offset, str):
                return used.having({name: replace(table[wanted], name=name)}), notes
            if policy not in LENIENT:
                what = "" if name == OFFSET else f" {name!r}"
                raise ValueError(f"the fit had an offset{what}, so a prediction needs one: give offset=, 0 for none")
            done = "taken as 0 in every row" if policy == "baseline" else "no prediction in any row"
            value = 0.0 if policy == "baseline" else np.nan
            column = Column(name, "number", np.full(table.n_rows, value))
            return used.having({name: column}), [*notes, f"there is no offset: {done}"]
        values = np.full(table.n_rows, float(offset)) if np.ndim(offset) == 0 else offset
        column = from_frame({name: values})[name].as_number()
        if len(column.values) != table.n_rows:
            raise ValueError(f"offset has {len(column.values):,} values, but there are {table.n_rows:,} rows")
        return used.having({name: column}), notes

    # --- the rest -----------------------------------------------------------------------------------------------------

    def summary(self) -> Page:
        """The fit for people: `print` shows text, a notebook HTML; to_markdown(), to_latex()."""
        return Page(tuple(fit_blocks(self.prepared, self.path, self.chosen, self.certificate.status)))

    def __getattr__(self, name: str) -> Any:
        if name in REFUSED:
            raise StatisticsError(
                f"a penalised fit has no {name}: its coefficients are shrunk towards 0, and chosen by the data that "
                "would judge them; to infer, choose columns on one part of the rows and fit them without a penalty "
                "on the other"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def _values(self) -> F64:
        """Coefficients in the order of `parameter_names`."""
        self._require()
        values: F64 = flat(self.prepared, self.path.intercept, self.path.coef)[0]
        return values

    def _require(self) -> None:
        if not self.certificate.certified:
            raise StatisticsError(f"there are no estimates without a proved optimum: {self.certificate.status}")


def _each(numbers: Any, given: Prepared) -> tuple[float, ...] | None:
    """A number for each column, where there are any."""
    p = len(given.schema.names)
    return None if numbers is None else tuple(np.broadcast_to(np.asarray(numbers, dtype=np.float64), p).tolist())


def equation_names(prepared: Prepared) -> list[str]:
    """Of the coefficients of one class: the intercept, if there is one, and the columns."""
    schema = prepared.schema
    return [*(["(Intercept)"] if schema.intercept else []), *schema.names]


def parameter_names(prepared: Prepared) -> list[str]:
    """Of all coefficients: `age`, or `class:age` for more than two classes."""
    names = equation_names(prepared)
    if prepared.problem.n_classes == 2:
        return names
    return [f"{level}:{name}" for level in classes_of(prepared.schema) for name in names]


def flat(prepared: Prepared, intercept: F64, coef: F64) -> F64:
    """Intercepts (L, K) and coefficients (L, K, p) in the order of `parameter_names` (L, d)."""
    whole = np.concatenate([intercept[:, :, None], coef], axis=2) if prepared.schema.intercept else coef
    found: F64 = whole.reshape(len(coef), -1)
    return found
