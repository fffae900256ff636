// The passes over numbers and factors side by side.  Numbers come in blocks of rows as those of a dense table do; codes
// are gathered by and scattered to, a factor at a time.  Included once per instruction set, inside its namespace.
namespace coded {

INLINE const CodedPass& of(const Pass& pass) { return static_cast<const CodedPass&>(pass); }

// The places of a factor's levels, among those of all factors, in rows [start, start + count).
static void load_places(const CodedPass& pass, ptrdiff_t factor, ptrdiff_t start, ptrdiff_t count, int32_t* to) {
    const View& codes = pass.codes[factor];
    const int32_t first = pass.firsts[factor];
    with_type(codes.type, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T>) {
            auto at = [&](const char* from) {
                T code;
                memcpy(&code, from, sizeof code);
                return int32_t(code) + first;
            };
            if (pass.rows.data)
                for (ptrdiff_t i = 0; i < count; i++) to[i] = at(codes.data + row_number(pass, start + i) * codes.row_stride);
            else if (codes.row_stride == ptrdiff_t(sizeof(T)))
                for (ptrdiff_t i = 0; i < count; i++) to[i] = at(codes.data + (start + i) * ptrdiff_t(sizeof(T)));
            else
                for (ptrdiff_t i = 0; i < count; i++) to[i] = at(codes.data + (start + i) * codes.row_stride);
        }
    });
}

// The places of every factor's levels, (factors, block).
INLINE int32_t* places(Workspace& at) { return reinterpret_cast<int32_t*>(at.beside); }

// Calls f(start, count, padded rows) for blocks of rows, numbers and places loaded.
template <class F>
INLINE void for_coded_blocks(const CodedPass& pass, ptrdiff_t begin, ptrdiff_t end, Workspace& at, F f) {
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        for (ptrdiff_t factor = 0; factor < pass.factors; factor++)
            load_places(pass, factor, start, count, places(at) + factor * pass.block);
        f(start, count, rows);
    });
}

// Calls f(factor, its places) for every factor.
template <class F>
INLINE void for_factors(const CodedPass& pass, Workspace& at, F f) {
    for (ptrdiff_t factor = 0; factor < pass.factors; factor++) f(factor, static_cast<const int32_t*>(places(at) + factor * pass.block));
}

// eta (models, block) += each row's effects
static void add_effects(const CodedPass& pass, ptrdiff_t count, const double* effects, Workspace& at, double* eta) {
    if (pass.by == 1) {
        for_factors(pass, at, [&](ptrdiff_t, const int32_t* place) {
            for (ptrdiff_t i = 0; i < count; i++) eta[i] += effects[place[i]];
        });
        return;
    }
    memset(at.product, 0, size_t(count * pass.by) * sizeof(double));
    for_factors(pass, at, [&](ptrdiff_t, const int32_t* place) {
        for (ptrdiff_t i = 0; i < count; i++) {
            const double* from = effects + place[i] * pass.by;
            double* to = at.product + i * pass.by;
            for (ptrdiff_t m = 0; m < pass.by; m += W) store(to + m, load(to + m) + load(from + m));
        }
    });
    for (ptrdiff_t m = 0; m < pass.models; m++)
        for (ptrdiff_t i = 0; i < count; i++) eta[m * pass.block + i] += at.product[i * pass.by + m];
}

// at.eta = x coef + offset
static void predictors(const CodedPass& pass, ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows, Workspace& at) {
    linear_predictors(pass, start, count, rows, at);
    add_effects(pass, count, pass.effects, at, at.eta);
}

// numbers (models, width) += residual x, and levels (levels, by) likewise
static void add_sums(const CodedPass& pass, ptrdiff_t count, ptrdiff_t rows, const double* residual, Workspace& at, double* numbers, double* levels) {
    add_gradient(pass, rows, residual, at.block, numbers);
    if (pass.by == 1) {
        for_factors(pass, at, [&](ptrdiff_t, const int32_t* place) {
            for (ptrdiff_t i = 0; i < count; i++) levels[place[i]] += residual[i];
        });
        return;
    }
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t m = 0; m < pass.by; m++) at.product[i * pass.by + m] = m < pass.models ? residual[m * pass.block + i] : 0.0;
    for_factors(pass, at, [&](ptrdiff_t, const int32_t* place) {
        for (ptrdiff_t i = 0; i < count; i++) {
            double* to = levels + place[i] * pass.by;
            const double* from = at.product + i * pass.by;
            for (ptrdiff_t m = 0; m < pass.by; m += W) store(to + m, load(to + m) + load(from + m));
        }
    });
}

// out += the tables of sum_i weight[i] x_i x_i': numbers (width, width), then beside each factor (its levels, width), or
// the diagonal (its levels,) where it is not tabulated, then pairs f < g of tabulated factors (levels of f, levels of g).
static void add_tables(const CodedPass& pass, ptrdiff_t count, ptrdiff_t rows, const double* weight, Workspace& at, double* out) {
    scale_rows(pass, rows, weight, at.block, at.scaled);
    add_gram(pass, rows, at.scaled, at.block, out);
    out += pass.width * pass.width;
    for_factors(pass, at, [&](ptrdiff_t factor, const int32_t* place) {
        const int32_t first = pass.firsts[factor];
        if (!pass.tabulated[factor]) {
            for (ptrdiff_t i = 0; i < count; i++) out[place[i] - first] += weight[i];
        } else {
            for (ptrdiff_t i = 0; i < count; i++) {
                double* to = out + (place[i] - first) * pass.width;
                const double* from = at.scaled + i * pass.stride;
                for (ptrdiff_t j = 0; j < pass.width; j += W) store(to + j, load(to + j) + load(from + j));
            }
        }
        out += (pass.firsts[factor + 1] - first) * (pass.tabulated[factor] ? pass.width : 1);
    });
    for_factors(pass, at, [&](ptrdiff_t f, const int32_t* place) {
        if (!pass.tabulated[f]) return;
        for (ptrdiff_t g = f + 1; g < pass.factors; g++) {
            if (!pass.tabulated[g]) continue;
            const int32_t* other = places(at) + g * pass.block;
            const ptrdiff_t across = pass.firsts[g + 1] - pass.firsts[g];
            const int32_t first = pass.firsts[f], second = pass.firsts[g];
            for (ptrdiff_t i = 0; i < count; i++) out[(place[i] - first) * across + (other[i] - second)] += weight[i];
            out += (pass.firsts[f + 1] - first) * across;
        }
    });
}

// --- the passes -------------------------------------------------------------------------------------------------------

static void linear_predictor(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double*) {
    const CodedPass& pass = of(base);
    Workspace at(pass, scratch);
    for_coded_blocks(pass, begin, end, at, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        predictors(pass, start, count, rows, at);
        for (ptrdiff_t i = 0; i < count; i++)
            for (ptrdiff_t m = 0; m < pass.models; m++) pass.out[(start + i) * pass.models + m] = at.eta[m * pass.block + i];
    });
}

// Sums: values (models), gradients (models, width) and (levels, by), tables of the one model; minima: margins (models).
static void logistic(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const CodedPass& pass = of(base);
    Workspace at(pass, scratch);
    double *gradient = partial + pass.models, *levels = gradient + pass.models * pass.width, *margin = partial + pass.sums;
    for_coded_blocks(pass, begin, end, at, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        predictors(pass, start, count, rows, at);
        load_column(pass.y, 0, start, count, 0.0, at.y);
        for (ptrdiff_t m = 0; m < pass.models; m++) {
            if (m == 0 || pass.weight.cols > 1) load_weight(pass, m, start, count, at);
            auto run = pass.order ? logistic_rows<true> : logistic_rows<false>;
            run(rows, at.eta + m * pass.block, at.y, at.weight, at.aux + m * pass.block, at.curvature, partial[m], margin[m]);
        }
        if (pass.order == 0) return;
        clear_unused(pass, count, at);
        add_sums(pass, count, rows, at.aux, at, gradient, levels);
        if (pass.order == 2) add_tables(pass, count, rows, at.curvature, at, levels + pass.levels);
    });
}

// Sums: value, gradients (models, width) and (levels, by); minimum: margin.
static void multinomial(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const CodedPass& pass = of(base);
    Workspace at(pass, scratch);
    double *gradient = partial + 1, *levels = gradient + pass.models * pass.width, *margin = partial + pass.sums;
    double *which = at.product, *rest = at.product + pass.block;  // padded_models >= 8 columns: room for both
    const bool soft = pass.y.cols > 0;
    const Labels labels = {soft ? at.labels : at.y, pass.block, soft};
    for_coded_blocks(pass, begin, end, at, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        predictors(pass, start, count, rows, at);
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t k = 0; k < (soft ? pass.models : 1); k++)
            load_column(pass.y, k, start, count, 0.0, soft ? at.labels + k * pass.block : at.y);
        multinomial_rows(pass, rows, at.eta, labels, at.weight, pass.order ? at.aux : nullptr, which, rest, partial[0], margin[0]);
        if (pass.order == 0) return;
        clear_unused(pass, count, at);
        add_sums(pass, count, rows, at.aux, at, gradient, levels);
    });
}

// Sums: (models, width) and (levels, by).  at.aux holds the direction's linear predictors, then what they are bent to.
template <class F>
INLINE void curvature(const CodedPass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial, F bend) {
    Workspace at(pass, scratch);
    for_coded_blocks(pass, begin, end, at, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        predictors(pass, start, count, rows, at);
        load_weight(pass, 0, start, count, at);
        predict(pass, rows, at.block, pass.direction_by_model, pass.direction_by_column, at.product, at.aux);
        add_effects(pass, count, pass.direction_effects, at, at.aux);
        bend(rows, at);
        clear_unused(pass, count, at);
        add_sums(pass, count, rows, at.aux, at, partial, partial + pass.models * pass.width);
    });
}

static void logistic_curvature(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    curvature(of(base), begin, end, scratch, partial, [](ptrdiff_t rows, Workspace& at) {
        for (ptrdiff_t i = 0; i < rows; i += W) {
            vd mu, complement, log1p;
            logistic_terms(load(at.eta + i), mu, complement, log1p);
            const vd w = load(at.weight + i);
            store(at.aux + i, keep_where(w != 0.0, w * (mu * complement * load(at.aux + i))));
        }
    });
}

static void multinomial_curvature(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    curvature(of(base), begin, end, scratch, partial,
              [&](ptrdiff_t rows, Workspace& at) { multinomial_curved(base, rows, at.eta, at.weight, at.aux); });
}

static void tables(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const CodedPass& pass = of(base);
    Workspace at(pass, scratch);
    for_coded_blocks(pass, begin, end, at, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        load_weight(pass, 0, start, count, at);
        clear_unused(pass, count, at);
        add_tables(pass, count, rows, at.weight, at, partial);
    });
}

// `metric` is that of numbers and the constant (q, width); `between` that of all slots.
static void quadratic_form(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double*) {
    const CodedPass& pass = of(base);
    Workspace at(pass, scratch);
    for_coded_blocks(pass, begin, end, at, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        double* out = pass.out + start;
        memset(at.scaled, 0, size_t(rows * pass.stride) * sizeof(double));
        add_product(rows, pass.width / W, pass.q, at.block, pass.stride, 1, pass.metric, pass.width, at.scaled, pass.stride);
        for (ptrdiff_t i = 0; i < count; i++) {
            vd s = {};
            for (ptrdiff_t j = 0; j < pass.width; j += W) s += load(at.scaled + i * pass.stride + j) * load(at.block + i * pass.stride + j);
            out[i] = sum(s);
        }
        for_factors(pass, at, [&](ptrdiff_t f, const int32_t* place) {
            for (ptrdiff_t i = 0; i < count; i++) {
                const double *from = pass.between + (pass.q + place[i]) * pass.slots, *x = at.block + i * pass.stride;
                double beside = 0.0;
                for (ptrdiff_t j = 0; j < pass.q; j++) beside += from[j] * x[j];
                out[i] += from[pass.q + place[i]] + 2.0 * beside;
            }
            for (ptrdiff_t g = 0; g < f; g++) {
                const int32_t* other = places(at) + g * pass.block;
                for (ptrdiff_t i = 0; i < count; i++)
                    out[i] += 2.0 * pass.between[(pass.q + place[i]) * pass.slots + pass.q + other[i]];
            }
        });
    });
}

}  // namespace coded
