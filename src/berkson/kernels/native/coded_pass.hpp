// What a pass over numbers and factors side by side is asked.  Plain data, the same for every instruction set.
#pragma once

#include "pass.hpp"

namespace berkson {

// X, center and the coefficients of the base are those of [numbers - center, 1].  Each factor's levels follow one
// another in lists of `by` doubles a level, factor after factor.
struct CodedPass : Pass {
    ptrdiff_t factors = 0, levels = 0;   // levels of all factors
    const View* codes = nullptr;         // (factors,)
    const int32_t* firsts = nullptr;     // (factors + 1,) each factor's first place among all levels
    ptrdiff_t by = 1;                    // doubles a level: 1, or models in whole vectors
    const double* effects = nullptr;     // (levels, by)
    const double* direction_effects = nullptr;
    const char* tabulated = nullptr;     // (factors,)
    const double* between = nullptr;     // metric of all slots (slots, slots)
    ptrdiff_t slots = 0;                 // q + levels
};

#if defined(BERKSON_X86)
extern const Kernels coded_avx2, coded_avx512;
#endif
extern const Kernels coded_baseline;
extern const Kernels* coded_kernels;  // set once, when the module is first made

}  // namespace berkson
