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

// From x to the minimum; false where a system is nearly singular, with x anywhere.
using Minimiser = bool (*)(const Quadratic&, double* scratch);

extern const Minimiser quadratic_baseline;
#ifdef BERKSON_X86
extern const Minimiser quadratic_avx2, quadratic_avx512;
#endif
extern Minimiser minimise_quadratic;

}  // namespace berkson
