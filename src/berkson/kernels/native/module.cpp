// The door to Python: arrays in by the buffer protocol, answers into arrays that the caller made.  Every shape that the
// kernels rely on is checked here.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include "pass.hpp"

using namespace berkson;

namespace {

struct Raised {};  // a Python exception has been set

const Kernels* kernels = &baseline;  // set once, when the module is first made
const char* instruction_set = "baseline";

[[noreturn]] void raise(PyObject* type, const char* format, const char* name, Py_ssize_t a = 0, Py_ssize_t b = 0) {
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

// The answer of a function: room for sums and minima.
using Totals = std::vector<double>;

// A pass being put together from the arguments of a call.
class Question {
public:
    Pass pass;

    Question(PyObject* X, PyObject* rows, PyObject* center, ptrdiff_t models, int order)
        : X_(X, "X"), rows_(rows, "rows") {
        X_.expect(2, -1);
        pass.X = X_.view();
        pass.n = pass.X.rows, pass.p = pass.X.cols, pass.q = pass.p + 1;
        pass.order = order;
        if (rows_) take_rows();
        pass.models = models;
        pass.padded_models = round_up(models, lanes);
        pass.width = round_up(pass.q, lanes);
        pass.stride = pass.width / lanes % 2 ? pass.width : pass.width + lanes;  // an odd number of cache lines: rows spread over all sets
        // Half a first-level cache; more where tiles must be worth loading and storing their sums
        const ptrdiff_t fitting = 24 * 1024 / ptrdiff_t(sizeof(double)) / (pass.stride + 2 * pass.padded_models);
        const ptrdiff_t block = larger(order >= 2 ? 48 : 16, smaller(256, fitting / lanes * lanes));
        pass.block = smaller(block, round_up(larger(pass.n, 1), lanes));
        center_.assign(size_t(pass.width), 0.0);
        Array given(center, "center");
        given.expect(1, pass.p);
        given.expect_f64();
        for (ptrdiff_t j = 0; j < pass.p; j++) center_[size_t(j)] = given.at(j);
        pass.center = center_.data();
    }

    // Coefficients (q,) or (q, models), both ways round.
    void set_coef(const Array& coef) { pack(coef, by_model_, by_column_, pass.by_model, pass.by_column); }
    void set_direction(const Array& d) {
        pack(d, direction_by_model_, direction_by_column_, pass.direction_by_model, pass.direction_by_column);
    }

    void set_metric(PyObject* object) {
        Array metric(object, "metric");
        metric.expect(2, pass.q, pass.q);
        metric.expect_f64();
        by_column_.assign(size_t(pass.q * pass.width), 0.0);
        for (ptrdiff_t i = 0; i < pass.q; i++)
            for (ptrdiff_t j = 0; j < pass.q; j++) by_column_[size_t(i * pass.width + j)] = metric.at(i, j);
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

    void pack(const Array& coef, std::vector<double>& models, std::vector<double>& columns, const double*& by_model, const double*& by_column) {
        if (coef.ndim() == 2) coef.expect(2, pass.q, pass.models);
        else coef.expect(1, pass.q);
        coef.expect_f64();
        models.assign(size_t(pass.models * pass.width), 0.0);
        columns.assign(size_t(pass.q * pass.padded_models), 0.0);
        for (ptrdiff_t j = 0; j < pass.q; j++)
            for (ptrdiff_t m = 0; m < pass.models; m++)
                models[size_t(m * pass.width + j)] = columns[size_t(j * pass.padded_models + m)] = coef.at(j, m);
        by_model = models.data(), by_column = columns.data();
    }

    Array X_, rows_;
    std::vector<double> center_, by_model_, by_column_, direction_by_model_, direction_by_column_;
    bool no_memory_ = false;
};

// (q, models), from (models, width)
void put_gradient(const Pass& pass, const double* from, double* to) {
    for (ptrdiff_t j = 0; j < pass.q; j++)
        for (ptrdiff_t m = 0; m < pass.models; m++) to[j * pass.models + m] = from[m * pass.width + j];
}

// A symmetric (q, q) block, rows `to_stride` apart, from the upper triangle.
void put_symmetric(const Pass& pass, const double* from, double* to, ptrdiff_t to_stride) {
    for (ptrdiff_t i = 0; i < pass.q; i++)
        for (ptrdiff_t j = i; j < pass.q; j++) to[i * to_stride + j] = to[j * to_stride + i] = from[i * pass.width + j];
}

int as_int(PyObject* object) {
    const long value = PyLong_AsLong(object);
    if (value == -1 && PyErr_Occurred()) throw Raised();
    return value > 1 << 20 ? 1 << 20 : value < 0 ? 0 : int(value);
}

ptrdiff_t columns_of(const Array& array, const char* name) {
    if (!array || array.ndim() != 2) raise(PyExc_ValueError, "%s must have two dimensions", name);
    return array.size(1);
}

// --- the functions: what they compute stands in reference.py --------------------------------------------------------

// X, rows, shift, weight, threads, out (4p + 1): total, weighted sums of x and x^2, minima and maxima of x = X - shift
PyObject* py_moments(PyObject* const* a) {
    Question q(a[0], a[1], a[2], 0, 1);
    Array weight(a[3], "weight"), out(a[5], "out", true);
    out.expect(1, 1 + 4 * q.pass.p);
    q.set(q.pass.weight, weight, false);
    q.pass.sums = 1 + 2 * q.pass.width, q.pass.minima = 2 * q.pass.width;
    Totals total;
    q.ask(kernels->moments, 4.0 * double(q.pass.width), as_int(a[4]), total);
    double* to = out.writable();
    *to++ = total[0];
    for (int part = 0; part < 4; part++)
        for (ptrdiff_t j = 0; j < q.pass.p; j++) *to++ = (part == 3 ? -1.0 : 1.0) * total[size_t(1 + part * q.pass.width + j)];
    Py_RETURN_NONE;
}

// X, rows, center, coef, offset, threads, out (n, M)
PyObject* py_linear_predictor(PyObject* const* a) {
    Array coef(a[3], "coef"), offset(a[4], "offset"), out(a[6], "out", true);
    Question q(a[0], a[1], a[2], columns_of(coef, "coef"), 0);
    q.set_coef(coef);
    q.set(q.pass.offset, offset, true);
    out.expect(2, q.pass.n, q.pass.models);
    q.pass.out = out.writable();
    Totals total;
    q.ask(kernels->linear_predictor, double(q.pass.width * q.pass.models), as_int(a[5]), total);
    Py_RETURN_NONE;
}

// X, rows, center, coef (q,), y, weight, offset, order, threads, gradient (q,), hessian (q, q): (value, margin)
PyObject* py_logistic(PyObject* const* a) {
    const int order = as_int(a[7]);
    Array coef(a[3], "coef"), y(a[4], "y"), weight(a[5], "weight"), offset(a[6], "offset");
    Array gradient(a[9], "gradient", true), hessian(a[10], "hessian", true);
    Question q(a[0], a[1], a[2], 1, order);
    coef.expect(1, q.pass.q);
    y.expect(1, q.pass.n);
    q.set_coef(coef);
    q.set(q.pass.y, y, false);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, false);
    const ptrdiff_t width = q.pass.width, square = order >= 2 ? width * width : 0;
    if (order >= 1) gradient.expect(1, q.pass.q);
    if (order >= 2) hessian.expect(2, q.pass.q, q.pass.q);
    q.pass.sums = 1 + width + square, q.pass.minima = 1;
    Totals total;
    q.ask(kernels->logistic, double(2 * width + square / 2 + 32), as_int(a[8]), total);
    if (order >= 1) put_gradient(q.pass, total.data() + 1, gradient.writable());
    if (order >= 2) put_symmetric(q.pass, total.data() + 1 + width, hessian.writable(), q.pass.q);
    return Py_BuildValue("dd", total[0], total[size_t(q.pass.sums)]);
}

// X, rows, center, coef (q, M), y, weight, offset, threads, value (M,), margin (M,), gradient (q, M)
PyObject* py_logistic_many(PyObject* const* a) {
    Array coef(a[3], "coef"), y(a[4], "y"), weight(a[5], "weight"), offset(a[6], "offset");
    Array value(a[8], "value", true), margin(a[9], "margin", true), gradient(a[10], "gradient", true);
    Question q(a[0], a[1], a[2], columns_of(coef, "coef"), 1);
    const ptrdiff_t models = q.pass.models;
    y.expect(1, q.pass.n);
    value.expect(1, models), margin.expect(1, models), gradient.expect(2, q.pass.q, models);
    q.set_coef(coef);
    q.set(q.pass.y, y, false);
    q.set(q.pass.weight, weight, true);
    q.set(q.pass.offset, offset, true);
    q.pass.sums = models * (1 + q.pass.width), q.pass.minima = models;
    Totals total;
    q.ask(kernels->logistic, double(models * (2 * q.pass.width + 32)), as_int(a[7]), total);
    std::copy_n(total.data(), models, value.writable());
    std::copy_n(total.data() + q.pass.sums, models, margin.writable());
    put_gradient(q.pass, total.data() + models, gradient.writable());
    Py_RETURN_NONE;
}

// X, rows, center, coef (q, K), y, weight, offset, order, threads, gradient (q, K), hessian (K q, K q): (value, margin)
PyObject* py_multinomial(PyObject* const* a) {
    const int order = as_int(a[7]);
    Array coef(a[3], "coef"), y(a[4], "y"), weight(a[5], "weight"), offset(a[6], "offset");
    Array gradient(a[9], "gradient", true), hessian(a[10], "hessian", true);
    Question q(a[0], a[1], a[2], columns_of(coef, "coef"), order);
    const ptrdiff_t K = q.pass.models, width = q.pass.width, size = q.pass.q;
    if (K < 1) raise(PyExc_ValueError, "%s must have a column per class", "coef");
    if (y && y.ndim() == 2) y.expect(2, q.pass.n, K);
    else y.expect(1, q.pass.n);
    q.set_coef(coef);
    q.set(q.pass.y, y, true);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, true);
    if (order >= 1) gradient.expect(2, size, K);
    if (order >= 2) hessian.expect(2, K * size, K * size);
    const ptrdiff_t squares = order >= 2 ? K * (K + 1) / 2 * width * width : 0;
    q.pass.sums = 1 + K * width + squares, q.pass.minima = 1;
    Totals total;
    q.ask(kernels->multinomial, double(K * (2 * width + 32) + squares / 2), as_int(a[8]), total);
    if (order >= 1) put_gradient(q.pass, total.data() + 1, gradient.writable());
    if (order >= 2) {
        const double* from = total.data() + 1 + K * width;
        double* to = hessian.writable();
        for (ptrdiff_t k = 0; k < K; k++)
            for (ptrdiff_t l = 0; l <= k; l++, from += width * width) {
                put_symmetric(q.pass, from, to + k * size * K * size + l * size, K * size);
                if (l < k) put_symmetric(q.pass, from, to + l * size * K * size + k * size, K * size);
            }
    }
    return Py_BuildValue("dd", total[0], total[size_t(q.pass.sums)]);
}

// X, rows, center, coef, direction, weight, offset, threads, out: coef, direction and out (q,), or (q, K)
PyObject* curvature(PyObject* const* a, bool classes) {
    Array coef(a[3], "coef"), direction(a[4], "direction"), weight(a[5], "weight"), offset(a[6], "offset"), out(a[8], "out", true);
    Question q(a[0], a[1], a[2], classes ? columns_of(coef, "coef") : 1, 1);
    if (classes) direction.expect(2, q.pass.q, q.pass.models), out.expect(2, q.pass.q, q.pass.models);
    else coef.expect(1, q.pass.q), direction.expect(1, q.pass.q), out.expect(1, q.pass.q);
    q.set_coef(coef);
    q.set_direction(direction);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, classes);
    q.pass.sums = q.pass.models * q.pass.width;
    Totals total;
    q.ask(classes ? kernels->multinomial_curvature : kernels->logistic_curvature, double(q.pass.models * (3 * q.pass.width + 32)),
          as_int(a[7]), total);
    put_gradient(q.pass, total.data(), out.writable());
    Py_RETURN_NONE;
}

PyObject* py_logistic_curvature(PyObject* const* a) { return curvature(a, false); }
PyObject* py_multinomial_curvature(PyObject* const* a) { return curvature(a, true); }

// X, rows, center, weight, threads, out (q, q)
PyObject* py_gram(PyObject* const* a) {
    Question q(a[0], a[1], a[2], 0, 2);
    Array weight(a[3], "weight"), out(a[5], "out", true);
    out.expect(2, q.pass.q, q.pass.q);
    q.set(q.pass.weight, weight, false);
    q.pass.sums = q.pass.width * q.pass.width;
    Totals total;
    q.ask(kernels->gram, double(q.pass.sums) / 2, as_int(a[4]), total);
    put_symmetric(q.pass, total.data(), out.writable(), q.pass.q);
    Py_RETURN_NONE;
}

// X, rows, center, metric (q, q), threads, out (n,)
PyObject* py_quadratic_form(PyObject* const* a) {
    Question q(a[0], a[1], a[2], 0, 0);
    Array out(a[5], "out", true);
    out.expect(1, q.pass.n);
    q.set_metric(a[3]);
    q.pass.out = out.writable();
    Totals total;
    q.ask(kernels->quadratic_form, double(q.pass.q * q.pass.width), as_int(a[4]), total);
    Py_RETURN_NONE;
}

// Turns a function over `count` positional arguments into one that Python can call.
template <PyObject* (*function)(PyObject* const*), Py_ssize_t count>
PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
    if (given != count) {
        PyErr_Format(PyExc_TypeError, "%zd arguments are needed, %zd were given", count, given);
        return nullptr;
    }
    try {
        return function(arguments);
    } catch (const Raised&) {
        return nullptr;
    } catch (const std::bad_alloc&) {
        return PyErr_NoMemory();
    }
}

template <PyObject* (*function)(PyObject* const*), Py_ssize_t count>
constexpr PyMethodDef method(const char* name) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call<function, count>)), METH_FASTCALL, nullptr};
}

PyMethodDef methods[] = {method<py_moments, 6>("moments"),
                         method<py_linear_predictor, 7>("linear_predictor"),
                         method<py_logistic, 11>("logistic"),
                         method<py_logistic_many, 11>("logistic_many"),
                         method<py_multinomial, 11>("multinomial"),
                         method<py_logistic_curvature, 9>("logistic_curvature"),
                         method<py_multinomial_curvature, 9>("multinomial_curvature"),
                         method<py_gram, 6>("gram"),
                         method<py_quadratic_form, 6>("quadratic_form"),
                         {nullptr, nullptr, 0, nullptr}};

// Picks the best instruction set that the machine has, or the one that BERKSON_ISA names.
int set_up(PyObject* module) {
    const char* wanted = std::getenv("BERKSON_ISA");
    bool found = !wanted || !strcmp(wanted, "baseline");
#ifdef BERKSON_X86
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    if (has_avx2 && (!wanted || !strcmp(wanted, "avx2"))) kernels = &avx2, instruction_set = "avx2", found = true;
    if (has_avx512 && (!wanted || !strcmp(wanted, "avx512"))) kernels = &avx512, instruction_set = "avx512", found = true;
#endif
    if (!found) {
        PyErr_Format(PyExc_RuntimeError, "BERKSON_ISA=%s: this machine cannot run it; take avx512, avx2 or baseline", wanted);
        return -1;
    }
    return PyModule_AddStringConstant(module, "instruction_set", instruction_set);
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(set_up)},
#ifdef Py_mod_multiple_interpreters
                            {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                            {0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__native() { return PyModuleDef_Init(&definition); }
