// Small systems with a symmetric positive definite matrix.  The reference is systems_reference.py.

#include "method.hpp"

#include <cmath>
#include <utility>

namespace berkson {
namespace {

constexpr ptrdiff_t most = 64;

// A symmetric matrix divided by the roots of its diagonal, and those roots.
struct Scaled {
    ptrdiff_t d = 0;
    double scale[most], l[most][most];

    // false where the diagonal is not positive
    bool read(const Array& matrix) {
        matrix.expect_f64();
        matrix.expect(2, -1);
        d = matrix.size(0);
        matrix.expect(2, d, d);
        if (d > most) raise(PyExc_ValueError, "%s has more than %zd rows", "matrix", most);
        for (ptrdiff_t i = 0; i < d; i++) {
            const double curvature = matrix.at(i, i);
            if (!(curvature > 0.0) || !std::isfinite(curvature)) return false;
            scale[i] = 1.0 / std::sqrt(curvature);
        }
        for (ptrdiff_t i = 0; i < d; i++)
            for (ptrdiff_t j = 0; j <= i; j++) l[i][j] = matrix.at(i, j) * scale[i] * scale[j];
        return true;
    }

    // Cholesky's lower triangle in its place; false where a pivot is not above `singular`.
    bool factorise(double singular) {
        for (ptrdiff_t i = 0; i < d; i++) {
            for (ptrdiff_t j = 0; j <= i; j++) {
                double left = l[i][j];
                for (ptrdiff_t k = 0; k < j; k++) left -= l[i][k] * l[j][k];
                if (j < i) l[i][j] = left / l[j][j];
                else if (left > singular) l[i][i] = std::sqrt(left);
                else return false;
            }
        }
        return true;
    }
};

// matrix (d, d), vector (d,), out (d,) = matrix^-1 vector: whether the matrix is positive definite
PyObject* py_small_solve(PyObject* const* a) {
    Array matrix(a[0], "matrix"), vector(a[1], "vector"), out(a[2], "out", true);
    Scaled s;
    if (!s.read(matrix) || !s.factorise(1e-14)) Py_RETURN_FALSE;
    vector.expect_f64();
    vector.expect(1, s.d), out.expect(1, s.d);
    double x[most];
    for (ptrdiff_t i = 0; i < s.d; i++) {
        double left = vector.at(i) * s.scale[i];
        for (ptrdiff_t k = 0; k < i; k++) left -= s.l[i][k] * x[k];
        x[i] = left / s.l[i][i];
    }
    for (ptrdiff_t i = s.d - 1; i >= 0; i--) {
        double left = x[i];
        for (ptrdiff_t k = i + 1; k < s.d; k++) left -= s.l[k][i] * x[k];
        x[i] = left / s.l[i][i];
    }
    double* to = out.writable();
    for (ptrdiff_t i = 0; i < s.d; i++) to[i] = x[i] * s.scale[i];
    Py_RETURN_TRUE;
}

// matrix (d, d), singular, out (d, d) = F, lower triangular, F'F = matrix^-1: whether it is positive definite by so much
PyObject* py_small_inverse_factor(PyObject* const* a) {
    Array matrix(a[0], "matrix"), out(a[2], "out", true);
    const double singular = PyFloat_AsDouble(a[1]);
    if (PyErr_Occurred()) throw Raised();
    Scaled s;
    if (!s.read(matrix) || !s.factorise(singular)) Py_RETURN_FALSE;
    out.expect(2, s.d, s.d);
    double* to = out.writable();
    for (ptrdiff_t i = 0; i < s.d; i++) {
        for (ptrdiff_t j = 0; j < s.d; j++) {
            double left = i == j ? 1.0 : 0.0;
            for (ptrdiff_t k = j; k < i; k++) left -= s.l[i][k] * to[k * s.d + j];
            to[i * s.d + j] = j > i ? 0.0 : left / s.l[i][i];
        }
    }
    for (ptrdiff_t i = 0; i < s.d; i++)
        for (ptrdiff_t j = 0; j <= i; j++) to[i * s.d + j] *= s.scale[j];
    Py_RETURN_TRUE;
}

}  // namespace

PyMethodDef systems_methods[] = {method<py_small_solve, 3>("small_solve"),
                                 method<py_small_inverse_factor, 3>("small_inverse_factor"),
                                 {nullptr, nullptr, 0, nullptr}};

}  // namespace berkson
