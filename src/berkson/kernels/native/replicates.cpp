// The door to Python for samples with replacement.  What the functions compute stands in replicates_reference.py.

#include "replicates_pass.hpp"

#include <algorithm>
#include <vector>

#include "method.hpp"

namespace berkson {

const ReplicateKernels* replicate_kernels = &replicates_baseline;

namespace {

// An array of one type, row by row.
template <class T>
std::vector<T> copied(const Array& array, Type type, const char* name) {
    const View view = array.view();
    if (view.type != type) raise(PyExc_TypeError, "%s must be a number of %zd bytes of its own type", name, Py_ssize_t(sizeof(T)));
    const ptrdiff_t columns = array.ndim() == 2 ? view.cols : 1;
    std::vector<T> out(size_t(view.rows * columns));
    for (ptrdiff_t i = 0; i < view.rows; i++)
        for (ptrdiff_t j = 0; j < columns; j++)
            memcpy(&out[size_t(i * columns + j)], view.data + i * view.row_stride + j * view.col_stride, sizeof(T));
    return out;
}

// Samples of n rows: the seed, numbers (M,) int64 and totals (M, blocks) int32.
struct Samples {
    uint64_t seed;
    std::vector<int64_t> numbers;
    std::vector<int32_t> totals;
    ptrdiff_t blocks;

    Samples(PyObject* const* a, ptrdiff_t n) : seed(PyLong_AsUnsignedLongLong(a[0])), blocks((n + draw_block - 1) / draw_block) {
        if (seed == ~uint64_t(0) && PyErr_Occurred()) throw Raised();
        Array number(a[1], "numbers"), total(a[2], "totals");
        number.expect(1, -1);
        total.expect(2, number.size(0), blocks);
        numbers = copied<int64_t>(number, Type::i64, "numbers");
        totals = copied<int32_t>(total, Type::i32, "totals");
    }
    ptrdiff_t count() const { return ptrdiff_t(numbers.size()); }
};

// n, seed, numbers, totals, rows (m,) int64 in order or None, out (M, m)
PyObject* py_draw(PyObject* const* a) {
    const ptrdiff_t n = PyLong_AsSsize_t(a[0]);
    if (n == -1 && PyErr_Occurred()) throw Raised();
    const Samples samples(a + 1, larger(n, 0));
    Array few(a[4], "rows"), out(a[5], "out", true);
    if (few) few.expect(1, -1);
    const std::vector<int64_t> rows = few ? copied<int64_t>(few, Type::i64, "rows") : std::vector<int64_t>();
    for (size_t i = 0; i < rows.size(); i++)
        if (rows[i] < (i ? rows[i - 1] : 0) || rows[i] >= n) raise(PyExc_IndexError, "%s must be row numbers in order, below n", "rows");
    out.expect(2, samples.count(), few ? few.size(0) : n);
    double* to = out.writable();
    const bool all = !few;
    Py_BEGIN_ALLOW_THREADS;
    Count counts[draw_block];
    for (ptrdiff_t b = 0; b < samples.count(); b++) {
        size_t i = 0;
        for (ptrdiff_t block = 0; block < samples.blocks; block++) {
            const ptrdiff_t start = block * draw_block, stop = smaller(n, start + draw_block);
            if (!all && (i == rows.size() || rows[i] >= stop)) continue;
            draw_counts(samples.seed, uint64_t(samples.numbers[size_t(b)]), uint64_t(block), samples.totals[size_t(b * samples.blocks + block)],
                        stop - start, counts);
            if (all) to = std::copy(counts, counts + (stop - start), to);
            else
                for (; i < rows.size() && rows[i] < stop; i++) *to++ = counts[rows[i] - start];
        }
    }
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

// A pass over rows, whose answer is (q, M).
class ReplicatesQuestion : public QuestionOf<ReplicatesPass> {
public:
    // X, rows, center; seed, numbers, totals
    ReplicatesQuestion(PyObject* const* a, PyObject* const* of, const Array& out)
        : QuestionOf(a[0], a[1], a[2], columns_of(out, "out"), 1), samples_(of, pass.n) {
        if (pass.q > most_unknowns) raise(PyExc_ValueError, "%s must have fewer than %zd columns", "X", most_unknowns);
        out.expect(2, pass.q, samples_.count());
        pass.replicates = pass.models;
        pass.models = pass.padded_models = 0;
        pass.block = draw_block;
        pass.wide = round_up(pass.q, narrow_lanes);
        pass.blocks = samples_.blocks, pass.seed = samples_.seed;
        pass.numbers = samples_.numbers.data(), pass.totals = samples_.totals.data();
        pass.sums = pass.replicates * pass.wide;
    }

    // (.., n) uint8 or None, and for counts that are in it already their rows (M,) int64
    void keep(const Array& kept, PyObject* rows) {
        if (!kept) return;
        kept.expect(2, -1, pass.n);
        const View view = kept.view();
        if (view.type != Type::u8 || (pass.n > 1 && view.col_stride != 1) || (view.rows > 1 && view.row_stride != pass.n))
            raise(PyExc_TypeError, "%s must be uint8, row-major", "kept");
        pass.kept = reinterpret_cast<Count*>(const_cast<char*>(view.data));
        slots_.resize(size_t(pass.replicates));
        for (size_t b = 0; b < slots_.size(); b++) slots_[b] = int64_t(b);
        if (rows != Py_None) {
            Array slots(rows, "slots");
            slots.expect(1, pass.replicates);
            slots_ = copied<int64_t>(slots, Type::i64, "slots");
            pass.slots = slots_.data();
        }
        for (int64_t slot : slots_)
            if (slot < 0 || slot >= view.rows) raise(PyExc_IndexError, "%s has no row for each of %zd samples", "kept", pass.replicates);
    }

    void answer(Kernel kernel, PyObject* threads, const double* scale, double* to) {
        Totals total;
        ask(kernel, double(pass.replicates * (2 * pass.width + 32)), as_int(threads), total);
        for (ptrdiff_t j = 0; j < pass.q; j++)
            for (ptrdiff_t b = 0; b < pass.replicates; b++) *to++ = total[size_t(b * pass.wide + j)] * (scale ? scale[j] : 1.0);
    }

private:
    Samples samples_;
    std::vector<int64_t> slots_;
};

// X, rows, center, residual, seed, numbers, totals, kept, threads, out (q, M)
PyObject* py_at_point(PyObject* const* a) {
    Array residual(a[3], "residual"), kept(a[7], "kept", true), out(a[9], "out", true);
    ReplicatesQuestion q(a, a + 4, out);
    q.set(q.pass.residual, residual, false);
    q.keep(kept, Py_None);
    q.answer(replicate_kernels->at_point, a[8], nullptr, out.writable());
    Py_RETURN_NONE;
}

// X, rows, center, scale (q,), step (q, M), curvature, mean, seed, numbers, totals, kept, slots, threads, out (q, M)
PyObject* py_changes(PyObject* const* a) {
    Array scale(a[3], "scale"), step(a[4], "step"), curvature(a[5], "curvature"), mean(a[6], "mean"), kept(a[10], "kept"), out(a[13], "out", true);
    ReplicatesQuestion q(a, a + 7, out);
    ReplicatesPass& pass = q.pass;
    scale.expect(1, pass.q), step.expect(2, pass.q, pass.replicates);
    scale.expect_f64(), step.expect_f64();
    std::vector<double> scales(size_t(pass.q)), per_scale(size_t(pass.q));
    std::vector<float> steps(size_t(pass.replicates * pass.wide), 0.0f);
    for (ptrdiff_t j = 0; j < pass.q; j++) {
        scales[size_t(j)] = scale.at(j), per_scale[size_t(j)] = 1.0 / scale.at(j);
        for (ptrdiff_t b = 0; b < pass.replicates; b++) steps[size_t(b * pass.wide + j)] = float(step.at(j, b) * scale.at(j));
    }
    pass.steps = steps.data(), pass.per_scale = per_scale.data();
    q.set(pass.curvature, curvature, false), q.set(pass.mean, mean, false);
    q.keep(kept, a[11]);
    q.answer(replicate_kernels->changes, a[12], scales.data(), out.writable());
    Py_RETURN_NONE;
}

}  // namespace

PyMethodDef replicate_methods[] = {method<py_draw, 6>("draw"),
                                   method<py_at_point, 10>("gradients_at_point"),
                                   method<py_changes, 14>("changes_of_gradients"),
                                   {nullptr, nullptr, 0, nullptr}};

}  // namespace berkson
