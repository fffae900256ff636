// A quadratic plus absolute values, 1/2 x'Hx + b'x + sum_j threshold_j |x_j|, and who finds its minimum.
#pragma once

#include "pass.hpp"

namespace berkson {

struct Quadratic {
    ptrdiff_t d = 0;
    const double *hessian = nullptr, *linear = nullptr, *threshold = nullptr;  // (d, d), (d,), (d,)
    double* x = nullptr;  // (d,) where it starts, and the minimum

    static ptrdiff_t doubles(ptrdiff_t d) { return (round_up(d, lanes) + lanes + 12) * round_up(d, lanes); }
};

// minimise: from x to the minimum; false where a system is nearly singular, with x anywhere.
// descend: coordinate by coordinate, `gradient` that of the smooth part, kept up; see descent.py.
struct QuadraticKernels {
    bool (*minimise)(const Quadratic&, double* scratch);
    void (*descend)(const Quadratic&, double* gradient, long epochs, double close);
};

extern const QuadraticKernels quadratic_baseline;
#ifdef BERKSON_X86
extern const QuadraticKernels quadratic_avx2, quadratic_avx512;
#endif
extern const QuadraticKernels* quadratic_kernels;

}  // namespace berkson
