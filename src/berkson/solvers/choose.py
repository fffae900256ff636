"""Which solver, by a stated model of cost; the reason is kept.

Times in seconds for one machine (measured on two cores with AVX-512; only ratios matter): a pass reads X once at
BANDWIDTH or computes at RATE, whichever is slower; a Hessian adds its multiplications.

    pass     = max(bytes / BANDWIDTH, 4 n p K / RATE) + 2.5e-9 n K
    Newton   = ITERATIONS (pass + n (p K')^2 / RATE + 3 (p K')^3 / RATE)          K' = 1 for two classes, else K - 1
    conjugate = PRODUCTS passes                                                   softmax: its null model preconditions
    sampled  = 5 m / n Newton passes on m rows, then 4.5 passes of all rows        m = max(n / 16, 50 p K'), or 80 p
    row space = n^2 p / 2 RATE + EIGEN n^3 / RATE + READINGS passes + PRODUCTS passes on n columns        p > n, a ridge

Where most cells lie at their column's centre, k of p do not and p^2 becomes the cost of skipping the others, if less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BANDWIDTH = 2.0e10  # bytes of X a second
RATE = 6.0e10  # multiplications and additions a second in the Hessian kernel, both cores
ITERATIONS = 6  # of Newton from a null start, typical
PRODUCTS = 120  # Hessian products and gradients of a whole fit by conjugate gradients, typical
SPARSE_PRODUCTS, SCATTERED, CALL = 40, 1.3e-9, 3e-5  # of sparse tables: such products, seconds a cell and a question
NEWTON, CONJUGATE = "newton", "conjugate gradient"
SAMPLED, SAMPLED_QUASI = "sampled newton", "sampled quasi-newton"
ROW_SPACE = "row space"
ELIMINATION = "newton by elimination"
WORKING_SETS, PROXIMAL = "working sets", "proximal newton"
EIGEN, READINGS = 15, 4  # n^3 of an eigen-decomposition; readings of X for the kernel, the answer and its proof
MOST_ROWS = 4000  # of a kernel that is decomposed: 128 MB, and ten seconds
LARGEST_HESSIAN = 4000  # unknowns: 128 MB, and a factorisation of a second
SAMPLE_SHARE, ROWS_PER_UNKNOWN = 16, 50
MORE_ROWS = 80  # an unknown: with so many, gradients alone take a pass less
FIRM = 100  # rows an unknown from which a sample's Hessian serves as well as one of all rows
WORTH = (5, 3)  # passes that the first such Hessian saves, at the sample's optimum, and another a step later
DEAR = 5  # gradients that a Hessian costs, where a sample's is computed once only
SMALL = 2e7  # multiplications of a Hessian that are not worth saving


@dataclass(frozen=True, slots=True)
class Choice:
    """solver: one of the names above; why: a sentence; sample: rows of its first sample."""

    solver: str
    why: str
    sample: int = 0
    polish: bool = False  # passes cost nothing: go on to rounding
    matrix_free: bool = False  # no Gram matrix is formed, neither to precondition nor to prove
    most_products: int = 0  # after which Hessians would have been done, and are gone on with; 0: they do not fit
    exact_hessians: int = 0  # of all rows, from the sample's optimum on: each is worth the passes that it saves
    few_hessians: bool = False  # of samples too: gradients are so much cheaper
    factors: bool = False  # conjugate gradients are preconditioned by blocks of factors

    @classmethod
    def of_few_columns(cls, p: int) -> Choice:
        """Where a lasso leaves few of many columns a coefficient."""
        return cls(WORKING_SETS, f"the lasso leaves few of {p:,} columns a coefficient, and steps are on those alone")

    def with_kinks(self, n: int, sample: int) -> Choice:
        """Under a lasso on n rows, by way of a sample of them or (0) without one."""
        how = f"the Hessian of {sample:,} of {n:,} rows serves for steps" if sample else "Hessians are of all rows"
        return replace(self, solver=PROXIMAL, why=f"the lasso has kinks; {how}", sample=sample)


def choose(
    n: int,
    p: int,
    contrasts: int,
    itemsize: int,
    *,
    penalised: bool = True,
    filled: float = 1.0,
    stored: float = 1.0,
    ridge: bool = False,
) -> Choice:
    """The cheapest solver for n rows, p columns (constant included) and K - 1 contrasts.

    filled : the share of cells, the constant's included, that differ from their column's centre
    stored : the share of cells that a pass reads, those of a sparse table
    ridge : all columns have the same ridge, and nothing else penalises them
    Without a penalty the data may be separated, and conjugate gradients are slow to tell: Hessians, where they fit.
    """
    d = p * contrasts
    outputs = 1 if contrasts == 1 else contrasts + 1
    cells = filled * p
    in_pairs = 16 * (2 * cells**2 + 4 * cells + p / 2 + 40)
    hessian = n * min(float(p) ** 2, in_pairs) * outputs * (outputs + 1) / 2
    if ridge and stored == 1.0 and n < p and n <= MOST_ROWS and hessian + 3 * d**3 > SMALL:
        one_pass = max(itemsize * n * p / BANDWIDTH, 4 * n * p * outputs / RATE)
        products = PRODUCTS * one_pass
        reduced = (n * n * p / 2 + EIGEN * n**3) / RATE + READINGS * one_pass + products * n / p
        if reduced < products:
            return Choice(
                ROW_SPACE,
                f"predicted {reduced:.2g} s in the {n:,} directions of the rows, against {products:.2g} s with Hessian "
                "products",
                matrix_free=True,
            )
    if d > LARGEST_HESSIAN:
        return Choice(
            CONJUGATE,
            f"a Hessian of {d:,} x {d:,} is too large to hold, so only its products are formed",
            matrix_free=stored < 1.0,
        )
    if stored < 1.0 and penalised:
        one_pass = n * (p * stored + 10.0) * outputs * SCATTERED + CALL
        products = SPARSE_PRODUCTS * one_pass
        full = ITERATIONS * (one_pass + hessian / RATE + 3 * d**3 / RATE)
        if products < full:
            return Choice(
                CONJUGATE,
                f"predicted {products:.2g} s with Hessian products, against {full:.2g} s with Hessians",
                matrix_free=True,
            )
    if hessian <= SMALL:
        return Choice(
            NEWTON,
            f"{n:,} rows x {d:,} unknowns: an exact Hessian costs less than avoiding it",
            polish=True,
        )
    one_pass = max(itemsize * n * p / BANDWIDTH, 4 * n * p * outputs / RATE) + 2.5e-9 * n * outputs
    full = ITERATIONS * (one_pass + hessian / RATE + 3 * d**3 / RATE)
    products = PRODUCTS * one_pass
    if (contrasts > 1 or n <= p) and penalised and products < full and n < 4 * ROWS_PER_UNKNOWN * d:
        return Choice(
            CONJUGATE,
            f"predicted {products:.2g} s with Hessian products, against {full:.2g} s with Hessians",
            matrix_free=ridge and n <= p,
            most_products=int(full / one_pass),
        )
    m = max(n // SAMPLE_SHARE, ROWS_PER_UNKNOWN * d)
    if n < 4 * m:
        return Choice(
            NEWTON,
            f"{n:,} rows are fewer than {4 * ROWS_PER_UNKNOWN} for each of {d:,} unknowns: a sample would not do",
        )
    exact = sum(hessian / RATE <= w * one_pass for w in WORTH) if contrasts == 1 and m < FIRM * d else 0
    more = min(MORE_ROWS * d, n // 4)
    if not exact and m < more and 1.5 * (more - m) / n * (one_pass + hessian / RATE) < one_pass:
        m = more
    sampled = 5 * (m / n) * (one_pass + hessian / RATE) + 5 * d**3 / RATE + 4.5 * one_pass
    name = SAMPLED if contrasts == 1 else SAMPLED_QUASI
    if sampled >= full:
        return Choice(NEWTON, f"predicted {full:.2g} s, against {sampled:.2g} s with a sampled Hessian")
    return Choice(
        name,
        f"predicted {sampled:.2g} s with the Hessian of {m:,} of {n:,} rows, against {full:.2g} s with exact Hessians",
        m,
        few_hessians=hessian / RATE >= DEAR * one_pass,
        exact_hessians=exact,
    )
