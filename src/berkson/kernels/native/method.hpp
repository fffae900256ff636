// What turns functions over arguments into methods of the module.
#pragma once

#include "arguments.hpp"

namespace berkson {

extern PyMethodDef sparse_methods[], coded_methods[], replicate_methods[], quadratic_methods[], systems_methods[];

inline int as_int(PyObject* object) {
    const long value = PyLong_AsLong(object);
    if (value == -1 && PyErr_Occurred()) throw Raised();
    return value > 1 << 20 ? 1 << 20 : value < 0 ? 0 : int(value);
}

inline ptrdiff_t columns_of(const Array& array, const char* name) {
    if (!array || array.ndim() != 2) raise(PyExc_ValueError, "%s must have two dimensions", name);
    return array.size(1);
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

}  // namespace berkson
