// All kernels for one instruction set.  The including file defines W (doubles per vector), TARGET (empty: what the
// compiler assumes anyway) and NAME.  Nothing from the standard library is instantiated in here, so that no function
// compiled for a newer machine can end up in code that runs on an older one.

#define AS_PRAGMA(...) _Pragma(#__VA_ARGS__)
#if defined(TARGET) && defined(__clang__)
#define BEGIN_TARGET(set) AS_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define END_TARGET AS_PRAGMA(clang attribute pop)
#elif defined(TARGET)
#define BEGIN_TARGET(set) AS_PRAGMA(GCC push_options) AS_PRAGMA(GCC target(set))
#define END_TARGET AS_PRAGMA(GCC pop_options)
#else
#define BEGIN_TARGET(set)
#define END_TARGET
#endif

#include <cmath>
#include <type_traits>
#include <utility>
#if W > 2
#include <immintrin.h>
#endif

#include "coded_pass.hpp"
#include "quadratic_problem.hpp"
#include "replicates_pass.hpp"
#include "sparse_pass.hpp"

BEGIN_TARGET(TARGET)
namespace berkson {
namespace {
#include "simd.hpp"

#include "load.hpp"

#include "products.hpp"

#include "pointwise.hpp"

#include "passes.hpp"

#include "sparse.hpp"

#include "sparse_moments.hpp"

#include "coded.hpp"

#include "replicates.hpp"

#include "quadratic.hpp"
}  // namespace

const Kernels NAME = {moments,            linear_predictor,      logistic, multinomial,
                      logistic_curvature, multinomial_curvature, gram,     quadratic_form,       longest};

#define JOINED_AS_IT_IS(a, b) a##b
#define JOINED(a, b) JOINED_AS_IT_IS(a, b)
const SparseKernels JOINED(sparse_, NAME) = {{sparse::moments,     sparse::linear_predictor,   sparse::logistic,
                                              sparse::multinomial, sparse::logistic_curvature, sparse::multinomial_curvature,
                                              sparse::gram,        sparse::quadratic_form},
                                             sparse::transposed};
const Kernels JOINED(coded_, NAME) = {nullptr,                   coded::linear_predictor,      coded::logistic, coded::multinomial,
                                      coded::logistic_curvature, coded::multinomial_curvature, coded::tables,   coded::quadratic_form,      nullptr};
const ReplicateKernels JOINED(replicates_, NAME) = {replicates::at_point, replicates::changes};
const QuadraticKernels JOINED(quadratic_, NAME) = {quadratic::minimum, quadratic::descend};
}  // namespace berkson
END_TARGET
