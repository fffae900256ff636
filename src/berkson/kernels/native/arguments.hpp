// The arguments of a call: arrays held by the buffer protocol, and the pass that they make up.  Every shape that the
// kernels rely on is checked here.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <new>
#include <vector>

#include "pass.hpp"

namespace berkson {

struct Raised {};  // a Python exception has been set

[[noreturn]] inline void raise(PyObject* type, const char* format, const char* name, Py_ssize_t a = 0, Py_ssize_t b = 0) {
    PyErr_Format(type, format, name, a, b);
    throw Raised();
}

// A buffer held for the length of a call.
class Array {
public:
    Array(PyObject* object, const char* name, bool writable = false) : name_(name) {
        if (object == Py_None) return;
        if (PyObject_GetBuffer(object, &buffer_, writable ? PyBUF_RECORDS : PyBUF_RECORDS_RO)) throw Raised();
        held_ = true;
    }
    ~Array() {
        if (held_) PyBuffer_Release(&buffer_);
    }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;

    explicit operator bool() const { return held_; }
    int ndim() const { return buffer_.ndim; }
    ptrdiff_t size(int axis) const { return buffer_.shape[axis]; }

    void expect(int axes, ptrdiff_t first, ptrdiff_t second = -1) const {
        if (!held_ || buffer_.ndim != axes) raise(PyExc_ValueError, "%s must have %zd dimension(s)", name_, axes);
        if (first >= 0 && buffer_.shape[0] != first)
            raise(PyExc_ValueError, "%s has length %zd where %zd is needed", name_, buffer_.shape[0], first);
        if (second >= 0 && buffer_.shape[1] != second)
            raise(PyExc_ValueError, "%s has %zd columns where %zd are needed", name_, buffer_.shape[1], second);
    }

    View view() const {
        View v;
        if (!held_) return v;
        v.data = static_cast<const char*>(buffer_.buf);
        v.rows = buffer_.shape[0];
        v.row_stride = buffer_.strides[0];
        if (buffer_.ndim == 2) v.cols = buffer_.shape[1], v.col_stride = buffer_.strides[1];
        v.type = type();
        return v;
    }

    // Element [i, j] (or [i]) of an array that must be float64.
    double at(ptrdiff_t i, ptrdiff_t j = 0) const {
        double x;
        const char* from = static_cast<const char*>(buffer_.buf) + i * buffer_.strides[0];
        memcpy(&x, from + (buffer_.ndim == 2 ? j * buffer_.strides[1] : 0), sizeof x);
        return x;
    }

    void expect_f64() const {
        if (type() != Type::f64) raise(PyExc_TypeError, "%s must be float64", name_);
    }

    const double* numbers() const { return writable(); }

    double* writable() const {
        expect_f64();
        if (!PyBuffer_IsContiguous(&buffer_, 'C')) raise(PyExc_ValueError, "%s must be row-major", name_);
        return static_cast<double*>(buffer_.buf);
    }

private:
    Type type() const {
        const char* f = buffer_.format ? buffer_.format : "B";
        const int one = 1;
        const char native = *reinterpret_cast<const char*>(&one) ? '<' : '>';
        if (*f == '@' || *f == '=' || *f == '^' || *f == native) f++;
        const Py_ssize_t size = buffer_.itemsize;
        if (f[0] && !f[1]) {
            if (*f == 'd') return Type::f64;
            if (*f == 'f') return Type::f32;
            if (strchr("bhilq", *f)) return size == 1 ? Type::i8 : size == 2 ? Type::i16 : size == 4 ? Type::i32 : Type::i64;
            if (strchr("?BHILQ", *f)) return size == 1 ? Type::u8 : size == 2 ? Type::u16 : size == 4 ? Type::u32 : Type::u64;
        }
        PyErr_Format(PyExc_TypeError, "%s holds elements of type '%s'; cast it to float64, float32, an integer or bool in native byte order",
                     name_, buffer_.format);
        throw Raised();
    }

    const char* name_;
    Py_buffer buffer_ = {};
    bool held_ = false;
};

// The answer of a pass: room for sums and minima.
using Totals = std::vector<double>;

constexpr ptrdiff_t single_rows = 96;   // of a block whose squares are added up in single precision
constexpr ptrdiff_t many_columns = 1024;  // from where a block of rows leaves the first-level cache

constexpr ptrdiff_t size_of(Type type) {
    constexpr ptrdiff_t sizes[] = {8, 4, 1, 1, 2, 2, 4, 4, 8, 8};
    return sizes[int(type)];
}

// A pass being put together from the arguments of a call.
template <class P>
class QuestionOf {
public:
    P pass;

    QuestionOf(PyObject* X, PyObject* rows, PyObject* center, ptrdiff_t models, int order)
        : X_(X, "X"), rows_(rows, "rows") {
        X_.expect(2, -1);
        pass.X = X_.view();
        pass.n = pass.X.rows, pass.p = pass.X.cols, pass.q = pass.p + 1;
        pass.order = order;
        if (rows_) take_rows();
        pass.models = models;
        pass.padded_models = round_up(models, lanes);
        lay_out(lanes);
        center_.assign(size_t(pass.width + lanes), 0.0);
        Array given(center, "center");
        given.expect(1, pass.p);
        given.expect_f64();
        for (ptrdiff_t j = 0; j < pass.p; j++) center_[size_t(j)] = given.at(j);
        pass.center = center_.data();
    }

    // Coefficients (q,) or (q, models), both ways round; `given`, of which the first q count.
    void set_coef(const Array& coef, ptrdiff_t given = 0) {
        pack(coef, larger(given, pass.q), by_model_, by_column_, pass.by_model, pass.by_column);
    }
    void set_direction(const Array& d, ptrdiff_t given = 0) {
        pack(d, larger(given, pass.q), direction_by_model_, direction_by_column_, pass.direction_by_model, pass.direction_by_column);
    }

    // Of one model: whether few of many columns that lie side by side have a coefficient, and which.
    void look_for_few() {
        if (pass.models != 1 || pass.p < many_columns || pass.X.col_stride != size_of(pass.X.type)) return;
        for (ptrdiff_t j = 0; j < pass.p; j++)
            if (by_model_[size_t(j)] != 0.0) few_.push_back(int32_t(j));
        if (ptrdiff_t(few_.size()) * lanes > pass.p) return;
        few_.reserve(1);
        pass.few = few_.data(), pass.few_count = ptrdiff_t(few_.size());
    }

    // Hessians in single precision, of columns times `unit` (q,); before coefficients are set.
    void set_unit(const Array& unit) {
        unit.expect(1, pass.q);
        unit.expect_f64();
        lay_out(2 * lanes);
        unit_.assign(size_t(pass.width), 0.0), back_.assign(size_t(pass.width), 0.0);
        for (ptrdiff_t j = 0; j < pass.q; j++) unit_[size_t(j)] = unit.at(j), back_[size_t(j)] = 1.0 / unit.at(j);
        pass.unit = unit_.data(), pass.back = back_.data();
    }

    // H >= hessian - rounding diag(hessian), where a Hessian H was added up in single precision: an entry is off by no
    // more than gamma_(block + 4) of the root of its row's and column's diagonals (Higham, Accuracy and Stability, 3.1).
    double rounding() const {
        const double off = double(pass.block + 4) * 0x1p-24;
        return double(pass.q) * off / (1.0 - off) * (1.0 + 4.0 * off);
    }

    void set_metric(PyObject* object) {
        Array metric(object, "metric");
        metric.expect(2, pass.q, pass.q);
        metric.expect_f64();
        by_column_.assign(size_t(pass.q * pass.width), 0.0);
        for (ptrdiff_t i = 0; i < pass.q; i++)
            for (ptrdiff_t j = 0; j < pass.q; j++) {
                const double x = by_column_[size_t(i * pass.width + j)] = metric.at(i, j);
                pass.finite_metric &= x - x == 0.0;
            }
        pass.metric = by_column_.data();
    }

    // A per-row argument: (n,), or (n, models) where `columns` allows it.
    void set(View& view, const Array& array, bool columns) {
        if (!array) return;
        if (columns && array.ndim() == 2) array.expect(2, pass.n, pass.models);
        else array.expect(1, pass.n);
        view = array.view();
    }

    void ask(Kernel kernel, double work_per_row, int threads, Totals& total) {
        total.resize(size_t(pass.sums + pass.minima) + 1);
        Py_BEGIN_ALLOW_THREADS;
        try {
            run(kernel, pass, work_per_row, threads, total.data());
        } catch (const std::bad_alloc&) {
            no_memory_ = true;
        }
        Py_END_ALLOW_THREADS;
        if (no_memory_) throw std::bad_alloc();
    }

private:
    // Widths and sizes of blocks, for vectors of so many columns.
    void lay_out(ptrdiff_t columns) {
        pass.width = round_up(pass.q, columns);
        pass.stride = pass.width / lanes % 2 ? pass.width : pass.width + lanes;  // an odd number of cache lines: rows spread over all sets
        // Half a first-level cache; more where tiles must be worth loading and storing their sums
        const ptrdiff_t fitting = 24 * 1024 / ptrdiff_t(sizeof(double)) / (pass.stride + 2 * pass.padded_models);
        const ptrdiff_t least = pass.order < 2 ? 16 : columns == lanes ? 48 : single_rows;
        const ptrdiff_t block = larger(least, smaller(most_rows, fitting / lanes * lanes));
        pass.block = smaller(block, round_up(larger(pass.n, 1), lanes));
    }

    void take_rows() {
        rows_.expect(1, -1);
        pass.rows = rows_.view();
        pass.n = pass.rows.rows;
        if (pass.rows.type != Type::i64 && pass.rows.type != Type::i32)
            raise(PyExc_TypeError, "%s must be row numbers, int64 or int32", "rows");
        for (ptrdiff_t i = 0; i < pass.n; i++) {
            const char* at = pass.rows.data + i * pass.rows.row_stride;
            int64_t row = 0;
            if (pass.rows.type == Type::i64) memcpy(&row, at, sizeof row);
            else {
                int32_t narrow;
                memcpy(&narrow, at, sizeof narrow);
                row = narrow;
            }
            if (row >= pass.X.rows || row < -pass.X.rows)
                raise(PyExc_IndexError, "%s holds the row number %zd, but X has %zd rows", "rows", Py_ssize_t(row), pass.X.rows);
        }
    }

    void pack(const Array& coef, ptrdiff_t given, std::vector<double>& models, std::vector<double>& columns, const double*& by_model,
              const double*& by_column) {
        if (coef.ndim() == 2) coef.expect(2, given, pass.models);
        else coef.expect(1, given);
        coef.expect_f64();
        models.assign(size_t(pass.models * pass.width), 0.0);
        columns.assign(size_t(pass.q * pass.padded_models), 0.0);
        for (ptrdiff_t j = 0; j < pass.q; j++)
            for (ptrdiff_t m = 0; m < pass.models; m++)
                models[size_t(m * pass.width + j)] = columns[size_t(j * pass.padded_models + m)] = coef.at(j, m);
        by_model = models.data(), by_column = columns.data();
    }

    Array X_, rows_;
    std::vector<int32_t> few_;
    std::vector<double> unit_, back_, center_, by_model_, by_column_, direction_by_model_, direction_by_column_;
    bool no_memory_ = false;
};

using Question = QuestionOf<Pass>;

}  // namespace berkson
