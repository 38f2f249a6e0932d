// NEON row of lookup_kernel.h. TBL reads 64 bytes of the table at once and TBX leaves the bytes
// alone whose index is beyond them: four of them, with the index 64 less each time, see every byte.
#include <arm_neon.h>

#include "kernels/cpu/lookup_kernel.h"

namespace octile {
namespace {

struct Table {
  uint8x16x4_t part[4];
};

inline uint8x16_t find(const Table& table, uint8x16_t x) {
  uint8x16_t y = vqtbl4q_u8(table.part[0], x);
  for (int i = 1; i < 4; ++i) {
    x = vsubq_u8(x, vdupq_n_u8(64));
    y = vqtbx4q_u8(y, table.part[i], x);
  }
  return y;
}

void run(const uint8_t* table, const uint8_t* x, int64_t count, uint8_t* y) {
  const Table parts{{vld1q_u8_x4(table), vld1q_u8_x4(table + 64), vld1q_u8_x4(table + 128),
                     vld1q_u8_x4(table + 192)}};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) vst1q_u8(y + i, find(parts, vld1q_u8(x + i)));
  for (; i < count; ++i) y[i] = table[x[i]];
}

}  // namespace

const LookupKernel kLookupNeon{run};

}  // namespace octile
