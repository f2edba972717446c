// Blocks of random words by Philox4x32-10, many at once.
//
// Swift compiles for the oldest processor of its kind, whose vector multiplication is narrow. These loops are
// compiled for newer ones too, and the linker takes those that the machine at hand can run: one and a half
// times as fast with AVX2, more than four times with AVX-512. All give the numbers of `Philox.block`.

#ifndef MERGEKIT_PHILOX_H
#define MERGEKIT_PHILOX_H

#include <stddef.h>
#include <stdint.h>

// Which blocks: their counters are the block's number, from `first` on, and `stream` above it.
struct philox_blocks {
  uint64_t first;
  size_t count;
  uint64_t stream;
  uint64_t key;
};

// Writes the four words of each block as multiples of 2^-24 in [0, 1), made of their upper 24 bits.
void philox_uniform(struct philox_blocks blocks, float *destination);

// Writes a bit for each number of `philox_uniform`, the lowest bit first: whether it is below `bound`. Words are written
// whole; what the last one holds beyond the blocks is open.
void philox_below(struct philox_blocks blocks, float bound, uint64_t *words);

// Writes the first words of all blocks, then the second, third and fourth. Fast for multiples of 32 blocks.
void philox_words(struct philox_blocks blocks, uint32_t *destination);

#endif
