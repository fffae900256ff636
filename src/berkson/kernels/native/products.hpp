// Matrix products of a loaded block, by tiles that stay in registers.

#if W == 8
constexpr int tile_rows = 8, tile_vectors = 3;  // 24 sums and 3 operands of 32 registers
#else
constexpr int tile_rows = 4, tile_vectors = 3;  // 12 sums and 3 operands of 16 registers
#endif

constexpr ptrdiff_t together = 3;  // rows of a Gram matrix that pairs of cells are added to at once

// out[r, :] += sum_t a[r, t] b[t, :] for R rows and V vectors of columns; a has any strides.
template <int R, int V>
INLINE void tile(ptrdiff_t terms, const double* a, ptrdiff_t a_row, ptrdiff_t a_term, const double* b, ptrdiff_t b_stride, double* out,
                 ptrdiff_t out_stride) {
    vd s[R][V] = {};
    for (ptrdiff_t t = 0; t < terms; t++) {
        vd x[V];
        for (int v = 0; v < V; v++) x[v] = load(b + t * b_stride + v * W);
        for (int r = 0; r < R; r++) {
            vd scale = splat(a[r * a_row + t * a_term]);
            for (int v = 0; v < V; v++) s[r][v] += scale * x[v];
        }
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(out + r * out_stride + v * W, load(out + r * out_stride + v * W) + s[r][v]);
}

// The same for `vectors` vectors of columns: tiles of V, then of fewer.
template <int R, int V>
static void strip(ptrdiff_t vectors, ptrdiff_t terms, const double* a, ptrdiff_t a_row, ptrdiff_t a_term, const double* b,
                  ptrdiff_t b_stride, double* out, ptrdiff_t out_stride) {
    for (; vectors >= V; vectors -= V, b += V * W, out += V * W) tile<R, V>(terms, a, a_row, a_term, b, b_stride, out, out_stride);
    if constexpr (V > 1)
        if (vectors) strip<R, (V > 4 ? V / 2 : V - 1)>(vectors, terms, a, a_row, a_term, b, b_stride, out, out_stride);
}

// out (rows, vectors * W) += a b, where a is (rows, terms).  Few rows take wider tiles, to keep as many sums in flight.
static void add_product(ptrdiff_t rows, ptrdiff_t vectors, ptrdiff_t terms, const double* a, ptrdiff_t a_row, ptrdiff_t a_term,
                        const double* b, ptrdiff_t b_stride, double* out, ptrdiff_t out_stride) {
    auto step = [&](auto run, int count) {
        run(vectors, terms, a, a_row, a_term, b, b_stride, out, out_stride);
        a += count * a_row;
        out += count * out_stride;
        rows -= count;
    };
    while (rows >= tile_rows) step(strip<tile_rows, tile_vectors>, tile_rows);
    if (rows >= 4 && tile_rows > 4) step(strip<4, tile_vectors>, 4);
    if (rows >= 2) step(strip<2, 4>, 2);
    if (rows >= 1) step(strip<1, 8>, 1);
}

// The upper triangle, in tiles, of out (width, width) += scaled' block over `rows` rows.
static void add_gram(const Pass& pass, ptrdiff_t rows, const double* scaled, const double* block, double* out) {
    for (ptrdiff_t k = 0; k < pass.q; k += tile_rows) {
        const ptrdiff_t from = k / W * W;
        strip<tile_rows, tile_vectors>((pass.width - from) / W, rows, scaled + k, 1, pass.stride, block + from, pass.stride,
                                       out + k * pass.width + from, pass.width);
    }
}

// --- in single precision -------------------------------------------------------------------------------------------------

typedef float vf __attribute__((vector_size(8 * W)));
constexpr ptrdiff_t F = 2 * W;

INLINE vf load_floats(const float* p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

// out[r, :] += back[r] back_b sum_t a[t, r] b[t, :] for R rows and V vectors of columns
template <int R, int V>
INLINE void tile_single(ptrdiff_t terms, const float* a, const float* b, ptrdiff_t stride, const double* back, const double* back_b, double* out,
                        ptrdiff_t out_stride) {
    vf s[R][V] = {};
    for (ptrdiff_t t = 0; t < terms; t++) {
        vf x[V];
        for (int v = 0; v < V; v++) x[v] = load_floats(b + t * stride + v * F);
        for (int r = 0; r < R; r++) {
            const vf scale = a[t * stride + r] - vf{};
            for (int v = 0; v < V; v++) s[r][v] += scale * x[v];
        }
    }
    float sums[R][V * F];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) memcpy(&sums[r][v * F], &s[r][v], sizeof(vf));
    for (int r = 0; r < R; r++)
        for (ptrdiff_t j = 0; j < V * F; j += W) {
            double* to = out + r * out_stride + j;
            store(to, load(to) + splat(back[r]) * load(back_b + j) * load_many<float>(reinterpret_cast<const char*>(&sums[r][j])));
        }
}

// The upper triangle, in tiles, of out (width, width) += sum_i weight[i] x_i x_i', the sums over these rows in single
// precision; `roots` is work space, (rows, stride) doubles.
static void add_gram_single(const Pass& pass, ptrdiff_t rows, const double* weight, const double* block, double* roots, double* out) {
    const ptrdiff_t width = pass.width, stride = width / F % 2 ? width : width + F;
    float* const to = reinterpret_cast<float*>(roots);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const vd root = splat(std::sqrt(weight[i]));
        for (ptrdiff_t j = 0; j < width; j += W) {
            const auto x = __builtin_convertvector(root * load(pass.unit + j) * load(block + i * pass.stride + j), Vector<float>::type);
            memcpy(to + i * stride + j, &x, sizeof x);
        }
    }
    for (ptrdiff_t k = 0; k < pass.q; k += tile_rows) {
        ptrdiff_t j = k / F * F;
        auto step = [&](auto run, int vectors) {
            run(rows, to + k, to + j, stride, pass.back + k, pass.back + j, out + k * width + j, width);
            j += vectors * F;
        };
        while (width - j >= tile_vectors * F) step(tile_single<tile_rows, tile_vectors>, tile_vectors);
        if (width - j >= 2 * F) step(tile_single<tile_rows, 2>, 2);
        if (width - j >= F) step(tile_single<tile_rows, 1>, 1);
    }
}

// scaled[i, :] = weight[i] block[i, :]
static void scale_rows(const Pass& pass, ptrdiff_t rows, const double* weight, const double* block, double* scaled) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        const vd w = splat(weight[i]);
        for (ptrdiff_t j = 0; j < pass.width; j += W) store(scaled + i * pass.stride + j, w * load(block + i * pass.stride + j));
    }
}

// --- rows of which few cells are not zero ------------------------------------------------------------------------------

// The columns in which a row is not zero, in a row of work space.
struct Cells {
    const double* x;
    int32_t *column, &count;
    Cells(const Pass& pass, const double* block, double* lists, ptrdiff_t i)
        : x(block + i * pass.stride), column(reinterpret_cast<int32_t*>(lists + i * pass.stride) + 1), count(column[-1]) {}
};

// What a row of k cells costs in pairs, their search included, in vector operations of a product of whole rows: measured at
// 30 to 1000 columns with cells strewn at random, the worst case for caches.
INLINE double cost_in_pairs(const Pass& pass, ptrdiff_t k) { return double(k * (3 * k + 4) + pass.width / 2 + 40); }

INLINE ptrdiff_t count_cells(const Pass& pass, const double* x) {
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < pass.width; j += W) count += __builtin_popcount(not_zero(load(x + j)));
    return count;
}

// Puts the numbers of the cells that are not zero into `to`, with room for 16 more, and returns how many they are.
#if W == 8
INLINE ptrdiff_t find_cells(ptrdiff_t width, const double* x, int32_t* to) {
    int32_t* const first = to;
    __m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (ptrdiff_t j = 0; j < width; j += 16, number = _mm512_add_epi32(number, _mm512_set1_epi32(16))) {
        const unsigned seen = not_zero(load(x + j)) | (j + 8 < width ? not_zero(load(x + j + 8)) << 8 : 0);
        _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(__mmask16(seen), number));
        to += __builtin_popcount(seen);
    }
    return to - first;
}
#else
INLINE ptrdiff_t find_cells(ptrdiff_t width, const double* x, int32_t* to) {
    int32_t* const first = to;
    for (ptrdiff_t j = 0; j < width; j += W)
        for (unsigned seen = not_zero(load(x + j)); seen; seen &= seen - 1) *to++ = int32_t(j) + __builtin_ctz(seen);
    return to - first;
}
#endif

// Not zero where one of some numbers, a whole number of vectors, is infinite or nan.
INLINE vl not_finite(const double* x, ptrdiff_t count) {
    vl odd = {};
    for (ptrdiff_t i = 0; i < count; i += W) odd |= (vl)(load(x + i) - load(x + i));
    return odd;
}

// Whether pairs of cells that are not zero cost clearly less than products of whole rows, which cost `dense` each; if so,
// `lists` holds the cells.  A few rows are looked at first.  Not where a number is infinite or nan: it counts against zeros.
static bool list_cells(const Pass& pass, ptrdiff_t rows, double dense, const double* block, double* lists) {
    if (cost_in_pairs(pass, 1) > dense) return false;
    double cost = 0.0;
    for (ptrdiff_t i = 0; i < 4; i++) cost += cost_in_pairs(pass, count_cells(pass, block + rows * i / 4 * pass.stride));
    if (cost > 4.0 * dense) return false;
    cost = 0.0;
    vl odd = {};
    for (ptrdiff_t i = 0; i < rows; i++) {
        const Cells row(pass, block, lists, i);
        row.count = int32_t(find_cells(pass.width, row.x, row.column));
        memset(row.column + row.count, 0, (together - 1) * sizeof(int32_t));
        odd |= not_finite(row.x, pass.width);
        cost += cost_in_pairs(pass, row.count);
    }
    return !any(odd) && cost <= 1.5 * dense * double(rows);  // the search is paid for by now
}

// Calls f with each row's cells, rows of as many cells one after the other, for loops whose length can be foretold.
template <class F>
INLINE void for_cells(const Pass& pass, ptrdiff_t rows, const double* block, double* lists, F f) {
    constexpr int32_t most = 63;
    uint8_t order[most_rows];
    ptrdiff_t next[most + 2] = {};
    auto bucket = [&](ptrdiff_t i) { return Cells(pass, block, lists, i).count < most ? Cells(pass, block, lists, i).count : most; };
    for (ptrdiff_t i = 0; i < rows; i++) next[bucket(i) + 1]++;
    for (ptrdiff_t k = 0; k < most; k++) next[k + 1] += next[k];
    for (ptrdiff_t i = 0; i < rows; i++) order[next[bucket(i)]++] = uint8_t(i);
    for (ptrdiff_t t = 0; t < rows; t++) f(order[t], Cells(pass, block, lists, order[t]));
}

// out[a, b] += weight[i] x_a x_b over the pairs of listed cells, a <= b (and some others below the diagonal)
static void add_pairs(const Pass& pass, ptrdiff_t rows, const double* weight, const double* block, double* lists, double* out) {
    for_cells(pass, rows, block, lists, [&](ptrdiff_t i, const Cells& row) {
        const double w = weight ? weight[i] : 1.0;
        const ptrdiff_t count = row.count;
        for (ptrdiff_t a = 0; a < count; a += together) {
            double scale[together], *to[together];
            for (ptrdiff_t u = 0; u < together; u++) {
                const ptrdiff_t j = row.column[a + u];
                scale[u] = a + u < count ? w * row.x[j] : 0.0;
                to[u] = out + j * pass.width;
            }
            for (ptrdiff_t b = a; b < count; b++) {
                const ptrdiff_t j = row.column[b];
                const double x = row.x[j];
                for (ptrdiff_t u = 0; u < together; u++) to[u][j] += scale[u] * x;
            }
        }
    });
}

// x_i' metric x_i over the pairs of listed cells
static void sum_pairs(const Pass& pass, ptrdiff_t rows, const double* block, double* lists, double* out) {
    for_cells(pass, rows, block, lists, [&](ptrdiff_t i, const Cells& row) {
        double total = 0.0;
        for (ptrdiff_t a = 0; a < row.count; a++) {
            const double* metric = pass.metric + row.column[a] * pass.width;
            const double x = row.x[row.column[a]];
            double off = 0.0;
            for (ptrdiff_t b = a + 1; b < row.count; b++) off += metric[row.column[b]] * row.x[row.column[b]];
            total += x * (2.0 * off + metric[row.column[a]] * x);
        }
        out[i] = total;
    });
}

// --- linear predictors and gradients ------------------------------------------------------------------------------------

// eta[m, i] = x_i . coef_m by dot products, W rows at a time: no waste for few models.
static void predict_by_dots(const Pass& pass, ptrdiff_t rows, const double* block, const double* by_model, double* eta) {
    for (ptrdiff_t i = 0; i < rows; i += W)
        for (ptrdiff_t m = 0; m < pass.models; m++) {
            const double* x = block + i * pass.stride;
            const double* coef = by_model + m * pass.width;
            vd s[W] = {};
            for (ptrdiff_t j = 0; j < pass.width; j += W) {
                const vd c = load(coef + j);
                for (int r = 0; r < W; r++) s[r] += load(x + r * pass.stride + j) * c;
            }
            store(eta + m * pass.block + i, sums(s));
        }
}

// The same by tiles of rows and models, then transposed: `product` is work space, (block, padded_models).
static void predict_by_tiles(const Pass& pass, ptrdiff_t rows, const double* block, const double* by_column, double* product, double* eta) {
    const ptrdiff_t padded = pass.padded_models;
    memset(product, 0, size_t(rows * padded) * sizeof(double));
    add_product(rows, padded / W, pass.q, block, pass.stride, 1, by_column, padded, product, padded);
    for (ptrdiff_t i = 0; i < rows; i += W)
        for (ptrdiff_t m = 0; m < pass.models; m += W) {
            vd square[W];
            for (int r = 0; r < W; r++) square[r] = load(product + (i + r) * padded + m);
            transpose(square);
            const int models = int(smaller(W, pass.models - m));
            for (int c = 0; c < models; c++) store(eta + (m + c) * pass.block + i, square[c]);
        }
}

// eta (models, block) = block coef, whichever way costs fewer vector operations.
static void predict(const Pass& pass, ptrdiff_t rows, const double* block, const double* by_model, const double* by_column, double* product,
                    double* eta) {
    if (pass.models * (pass.width + 21) <= pass.padded_models * (pass.q + 3)) predict_by_dots(pass, rows, block, by_model, eta);
    else predict_by_tiles(pass, rows, block, by_column, product, eta);
}

// gradient (models, width) += residual (models, block) block
static void add_gradient(const Pass& pass, ptrdiff_t rows, const double* residual, const double* block, double* gradient) {
    add_product(pass.models, pass.width / W, rows, residual, pass.block, 1, block, pass.stride, gradient, pass.width);
}
