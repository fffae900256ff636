// Moments of the columns of a sparse table: a line of the cache for each holds its sums and its minima.  Included once per
// instruction set, inside its namespace.
namespace sparse {

// Adds w x, w x^2, w and 1 to the first four of a line and lowers the next two to x and -x.
INLINE void add_moments(double x, double w, double* line) {
#if W == 8
    const vd before = load(line);
    vd each = vd{x, x, 1.0, 1.0, x, -x, 0.0, 0.0} * vd{w, w, w, 1.0, 1.0, 1.0, 0.0, 0.0};
    each *= vd{1.0, x, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    store(line, vl{0, 0, 0, 0, -1, -1, -1, -1} ? min_or_nan(before, each) : before + each);
#else
    typedef double quad __attribute__((vector_size(32)));
    quad sum;
    memcpy(&sum, line, sizeof sum);
    sum += quad{w * x, w * x * x, w, 1.0};
    memcpy(line, &sum, sizeof sum);
    const pair least = load_pair(line + 4), both = {x, -x};
    const pair lower = ((both < least) | (both != both)) ? both : least;
    memcpy(line + 4, &lower, sizeof lower);
#endif
}

// Sums: total weight, rows of weight not 0, and of each column those of w x, w x^2, w and 1 over its stored cells, with x
// counted from `shift`; minima: of each column x and -x.
static void moments(const Pass& base, ptrdiff_t begin, ptrdiff_t end, double* scratch, double* partial) {
    const SparsePass& pass = of(base);
    Workspace at(pass, scratch);
    double *lines = at.beside, *sums = partial + 2, *ends = partial + pass.sums;
    for (ptrdiff_t j = 0; j < pass.p; j++) {
        for (ptrdiff_t k = 0; k < 4; k++) lines[8 * j + k] = 0.0;
        for (ptrdiff_t k = 4; k < 8; k++) lines[8 * j + k] = INFINITY;
    }
    for_blocks(pass, begin, end, [&](ptrdiff_t start, ptrdiff_t count) {
        load_weight(pass, 0, start, count, at);
        for (ptrdiff_t i = 0; i < count; i++) {
            const double w = at.weight[i];
            if (w == 0.0) continue;
            partial[0] += w, partial[1] += 1.0;
            const Cells row(pass, start + i);
            for_cells(pass, row, 0, [&](const double* values, const int32_t* columns, ptrdiff_t cells) {
                for (ptrdiff_t a = 0; a < cells; a++) {
                    const ptrdiff_t j = columns[a];
                    add_moments(pass.shift ? values[a] - pass.shift[j] : values[a], w, lines + 8 * j);
                }
            });
        }
    });
    for (ptrdiff_t j = 0; j < pass.p; j++) {
        memcpy(sums + 4 * j, lines + 8 * j, 4 * sizeof(double));
        memcpy(ends + 2 * j, lines + 8 * j + 4, 2 * sizeof(double));
    }
}

}  // namespace sparse
