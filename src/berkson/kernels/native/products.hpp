// Matrix products of a loaded block, by tiles that stay in registers.

#if W == 8
constexpr int tile_rows = 8, tile_vectors = 3;  // 24 sums and 3 operands of 32 registers
#else
constexpr int tile_rows = 4, tile_vectors = 3;  // 12 sums and 3 operands of 16 registers
#endif

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

// scaled[i, :] = weight[i] block[i, :]
static void scale_rows(const Pass& pass, ptrdiff_t rows, const double* weight, const double* block, double* scaled) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        const vd w = splat(weight[i]);
        for (ptrdiff_t j = 0; j < pass.width; j += W) store(scaled + i * pass.stride + j, w * load(block + i * pass.stride + j));
    }
}

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
