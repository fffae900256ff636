// Samples with replacement as counts of rows.  A count depends on the seed, the sample's number and the row's block alone:
// any order of blocks, any chunks and any number of threads give the same.
//
// How many draws fall into each block is given (a multinomial draw of its own); within a block they are uniform.  The
// generator is SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) from a state of its own for each block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace berkson {
namespace {

constexpr int draw_bits = 10, draws_in_word = 6;
constexpr ptrdiff_t draw_block = 1 << draw_bits;  // rows

// A row is drawn once on average, and 256 times with a probability below 1e-500.
using Count = uint8_t;

constexpr uint64_t golden = 0x9e3779b97f4a7c15u;

inline uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// counts (size,) of `total` uniform draws of a block of size <= draw_block rows.
inline void draw_counts(uint64_t seed, uint64_t number, uint64_t block, int64_t total, ptrdiff_t size, Count* counts) {
    memset(counts, 0, size_t(size) * sizeof(Count));
    uint64_t state = mix(mix(mix(seed + golden) + number) + block);
    uint64_t mask = draw_block - 1;
    if (size == draw_block) {
        for (; total >= draws_in_word; total -= draws_in_word) {
            uint64_t word = mix(state += golden);
            for (int i = 0; i < draws_in_word; i++, word >>= draw_bits) counts[word & mask]++;
        }
    } else {  // the fewest bits that can name its rows; others are drawn again
        while (mask / 2 >= uint64_t(size) - 1 && mask > 1) mask /= 2;
    }
    while (total > 0) {
        uint64_t word = mix(state += golden);
        for (int i = 0; i < draws_in_word && total > 0; i++, word >>= draw_bits)
            if (ptrdiff_t(word & mask) < size) counts[word & mask]++, total--;
    }
}

}  // namespace
}  // namespace berkson
