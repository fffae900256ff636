"""What can be asked of a fit: covariances, predictions, effects, tests, diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from berkson.inference.estimates import StatisticsError
from berkson.logistic.averages import Averages
from berkson.logistic.inputs import clusters_by
from berkson.logistic.numbers import Numbers, covariance_of, with_covariance

if TYPE_CHECKING:
    from berkson.inference.hypotheses import Method
    from berkson.inference.permutation import Statistic
    from berkson.logistic.diagnostics import Diagnostics


@dataclass(frozen=True, repr=False)
class LogitFit(Averages, Numbers):
    """A logistic regression with its inference; made by `logit`.

    Parameters are named by their columns, `class:column` for more than two classes, the intercept first.  Vectors and
    tables come in the caller's kind: pandas (labelled), polars, pyarrow; else a mapping, or a `Frame`.  Where the
    certificate does not hold there are no numbers: StatisticsError, one sentence, says why and what to do.
    """

    # --- covariance -----------------------------------------------------------------------------------------------

    def vcov(self, kind: str | None = None, *, cluster: Any = None) -> Any:
        """The covariance of the parameters; the fit's own if nothing is said.

        kind     "model", "HC0" to "HC3", "robust", "bootstrap", or with clusters "CR0", "CR1" (the default then),
                 "CR1S", "CR2", "bootstrap"
        cluster  name of a column, or values; two ways: a list of two names

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.vcov("HC0")["dose"].round(4)
        array([-0.7843,  0.2241])
        """
        ways = clusters_by(cluster, self.prepared, self.frames.index)
        own = kind is None and not ways
        found = self.covariance if own else covariance_of(self, kind, ways)
        return self.frames.matrix(self.estimates.names, found.matrix)

    def robust(self, kind: str | None = None, *, cluster: Any = None) -> LogitFit:
        """The same fit with another covariance, HC1 or, with clusters, CR1 if nothing is said; see `vcov`.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> round(fit.robust("HC1").bse["dose"], 4)
        0.5798
        """
        ways = clusters_by(cluster, self.prepared, self.frames.index)
        return with_covariance(self, kind or (None if ways else "HC1"), ways)

    # --- rows and tests --------------------------------------------------------------------------------------------

    def augment(self, kind: Literal["link", "probability"] = "link") -> Any:
        """The data with what the fit says of each row, in broom's columns: .fitted (of `kind`), .resid (deviance),
        .hat, .sigma, .cooksd, .std.resid; of more than two classes the fitted column of each, .resid and .hat.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.augment()[".hat"].round(4)
        array([0.2836, 0.3776, 0.3388, 0.3388, 0.3776, 0.2836])
        """
        from berkson.logistic.answers import augment

        return augment(self, kind)

    def test(self, hypothesis: Any, value: Any = 0.0, *, method: Method = "wald") -> Any:
        """A linear hypothesis: text such as "age = 2*lwt" or "C(race)" (all its columns are 0), several such, or a
        matrix with values.  method: "wald", "lr" (likelihood ratio) or "score".

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.test("dose = 0", method="lr")["p.value"].round(4)
        array([0.0667])
        """
        from berkson.inference import hypotheses

        asked = hypotheses.linear_hypothesis(self.estimates, hypothesis, value, terms=self.prepared.schema.term_columns)
        if method == "wald":
            found = hypotheses.wald_test(self.estimates, self.covariance, asked)
        elif method == "lr":
            found = hypotheses.likelihood_ratio_test(self.estimates, asked, self.covariance)
        elif method == "score":
            found = hypotheses.score_test(self.estimates, asked, self.covariance)
        else:
            raise StatisticsError(f"there is no test {method!r}; choose wald, lr or score")
        return self.frames.table(
            {
                "hypothesis": [found.text],
                "statistic": [found.statistic],
                "df": [found.df],
                "p.value": [found.p_value],
                "method": [found.method],
            }
        )

    def drop1(self, *, method: Method = "lr") -> Any:
        """Each term that no other contains, tested by leaving it out: term, df, statistic, p.value and the AIC without
        it.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.drop1()
        term  df  statistic    AIC  p.value
        dose   1      3.362  10.32  0.06673
        """
        from berkson.logistic.answers import term_table

        return term_table(self, "drop1", method)

    def anova(self, type: Literal["I", "II", "III"] = "II", *, method: Method = "lr") -> Any:
        """A test of each term: type I in order, II after all but those that contain it, III after all others.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.anova("III", method="wald")["statistic"].round(4)
        array([1.7697])
        """
        from berkson.logistic.answers import term_table

        return term_table(self, type, method)

    def permutation_test(
        self,
        columns: str | Sequence[str],
        *,
        count: int = 999,
        seed: int = 0,
        statistic: Statistic = "score",
        within: Any = None,
    ) -> Any:
        """Whether columns have no coefficient, judged by permutations of their rows (of what is left of them beside the
        other columns, Potter 2005) in place of a chi-squared distribution; see `inference.permutation`.

        columns    names of terms, of columns of the table, or of the design
        count      permutations, drawn from `seed`
        statistic  "score" (one fit in all) or "lr" (likelihood ratio, a fit for each)
        within     rows are permuted among those of the same value only: name of a column, or values

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.permutation_test("dose", count=199)
        columns  statistic  df  p.value  std.error  count  method
        dose         2.800   1   0.2350    0.03006    199   score
        """
        from berkson.inference.permutation import permutation_test
        from berkson.logistic.answers import listed
        from berkson.logistic.penalties import places
        from berkson.logistic.reading import codes_by

        if self.clusters and within is None:
            raise StatisticsError(
                "rows of a cluster are not exchangeable with those of others; name the clusters in within=, which "
                "permutes rows inside them, or fit without clusters"
            )
        if self.method is not None:
            raise StatisticsError("permutation tests are of maximum likelihood; fit without bias reduction")
        schema, names = self.prepared.schema, listed(columns)
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise StatisticsError(f"columns={columns!r} are no names: give one, or a list of them")
        found = permutation_test(
            self.maximum,
            tuple(dict.fromkeys(j for name in names for j in places(schema, name, "columns"))),
            count,
            seed=seed,
            statistic=statistic,
            blocks=None if within is None else codes_by(within, "within", self.prepared, self.frames.index),
        )
        return self.frames.table(
            {
                "columns": [", ".join(names)],
                "statistic": [found.statistic],
                "df": [found.df],
                "p.value": [found.p_value],
                "std.error": [found.std_error],
                "count": [found.count],
                "method": [found.kind],
            }
        )

    def compare(self, other: LogitFit) -> Any:
        """The likelihood-ratio test of two nested fits of the same rows, in either order.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.compare(logit("case ~ 1", {"case": [0, 0, 1, 0, 1, 1]}))
        smaller   statistic  df  p.value
        case ~ 1      3.362   1  0.06673
        """
        from berkson.inference.nested import compare

        if not isinstance(other, LogitFit):
            raise ValueError(f"a fit is compared with another, made by logit, not with {type(other).__name__}")
        rows, covariances = (self.prepared.used, other.prepared.used), (self.covariance, other.covariance)
        found = compare(self.estimates, other.estimates, rows, covariances)
        smaller = (self, other)[found.smaller]
        return self.frames.table(
            {
                "smaller": [str(smaller.prepared.formula)],
                "statistic": [found.statistic],
                "df": [found.df],
                "p.value": [found.p_value],
            }
        )

    # --- the rest -------------------------------------------------------------------------------------------------

    @property
    def diagnostics(self) -> Diagnostics:
        """Residuals, influence, collinearity, tests of fit, calibration, discrimination, shares explained.

        >>> fit = logit("case ~ dose", {"case": [0, 0, 1, 0, 1, 1], "dose": [1, 2, 3, 4, 5, 6]})
        >>> fit.diagnostics.residuals("pearson").round(4)
        array([-0.2193, -0.4023,  1.3546, -1.3546,  0.4023,  0.2193])
        """
        from berkson.logistic.diagnostics import Diagnostics

        return Diagnostics(self)
