// Losses and their derivatives per row, on columns of linear predictors.  A row of weight 0 contributes exactly 0.

// mu = sigmoid(eta) and 1 - mu, each to full relative accuracy, and log(1 + e^-|eta|).
INLINE void logistic_terms(vd eta, vd& mu, vd& complement, vd& log1p) {
    vd e = exp_nonpositive(-absolute(eta)), near;
    log1p_reciprocal(e, log1p, near);
    vd far = e * near;
    mu = eta >= 0.0 ? near : far;
    complement = eta >= 0.0 ? far : near;
}

// residual = w (mu - y) and curvature = w mu (1 - mu); adds to value, lowers margin.
template <bool derivatives>
static void logistic_rows(ptrdiff_t rows, const double* eta, const double* labels, const double* weight, double* residual, double* curvature,
                          double& value, double& margin) {
    vd total = {}, lowest = splat(INFINITY);
    for (ptrdiff_t i = 0; i < rows; i += W) {
        const vd x = load(eta + i), y = load(labels + i), w = load(weight + i);
        const vl used = w != 0.0;
        vd mu, complement, loss;
        logistic_terms(x, mu, complement, loss);
        const vd wrong = x > 0.0 ? 1.0 - y : y;  // what |eta| costs beyond log(1 + e^-|eta|); 0 * inf is 0 here
        loss += keep_where(wrong != 0.0, wrong * absolute(x));
        total += keep_where(used, w * loss);
        const vd side = y == 1.0 ? x : y == 0.0 ? -x : splat(-INFINITY);
        lowest = min_or_nan(lowest, w > 0.0 ? side : splat(INFINITY));
        if constexpr (derivatives) {
            store(residual + i, keep_where(used, w * ((1.0 - y) * mu - y * complement)));
            store(curvature + i, keep_where(used, w * (mu * complement)));
        }
    }
    value += sum(total);
    margin = berkson::min_or_nan(margin, minimum(lowest));
}

// What softmax leaves beside mu: the class on top, 1 - mu of it without cancellation, and log sum_k e^(eta_k - top).
struct Softmax {
    vd top, which, rest, log_sum;
};

INLINE vd complement(const Softmax& s, ptrdiff_t k, vd mu) { return s.which == double(k) ? s.rest : 1.0 - mu; }

INLINE Softmax find_top(ptrdiff_t classes, ptrdiff_t stride, const double* eta) {
    Softmax s = {load(eta), {}, {}, {}};
    for (ptrdiff_t k = 1; k < classes; k++) {
        const vd x = load(eta + k * stride);
        const vl higher = x > s.top;
        s.top = higher ? x : s.top;
        s.which = higher ? splat(double(k)) : s.which;
    }
    return s;
}

INLINE vd below_top(const Softmax& s, ptrdiff_t k, vd eta) { return keep_where(~(s.which == double(k)), eta - s.top); }

// eta becomes mu.  One +inf, or -inf beside others, has its limit; two +inf, or all -inf, give nan.
INLINE void softmax(ptrdiff_t classes, ptrdiff_t stride, double* eta, Softmax& s) {
    vd rest = {}, scale;
    for (ptrdiff_t k = 0; k < classes; k++) {
        const vd e = exp_nonpositive(below_top(s, k, load(eta + k * stride)));
        store(eta + k * stride, e);
        rest += keep_where(~(s.which == double(k)), e);
    }
    log1p_reciprocal(rest, s.log_sum, scale);
    for (ptrdiff_t k = 0; k < classes; k++) store(eta + k * stride, load(eta + k * stride) * scale);
    s.rest = rest * scale;
}

// Class codes (block,) or soft labels (classes, block).
struct Labels {
    const double* at;
    ptrdiff_t stride;
    bool soft;
    INLINE vd of(const Labels& labels, ptrdiff_t k, ptrdiff_t i) {
        if (labels.soft) return load(labels.at + k * labels.stride + i);
        return load(labels.at + i) == double(k) ? splat(1.0) : vd{};
    }
};

// eta becomes mu, residual_k = w (mu_k - y_k) where it is asked for; adds to value, lowers margin.  `which` and `rest`
// keep the class on top and its 1 - mu.
static void multinomial_rows(const Pass& pass, ptrdiff_t rows, double* eta, Labels labels, const double* weight, double* residual,
                             double* which, double* rest, double& value, double& margin) {
    const ptrdiff_t classes = pass.models, stride = pass.block;
    vd total = {}, lowest = splat(INFINITY);
    for (ptrdiff_t i = 0; i < rows; i += W) {
        const vd w = load(weight + i);
        const vl used = w != 0.0;
        Softmax s = find_top(classes, stride, eta + i);
        vd own = splat(-INFINITY), other = own, below = {}, mass = {};
        vl hard = {};
        for (ptrdiff_t k = 0; k < classes; k++) {
            const vd x = load(eta + k * stride + i), y = Labels::of(labels, k, i);
            const vl mine = y == 1.0;
            own = mine ? x : own;
            other = (~mine & (x > other)) ? x : other;
            hard |= mine;
            mass += y;
            below -= keep_where(y != 0.0, y * below_top(s, k, x));
        }
        softmax(classes, stride, eta + i, s);
        const vd loss = mass * s.log_sum + below;
        total += keep_where(used, w * loss);
        const vd side = loss != loss ? loss : hard ? own - other : splat(-INFINITY);
        lowest = min_or_nan(lowest, w > 0.0 ? side : splat(INFINITY));
        store(which + i, s.which);
        store(rest + i, s.rest);
        if (!residual) continue;
        for (ptrdiff_t k = 0; k < classes; k++) {
            const vd mu = load(eta + k * stride + i), y = Labels::of(labels, k, i);
            store(residual + k * stride + i, keep_where(used, w * ((1.0 - y) * mu - y * complement(s, k, mu))));
        }
    }
    value += sum(total);
    margin = berkson::min_or_nan(margin, minimum(lowest));
}

// curvature = w mu_k (1[k = l] - mu_l)
static void multinomial_weights(const Pass& pass, ptrdiff_t rows, ptrdiff_t k, ptrdiff_t l, const double* mu, const double* which,
                                const double* rest, const double* weight, double* curvature) {
    for (ptrdiff_t i = 0; i < rows; i += W) {
        const vd w = load(weight + i), a = load(mu + k * pass.block + i), b = load(mu + l * pass.block + i);
        const Softmax s = {{}, load(which + i), load(rest + i), {}};
        store(curvature + i, keep_where(w != 0.0, w * a * (k == l ? complement(s, k, a) : -b)));
    }
}

// t_k becomes w mu_k (t_k - sum_l mu_l t_l), with t counted from that of the class on top, so that nothing cancels there.
static void multinomial_curved(const Pass& pass, ptrdiff_t rows, double* eta, const double* weight, double* t) {
    const ptrdiff_t classes = pass.models, stride = pass.block;
    for (ptrdiff_t i = 0; i < rows; i += W) {
        const vd w = load(weight + i);
        Softmax s = find_top(classes, stride, eta + i);
        softmax(classes, stride, eta + i, s);
        vd top = {}, mean = {};
        for (ptrdiff_t k = 0; k < classes; k++) top = s.which == double(k) ? load(t + k * stride + i) : top;
        for (ptrdiff_t k = 0; k < classes; k++) mean += load(eta + k * stride + i) * (load(t + k * stride + i) - top);
        for (ptrdiff_t k = 0; k < classes; k++) {
            const vd turned = load(eta + k * stride + i) * ((load(t + k * stride + i) - top) - mean);
            store(t + k * stride + i, keep_where(w != 0.0, w * turned));
        }
    }
}
