// The passes: one loop over blocks of rows each.  A partial answer is laid out as sums, then minima.

template <class F>
INLINE void for_blocks(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* block, F f) {
    for (ptrdiff_t start = begin; start < end; start += pass.block) {
        const ptrdiff_t count = smaller(pass.block, end - start);
        f(start, count, load_block(pass, start, count, block));
    }
}

// eta = block coef + offset
static void linear_predictors(const Pass& pass, ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows, Workspace& at) {
    predict(pass, rows, at.block, pass.by_model, pass.by_column, at.product, at.eta);
    if (!pass.offset.data) return;
    for (ptrdiff_t m = 0; m < pass.models; m++) {
        double* eta = at.eta + m * pass.block;
        if (m == 0 || pass.offset.cols > 1) load_column(pass.offset, m, start, count, 0.0, at.y);
        for (ptrdiff_t i = 0; i < rows; i += W) store(eta + i, load(eta + i) + load(at.y + i));
    }
}

// Rows of weight 0 whose numbers are not finite would make 0 * inf: they become rows of zeros.
static void clear_unused(const Pass& pass, ptrdiff_t count, Workspace& at) {
    if (!pass.weight.data || pass.weight.cols > 1) return;
    for (ptrdiff_t i = 0; i < count; i++)
        if (at.weight[i] == 0.0) memset(at.block + i * pass.stride, 0, size_t(pass.width) * sizeof(double));
}

static void load_weight(const Pass& pass, ptrdiff_t m, ptrdiff_t start, ptrdiff_t count, Workspace& at) {
    load_column(pass.weight, m, start, count, 1.0, at.weight);
}

// out += sum_i weight[i] x_i x_i' (no weight: 1), its upper triangle; `sparse`: from the cells that at.scaled lists, which
// the other way overwrites.
static void add_squares(const Pass& pass, ptrdiff_t rows, const double* weight, bool sparse, Workspace& at, double* out) {
    if (sparse) return add_pairs(pass, rows, weight, at.block, at.scaled, out);
    if (pass.unit) return add_gram_single(pass, rows, weight, at.block, at.scaled, out);
    if (weight) scale_rows(pass, rows, weight, at.block, at.scaled);
    add_gram(pass, rows, weight ? at.scaled : at.block, at.block, out);
}

// Whether `add_squares` is to be told that cells are few.
static bool list_squares(const Pass& pass, ptrdiff_t rows, Workspace& at) {
    return list_cells(pass, rows, double(pass.q * pass.width) / (2 * W), at.block, at.scaled);
}

// W columns of a block: weighted sums of x and x^2, minima of x and of -x.  A nan is seen in the sum of squares.
template <bool weighted>
static void add_moments(const Pass& pass, ptrdiff_t count, const double* x, const double* weight, double* first, double* second, double* low,
                        double* minus_high) {
    vd s1 = {}, s2 = {}, lowest = load(low), highest = -load(minus_high);
    for (ptrdiff_t i = 0; i < count; i++, x += pass.stride) {
        const vd here = load(x), w = splat(weighted ? weight[i] : 1.0), scaled = weighted ? w * here : here;
        s1 += scaled;
        s2 += scaled * here;
        const vd above = weighted ? (w != 0.0 ? here : lowest) : here, below = weighted ? (w != 0.0 ? here : highest) : here;
        lowest = above < lowest ? above : lowest;
        highest = below > highest ? below : highest;
    }
    store(first, load(first) + s1);
    store(second, load(second) + s2);
    store(low, s2 == s2 ? lowest : s2);
    store(minus_high, s2 == s2 ? -highest : s2);
}

static void moments(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    double *first = partial + 1, *second = first + pass.width, *low = partial + pass.sums, *minus_high = low + pass.width;
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t) {
        load_weight(pass, 0, start, count, at);
        clear_unused(pass, count, at);
        for (ptrdiff_t i = 0; i < count; i++) partial[0] += at.weight[i];
        auto add = pass.weight.data ? add_moments<true> : add_moments<false>;
        for (ptrdiff_t j = 0; j < pass.width; j += W)
            add(pass, count, at.block + j, at.weight, first + j, second + j, low + j, minus_high + j);
    });
}

static void linear_predictor(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double*) {
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        linear_predictors(pass, start, count, rows, at);
        for (ptrdiff_t i = 0; i < count; i++)
            for (ptrdiff_t m = 0; m < pass.models; m++) pass.out[(start + i) * pass.models + m] = at.eta[m * pass.block + i];
    });
}

// gradient += sum_r residual[r] (x[r] - center) over R rows as they lie
template <class T, int R>
INLINE void add_rows(const Pass& pass, const char* const* x, const double* residual, double* gradient) {
    const ptrdiff_t p = pass.p, size = sizeof(T);
    ptrdiff_t j = 0;
    for (; j + W <= p; j += W) {
        const vd center = load(pass.center + j);
        vd s = load(gradient + j);
        for (int r = 0; r < R; r++) s += splat(residual[r]) * (load_many<T>(x[r] + j * size) - center);
        store(gradient + j, s);
    }
    for (; j < p; j++)
        for (int r = 0; r < R; r++) gradient[j] += residual[r] * (load_one<T>(x[r] + j * size) - pass.center[j]);
    for (int r = 0; r < R; r++) gradient[p] += residual[r];
}

// (x - center)' coef + constant, by the columns that have a coefficient
template <class T>
INLINE double predict_by_few(const Pass& pass, const char* x) {
    constexpr int in_flight = 4;
    double s[in_flight] = {pass.by_model[pass.p]};
    for (ptrdiff_t k = 0; k < pass.few_count; k++) {
        const ptrdiff_t j = pass.few[k];
        s[k % in_flight] += (load_one<T>(x + j * ptrdiff_t(sizeof(T))) - pass.center[j]) * pass.by_model[j];
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

// The value and the gradient where few of many columns have a coefficient: a block of rows would not stay in the cache.
template <class T>
static void logistic_by_few(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, Workspace& at, double* partial) {
    double *gradient = partial + 1, *margin = partial + pass.sums;
    for (ptrdiff_t start = begin; start < end; start += lanes) {
        const ptrdiff_t count = smaller(lanes, end - start);
        const char* x[lanes];
        for (ptrdiff_t i = 0; i < lanes; i++) {
            x[i] = row_address(pass, start + smaller(i, count - 1));
            at.eta[i] = i < count ? predict_by_few<T>(pass, x[i]) : 0.0;
        }
        load_column(pass.offset, 0, start, count, 0.0, at.y);
        for (ptrdiff_t i = 0; i < lanes; i++) at.eta[i] += i < count ? at.y[i] : 0.0;
        load_column(pass.y, 0, start, count, 0.0, at.y);
        load_weight(pass, 0, start, count, at);
        logistic_rows<true>(lanes, at.eta, at.y, at.weight, at.aux, at.curvature, partial[0], margin[0]);
        bool all = true;
        for (ptrdiff_t i = 0; i < lanes; i++) all &= at.weight[i] != 0.0;
        if (all) add_rows<T, lanes>(pass, x, at.aux, gradient);
        else
            for (ptrdiff_t i = 0; i < count; i++)  // a row of weight 0 may hold anything
                if (at.weight[i] != 0.0) add_rows<T, 1>(pass, x + i, at.aux + i, gradient);
    }
}

// Sums: values (models), gradients (models, width), Hessian (width, width) of the one model; minima: margins (models).
static void logistic(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    if (pass.few)
        return with_type(pass.X.type, [&](auto zero) { logistic_by_few<decltype(zero)>(pass, begin, end, at, partial); });
    double *gradient = partial + pass.models, *hessian = gradient + pass.models * pass.width, *margin = partial + pass.sums;
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        linear_predictors(pass, start, count, rows, at);
        load_column(pass.y, 0, start, count, 0.0, at.y);
        for (ptrdiff_t m = 0; m < pass.models; m++) {
            if (m == 0 || pass.weight.cols > 1) load_weight(pass, m, start, count, at);
            auto run = pass.order ? logistic_rows<true> : logistic_rows<false>;
            run(rows, at.eta + m * pass.block, at.y, at.weight, at.aux + m * pass.block, at.curvature, partial[m], margin[m]);
        }
        if (pass.order == 0) return;
        clear_unused(pass, count, at);
        add_gradient(pass, rows, at.aux, at.block, gradient);
        if (pass.order == 1) return;
        const bool sparse = !any(not_finite(at.curvature, rows)) && list_squares(pass, rows, at);
        add_squares(pass, rows, at.curvature, sparse, at, hessian);
    });
}

// Sums: value, gradient (classes, width), Hessian (width, width) of each pair of classes k >= l; minimum: margin.
static void multinomial(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    double *gradient = partial + 1, *margin = partial + pass.sums;
    double *which = at.product, *rest = at.product + pass.block;  // padded_models >= 8 columns: room for both
    const bool soft = pass.y.cols > 0;
    const Labels labels = {soft ? at.labels : at.y, pass.block, soft};
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        linear_predictors(pass, start, count, rows, at);
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t k = 0; k < (soft ? pass.models : 1); k++)
            load_column(pass.y, k, start, count, 0.0, soft ? at.labels + k * pass.block : at.y);
        multinomial_rows(pass, rows, at.eta, labels, at.weight, pass.order ? at.aux : nullptr, which, rest, partial[0], margin[0]);
        if (pass.order == 0) return;
        clear_unused(pass, count, at);
        add_gradient(pass, rows, at.aux, at.block, gradient);
        if (pass.order == 1) return;
        double* hessian = gradient + pass.models * pass.width;
        bool sparse = list_squares(pass, rows, at);
        for (ptrdiff_t k = 0; k < pass.models; k++)
            for (ptrdiff_t l = 0; l <= k; l++, hessian += pass.width * pass.width) {
                multinomial_weights(pass, rows, k, l, at.eta, which, rest, at.weight, at.curvature);
                sparse = sparse && !any(not_finite(at.curvature, rows));
                add_squares(pass, rows, at.curvature, sparse, at, hessian);
            }
    });
}

static void logistic_curvature(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        linear_predictors(pass, start, count, rows, at);
        load_weight(pass, 0, start, count, at);
        predict(pass, rows, at.block, pass.direction_by_model, pass.direction_by_column, at.product, at.aux);
        for (ptrdiff_t i = 0; i < rows; i += W) {
            vd mu, complement, log1p;
            logistic_terms(load(at.eta + i), mu, complement, log1p);
            const vd w = load(at.weight + i);
            store(at.aux + i, keep_where(w != 0.0, w * (mu * complement * load(at.aux + i))));
        }
        clear_unused(pass, count, at);
        add_gradient(pass, rows, at.aux, at.block, partial);
    });
}

static void multinomial_curvature(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        linear_predictors(pass, start, count, rows, at);
        load_weight(pass, 0, start, count, at);
        predict(pass, rows, at.block, pass.direction_by_model, pass.direction_by_column, at.product, at.aux);
        multinomial_curved(pass, rows, at.eta, at.weight, at.aux);
        clear_unused(pass, count, at);
        add_gradient(pass, rows, at.aux, at.block, partial);
    });
}

static void gram(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        if (pass.weight.data) load_weight(pass, 0, start, count, at);
        clear_unused(pass, count, at);
        const bool finite = !pass.weight.data || !any(not_finite(at.weight, rows));
        add_squares(pass, rows, pass.weight.data ? at.weight : nullptr, finite && list_squares(pass, rows, at), at, partial);
    });
}

// Minimum: -|unit x|^2 over rows of weight > 0.
static void longest(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t i = 0; i < rows; i += W) {
            vd s[W] = {};
            for (ptrdiff_t j = 0; j < pass.width; j += W)
                for (int r = 0; r < W; r++) {
                    const vd x = load(pass.unit + j) * load(at.block + (i + r) * pass.stride + j);
                    s[r] += x * x;
                }
            partial[0] = berkson::min_or_nan(partial[0], minimum(load(at.weight + i) > 0.0 ? -sums(s) : splat(INFINITY)));
        }
    });
}

static void quadratic_form(const Pass& pass, ptrdiff_t begin, ptrdiff_t end, double* scratch, double*) {
    Workspace at(pass, scratch);
    for_blocks(pass, begin, end, at.block, [&](ptrdiff_t start, ptrdiff_t count, ptrdiff_t rows) {
        if (pass.finite_metric && list_cells(pass, rows, double(pass.q * pass.width) / W, at.block, at.scaled))
            return sum_pairs(pass, count, at.block, at.scaled, pass.out + start);
        memset(at.scaled, 0, size_t(rows * pass.stride) * sizeof(double));
        add_product(rows, pass.width / W, pass.q, at.block, pass.stride, 1, pass.metric, pass.width, at.scaled, pass.stride);
        for (ptrdiff_t i = 0; i < rows; i += W) {
            vd s[W] = {};
            for (ptrdiff_t j = 0; j < pass.width; j += W)
                for (int r = 0; r < W; r++)
                    s[r] += load(at.scaled + (i + r) * pass.stride + j) * load(at.block + (i + r) * pass.stride + j);
            store(at.curvature + i, sums(s));
        }
        memcpy(pass.out + start, at.curvature, size_t(count) * sizeof(double));
    });
}
