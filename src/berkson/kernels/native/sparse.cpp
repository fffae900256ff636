// The door to Python for rows of which only some cells are stored.  Each function begins with the same six arguments:
// values, columns, start, stop, p, rows.  What it computes stands in sparse_reference.py.

#include "sparse_pass.hpp"

#include <algorithm>

#include "columns.hpp"
#include "method.hpp"

namespace berkson {

const SparseKernels* sparse_kernels = &sparse_baseline;

namespace {

constexpr ptrdiff_t cells_in_block = 4096;   // of some 50 kB: they stay in the cache from linear predictors to sums
constexpr double worth_adding = 16.0;        // multiply-adds for each number of a partial answer that has to be added
constexpr double row_work = 32.0;            // of a row beside its cells, in the same unit

class SparseQuestion {
public:
    SparsePass pass;

    // Column numbers and places of cells are the caller's word: whoever holds them has looked (design/sparse.py).
    SparseQuestion(PyObject* const* a, ptrdiff_t models)
        : values_(a[0], "values"), columns_(a[1], "columns"), start_(a[2], "start"), stop_(a[3], "stop"), rows_(a[5], "rows") {
        values_.expect(1, -1), columns_.expect(1, values_.size(0));
        start_.expect(1, -1), stop_.expect(1, start_.size(0));
        pass.values = values_.view(), pass.columns = columns_.view(), pass.start = start_.view(), pass.stop = stop_.view();
        for (const View* view : {&pass.columns, &pass.start, &pass.stop})
            if (view->type != Type::i64 && view->type != Type::i32) raise(PyExc_TypeError, "%s must be int64 or int32", "columns, start and stop");
        for (const View* view : {&pass.values, &pass.columns})
            if (view->rows > 1 && !side_by_side(*view)) raise(PyExc_ValueError, "%s must lie side by side", "values and columns");
        pass.as_they_lie = pass.values.type == Type::f64 && pass.columns.type == Type::i32 &&
                           reinterpret_cast<uintptr_t>(pass.values.data) % 8 == 0 && reinterpret_cast<uintptr_t>(pass.columns.data) % 4 == 0;
        pass.p = PyLong_AsSsize_t(a[4]);
        if (pass.p == -1 && PyErr_Occurred()) throw Raised();
        if (pass.p < 0 || pass.p > INT32_MAX) raise(PyExc_ValueError, "%s must be a number of columns below 2^31", "p");
        pass.q = pass.p + 1;
        pass.X.rows = pass.n = pass.start.rows;
        if (rows_) take_rows();
        pass.models = models;
        pass.padded_models = round_up(models, lanes);
        pass.by = models <= 1 ? 1 : pass.padded_models;
        const ptrdiff_t each = 1 + pass.values.rows / larger(1, pass.start.rows);
        pass.block = larger(lanes, smaller(64, cells_in_block / each / lanes * lanes));
        work_ = double(each);
    }

    // (q, models), a line of `by` doubles for each column
    void set_coef(const Array& coef) { pass.by_column = pack(coef, coef_); }
    void set_direction(const Array& direction) { pass.direction_by_column = pack(direction, direction_); }

    // Two of (q,), side by side
    void set_both(const Array& coef, const Array& direction) {
        for (const Array* one : {&coef, &direction}) one->expect(1, pass.q), one->expect_f64();
        coef_.resize(size_t(2 * pass.q));
        for (ptrdiff_t j = 0; j < pass.q; j++) coef_[size_t(2 * j)] = coef.at(j), coef_[size_t(2 * j + 1)] = direction.at(j);
        pass.by_column = coef_.data();
    }

    void set(View& view, const Array& array, bool by_model) {
        if (!array) return;
        if (by_model && array.ndim() == 2) array.expect(2, pass.n, pass.models);
        else array.expect(1, pass.n);
        view = array.view();
    }

    double cells() const { return work_; }

    // Answers into `total`: sums, then minima.
    void ask(Kernel kernel, double work_per_row, int threads) {
        total.resize(size_t(pass.sums + pass.minima) + 1);
        const double chunks = (work_per_row + row_work) * double(pass.n) / (worth_adding * double(pass.sums + pass.minima + 1));
        const ptrdiff_t most = chunks < 1.0 ? 1 : chunks > 64.0 ? 64 : ptrdiff_t(chunks);
        bool no_memory = false;
        Py_BEGIN_ALLOW_THREADS;
        try {
            run(kernel, pass, work_per_row + row_work, threads, total.data(), most);
        } catch (const std::bad_alloc&) {
            no_memory = true;
        }
        Py_END_ALLOW_THREADS;
        if (no_memory) throw std::bad_alloc();
    }

    // (q, models) from lines of `by`
    void put_gradient(const double* from, double* to) const {
        for (ptrdiff_t j = 0; j < pass.q; j++) std::copy_n(from + j * pass.by, pass.models, to + j * pass.models);
    }

    Totals total;

private:
    static bool side_by_side(const View& view) {
        return view.row_stride == size_of(view.type);
    }

    void take_rows() {
        rows_.expect(1, -1);
        pass.rows = rows_.view();
        pass.n = pass.rows.rows;
        if (pass.rows.type != Type::i64) raise(PyExc_TypeError, "%s must be row numbers, int64", "rows");
        for (ptrdiff_t i = 0; i < pass.n; i++) {
            int64_t row;
            memcpy(&row, pass.rows.data + i * pass.rows.row_stride, sizeof row);
            if (row >= pass.X.rows || row < -pass.X.rows)
                raise(PyExc_IndexError, "%s holds the row number %zd, but X has %zd rows", "rows", Py_ssize_t(row), pass.X.rows);
        }
    }

    const double* pack(const Array& from, std::vector<double>& to) {
        from.expect(2, pass.q, pass.models);
        from.expect_f64();
        to.assign(size_t(pass.q * pass.by), 0.0);
        for (ptrdiff_t j = 0; j < pass.q; j++)
            for (ptrdiff_t m = 0; m < pass.models; m++) to[size_t(j * pass.by + m)] = from.at(j, m);
        return to.data();
    }

    Array values_, columns_, start_, stop_, rows_;
    std::vector<double> coef_, direction_;
    double work_;
};

// ..., shift (p,), weight, threads, out (2 + 6p): total weight, rows of weight not 0, and for each column the sums of w x,
// w x^2, w and 1 over its stored cells, then the least x and the least -x, x counted from shift
PyObject* moments(PyObject* const* a) {
    SparseQuestion q(a, 1);
    Array shift(a[6], "shift"), weight(a[7], "weight"), out(a[9], "out", true);
    const ptrdiff_t p = q.pass.p;
    shift.expect(1, p), out.expect(1, 2 + 6 * p);
    std::vector<double> from(static_cast<size_t>(p) + 1);
    shift.expect_f64();
    for (ptrdiff_t j = 0; j < p; j++) from[size_t(j)] = shift.at(j);
    if (std::any_of(from.begin(), from.end(), [](double x) { return x != 0.0; })) q.pass.shift = from.data();
    q.pass.beside = (8 * p + q.pass.block - 1) / q.pass.block;  // a line of the cache for each column
    q.set(q.pass.weight, weight, false);
    q.pass.sums = 2 + 4 * p, q.pass.minima = 2 * p;
    q.ask(sparse_kernels->moments, 4.0 * q.cells(), as_int(a[8]));
    std::copy_n(q.total.data(), 2 + 6 * p, out.writable());
    Py_RETURN_NONE;
}

// ..., coef (q, M), offset, threads, out (n, M)
PyObject* linear_predictor(PyObject* const* a) {
    Array coef(a[6], "coef"), offset(a[7], "offset"), out(a[9], "out", true);
    SparseQuestion q(a, columns_of(coef, "coef"));
    q.set_coef(coef);
    q.set(q.pass.offset, offset, true);
    out.expect(2, q.pass.n, q.pass.models);
    q.pass.out = out.writable();
    q.ask(sparse_kernels->linear_predictor, q.cells() * double(q.pass.by), as_int(a[8]));
    Py_RETURN_NONE;
}

// ..., coef (q, M), y, weight, offset, order, threads, value (M,), margin (M,), gradient (q, M), and where they are
// wanted, of each row, residual and curvature (n, M)
PyObject* logistic(PyObject* const* a) {
    Array coef(a[6], "coef"), y(a[7], "y"), weight(a[8], "weight"), offset(a[9], "offset");
    Array value(a[12], "value", true), margin(a[13], "margin", true), gradient(a[14], "gradient", true);
    Array residual(a[15], "residual", true), curvature(a[16], "curvature", true);
    SparseQuestion q(a, columns_of(coef, "coef"));
    const ptrdiff_t models = q.pass.models;
    q.pass.order = as_int(a[10]);
    y.expect(1, q.pass.n), value.expect(1, models), margin.expect(1, models);
    q.set_coef(coef);
    q.set(q.pass.y, y, false);
    q.set(q.pass.weight, weight, true);
    q.set(q.pass.offset, offset, true);
    if (q.pass.order) gradient.expect(2, q.pass.q, models);
    if (residual) residual.expect(2, q.pass.n, models), q.pass.residual = residual.writable();
    if (curvature) curvature.expect(2, q.pass.n, models), q.pass.curvature = curvature.writable();
    q.pass.sums = models + (q.pass.order ? q.pass.q * q.pass.by : 0), q.pass.minima = models;
    q.ask(sparse_kernels->logistic, (q.cells() + row_work) * double(2 * q.pass.by), as_int(a[11]));
    std::copy_n(q.total.data(), models, value.writable());
    std::copy_n(q.total.data() + q.pass.sums, models, margin.writable());
    if (q.pass.order) q.put_gradient(q.total.data() + models, gradient.writable());
    Py_RETURN_NONE;
}

// ..., residual (n, M), threads, out (q, M)
PyObject* transposed(PyObject* const* a) {
    Array residual(a[6], "residual"), out(a[8], "out", true);
    SparseQuestion q(a, columns_of(residual, "residual"));
    q.set(q.pass.y, residual, true);
    out.expect(2, q.pass.q, q.pass.models);
    q.pass.sums = q.pass.q * q.pass.by;
    q.ask(sparse_kernels->transposed, q.cells() * double(q.pass.by), as_int(a[7]));
    q.put_gradient(q.total.data(), out.writable());
    Py_RETURN_NONE;
}

// ..., coef (q, K), y, weight, offset, order, threads, gradient (q, K): (value, margin)
PyObject* multinomial(PyObject* const* a) {
    Array coef(a[6], "coef"), y(a[7], "y"), weight(a[8], "weight"), offset(a[9], "offset"), gradient(a[12], "gradient", true);
    SparseQuestion q(a, columns_of(coef, "coef"));
    if (q.pass.models < 2) raise(PyExc_ValueError, "%s must have a column per class", "coef");
    q.pass.order = as_int(a[10]);
    if (y && y.ndim() == 2) y.expect(2, q.pass.n, q.pass.models);
    else y.expect(1, q.pass.n);
    q.set_coef(coef);
    q.set(q.pass.y, y, true);
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, true);
    if (q.pass.order) gradient.expect(2, q.pass.q, q.pass.models);
    q.pass.sums = 1 + (q.pass.order ? q.pass.q * q.pass.by : 0), q.pass.minima = 1;
    q.ask(sparse_kernels->multinomial, (q.cells() + row_work) * double(2 * q.pass.by), as_int(a[11]));
    if (q.pass.order) q.put_gradient(q.total.data() + 1, gradient.writable());
    return Py_BuildValue("dd", q.total[0], q.total[size_t(q.pass.sums)]);
}

// ..., coef, direction, weight, offset, threads, out: coef, direction and out (q,), or (q, K)
template <bool classes>
PyObject* curvature(PyObject* const* a) {
    Array coef(a[6], "coef"), direction(a[7], "direction"), weight(a[8], "weight"), offset(a[9], "offset"), out(a[11], "out", true);
    SparseQuestion q(a, classes ? columns_of(coef, "coef") : 1);
    if (classes) {
        if (q.pass.models < 2) raise(PyExc_ValueError, "%s must have a column per class", "coef");
        q.set_coef(coef), q.set_direction(direction);
        out.expect(2, q.pass.q, q.pass.models);
    } else {
        q.set_both(coef, direction);
        out.expect(1, q.pass.q);
    }
    q.set(q.pass.weight, weight, false);
    q.set(q.pass.offset, offset, classes);
    q.pass.sums = q.pass.q * q.pass.by;
    const Kernel kernel = classes ? sparse_kernels->multinomial_curvature : sparse_kernels->logistic_curvature;
    q.ask(kernel, (q.cells() + row_work) * double(3 * q.pass.by), as_int(a[10]));
    q.put_gradient(q.total.data(), out.writable());
    Py_RETURN_NONE;
}

// ..., weight, threads, out (q, q)
PyObject* gram(PyObject* const* a) {
    SparseQuestion q(a, 0);
    Array weight(a[6], "weight"), out(a[8], "out", true);
    const ptrdiff_t size = q.pass.q;
    out.expect(2, size, size);
    q.set(q.pass.weight, weight, false);
    q.pass.sums = size * size;
    q.ask(sparse_kernels->gram, q.cells() * (q.cells() + 4.0) / 2.0, as_int(a[7]));
    double* to = out.writable();
    const double* from = q.total.data();
    for (ptrdiff_t i = 0; i < size; i++)
        for (ptrdiff_t j = i; j < size; j++) to[i * size + j] = to[j * size + i] = from[i * size + j] + from[j * size + i];
    Py_RETURN_NONE;
}

// ..., metric (q, q), threads, out (n,)
PyObject* quadratic_form(PyObject* const* a) {
    SparseQuestion q(a, 0);
    Array metric(a[6], "metric"), out(a[8], "out", true);
    metric.expect(2, q.pass.q, q.pass.q), out.expect(1, q.pass.n);
    q.pass.metric = metric.writable();
    q.pass.out = out.writable();
    q.ask(sparse_kernels->quadratic_form, q.cells() * (q.cells() + 4.0) / 2.0, as_int(a[7]));
    Py_RETURN_NONE;
}

}  // namespace

PyMethodDef sparse_methods[] = {method<moments, 10>("sparse_moments"),
                                      method<linear_predictor, 10>("sparse_linear_predictor"),
                                      method<logistic, 17>("sparse_logistic"),
                                      method<transposed, 9>("sparse_transposed"),
                                      method<multinomial, 13>("sparse_multinomial"),
                                      method<curvature<false>, 12>("sparse_logistic_curvature"),
                                      method<curvature<true>, 12>("sparse_multinomial_curvature"),
                                      method<gram, 9>("sparse_gram"),
                                      method<quadratic_form, 9>("sparse_quadratic_form"),
                                      method<gather, 9>("sparse_columns"),
                                      {nullptr, nullptr, 0, nullptr}};

}  // namespace berkson
