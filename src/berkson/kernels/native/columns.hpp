// Gathering the cells of a sparse table that lie in a few of its columns.  What is computed stands in sparse_reference.py.

#pragma once

#include <system_error>
#include <thread>

#include "method.hpp"

namespace berkson {
namespace {

ptrdiff_t whole_number(const View& view, ptrdiff_t i) {
    const char* at = view.data + i * view.row_stride;
    if (view.type == Type::i64) {
        int64_t x;
        memcpy(&x, at, sizeof x);
        return ptrdiff_t(x);
    }
    int32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

View whole_numbers(const Array& array, const char* name) {
    const View view = array.view();
    if (view.type != Type::i64 && view.type != Type::i32) raise(PyExc_TypeError, "%s must be int64 or int32", name);
    return view;
}

// Calls f(place of the cell, where its column went or -1) on the cells [first, last).
template <class Number, class F>
void for_places(const char* columns, const int32_t* place, ptrdiff_t first, ptrdiff_t last, F f) {
    const char* at = columns + first * ptrdiff_t(sizeof(Number));
    for (ptrdiff_t a = first; a < last; a++, at += sizeof(Number)) {
        Number j;
        memcpy(&j, at, sizeof j);
        f(a, place[j]);
    }
}

template <class F>
void with_numbers(Type type, F f) {
    if (type == Type::i64) f(int64_t(0));
    else f(int32_t(0));
}

// Values are moved as they are, whatever they mean.
template <class F>
void with_size(Type type, F f) {
    switch (type) {
        case Type::f64: case Type::i64: case Type::u64: return f(uint64_t(0));
        case Type::f32: case Type::i32: case Type::u32: return f(uint32_t(0));
        case Type::i16: case Type::u16: return f(uint16_t(0));
        default: return f(uint8_t(0));
    }
}

// Each cell is written where the next one that is kept belongs, kept or not, so that no branch waits for the lookup: as
// long as such a cell will come in a later row.
template <class Number, class Value>
void fill(const View& columns, const View& values, const View& start, const View& stop, const int32_t* place, char* out_values,
          int32_t* out_columns, ptrdiff_t first, ptrdiff_t last, const int64_t* end) {
    ptrdiff_t k = ptrdiff_t(end[first]);
    auto write = [&](ptrdiff_t a, int32_t to) {
        memcpy(out_values + k * ptrdiff_t(sizeof(Value)), values.data + a * ptrdiff_t(sizeof(Value)), sizeof(Value));
        out_columns[k] = to;
    };
    for (ptrdiff_t i = first; i < last; i++) {
        const ptrdiff_t from = whole_number(start, i), to = whole_number(stop, i);
        if (end[i + 1] < end[last])
            for_places<Number>(columns.data, place, from, to, [&](ptrdiff_t a, int32_t at) {
                write(a, at);
                k += at >= 0;
            });
        else
            for_places<Number>(columns.data, place, from, to, [&](ptrdiff_t a, int32_t at) {
                if (at < 0) return;
                write(a, at);
                k++;
            });
    }
}

// f(first, last) on the halves of the rows, on a thread each where one can be had.
template <class F>
void in_halves(ptrdiff_t rows, int threads, F f) {
    const ptrdiff_t middle = threads > 1 && rows >= 1 << 12 ? rows / 2 : rows;
    std::thread other;
    if (middle < rows) {
        try {
            other = std::thread([&] { f(middle, rows); });
        } catch (const std::system_error&) {
            f(middle, rows);
        }
    }
    f(0, middle);
    if (other.joinable()) other.join();
}

// values, columns, start, stop, place (p,) int32, ends (n + 1,) int64, None, None, threads: fills `ends` with where rows end; with
// the two, values of the same type and int32 numbers of columns, both (ends[n],): fills those.
PyObject* gather(PyObject* const* a) {
    Array values(a[0], "values"), columns(a[1], "columns"), start(a[2], "start"), stop(a[3], "stop"), place(a[4], "place");
    Array ends(a[5], "ends", true), out_values(a[6], "values", true), out_columns(a[7], "columns", true);
    const int threads = as_int(a[8]);
    values.expect(1, -1), columns.expect(1, values.size(0)), start.expect(1, -1), stop.expect(1, start.size(0)), place.expect(1, -1);
    ends.expect(1, start.size(0) + 1);
    const View from = whole_numbers(start, "start"), to = whole_numbers(stop, "stop"), numbers = whole_numbers(columns, "columns");
    const View cells = values.view(), where = ends.view(), lookup = place.view();
    if (where.type != Type::i64 || lookup.type != Type::i32) raise(PyExc_TypeError, "%s must be int64 and int32", "ends and place");
    const int32_t* places = reinterpret_cast<const int32_t*>(lookup.data);
    int64_t* end = reinterpret_cast<int64_t*>(const_cast<char*>(where.data));
    if (!out_values) {
        Py_BEGIN_ALLOW_THREADS;
        with_numbers(numbers.type, [&](auto zero) {
            in_halves(from.rows, threads, [&](ptrdiff_t first, ptrdiff_t last) {
                for (ptrdiff_t i = first; i < last; i++) {
                    ptrdiff_t kept = 0;
                    for_places<decltype(zero)>(numbers.data, places, whole_number(from, i), whole_number(to, i),
                                               [&](ptrdiff_t, int32_t at) { kept += at >= 0; });
                    end[i + 1] = kept;
                }
            });
        });
        end[0] = 0;
        for (ptrdiff_t i = 0; i < from.rows; i++) end[i + 1] += end[i];
        Py_END_ALLOW_THREADS;
        Py_RETURN_NONE;
    }
    const ptrdiff_t total = ptrdiff_t(end[from.rows]);
    out_values.expect(1, total), out_columns.expect(1, total);
    const View new_values = out_values.view(), new_columns = out_columns.view();
    if (new_values.type != cells.type || new_columns.type != Type::i32) raise(PyExc_TypeError, "%s must be of the type of values, and int32", "answers");
    char* to_values = const_cast<char*>(new_values.data);
    int32_t* to_columns = reinterpret_cast<int32_t*>(const_cast<char*>(new_columns.data));
    Py_BEGIN_ALLOW_THREADS;
    with_numbers(numbers.type, [&](auto number) {
        with_size(cells.type, [&](auto value) {
            in_halves(from.rows, threads, [&](ptrdiff_t first, ptrdiff_t last) {
                fill<decltype(number), decltype(value)>(numbers, cells, from, to, places, to_values, to_columns, first, last, end);
            });
        });
    });
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

}  // namespace
}  // namespace berkson
