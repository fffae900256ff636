// Vectors of W doubles, and exp and log1p on them.  Included once per instruction set, inside its namespace.

#define INLINE static inline __attribute__((always_inline))

typedef double vd __attribute__((vector_size(8 * W)));
typedef int64_t vl __attribute__((vector_size(8 * W)));
typedef uint64_t vu __attribute__((vector_size(8 * W)));

INLINE vd load(const double* p) {
    vd v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void store(double* p, vd v) { memcpy(p, &v, sizeof v); }
INLINE vd splat(double x) { return x - vd{}; }  // subtracting +0 changes nothing, not even -0
INLINE vd absolute(vd x) { return (vd)((vl)x & INT64_MAX); }
INLINE vd keep_where(vl mask, vd x) { return (vd)((vl)x & mask); }
INLINE vd min_or_nan(vd a, vd b) { return ((b < a) | (b != b)) ? b : a; }
// Bit i of the answer: lane i is not zero (nan is not).
INLINE unsigned not_zero(vd x) {
#if W == 8
    return _mm512_cmp_pd_mask((__m512d)x, _mm512_setzero_pd(), _CMP_NEQ_UQ);
#elif W == 4
    return unsigned(_mm256_movemask_pd(_mm256_cmp_pd((__m256d)x, _mm256_setzero_pd(), _CMP_NEQ_UQ)));
#else
    unsigned seen = 0;
    for (int i = 0; i < W; i++) seen |= unsigned(x[i] != 0.0) << i;
    return seen;
#endif
}
INLINE bool any(vl mask) {
    int64_t seen = 0;
    for (int i = 0; i < W; i++) seen |= mask[i];
    return seen != 0;
}
INLINE double sum(vd x) {
    double s = 0.0;
    for (int i = 0; i < W; i++) s += x[i];
    return s;
}
INLINE double minimum(vd x) {
    double m = x[0];
    for (int i = 1; i < W; i++) m = berkson::min_or_nan(m, x[i]);
    return m;
}

// Lane i of the answer is a[i] where bit D of i is clear, else b[i - D] (first) or a[i + D], else b[i] (second): the two
// halves of a butterfly.  log2(W) stages of it transpose a square of W vectors.
template <int D, size_t... I>
INLINE void butterfly(vd a, vd b, vd& first, vd& second, std::index_sequence<I...>) {
#if defined(__clang__)
    first = __builtin_shufflevector(a, b, (int(I) & D ? W + int(I) - D : int(I))...);
    second = __builtin_shufflevector(a, b, (int(I) & D ? W + int(I) : int(I) + D)...);
#else
    first = __builtin_shuffle(a, b, vl{(int(I) & D ? W + int(I) - D : int(I))...});
    second = __builtin_shuffle(a, b, vl{(int(I) & D ? W + int(I) : int(I) + D)...});
#endif
}

template <int D>
INLINE void transpose_stage(vd* x) {
    for (int i = 0; i < W; i++)
        if (!(i & D)) butterfly<D>(x[i], x[i + D], x[i], x[i + D], std::make_index_sequence<W>());
}

INLINE void transpose(vd* x) {
    transpose_stage<1>(x);
    if constexpr (W > 2) transpose_stage<2>(x);
    if constexpr (W > 4) transpose_stage<4>(x);
}

template <int D>
INLINE void sum_stage(vd* x) {
    for (int i = 0; i < W; i += 2 * D) {
        vd first, second;
        butterfly<D>(x[i], x[i + D], first, second, std::make_index_sequence<W>());
        x[i] = first + second;
    }
}

// The W horizontal sums of W vectors, as one vector.
INLINE vd sums(vd* x) {
    sum_stage<1>(x);
    if constexpr (W > 2) sum_stage<2>(x);
    if constexpr (W > 4) sum_stage<4>(x);
    return x[0];
}

constexpr double ln2_high = 6.93147180369123816490e-01;  // 32 bits: k * ln2_high is exact for |k| < 2^20
constexpr double ln2_low = 1.90821492927058770002e-10;

// e^x for x <= 0, to about 1 unit in the last place, subnormal answers included; e^-inf = 0, nan stays.
// x = k ln 2 + r, |r| <= ln(2)/2; e^r = 1 + r + r^2 q(r) with q interpolated at Chebyshev nodes (error 2e-17).
INLINE vd exp_nonpositive(vd x) {
    constexpr double to_integer = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds, and leaves the integer in the low bits
    x = x < -746.0 ? splat(-746.0) : x;                // e^-746 rounds to 0
    vd k = (x * 1.4426950408889634 + to_integer) - to_integer;
    vd r = (x - k * ln2_high) - k * ln2_low;
    vd r2 = r * r, r4 = r2 * r2;
    vd low = (0.5000000000000001 + r * 0.16666666666666669) + r2 * (0.04166666666662413 + r * 0.008333333333330062);
    vd middle = (0.0013888888917213717 + r * 0.00019841269863053618) + r2 * (2.4801521295954376e-05 + r * 2.7557268459997064e-06);
    vd high = 2.7620088445409746e-07 + r * 2.510038549551032e-08;
    vd power = 1.0 + (r + r2 * (low + r4 * (middle + r4 * high)));
    // 2^k by two factors, since k reaches -1076: one rounding, at the last product
    vd half = k * 0.5 + to_integer;
    vd rest = (k - (half - to_integer)) + to_integer;
    return power * (vd)(((vl)half + 1023) << 52) * (vd)(((vl)rest + 1023) << 52);
}

// log(1 + c) and 1 / (1 + c) for c >= 0, each to about 2 units in the last place, for one division.
// 1 + c = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); s = 2f / (2 + f); log(1 + f) = 2 atanh(s / 2) = s + s^3 q(s^2).
INLINE void log1p_reciprocal(vd c, vd& log1p, vd& reciprocal) {
    vd u = 1.0 + c;
    vu exponent = ((vu)u - 0x3fe6a09e667f3bcdu) >> 52;
    vd scaled = (vd)((vu)u - (exponent << 52));
    vd f = exponent == 0 ? c : scaled - 1.0;
    vd e = (vd)(exponent | 0x4330000000000000u) - 4503599627370496.0;  // to double through 2^52
    vd d = 2.0 + f;
    vd inverse = 1.0 / (u * d);
    reciprocal = d * inverse;
    vd s = (f + f) * u * inverse;  // exact where c is subnormal
    vd z = s * s, z2 = z * z;
    vd low = (0.08333333333333337 + z * 0.012499999999968576) + z2 * (0.0022321428614065055 + z * 0.00043402756113788824);
    vd high = (8.878363992028783e-05 + z * 1.8715467063245572e-05) + z2 * 4.460627876247749e-06;
    log1p = e * ln2_high + (s + (s * (z * (low + z2 * z2 * high)) + e * ln2_low));
}
