// What a pass over rows under many samples with replacement is asked.  Plain data, the same for every instruction set.
#pragma once

#include "draws.hpp"
#include "pass.hpp"

namespace berkson {

// Steps from a point where row i has the residual r_i, curvature v_i and probability mu_i.  `models` is 0: work space is
// this pass's own affair, and its blocks are those of the draws.
struct ReplicatesPass : Pass {
    View residual, curvature, mean;  // (n,)
    ptrdiff_t replicates = 0, blocks = 0;
    ptrdiff_t wide = 0;                 // q rounded up to whole vectors of single precision
    const double* per_scale = nullptr;  // (q,)
    const float* steps = nullptr;       // (replicates, wide), of columns divided by their scales
    uint64_t seed = 0;
    const int64_t* numbers = nullptr;  // (replicates,)
    const int32_t* totals = nullptr;   // (replicates, blocks): draws in each block of rows
    Count* kept = nullptr;             // (.., n): counts, where there is room for them; `slots` (replicates,): their rows in it
    const int64_t* slots = nullptr;    // none: they are to be drawn, and kept in order
};

constexpr ptrdiff_t most_unknowns = 256, narrow_lanes = 16;

struct ReplicateKernels {
    Kernel at_point, changes;
};

extern const ReplicateKernels replicates_baseline;
#if defined(BERKSON_X86)
extern const ReplicateKernels replicates_avx2, replicates_avx512;
#endif
extern const ReplicateKernels* replicate_kernels;  // set once, when the module is first made

}  // namespace berkson
