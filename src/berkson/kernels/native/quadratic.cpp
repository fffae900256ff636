// The door to Python for quadratics plus absolute values.

#include "quadratic_problem.hpp"

#include "method.hpp"

namespace berkson {

const QuadraticKernels* quadratic_kernels = &quadratic_baseline;

namespace {

// hessian (d, d), linear (d,), threshold (d,), x (d,): whether x, which is moved, is the minimum
PyObject* py_quadratic_minimum(PyObject* const* a) {
    Array hessian(a[0], "hessian"), linear(a[1], "linear"), threshold(a[2], "threshold"), x(a[3], "x", true);
    linear.expect(1, -1);
    Quadratic q;
    q.d = linear.size(0);
    hessian.expect(2, q.d, q.d), threshold.expect(1, q.d), x.expect(1, q.d);
    q.hessian = hessian.numbers(), q.linear = linear.numbers(), q.threshold = threshold.numbers(), q.x = x.writable();
    std::vector<double> scratch(size_t(Quadratic::doubles(q.d)));
    bool found = false;
    Py_BEGIN_ALLOW_THREADS;
    found = quadratic_kernels->minimise(q, scratch.data());
    Py_END_ALLOW_THREADS;
    return PyBool_FromLong(found);
}

// hessian (d, d), gradient (d,), threshold (d,), x (d,), epochs, close: moves x and the gradient of the smooth part there
PyObject* py_descend(PyObject* const* a) {
    Array hessian(a[0], "hessian"), gradient(a[1], "gradient", true), threshold(a[2], "threshold"), x(a[3], "x", true);
    const long epochs = PyLong_AsLong(a[4]);
    const double close = PyFloat_AsDouble(a[5]);
    if (PyErr_Occurred()) throw Raised();
    x.expect(1, -1);
    Quadratic q;
    q.d = x.size(0);
    hessian.expect(2, q.d, q.d), gradient.expect(1, q.d), threshold.expect(1, q.d);
    q.hessian = hessian.numbers(), q.threshold = threshold.numbers(), q.x = x.writable();
    double* slope = gradient.writable();
    Py_BEGIN_ALLOW_THREADS;
    quadratic_kernels->descend(q, slope, epochs, close);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

}  // namespace

PyMethodDef quadratic_methods[] = {method<py_quadratic_minimum, 4>("quadratic_minimum"), method<py_descend, 6>("descend"), {nullptr, nullptr, 0, nullptr}};

}  // namespace berkson
