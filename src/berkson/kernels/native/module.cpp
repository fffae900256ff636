// The door to Python: arrays in, answers into arrays that the caller made.

#include "coded_pass.hpp"
#include "quadratic_problem.hpp"
#include "method.hpp"
#include "replicates_pass.hpp"
#include "sparse_pass.hpp"

#include <algorithm>
#include <cstdlib>

using namespace berkson;

namespace {

const Kernels* kernels = &baseline;  // set once, when the module is first made
const char* instruction_set = "baseline";

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

// X, rows, center, coef (q,), y, weight, offset, order, threads, gradient (q,), hessian (q, q), unit (q,) or None: (value, margin,
// rounding), of which the last bounds what single precision does to the Hessian, relative to its diagonal
PyObject* py_logistic(PyObject* const* a) {
    const int order = as_int(a[7]);
    Array coef(a[3], "coef"), y(a[4], "y"), weight(a[5], "weight"), offset(a[6], "offset");
    Array gradient(a[9], "gradient", true), hessian(a[10], "hessian", true), unit(a[11], "unit");
    Question q(a[0], a[1], a[2], 1, order);
    if (unit) q.set_unit(unit);
    coef.expect(1, q.pass.q);
    y.expect(1, q.pass.n);
    q.set_coef(coef);
    q.set(q.pass.y, y, false);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, false);
    if (order == 1) q.look_for_few();
    const ptrdiff_t width = q.pass.width, square = order >= 2 ? width * width : 0;
    if (order >= 1) gradient.expect(1, q.pass.q);
    if (order >= 2) hessian.expect(2, q.pass.q, q.pass.q);
    q.pass.sums = 1 + width + square, q.pass.minima = 1;
    Totals total;
    q.ask(kernels->logistic, double(2 * width + square / 2 + 32), as_int(a[8]), total);
    if (order >= 1) put_gradient(q.pass, total.data() + 1, gradient.writable());
    if (order >= 2) put_symmetric(q.pass, total.data() + 1 + width, hessian.writable(), q.pass.q);
    return Py_BuildValue("ddd", total[0], total[size_t(q.pass.sums)], unit ? q.rounding() : 0.0);
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

// X, rows, center, unit (q,), weight, threads: the largest |unit x|^2
PyObject* py_longest(PyObject* const* a) {
    Question q(a[0], a[1], a[2], 0, 0);
    Array unit(a[3], "unit"), weight(a[4], "weight");
    q.set_unit(unit);
    q.set(q.pass.weight, weight, false);
    q.pass.minima = 1;
    Totals total;
    q.ask(kernels->longest, double(q.pass.width), as_int(a[5]), total);
    return PyFloat_FromDouble(-total[0]);
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

PyMethodDef methods[] = {method<py_moments, 6>("moments"),
                         method<py_linear_predictor, 7>("linear_predictor"),
                         method<py_logistic, 12>("logistic"),
                         method<py_logistic_many, 11>("logistic_many"),
                         method<py_multinomial, 11>("multinomial"),
                         method<py_logistic_curvature, 9>("logistic_curvature"),
                         method<py_multinomial_curvature, 9>("multinomial_curvature"),
                         method<py_gram, 6>("gram"),
                         method<py_longest, 6>("longest"),
                         method<py_quadratic_form, 6>("quadratic_form"),
                         {nullptr, nullptr, 0, nullptr}};

// Picks the best instruction set that the machine has, or the one that BERKSON_ISA names.
int set_up(PyObject* module) {
    const char* wanted = std::getenv("BERKSON_ISA");
    bool found = !wanted || !strcmp(wanted, "baseline");
#ifdef BERKSON_X86
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    if (has_avx2 && (!wanted || !strcmp(wanted, "avx2"))) {
        kernels = &avx2, sparse_kernels = &sparse_avx2, coded_kernels = &coded_avx2, replicate_kernels = &replicates_avx2;
        quadratic_kernels = &quadratic_avx2;
        instruction_set = "avx2", found = true;
    }
    if (has_avx512 && (!wanted || !strcmp(wanted, "avx512"))) {
        kernels = &avx512, sparse_kernels = &sparse_avx512, coded_kernels = &coded_avx512, replicate_kernels = &replicates_avx512;
        quadratic_kernels = &quadratic_avx512;
        instruction_set = "avx512", found = true;
    }
#endif
    if (!found) {
        PyErr_Format(PyExc_RuntimeError, "BERKSON_ISA=%s: this machine cannot run it; take avx512, avx2 or baseline", wanted);
        return -1;
    }
    for (PyMethodDef* more : {sparse_methods, coded_methods, replicate_methods, quadratic_methods, systems_methods})
        if (PyModule_AddFunctions(module, more)) return -1;
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
