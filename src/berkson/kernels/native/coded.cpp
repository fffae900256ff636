// The door to Python for numbers and factors side by side.  Each function begins with the same five arguments: numbers,
// codes (a tuple of arrays), levels (a tuple of their numbers), rows, center.  What it computes stands in
// coded_reference.py.

#include "coded_pass.hpp"

#include <algorithm>
#include <memory>

#include "method.hpp"
#include "sparse_pass.hpp"

namespace berkson {

const Kernels* coded_kernels = &coded_baseline;

namespace {

constexpr double worth_adding = 100.0; // multiply-adds for each number of a partial answer that has to be added
constexpr double row_work = 32.0;      // of a row beside its numbers and codes, in the same unit

class CodedQuestion : public QuestionOf<CodedPass> {
public:
    // Codes are the caller's word: whoever holds them has looked that they lie below the number of levels.
    CodedQuestion(PyObject* const* a, ptrdiff_t models, int order) : QuestionOf<CodedPass>(a[0], a[3], a[4], models, order) {
        if (pass.p == 0) pass.X.row_stride = 0;  // no number is there to be read
        pass.factors = PyTuple_Size(a[1]);
        if (pass.factors < 0 || PyTuple_Size(a[2]) != pass.factors) raise(PyExc_ValueError, "%s must be two tuples of one length", "codes and levels");
        firsts_.push_back(0);
        for (ptrdiff_t f = 0; f < pass.factors; f++) {
            held_.push_back(std::make_unique<Array>(PyTuple_GetItem(a[1], f), "codes"));
            held_.back()->expect(1, pass.X.rows);
            codes_.push_back(held_.back()->view());
            if (codes_.back().type == Type::f64 || codes_.back().type == Type::f32) raise(PyExc_TypeError, "%s must be integers", "codes");
            const Py_ssize_t count = PyLong_AsSsize_t(PyTuple_GetItem(a[2], f));
            if (count == -1 && PyErr_Occurred()) throw Raised();
            if (count < 0 || count > INT32_MAX - firsts_.back()) raise(PyExc_ValueError, "%s must be numbers below 2^31 in all", "levels");
            firsts_.push_back(int32_t(firsts_.back() + count));
        }
        pass.beside = (pass.factors + 1) / 2;  // places are half as long
        pass.codes = codes_.data(), pass.firsts = firsts_.data();
        pass.levels = firsts_.back(), pass.slots = pass.q + pass.levels;
        pass.by = models <= 1 ? 1 : pass.padded_models;
    }

    // (slots, models), or (slots,) of one: numbers and the constant, then levels
    void set_slots(const Array& coef, bool direction) {
        if (direction) set_direction(coef, pass.slots);
        else set_coef(coef, pass.slots);
        std::vector<double>& to = direction ? direction_effects_ : effects_;
        to.assign(size_t(pass.levels * pass.by), 0.0);
        for (ptrdiff_t l = 0; l < pass.levels; l++)
            for (ptrdiff_t m = 0; m < pass.models; m++) to[size_t(l * pass.by + m)] = coef.at(pass.q + l, m);
        (direction ? pass.direction_effects : pass.effects) = to.data();
    }

    void set_tabulated(PyObject* flags) {
        if (PyTuple_Size(flags) != pass.factors) raise(PyExc_ValueError, "%s must have a flag for each factor", "tabulated");
        for (ptrdiff_t f = 0; f < pass.factors; f++) tabulated_.push_back(char(PyObject_IsTrue(PyTuple_GetItem(flags, f)) == 1));
        pass.tabulated = tabulated_.data();
    }

    // Numbers in all tables.
    ptrdiff_t table_size() const {
        ptrdiff_t size = pass.width * pass.width;
        for (ptrdiff_t f = 0; f < pass.factors; f++) {
            size += levels_of(f) * (tabulated_[size_t(f)] ? pass.width : 1);
            for (ptrdiff_t g = f + 1; g < pass.factors; g++)
                if (tabulated_[size_t(f)] && tabulated_[size_t(g)]) size += levels_of(f) * levels_of(g);
        }
        return size;
    }

    // Multiply-adds and scattered sums of a row in its tables.
    double table_work() const {
        const double factors = double(pass.factors), width = double(pass.width);
        return width * width / 2.0 + factors * (width + 8.0) + 4.0 * factors * factors;
    }

    double work() const { return double(larger(1, pass.models)) * double(2 * pass.width + 8 * pass.factors) + row_work; }

    // Answers into `total`: sums, then minima.
    void answer(Kernel kernel, double work_per_row, int threads) {
        total.resize(size_t(pass.sums + pass.minima) + 1);
        answer(kernel, work_per_row, threads, total.data());
    }

    void answer(Kernel kernel, double work_per_row, int threads, double* into) {
        const double chunks = work_per_row * double(pass.n) / (worth_adding * double(pass.sums + pass.minima + 1));
        const ptrdiff_t most = chunks < 1.0 ? 1 : chunks > 64.0 ? 64 : ptrdiff_t(chunks);
        bool no_memory = false;
        Py_BEGIN_ALLOW_THREADS;
        try {
            run(kernel, pass, work_per_row, threads, into, most);
        } catch (const std::bad_alloc&) {
            no_memory = true;
        }
        Py_END_ALLOW_THREADS;
        if (no_memory) throw std::bad_alloc();
    }

    // (slots, models) from sums (models, width), then (levels, by)
    void put_slots(const double* from, double* to) const {
        for (ptrdiff_t j = 0; j < pass.q; j++)
            for (ptrdiff_t m = 0; m < pass.models; m++) *to++ = from[m * pass.width + j];
        from += pass.models * pass.width;
        for (ptrdiff_t l = 0; l < pass.levels; l++, to += pass.models) std::copy_n(from + l * pass.by, pass.models, to);
    }

    ptrdiff_t slot_sums() const { return pass.models * pass.width + pass.levels * pass.by; }

    Totals total;

private:
    ptrdiff_t levels_of(ptrdiff_t f) const { return firsts_[size_t(f) + 1] - firsts_[size_t(f)]; }

    std::vector<std::unique_ptr<Array>> held_;
    std::vector<View> codes_;
    std::vector<int32_t> firsts_;
    std::vector<char> tabulated_;
    std::vector<double> effects_, direction_effects_;
};

// ..., coef (slots, M), offset, threads, out (n, M)
PyObject* linear_predictor(PyObject* const* a) {
    Array coef(a[5], "coef"), offset(a[6], "offset"), out(a[8], "out", true);
    CodedQuestion q(a, columns_of(coef, "coef"), 0);
    q.set_slots(coef, false);
    q.set(q.pass.offset, offset, true);
    out.expect(2, q.pass.n, q.pass.models);
    q.pass.out = out.writable();
    q.answer(coded_kernels->linear_predictor, q.work(), as_int(a[7]));
    Py_RETURN_NONE;
}

// ..., coef (slots, M), y, weight, offset, order, threads, value (M,), margin (M,), gradient (slots, M)
PyObject* logistic(PyObject* const* a) {
    Array coef(a[5], "coef"), y(a[6], "y"), weight(a[7], "weight"), offset(a[8], "offset");
    Array value(a[11], "value", true), margin(a[12], "margin", true), gradient(a[13], "gradient", true);
    CodedQuestion q(a, columns_of(coef, "coef"), as_int(a[9]) ? 1 : 0);
    const ptrdiff_t models = q.pass.models;
    y.expect(1, q.pass.n), value.expect(1, models), margin.expect(1, models);
    q.set_slots(coef, false);
    q.set(q.pass.y, y, false);
    q.set(q.pass.weight, weight, true);
    q.set(q.pass.offset, offset, true);
    if (q.pass.order) gradient.expect(2, q.pass.slots, models);
    q.pass.sums = models + (q.pass.order ? q.slot_sums() : 0), q.pass.minima = models;
    q.answer(coded_kernels->logistic, q.work(), as_int(a[10]));
    std::copy_n(q.total.data(), models, value.writable());
    std::copy_n(q.total.data() + q.pass.sums, models, margin.writable());
    if (q.pass.order) q.put_slots(q.total.data() + models, gradient.writable());
    Py_RETURN_NONE;
}

// ..., coef (slots,), y, weight, offset, tabulated, threads, gradient (slots,), sums: (value, margin).  Tables are large,
// and stand last among the sums, where they are left: after a number, the numbers' sums and those of levels.
PyObject* logistic_tables(PyObject* const* a) {
    Array coef(a[5], "coef"), y(a[6], "y"), weight(a[7], "weight"), offset(a[8], "offset");
    Array gradient(a[11], "gradient", true), sums(a[12], "sums", true);
    CodedQuestion q(a, 1, 2);
    q.set_tabulated(a[9]);
    q.pass.sums = 1 + q.slot_sums() + q.table_size(), q.pass.minima = 1;
    y.expect(1, q.pass.n), gradient.expect(1, q.pass.slots), sums.expect(1, q.pass.sums + q.pass.minima);
    coef.expect(1, q.pass.slots);
    q.set_slots(coef, false);
    q.set(q.pass.y, y, false);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, false);
    double* into = sums.writable();
    q.answer(coded_kernels->logistic, q.work() + q.table_work(), as_int(a[10]), into);
    q.put_slots(into + 1, gradient.writable());
    return Py_BuildValue("dd", into[0], into[q.pass.sums]);
}

// ..., coef (slots, K), y, weight, offset, order, threads, gradient (slots, K): (value, margin)
PyObject* multinomial(PyObject* const* a) {
    Array coef(a[5], "coef"), y(a[6], "y"), weight(a[7], "weight"), offset(a[8], "offset"), gradient(a[11], "gradient", true);
    CodedQuestion q(a, columns_of(coef, "coef"), as_int(a[9]) ? 1 : 0);
    if (q.pass.models < 2) raise(PyExc_ValueError, "%s must have a column per class", "coef");
    if (y && y.ndim() == 2) y.expect(2, q.pass.n, q.pass.models);
    else y.expect(1, q.pass.n);
    q.set_slots(coef, false);
    q.set(q.pass.y, y, true);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, true);
    if (q.pass.order) gradient.expect(2, q.pass.slots, q.pass.models);
    q.pass.sums = 1 + (q.pass.order ? q.slot_sums() : 0), q.pass.minima = 1;
    q.answer(coded_kernels->multinomial, q.work(), as_int(a[10]));
    if (q.pass.order) q.put_slots(q.total.data() + 1, gradient.writable());
    return Py_BuildValue("dd", q.total[0], q.total[size_t(q.pass.sums)]);
}

// ..., coef, direction, weight, offset, threads, out: coef, direction and out (slots, K), K = 1 for two classes
template <bool classes>
PyObject* curvature(PyObject* const* a) {
    Array coef(a[5], "coef"), direction(a[6], "direction"), weight(a[7], "weight"), offset(a[8], "offset"), out(a[10], "out", true);
    CodedQuestion q(a, columns_of(coef, "coef"), 1);
    if (classes ? q.pass.models < 2 : q.pass.models != 1) raise(PyExc_ValueError, "%s must have a column per class, or one for two", "coef");
    q.set_slots(coef, false), q.set_slots(direction, true);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, classes);
    out.expect(2, q.pass.slots, q.pass.models);
    q.pass.sums = q.slot_sums();
    q.answer(classes ? coded_kernels->multinomial_curvature : coded_kernels->logistic_curvature, 1.5 * q.work(), as_int(a[9]));
    q.put_slots(q.total.data(), out.writable());
    Py_RETURN_NONE;
}

// ..., weight, tabulated, threads, tables
PyObject* tables(PyObject* const* a) {
    Array weight(a[5], "weight"), tables(a[8], "tables", true);
    CodedQuestion q(a, 0, 2);
    q.set_tabulated(a[6]);
    tables.expect(1, q.table_size());
    q.set(q.pass.weight, weight, false);
    q.pass.sums = q.table_size();
    q.answer(coded_kernels->gram, q.table_work(), as_int(a[7]), tables.writable());
    Py_RETURN_NONE;
}

// ..., metric (slots, slots), threads, out (n,)
PyObject* quadratic_form(PyObject* const* a) {
    Array metric(a[5], "metric"), out(a[7], "out", true);
    CodedQuestion q(a, 0, 0);
    metric.expect(2, q.pass.slots, q.pass.slots), out.expect(1, q.pass.n);
    q.pass.between = metric.writable();
    std::vector<double> numbers(size_t(q.pass.q * q.pass.width), 0.0);
    for (ptrdiff_t i = 0; i < q.pass.q; i++) std::copy_n(q.pass.between + i * q.pass.slots, q.pass.q, numbers.data() + i * q.pass.width);
    q.pass.metric = numbers.data();
    q.pass.out = out.writable();
    const double pairs = double(q.pass.factors) * double(q.pass.width + 4 * q.pass.factors);
    q.answer(coded_kernels->quadratic_form, double(q.pass.q * q.pass.width) + pairs + row_work, as_int(a[6]));
    Py_RETURN_NONE;
}

}  // namespace

PyMethodDef coded_methods[] = {method<linear_predictor, 9>("coded_linear_predictor"),
                               method<logistic, 14>("coded_logistic"),
                               method<logistic_tables, 13>("coded_logistic_tables"),
                               method<multinomial, 12>("coded_multinomial"),
                               method<curvature<false>, 11>("coded_logistic_curvature"),
                               method<curvature<true>, 11>("coded_multinomial_curvature"),
                               method<tables, 9>("coded_tables"),
                               method<quadratic_form, 8>("coded_quadratic_form"),
                               {nullptr, nullptr, 0, nullptr}};

}  // namespace berkson
