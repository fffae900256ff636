// The passes over rows of which only some cells are stored.  Rows come in blocks that stay in the cache from their linear
// predictors to their sums.  Included once per instruction set, inside its namespace.
namespace sparse {

INLINE const SparsePass& of(const Pass& pass) { return static_cast<const SparsePass&>(pass); }

INLINE ptrdiff_t place(const View& view, ptrdiff_t row) {
    const char* at = view.data + row * view.row_stride;
    return view.type == Type::i64 ? ptrdiff_t(load_one<int64_t>(at)) : ptrdiff_t(load_one<int32_t>(at));
}

// The stored cells of a row.
struct Cells {
    const char *values, *columns;
    ptrdiff_t count;
    Cells(const SparsePass& pass, ptrdiff_t i) {
        const ptrdiff_t row = row_number(pass, i), first = place(pass.start, row);
        count = place(pass.stop, row) - first;
        values = pass.values.data + first * pass.values.row_stride;
        columns = pass.columns.data + first * pass.columns.row_stride;
    }
};

constexpr ptrdiff_t span = 256;  // cells of other types that are converted together: they stay in the first-level cache

static void convert(const SparsePass& pass, const Cells& row, ptrdiff_t from, ptrdiff_t count, double* x, int32_t* j) {
    with_type(pass.values.type, [&](auto zero) {
        const char* at = row.values + from * ptrdiff_t(sizeof zero);
        for (ptrdiff_t a = 0; a < count; a++) x[a] = load_one<decltype(zero)>(at + a * ptrdiff_t(sizeof zero));
    });
    const char* at = row.columns + from * pass.columns.row_stride;
    if (pass.columns.type == Type::i32) memcpy(j, at, size_t(count) * sizeof *j);
    else
        for (ptrdiff_t a = 0; a < count; a++) {
            int64_t wide;
            memcpy(&wide, at + a * ptrdiff_t(sizeof wide), sizeof wide);
            j[a] = int32_t(wide);
        }
}

// Calls f(values, columns, count) on a row's cells from `from` on: float64 and int32 as they lie, others converted.
template <class F>
INLINE void for_cells(const SparsePass& pass, const Cells& row, ptrdiff_t from, F f) {
    if (pass.as_they_lie)
        return f(reinterpret_cast<const double*>(row.values) + from, reinterpret_cast<const int32_t*>(row.columns) + from, row.count - from);
    double x[span];
    int32_t j[span];
    for (; from < row.count; from += span) {
        const ptrdiff_t count = smaller(span, row.count - from);
        convert(pass, row, from, count, x, j);
        f(static_cast<const double*>(x), static_cast<const int32_t*>(j), count);
    }
}

// Calls f(place in the row, value, column) on each of its cells.
template <class F>
INLINE void for_each(const SparsePass& pass, const Cells& row, F f) {
    ptrdiff_t before = 0;
    for_cells(pass, row, 0, [&](const double* x, const int32_t* j, ptrdiff_t count) {
        for (ptrdiff_t a = 0; a < count; a++) f(before + a, x[a], ptrdiff_t(j[a]));
        before += count;
    });
}

// --- one linear predictor ---------------------------------------------------------------------------------------------

constexpr int U = 4;  // sums in flight

#if W == 8
// Eight cells at a time, the last ones masked: of short rows no branch depends on how many there are.
INLINE double gathered_dot(const Cells& row, const double* coef) {
    const double* x = reinterpret_cast<const double*>(row.values);
    const int32_t* j = reinterpret_cast<const int32_t*>(row.columns);
    __m512d s = _mm512_setzero_pd();
    for (ptrdiff_t a = 0; a < row.count; a += W) {
        const __mmask8 used = row.count - a >= W ? __mmask8(0xff) : __mmask8((1u << (row.count - a)) - 1);
        const __m512d c = _mm512_mask_i32gather_pd(_mm512_setzero_pd(), used, _mm256_maskz_loadu_epi32(used, j + a), coef, 8);
        s = _mm512_fmadd_pd(_mm512_maskz_loadu_pd(used, x + a), c, s);
    }
    return sum((vd)s);
}
#endif

static double dot(const SparsePass& pass, const Cells& row, const double* coef) {
#if W == 8
    if (pass.as_they_lie) return gathered_dot(row, coef);
#endif
    double s[U] = {};
    for_cells(pass, row, 0, [&](const double* x, const int32_t* j, ptrdiff_t count) {
        ptrdiff_t a = 0;
        for (; a + U <= count; a += U)
            for (int u = 0; u < U; u++) s[u] += x[a + u] * coef[j[a + u]];
        for (; a < count; a++) s[0] += x[a] * coef[j[a]];
    });
    return (s[0] + s[1]) + (s[2] + s[3]);
}

typedef double pair __attribute__((vector_size(16)));

INLINE pair load_pair(const double* p) {
    pair x;
    memcpy(&x, p, sizeof x);
    return x;
}

// Two at once, of coefficients that lie side by side: one line of the cache serves both.
static pair two_dots(const SparsePass& pass, const Cells& row, const double* coef) {
    pair s[U] = {};
    for_cells(pass, row, 0, [&](const double* x, const int32_t* j, ptrdiff_t count) {
        ptrdiff_t a = 0;
        for (; a + U <= count; a += U)
            for (int u = 0; u < U; u++) s[u] += x[a + u] * load_pair(coef + 2 * ptrdiff_t(j[a + u]));
        for (; a < count; a++) s[0] += x[a] * load_pair(coef + 2 * ptrdiff_t(j[a]));
    });
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void add(const SparsePass& pass, const Cells& row, double scale, double* out) {
    for_cells(pass, row, 0, [&](const double* x, const int32_t* j, ptrdiff_t count) {
        for (ptrdiff_t a = 0; a < count; a++) out[j[a]] += scale * x[a];
    });
}

// --- several ----------------------------------------------------------------------------------------------------------

// N vectors of dot products.
template <int N>
static void dots(const SparsePass& pass, const Cells& row, const double* coef, double* out) {
    vd s[N] = {};
    for_cells(pass, row, 0, [&](const double* x, const int32_t* j, ptrdiff_t count) {
        for (ptrdiff_t a = 0; a < count; a++)
            for (int v = 0; v < N; v++) s[v] += splat(x[a]) * load(coef + j[a] * pass.by + v * W);
    });
    for (int v = 0; v < N; v++) store(out + v * W, s[v]);
}

template <int N>
static void adds(const SparsePass& pass, const Cells& row, const double* scale, double* out) {
    vd s[N];
    for (int v = 0; v < N; v++) s[v] = load(scale + v * W);
    for_cells(pass, row, 0, [&](const double* x, const int32_t* j, ptrdiff_t count) {
        for (ptrdiff_t a = 0; a < count; a++) {
            double* to = out + j[a] * pass.by;
            for (int v = 0; v < N; v++) store(to + v * W, load(to + v * W) + splat(x[a]) * s[v]);
        }
    });
}

// Runs f<N>(from) over vectors [0, by / W), in strips of four and then of one.
template <class F>
INLINE void for_strips(ptrdiff_t by, F f) {
    ptrdiff_t m = 0;
    for (; m + 4 * W <= by; m += 4 * W) f(std::integral_constant<int, 4>(), m);
    for (; m < by; m += W) f(std::integral_constant<int, 1>(), m);
}

// eta (models, block) = x coef + constant for rows [start, start + count); 0 in the rows that fill up the last vector.
static void predict(const SparsePass& pass, ptrdiff_t start, ptrdiff_t count, const double* coef, Workspace& at, double* eta) {
    const double* constant = coef + pass.p * pass.by;
    for (ptrdiff_t i = 0; i < count; i++) {
        const Cells row(pass, start + i);
        if (pass.by == 1) {
            eta[i] = dot(pass, row, coef) + *constant;
            continue;
        }
        for_strips(pass.by, [&](auto n, ptrdiff_t m) { dots<n.value>(pass, row, coef + m, at.product + m); });
        for (ptrdiff_t m = 0; m < pass.models; m++) eta[m * pass.block + i] = at.product[m] + constant[m];
    }
    for (ptrdiff_t m = 0; m < pass.models; m++)
        for (ptrdiff_t i = count; i < round_up(count, lanes); i++) eta[m * pass.block + i] = 0.0;
}

static void add_offset(const SparsePass& pass, ptrdiff_t start, ptrdiff_t count, Workspace& at) {
    if (!pass.offset.data) return;
    for (ptrdiff_t m = 0; m < pass.models; m++) {
        double* eta = at.eta + m * pass.block;
        if (m == 0 || pass.offset.cols > 1) load_column(pass.offset, m, start, count, 0.0, at.y);
        for (ptrdiff_t i = 0; i < count; i++) eta[i] += at.y[i];
    }
}

// gradient (q, by) += x residual, residual (models, block).  A row whose residuals are all 0 adds nothing, whatever it
// holds: so is a row of weight 0.
static void add_gradient(const SparsePass& pass, ptrdiff_t start, ptrdiff_t count, const double* residual, Workspace& at, double* gradient) {
    double* constant = gradient + pass.p * pass.by;
    for (ptrdiff_t i = 0; i < count; i++) {
        bool any = false;
        for (ptrdiff_t m = 0; m < pass.models; m++) any |= residual[m * pass.block + i] != 0.0;
        if (!any) continue;
        const Cells row(pass, start + i);
        if (pass.by == 1) {
            add(pass, row, residual[i], gradient);
            *constant += residual[i];
            continue;
        }
        for (ptrdiff_t m = 0; m < pass.by; m++) at.product[m] = m < pass.models ? residual[m * pass.block + i] : 0.0;
        for_strips(pass.by, [&](auto n, ptrdiff_t m) { adds<n.value>(pass, row, at.product + m, gradient + m); });
        for (ptrdiff_t m = 0; m < pass.models; m++) constant[m] += at.product[m];
    }
}

template <class F>
INLINE void for_blocks(const SparsePass& pass, ptrdiff_t begin, ptrdiff_t end, F f) {
    for (ptrdiff_t start = begin; start < end; start += pass.block) f(start, smaller(pass.block, end - start));
}

// --- the passes -------------------------------------------------------------------------------------------------------

static void linear_predictor(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double*) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        predict(pass, start, count, pass.by_column, at, at.eta);
        add_offset(pass, start, count, at);
        for (ptrdiff_t i = 0; i < count; i++)
            for (ptrdiff_t m = 0; m < pass.models; m++) pass.out[(start + i) * pass.models + m] = at.eta[m * pass.block + i];
    });
}

// Column m of a per-row answer (n, models).
INLINE void put_column(const SparsePass& pass, ptrdiff_t m, ptrdiff_t start, ptrdiff_t count, const double* from, double* to) {
    for (ptrdiff_t i = 0; i < count; i++) to[(start + i) * pass.models + m] = from[i];
}

// Sums: values (models), gradients (q, by); minima: margins (models).
static void logistic(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    double *gradient = partial + pass.models, *margin = partial + pass.sums;
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        predict(pass, start, count, pass.by_column, at, at.eta);
        add_offset(pass, start, count, at);
        load_column(pass.y, 0, start, count, 0.0, at.y);
        for (ptrdiff_t m = 0; m < pass.models; m++) {
            if (m == 0 || pass.weight.cols > 1) load_weight(pass, m, start, count, at);
            auto run = pass.order || pass.residual ? logistic_rows<true> : logistic_rows<false>;
            double* residual = at.aux + m * pass.block;
            run(round_up(count, lanes), at.eta + m * pass.block, at.y, at.weight, residual, at.curvature, partial[m], margin[m]);
            if (pass.residual) put_column(pass, m, start, count, residual, pass.residual);
            if (pass.curvature) put_column(pass, m, start, count, at.curvature, pass.curvature);
        }
        if (pass.order) add_gradient(pass, start, count, at.aux, at, gradient);
    });
}

// Sums: (q, by), of residuals that stand in the place of labels.
static void transposed(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        for (ptrdiff_t m = 0; m < pass.models; m++) load_column(pass.y, m, start, count, 0.0, at.aux + m * pass.block);
        add_gradient(pass, start, count, at.aux, at, partial);
    });
}

// Sums: value, gradient (q, by); minimum: margin.
static void multinomial(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    double *gradient = partial + 1, *margin = partial + pass.sums, *which = at.curvature, *rest = at.product;
    const bool soft = pass.y.cols > 0;
    const Labels labels = {soft ? at.labels : at.y, pass.block, soft};
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        predict(pass, start, count, pass.by_column, at, at.eta);
        add_offset(pass, start, count, at);
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t k = 0; k < (soft ? pass.models : 1); k++)
            load_column(pass.y, k, start, count, 0.0, soft ? at.labels + k * pass.block : at.y);
        multinomial_rows(pass, round_up(count, lanes), at.eta, labels, at.weight, pass.order ? at.aux : nullptr, which, rest, partial[0],
                         margin[0]);
        if (pass.order) add_gradient(pass, start, count, at.aux, at, gradient);
    });
}

// The coefficients of the model and of the direction lie side by side, (q, 2).
static void logistic_curvature(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    const double* both = pass.by_column;
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        const pair constant = load_pair(both + 2 * pass.p);
        const ptrdiff_t rows = round_up(count, lanes);
        for (ptrdiff_t i = 0; i < rows; i++) {
            const pair x = i < count ? two_dots(pass, Cells(pass, start + i), both) + constant : pair{};
            at.eta[i] = x[0], at.aux[i] = x[1];
        }
        add_offset(pass, start, count, at);
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t i = 0; i < rows; i += W) {
            vd mu, complement, log1p;
            logistic_terms(load(at.eta + i), mu, complement, log1p);
            const vd w = load(at.weight + i);
            store(at.aux + i, keep_where(w != 0.0, w * (mu * complement * load(at.aux + i))));
        }
        add_gradient(pass, start, count, at.aux, at, partial);
    });
}

static void multinomial_curvature(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        predict(pass, start, count, pass.by_column, at, at.eta);
        add_offset(pass, start, count, at);
        load_weight(pass, 0, start, count, at);
        predict(pass, start, count, pass.direction_by_column, at, at.aux);
        multinomial_curved(pass, round_up(count, lanes), at.eta, at.weight, at.aux);
        add_gradient(pass, start, count, at.aux, at, partial);
    });
}

// Sums: (q, q), each pair of cells in one of its two places and squares by half, so that the answer is this plus its
// transpose: whichever order a row's cells stand in, and where a cell is stored in parts.
static void gram(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t i = 0; i < count; i++) {
            const double w = at.weight[i];
            if (w == 0.0) continue;
            const Cells row(pass, start + i);
            for_each(pass, row, [&](ptrdiff_t a, double x, ptrdiff_t j) {
                const double scaled = w * x;
                double* to = partial + j * pass.q;
                to[j] += 0.5 * scaled * x;
                to[pass.p] += scaled;
                for_cells(pass, row, a + 1, [&](const double* others, const int32_t* columns, ptrdiff_t cells) {
                    for (ptrdiff_t b = 0; b < cells; b++) to[columns[b]] += scaled * others[b];
                });
            });
            partial[pass.q * pass.q - 1] += 0.5 * w;
        }
    });
}

// (x, 1)' metric (x, 1)
static void quadratic_form(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double*, double*) {
    const SparsePass& pass = of(base);
    const double* constant = pass.metric + pass.p * pass.q;
    for (ptrdiff_t i = begin; i < end; i++) {
        const Cells row(pass, i);
        double total = constant[pass.p];
        for_each(pass, row, [&](ptrdiff_t a, double x, ptrdiff_t j) {
            const double* from = pass.metric + j * pass.q;
            double off = constant[j];
            for_cells(pass, row, a + 1, [&](const double* others, const int32_t* columns, ptrdiff_t cells) {
                for (ptrdiff_t b = 0; b < cells; b++) off += from[columns[b]] * others[b];
            });
            total += x * (2.0 * off + from[j] * x);
        });
        pass.out[i] = total;
    }
}

}  // namespace sparse
