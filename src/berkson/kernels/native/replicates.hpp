// Gradients of many samples with replacement, whose counts are drawn inside the pass.
//
// A replicate is a short step d_i = x_i . step from a point where everything is known, so what a row adds to its gradient
// changes by  v_i e / (1 + mu_i e)  with  e = exp(d_i) - 1.  The change is short and made in single precision, 2 W lanes at a
// time, on columns divided by their scales; sums of a strip of rows go into doubles.

namespace replicates {

typedef float vf __attribute__((vector_size(8 * W)));
typedef int32_t vi __attribute__((vector_size(8 * W)));
typedef uint8_t vb __attribute__((vector_size(2 * W)));

constexpr ptrdiff_t L = 2 * W;
constexpr ptrdiff_t strip_rows = 96, group = 16;  // rows and replicates at a time: what they need stays in the first-level cache
constexpr ptrdiff_t apart = draw_block + 16;  // between columns of a turned block: no power of two, whose lines would share a set
constexpr float close = 0.25f, furthest = 60.0f;  // steps up to the first take a series; beyond the second nothing is asked

INLINE vf loadf(const float* p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void storef(float* p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf splatf(float x) { return x - vf{}; }
INLINE vf absolutef(vf x) { return (vf)((vi)x & INT32_MAX); }
INLINE vf load_counts(const Count* p) {
    vb v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(__builtin_convertvector(v, vi), vf);
}

// exp(d) - 1 for |d| <= close: Taylor's series, whose remainder is below a unit in the last place
INLINE vf expm1_near(vf d) {
    const vf d2 = d * d;
    return d * ((1.0f + d * (1.0f / 2)) + d2 * ((1.0f / 6 + d * (1.0f / 24)) + d2 * (1.0f / 120 + d * (1.0f / 720))));
}

// The same for |d| <= furthest, nan beyond: the series of half as many halvings, squared up again
INLINE vf expm1_far(vf d) {
    vf e = expm1_near(d * (1.0f / 256));
    for (int i = 0; i < 8; i++) e = e * (2.0f + e);
    return absolutef(d) <= furthest ? e : d - d + NAN;
}

struct Rows {
    const float *curvature, *mean;
};

// d becomes count v e / (1 + mu e).
template <bool series>
INLINE void weigh(ptrdiff_t rows, const Rows& at, const Count* counts, float* d) {
    for (ptrdiff_t i = 0; i < rows; i += L) {
        const vf step = loadf(d + i), e = series ? expm1_near(step) : expm1_far(step);
        storef(d + i, load_counts(counts + i) * loadf(at.curvature + i) * e / (1.0f + loadf(at.mean + i) * e));
    }
}

INLINE void weigh(ptrdiff_t rows, const Rows& at, const Count* counts, float* d) {
    vf largest = {};
    for (ptrdiff_t i = 0; i < rows; i += L) {
        const vf size = absolutef(loadf(d + i));
        largest = size <= largest ? largest : size;  // nan is far
    }
    bool all_near = true;
    for (int i = 0; i < L; i++) all_near &= largest[i] <= close;
    if (all_near) weigh<true>(rows, at, counts, d);
    else weigh<false>(rows, at, counts, d);
}

// s[r][v] = sum_t a[r, t] b[t, :] for R rows and V vectors
template <int R, int V>
INLINE void tile_of(ptrdiff_t terms, const float* a, ptrdiff_t a_stride, const float* b, ptrdiff_t b_stride, vf (&s)[R][V]) {
    for (ptrdiff_t t = 0; t < terms; t++) {
        vf x[V];
        for (int v = 0; v < V; v++) x[v] = loadf(b + t * b_stride + v * L);
        for (int r = 0; r < R; r++) {
            const vf scale = splatf(a[r * a_stride + t]);
            for (int v = 0; v < V; v++) s[r][v] += scale * x[v];
        }
    }
}

// d (R, strip_rows) = steps (R, wide) turned (q, apart)
template <int R, int V>
static void predict_strip(const ReplicatesPass& pass, ptrdiff_t rows, const float* steps, const float* turned, float* d) {
    ptrdiff_t i = 0;
    for (; i + V * L <= rows; i += V * L) {
        vf s[R][V] = {};
        tile_of<R, V>(pass.q, steps, pass.wide, turned + i, apart, s);
        for (int r = 0; r < R; r++)
            for (int v = 0; v < V; v++) storef(d + r * strip_rows + i + v * L, s[r][v]);
    }
    if constexpr (V > 1)
        if (i < rows) predict_strip<R, V - 1>(pass, rows - i, steps, turned + i, d + i);
}

// gradient (R, width) += d (R, strip_rows) block (rows, stride)
template <int R, int V>
static void add_strip(const ReplicatesPass& pass, ptrdiff_t vectors, ptrdiff_t rows, const float* d, const float* block, double* gradient) {
    for (; vectors >= V; vectors -= V, block += V * L, gradient += V * L) {
        vf s[R][V] = {};
        tile_of<R, V>(rows, d, strip_rows, block, 2 * pass.stride, s);
        for (int r = 0; r < R; r++)
            for (int v = 0; v < V; v++) {
                float each[L];
                storef(each, s[r][v]);
                double* to = gradient + r * pass.wide + v * L;
                for (int k = 0; k < L; k++) to[k] += double(each[k]);
            }
    }
    if constexpr (V > 1)
        if (vectors) add_strip<R, V - 1>(pass, vectors, rows, d, block, gradient);
}

// A loaded block becomes single precision where it lies, divided by scales, and `turned` (q, apart) its transpose.
static void narrow(const ReplicatesPass& pass, ptrdiff_t rows, double* block, float* turned) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        double* from = block + i * pass.stride;
        float* to = reinterpret_cast<float*>(from);
        float row[most_unknowns];
        for (ptrdiff_t j = pass.q; j < pass.wide; j++) row[j] = 0.0f;
        for (ptrdiff_t j = 0; j < pass.q; j++) row[j] = float(from[j] * pass.per_scale[j]);
        memcpy(to, row, size_t(pass.wide) * sizeof(float));
        for (ptrdiff_t j = 0; j < pass.q; j++) turned[j * apart + i] = row[j];
    }
}

static void load_single(const View& view, ptrdiff_t start, ptrdiff_t count, double* scratch, float* to) {
    load_column(view, 0, start, count, 0.0, scratch);
    for (ptrdiff_t i = 0; i < draw_block; i++) to[i] = i < count ? float(scratch[i]) : 0.0f;
}

template <int R>
static void add_changes(const ReplicatesPass& pass, ptrdiff_t rows, ptrdiff_t first, const Rows& at, const Count* counts, const float* turned,
                        const float* block, double* partial) {
    alignas(64) float d[R * strip_rows];
    for (ptrdiff_t i = 0; i < rows; i += strip_rows) {
        const ptrdiff_t here = smaller(strip_rows, rows - i);
        predict_strip<R, 3>(pass, here, pass.steps + first * pass.wide, turned + i, d);
        for (ptrdiff_t b = 0; b < R; b++) weigh(here, {at.curvature + i, at.mean + i}, counts + b * draw_block + i, d + b * strip_rows);
        add_strip<R, 3>(pass, pass.wide / L, here, d, block + i * 2 * pass.stride, partial + first * pass.wide);
    }
}

// The counts of a block of rows for some replicates, drawn or as they were kept, with zeros up to draw_block.
static void draw_group(const ReplicatesPass& pass, ptrdiff_t first, ptrdiff_t many, ptrdiff_t start, ptrdiff_t count, Count* counts) {
    for (ptrdiff_t b = 0; b < many; b++, first++, counts += draw_block) {
        const ptrdiff_t block = start / draw_block;
        Count* kept = pass.kept ? pass.kept + (pass.slots ? pass.slots[first] : first) * pass.n + start : nullptr;
        if (kept && pass.slots) memcpy(counts, kept, size_t(count));
        else draw_counts(pass.seed, uint64_t(pass.numbers[first]), uint64_t(block), pass.totals[first * pass.blocks + block], count, counts);
        if (kept && !pass.slots) memcpy(kept, counts, size_t(count));
        memset(counts + count, 0, size_t(draw_block - count));
    }
}

// Sums: changes of gradients (replicates, wide).
static void changes(const Pass& given, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const ReplicatesPass& pass = static_cast<const ReplicatesPass&>(given);
    Workspace at(pass, scratch);
    alignas(64) Count counts[group * draw_block];
    alignas(64) float curvature[draw_block], mean[draw_block];
    float *turned = reinterpret_cast<float*>(at.scaled), *block = reinterpret_cast<float*>(at.block);
    for (ptrdiff_t start = begin; start < end; start += draw_block) {
        const ptrdiff_t count = smaller(draw_block, end - start), rows = round_up(load_block(pass, start, count, at.block), L);
        for (ptrdiff_t i = count; i < rows; i++) memset(at.block + i * pass.stride, 0, size_t(pass.width) * sizeof(double));
        narrow(pass, rows, at.block, turned);
        load_single(pass.curvature, start, count, at.weight, curvature), load_single(pass.mean, start, count, at.weight, mean);
        for (ptrdiff_t first = 0; first < pass.replicates; first += group) {
            const ptrdiff_t many = smaller(group, pass.replicates - first);
            draw_group(pass, first, many, start, count, counts);
            ptrdiff_t b = 0;
            for (; b + 8 <= many; b += 8)
                add_changes<8>(pass, rows, first + b, {curvature, mean}, counts + b * draw_block, turned, block, partial);
            for (; b < many; b++)
                add_changes<1>(pass, rows, first + b, {curvature, mean}, counts + b * draw_block, turned, block, partial);
        }
    }
}

// Sums: gradients (replicates, wide) at the known point, where they are linear in the counts.
static void at_point(const Pass& given, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const ReplicatesPass& pass = static_cast<const ReplicatesPass&>(given);
    Workspace at(pass, scratch);
    alignas(64) Count counts[group * draw_block];
    alignas(64) double weighed[group * strip_rows];
    for (ptrdiff_t start = begin; start < end; start += draw_block) {
        const ptrdiff_t count = smaller(draw_block, end - start), rows = load_block(pass, start, count, at.block);
        load_column(pass.residual, 0, start, count, 0.0, at.weight);
        for (ptrdiff_t first = 0; first < pass.replicates; first += group) {
            const ptrdiff_t many = smaller(group, pass.replicates - first);
            draw_group(pass, first, many, start, count, counts);
            for (ptrdiff_t i = 0; i < rows; i += strip_rows) {
                const ptrdiff_t here = smaller(strip_rows, rows - i);
                for (ptrdiff_t b = 0; b < many; b++)
                    for (ptrdiff_t k = 0; k < here; k += W)
                        store(weighed + b * strip_rows + k, load_many<Count>(reinterpret_cast<const char*>(counts + b * draw_block + i + k)) *
                                                                load(at.weight + i + k));
                add_product(many, pass.width / W, here, weighed, strip_rows, 1, at.block + i * pass.stride, pass.stride, partial + first * pass.wide,
                            pass.wide);
            }
        }
    }
}

}  // namespace replicates
