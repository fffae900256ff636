// Rows of X, of any type and layout, as a float64 row-major block of [X - center, 1, 0...].

template <class T>
struct Vector {
    typedef T type __attribute__((vector_size(sizeof(T) * W)));
};

template <class T>
INLINE double load_one(const char* at) {
    T x;
    memcpy(&x, at, sizeof x);
    return double(x);
}

// W one-byte integers that lie side by side.  All W bytes go to every lane and are shifted into place there: compilers
// make far slower code of widening a vector of bytes.
template <class T>
INLINE vd load_bytes(const char* at) {
    using Signed = std::conditional_t<W == 8, int64_t, int32_t>;
    using Word = std::conditional_t<std::is_signed_v<T>, Signed, std::make_unsigned_t<Signed>>;
    Word word;
    memcpy(&word, at, W);
    typename Vector<Word>::type shift;
    for (int i = 0; i < W; i++) shift[i] = 8 * (W - 1 - i);
    auto number = ((word - typename Vector<Word>::type{}) << shift) >> 8 * (W - 1);
    return __builtin_convertvector((typename Vector<Signed>::type)number, vd);
}

// W numbers that lie side by side.
template <class T>
INLINE vd load_many(const char* at) {
    if constexpr (sizeof(T) == 1 && W > 2) return load_bytes<T>(at);
    typename Vector<T>::type x;
    memcpy(&x, at, sizeof x);
    if constexpr (sizeof(T) < 4) return __builtin_convertvector(__builtin_convertvector(x, typename Vector<int32_t>::type), vd);
    else return __builtin_convertvector(x, vd);
}

INLINE ptrdiff_t row_number(const Pass& pass, ptrdiff_t i) {
    if (!pass.rows.data) return i;
    const char* at = pass.rows.data + i * pass.rows.row_stride;
    ptrdiff_t row;
    if (pass.rows.type == Type::i64) {
        int64_t r;
        memcpy(&r, at, sizeof r);
        row = ptrdiff_t(r);
    } else {
        int32_t r;
        memcpy(&r, at, sizeof r);
        row = r;
    }
    return row < 0 ? row + pass.X.rows : row;
}

INLINE const char* row_address(const Pass& pass, ptrdiff_t i) { return pass.X.data + row_number(pass, i) * pass.X.row_stride; }

constexpr ptrdiff_t bytes_ahead = 8192;  // rows are asked for this early: fastest of 1 to 26 kB where it was measured

// Columns side by side.  Whole vectors are read past the end of a row where that still lies inside X.
template <class T>
static void load_rows(const Pass& pass, ptrdiff_t begin, ptrdiff_t count, double* to) {
    const ptrdiff_t p = pass.p, full = p / W * W, width = pass.width, stride = pass.stride, size = sizeof(T);
    const ptrdiff_t ahead = 1 + bytes_ahead / (p * size + 1);
    const double* center = pass.center;
    const char* end = pass.X.data + larger(0, (pass.X.rows - 1) * pass.X.row_stride) + p * size;
    vl inside = {};
    vd constant = {};
    for (int i = 0; i < W; i++) inside[i] = full + i < p ? -1 : 0;
    if (p < full + W) constant[p - full] = 1.0;
    const vd tail_center = load(center + full);
    for (ptrdiff_t i = 0; i < count; i++, to += stride) {
        const char* x = row_address(pass, begin + i);
        const char* next = row_address(pass, smaller(begin + i + ahead, pass.n - 1));
        for (ptrdiff_t j = 0; j < p * size; j += 64) __builtin_prefetch(next + j, 0, 2);
        for (ptrdiff_t j = 0; j < full; j += W) store(to + j, load_many<T>(x + j * size) - load(center + j));
        if (full < p && x + (full + W) * size <= end) {
            store(to + full, keep_where(inside, load_many<T>(x + full * size) - tail_center) + constant);
        } else {
            for (ptrdiff_t j = full; j < p; j++) to[j] = load_one<T>(x + j * size) - center[j];
            to[p] = 1.0;
            for (ptrdiff_t j = p + 1; j < full + W; j++) to[j] = 0.0;
        }
        for (ptrdiff_t j = full + W; j < width; j += W) store(to + j, vd{});
    }
}

// Rows side by side: squares of W rows and W columns, transposed in registers.
template <class T>
static void load_columns(const Pass& pass, ptrdiff_t begin, ptrdiff_t count, double* block) {
    const ptrdiff_t p = pass.p, whole = count / W * W, size = sizeof(T);
    for (ptrdiff_t j = 0; j < pass.width; j += W) {
        const int columns = int(larger(0, smaller(W, p - j)));
        for (ptrdiff_t i = 0; i < count; i += W) {
            const char* x = pass.X.data + (begin + i) * size + j * pass.X.col_stride;
            const int rows = i < whole ? W : int(count - whole);
            vd square[W];
            for (int c = 0; c < W; c++, x += pass.X.col_stride) {
                if (c >= columns) square[c] = splat(j + c == p ? 1.0 : 0.0);
                else if (rows == W) {
                    __builtin_prefetch(x + pass.block * size, 0, 2);  // the same column of the next block
                    square[c] = load_many<T>(x) - pass.center[j + c];
                } else {
                    square[c] = vd{};
                    for (int r = 0; r < rows; r++) square[c][r] = load_one<T>(x + r * size) - pass.center[j + c];
                }
            }
            transpose(square);
            for (int r = 0; r < rows; r++) store(block + (i + r) * pass.stride + j, square[r]);
        }
    }
}

// Any strides.
template <class T>
static void load_scattered(const Pass& pass, ptrdiff_t begin, ptrdiff_t count, double* block) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const char* x = row_address(pass, begin + i);
        double* to = block + i * pass.stride;
        for (ptrdiff_t j = 0; j < pass.p; j++) to[j] = load_one<T>(x + j * pass.X.col_stride) - pass.center[j];
        to[pass.p] = 1.0;
        for (ptrdiff_t j = pass.q; j < pass.width; j++) to[j] = 0.0;
    }
}

template <class T>
static void load_typed(const Pass& pass, ptrdiff_t begin, ptrdiff_t count, double* block) {
    if (pass.X.col_stride == ptrdiff_t(sizeof(T)) || pass.p <= 1) load_rows<T>(pass, begin, count, block);
    else if (pass.X.row_stride == ptrdiff_t(sizeof(T)) && !pass.rows.data) load_columns<T>(pass, begin, count, block);
    else load_scattered<T>(pass, begin, count, block);
}

// Calls f with a number of the type that a view holds.
template <class F>
INLINE void with_type(Type type, F f) {
    switch (type) {
        case Type::f64: return f(double());
        case Type::f32: return f(float());
        case Type::i8: return f(int8_t());
        case Type::u8: return f(uint8_t());
        case Type::i16: return f(int16_t());
        case Type::u16: return f(uint16_t());
        case Type::i32: return f(int32_t());
        case Type::u32: return f(uint32_t());
        case Type::i64: return f(int64_t());
        case Type::u64: return f(uint64_t());
    }
}

// Loads rows [begin, begin + count) and zero rows up to a whole number of lanes, which it returns.
static ptrdiff_t load_block(const Pass& pass, ptrdiff_t begin, ptrdiff_t count, double* block) {
    with_type(pass.X.type, [&](auto zero) { load_typed<decltype(zero)>(pass, begin, count, block); });
    const ptrdiff_t padded = round_up(count, lanes);
    for (ptrdiff_t i = count; i < padded; i++) memset(block + i * pass.stride, 0, size_t(pass.width) * sizeof(double));
    return padded;
}

// Column m of a per-row view as float64; a view of one column serves every m.  Rows beyond `count` are 0, and so is all
// of it where nothing was given, or `absent` where that is passed.
static void load_column(const View& view, ptrdiff_t m, ptrdiff_t begin, ptrdiff_t count, double absent, double* to) {
    if (view.data)
        with_type(view.type, [&](auto zero) {
            const char* at = view.data + begin * view.row_stride + (view.cols > 1 ? m * view.col_stride : 0);
            if (view.row_stride == ptrdiff_t(sizeof zero))
                for (ptrdiff_t i = 0; i < count; i++) to[i] = load_one<decltype(zero)>(at + i * ptrdiff_t(sizeof zero));
            else
                for (ptrdiff_t i = 0; i < count; i++) to[i] = load_one<decltype(zero)>(at + i * view.row_stride);
        });
    else
        for (ptrdiff_t i = 0; i < count; i++) to[i] = absent;
    for (ptrdiff_t i = count; i % lanes; i++) to[i] = 0.0;
}
