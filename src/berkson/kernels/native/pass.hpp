// What a pass over rows is asked, and the sizes that follow from it.  Plain data, the same for every instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace berkson {

enum class Type : uint8_t { f64, f32, i8, u8, i16, u16, i32, u32, i64, u64 };

// A strided view of numbers of any type; strides in bytes, cols = 0 where it is one-dimensional.  No data: nothing given.
struct View {
    const char* data = nullptr;
    ptrdiff_t rows = 0, cols = 0, row_stride = 0, col_stride = 0;
    Type type = Type::f64;
};

// One question about the rows of [X - center, 1].  All coefficient blocks are float64, zero-padded to `width`.
struct Pass {
    View X, rows, y, weight, offset;  // y, weight, offset belong to the rows asked for, in that order
    ptrdiff_t n = 0, p = 0, q = 0;    // rows asked for, columns of X, and q = p + 1
    ptrdiff_t models = 0;             // linear predictors per row: M models or K classes
    ptrdiff_t width = 0;              // q rounded up to whole vectors of any instruction set
    ptrdiff_t stride = 0;             // doubles between rows of a loaded block
    ptrdiff_t block = 0;              // rows in a loaded block
    ptrdiff_t padded_models = 0;
    ptrdiff_t beside = 0;             // doubles a row of work space beside the usual
    int order = 0;
    const double* center = nullptr;     // (width,), zeros from p on
    const double* by_model = nullptr;   // coef (models, width)
    const double* by_column = nullptr;  // coef (q, padded_models)
    const double* direction_by_model = nullptr;
    const double* direction_by_column = nullptr;
    const double* metric = nullptr;     // (q, width)
    bool finite_metric = true;
    const int32_t* few = nullptr;       // the columns that have a coefficient, where they are few of many that lie side by side
    ptrdiff_t few_count = 0;
    const double *unit = nullptr, *back = nullptr;  // (width,), and their inverses: Hessians add up in single precision, of columns times these
    double* out = nullptr;              // per-row answers, (n, models)
    ptrdiff_t sums = 0, minima = 0;     // a partial answer: so many sums, then so many minima
};

constexpr ptrdiff_t most_rows = 256;  // in a block
constexpr ptrdiff_t lanes = 8;  // blocks are padded to whole vectors of the widest instruction set

constexpr ptrdiff_t round_up(ptrdiff_t n, ptrdiff_t unit) { return (n + unit - 1) / unit * unit; }
constexpr ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
constexpr ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }

// The work space of one thread, cut from one piece of memory.
struct Workspace {
    double *block, *scaled;          // (block, stride)
    double *eta, *aux, *labels;      // (models, block)
    double *product;                 // (block, padded_models)
    double *weight, *y, *curvature;  // (block,)
    double* beside;                  // (block, beside)

    static ptrdiff_t doubles(const Pass& s) { return s.block * (2 * s.stride + 3 * s.models + s.padded_models + 3 + s.beside); }

    Workspace(const Pass& s, double* at) {
        auto take = [&](ptrdiff_t per_row) { return (at += s.block * per_row) - s.block * per_row; };
        block = take(s.stride), scaled = take(s.stride);
        eta = take(s.models), aux = take(s.models), labels = take(s.models);
        product = take(s.padded_models);
        weight = take(1), y = take(1), curvature = take(1);
        beside = take(s.beside);
    }
};

// A minimum that keeps nan, as numpy.minimum does.
inline double min_or_nan(double a, double b) { return b < a || b != b ? b : a; }

// The code of one instruction set.  Each function answers for rows [begin, end) and adds nothing up across calls.
using Kernel = void (*)(const Pass&, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial);

struct Kernels {
    Kernel moments, linear_predictor, logistic, multinomial, logistic_curvature, multinomial_curvature, gram, quadratic_form, longest;
};

extern const Kernels baseline;
#if defined(__x86_64__)
#define BERKSON_X86 1
extern const Kernels avx2, avx512;
#endif

// Runs the kernel over chunks of rows on threads; `total` holds sums, then minima.  The chunks depend on shapes only and
// are added in their order, so the answer is the same, bit for bit, for any number of threads.
void run(Kernel kernel, const Pass& pass, double work_per_row, int threads, double* total);

}  // namespace berkson
