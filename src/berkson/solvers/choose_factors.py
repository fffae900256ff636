"""Which solver where columns are the levels of factors: a row has few cells, and Hessians are tables of their pairs.

Times in seconds, as in `choose`, with c numbers and codes a row, and m of p columns the levels of one factor:

    pass      = n K (c + 10) SCATTERED + CALL
    Hessian   = pass + n K^2 c^2 / 2 SCATTERED
    Newton    = ITERATIONS (Hessian + 3 (p K')^3 / RATE)                          K' = 1 for two classes, else K - 1
    elimination = ITERATIONS (Hessian + (m (p - m)^2 + 3 (p - m)^3) / RATE)       two classes, a ridge
    conjugate = PRODUCTS passes
"""

from __future__ import annotations

from berkson.solvers.choose import (
    CALL,
    CONJUGATE,
    ELIMINATION,
    ITERATIONS,
    LARGEST_HESSIAN,
    NEWTON,
    PRODUCTS,
    RATE,
    SCATTERED,
    SMALL,
    Choice,
)

LARGEST_TABLE = 4_000_000  # numbers of a factor's levels beside all other columns: 32 MB
FEW = 64  # unknowns up to which nothing is gained by elimination
SAMPLE_SHARE, ROWS_PER_UNKNOWN = 16, 10  # of the sample that elimination begins with


def choose_factors(n: int, p: int, contrasts: int, cells: int, largest: int, *, ridge: bool, penalised: bool) -> Choice:
    """The cheapest solver for n rows of so many numbers and codes, p columns (the constant included), `largest` of them
    the levels of one factor, and K - 1 contrasts.

    ridge : all coefficients but constants have one; nothing else penalises them
    """
    d, outputs, rest = p * contrasts, 1 if contrasts == 1 else contrasts + 1, p - largest
    one_pass = n * (cells + 10.0) * outputs * SCATTERED + CALL
    hessian = one_pass + n * outputs * (outputs + 1) / 2 * cells * cells / 2 * SCATTERED
    polish = n * cells * cells * outputs <= SMALL and d <= LARGEST_HESSIAN
    full = ITERATIONS * (hessian + 3 * d**3 / RATE)
    if ridge and contrasts == 1 and d > FEW and largest and largest * rest <= LARGEST_TABLE and rest <= LARGEST_HESSIAN:
        time = ITERATIONS * (hessian + (largest * rest**2 + 3 * rest**3) / RATE)
        sample = max(n // SAMPLE_SHARE, ROWS_PER_UNKNOWN * d)
        return Choice(
            ELIMINATION,
            f"predicted {time:.2g} s with {largest:,} of {d:,} unknowns eliminated, against {full:.2g} s with Hessians",
            sample=0 if 4 * sample > n else sample,
            polish=polish,
            matrix_free=True,
        )
    products = PRODUCTS * one_pass
    if d > LARGEST_HESSIAN or (penalised and products < full and not polish):
        return Choice(
            CONJUGATE,
            f"a Hessian of {d:,} x {d:,} is too large to hold, so only its products are formed"
            if d > LARGEST_HESSIAN
            else f"predicted {products:.2g} s with Hessian products, against {full:.2g} s with Hessians",
            matrix_free=d > LARGEST_HESSIAN or contrasts == 1,
            factors=ridge and contrasts == 1,
        )
    return Choice(
        NEWTON, f"predicted {full:.2g} s with exact Hessians, which cost little more than gradients", polish=polish
    )
