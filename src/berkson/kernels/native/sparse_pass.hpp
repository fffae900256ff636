// What a pass over the rows of a sparse table is asked.  Plain data, the same for every instruction set.
#pragma once

#include "pass.hpp"

namespace berkson {

// Row i holds the stored cells [start[i], stop[i]) of `values` and `columns`; all others are 0.  The cells of a row stand in
// any order.  Everything is laid out by columns: coefficients and gradients are (q, stride).
//
// Centres take no part in it: the constant's coefficients arrive as constant - center' coef, and what sums owe to centres
// is subtracted from the answers.
struct SparsePass : Pass {
    View values, columns, start, stop;
    ptrdiff_t by = 1;               // doubles between the coefficients of two columns: 1, or models in whole vectors
    bool as_they_lie = false;       // values are float64, columns int32, both on their boundaries
    const double* shift = nullptr;  // (p,) that moments are counted from; none: from 0
    double *residual = nullptr, *curvature = nullptr;  // per-row answers beside sums, (n, models)
};

struct SparseKernels : Kernels {
    Kernel transposed;
};

#if defined(BERKSON_X86)
extern const SparseKernels sparse_avx2, sparse_avx512;
#endif
extern const SparseKernels sparse_baseline;
extern const SparseKernels* sparse_kernels;  // set once, when the module is first made

// The same with at most so many chunks: where partial answers are long, adding many of them up costs more than it saves.
void run(Kernel kernel, const Pass& pass, double work_per_row, int threads, double* total, ptrdiff_t most_chunks);

}  // namespace berkson
