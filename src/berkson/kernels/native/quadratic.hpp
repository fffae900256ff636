// The minimum of a quadratic plus absolute values by feature-sign search, where the systems it meets are regular.  The
// algorithm stands in quadratic_reference.py; and coordinate descent, as in descent.py.

namespace quadratic {

constexpr double solved = 1e-12, half = 0.5, singular = 1e-9;
constexpr ptrdiff_t systems = 20;

// The work space, for d coordinates.
struct Room {
    double *matrix, *row, *here, *pull, *sign, *gradient, *right, *step, *crossing, *signs, *slope;
    ptrdiff_t *places, *active;
    Room(const Quadratic& q, double* at) {
        const ptrdiff_t d = round_up(q.d, lanes);
        matrix = at, at += d * (d + lanes);
        for (double** vector : {&row, &here, &pull, &sign, &gradient, &right, &step, &crossing, &signs, &slope}) *vector = at, at += d;
        places = reinterpret_cast<ptrdiff_t*>(at), active = reinterpret_cast<ptrdiff_t*>(at + d);
    }
};

INLINE double dot(const double* a, const double* b, ptrdiff_t count) {
    vd s = {};
    ptrdiff_t i = 0;
    for (; i + W <= count; i += W) s += load(a + i) * load(b + i);
    double total = sum(s);
    for (; i < count; i++) total += a[i] * b[i];
    return total;
}

// The upper triangle of a matrix (a rows of `stride`, whole vectors) becomes U with U'U the matrix; false: it is singular.
static bool factorise(double* matrix, ptrdiff_t a, ptrdiff_t stride) {
    for (ptrdiff_t k = 0; k < a; k++) {
        double* top = matrix + k * stride;
        for (ptrdiff_t i = k - k % 4; i < k; i++) {  // the last few rows, which the groups of four have left
            const double* above = matrix + i * stride;
            const vd scale = splat(above[k]);
            for (ptrdiff_t j = k / W * W; j < a; j += W) store(top + j, load(top + j) - scale * load(above + j));
        }
        const double before = top[stride - 1];
        if (!(top[k] > singular * before)) return false;
        const vd inverse = splat(1.0 / __builtin_sqrt(top[k]));
        for (ptrdiff_t j = k / W * W; j < a; j += W) store(top + j, load(top + j) * inverse);
        if (k % 4 != 3) continue;
        for (ptrdiff_t i = k + 1; i < a; i++) {
            double* row = matrix + i * stride;
            const double *r0 = top - 3 * stride, *r1 = top - 2 * stride, *r2 = top - stride, *r3 = top;
            const vd s0 = splat(r0[i]), s1 = splat(r1[i]), s2 = splat(r2[i]), s3 = splat(r3[i]);
            for (ptrdiff_t j = i / W * W; j < a; j += W)
                store(row + j, load(row + j) - (s0 * load(r0 + j) + s1 * load(r1 + j)) - (s2 * load(r2 + j) + s3 * load(r3 + j)));
        }
    }
    return true;
}

// step = (U'U)^-1 right
static void solve(const double* u, ptrdiff_t a, ptrdiff_t stride, double* right, double* step) {
    for (ptrdiff_t k = 0; k < a; k++) {
        const double* row = u + k * stride;
        right[k] /= row[k];
        for (ptrdiff_t j = k + 1; j < a; j++) right[j] -= right[k] * row[j];
    }
    for (ptrdiff_t k = a - 1; k >= 0; k--) {
        const double* row = u + k * stride;
        step[k] = (right[k] - dot(row + k + 1, step + k + 1, a - k - 1)) / row[k];
    }
}

// The part of the step at which the objective is least: where a coordinate crosses zero, or all of it.
static double best_length(const Room& at, ptrdiff_t a, double slope, double curvature) {
    double best = 1.0, least = INFINITY;
    auto look = [&](double length) {
        double value = length * slope + 0.5 * length * length * curvature;
        for (ptrdiff_t i = 0; i < a; i++) value += at.pull[i] * __builtin_fabs(at.here[i] + length * at.step[i]);
        if (value < least || (value == least && length < best)) best = length, least = value;
    };
    look(1.0);
    for (ptrdiff_t i = 0; i < a; i++)
        if (at.crossing[i] < 1.0) look(at.crossing[i]);
    return best;
}

static bool minimum(const Quadratic& q, double* scratch) {
    const ptrdiff_t d = q.d;
    Room at(q, scratch);
    double largest = 0.0, most_threshold = 0.0, share = half;
    auto look_at_signs = [&] {
        for (ptrdiff_t j = 0; j < d; j++) {
            at.active[j] = q.x[j] != 0.0 || q.threshold[j] == 0.0;
            at.signs[j] = q.x[j] > 0.0 ? 1.0 : q.x[j] < 0.0 ? -1.0 : 0.0;
        }
    };
    for (ptrdiff_t j = 0; j < d; j++) {
        if (__builtin_fabs(q.linear[j]) > largest) largest = __builtin_fabs(q.linear[j]);
        if (q.threshold[j] < INFINITY && q.threshold[j] > most_threshold) most_threshold = q.threshold[j];
    }
    look_at_signs();
    for (ptrdiff_t system = 0; system < systems * (d + 2); system++) {
        ptrdiff_t a = 0;
        for (ptrdiff_t j = 0; j < d; j++)
            if (at.active[j]) at.places[a++] = j;
        const ptrdiff_t stride = round_up(a, lanes) + lanes;  // the last of a row: its diagonal as it was
        double diagonal = 0.0, asked = 0.0, longest = 0.0;
        for (ptrdiff_t i = 0; i < a; i++) at.here[i] = q.x[at.places[i]];
        for (ptrdiff_t i = 0; i < a; i++) {
            const ptrdiff_t j = at.places[i];
            const double* from = q.hessian + j * d;
            double* to = at.matrix + i * stride;
            for (ptrdiff_t k = 0; k < a; k++) to[k] = from[at.places[k]];
            for (ptrdiff_t k = a; k < stride; k++) to[k] = 0.0;
            at.pull[i] = q.threshold[j], at.sign[i] = at.signs[j];
            at.gradient[i] = dot(to, at.here, a) + q.linear[j];
            at.right[i] = -(at.gradient[i] + (at.pull[i] > 0.0 ? at.pull[i] * at.sign[i] : 0.0));
            to[stride - 1] = to[i];
            if (to[i] > diagonal) diagonal = to[i];
            if (__builtin_fabs(at.right[i]) > asked) asked = __builtin_fabs(at.right[i]);
        }
        if (!factorise(at.matrix, a, stride)) return false;
        double curvature = 0.0;
        for (ptrdiff_t i = 0; i < a; i++) at.crossing[i] = at.right[i];
        solve(at.matrix, a, stride, at.right, at.step);
        bool wrong = false;
        double slope = 0.0;
        for (ptrdiff_t i = 0; i < a; i++) {
            curvature += at.crossing[i] * at.step[i];
            slope += at.gradient[i] * at.step[i];
            if (__builtin_fabs(at.step[i]) > longest) longest = __builtin_fabs(at.step[i]);
            const bool turns = at.pull[i] > 0.0 && (at.here[i] + at.step[i]) * at.sign[i] < 0.0;
            at.crossing[i] = turns ? -at.here[i] / at.step[i] : INFINITY;
            wrong |= turns;
        }
        if (a && !(longest * diagonal * singular <= asked)) return false;
        const double length = wrong ? best_length(at, a, slope, curvature) : 1.0;
        for (ptrdiff_t i = 0; i < a; i++)
            q.x[at.places[i]] = wrong && at.crossing[i] == length ? 0.0 : at.here[i] + length * at.step[i];
        if (wrong) {
            share = length > 0.0 ? half : 1.0;
            look_at_signs();
            continue;
        }
        double most = -INFINITY;
        for (ptrdiff_t j = 0; j < d; j++) {
            if (at.active[j]) continue;
            at.slope[j] = dot(q.hessian + j * d, q.x, d) + q.linear[j];
            const double asks = __builtin_fabs(at.slope[j]) - q.threshold[j];
            if (asks != asks) return false;
            if (asks > most) most = asks;
        }
        if (most <= solved * (largest + most_threshold)) return true;
        for (ptrdiff_t j = 0; j < d; j++)
            if (!at.active[j] && __builtin_fabs(at.slope[j]) - q.threshold[j] >= share * most) {
                at.active[j] = 1;
                at.signs[j] = at.slope[j] > 0.0 ? -1.0 : 1.0;
            }
    }
    return false;
}

// a += scale * b
INLINE void add(ptrdiff_t count, double scale, const double* b, double* a) {
    const vd by = splat(scale);
    ptrdiff_t i = 0;
    for (; i + W <= count; i += W) store(a + i, load(a + i) + by * load(b + i));
    for (; i < count; i++) a[i] += scale * b[i];
}

static void descend(const Quadratic& q, double* gradient, long epochs, double close) {
    bool all = true;
    for (long epoch = 0; epoch < epochs; epoch++) {
        double most = 0.0;
        for (ptrdiff_t j = 0; j < q.d; j++) {
            const double bend = q.hessian[j * q.d + j];
            if (!(bend > 0.0) || (!all && q.x[j] == 0.0)) continue;
            const double to = bend * q.x[j] - gradient[j], size = __builtin_fabs(to) - q.threshold[j];
            const double step = (size > 0.0 ? __builtin_copysign(size, to) / bend : 0.0) - q.x[j];
            if (step == 0.0) continue;
            if (__builtin_fabs(step) * bend > most) most = __builtin_fabs(step) * bend;
            q.x[j] = size > 0.0 ? q.x[j] + step : 0.0;
            add(q.d, step, q.hessian + j * q.d, gradient);
        }
        if (most <= close) {
            if (all) break;
            all = true;
        } else all = false;  // those that are not zero, until they are settled
    }
}

}  // namespace quadratic
