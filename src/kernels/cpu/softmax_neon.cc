// NEON row of softmax_kernel.h. NEON has no gather: entries are read one by one, and divided four
// at a time.
#include <arm_neon.h>

#include "kernels/cpu/byte_leaf.h"
#include "kernels/cpu/softmax_leaf.h"

namespace octile {
namespace {

template <bool kSigned>
int32_t maximum_as(const uint8_t* x, int64_t count) {
  int64_t i = 0;
  int32_t best = value<kSigned>(x[0]);
  if (count >= 16) {
    const uint8x16_t flip = vdupq_n_u8(kSigned ? 0x80 : 0);  // orders signed bytes as unsigned ones
    uint8x16_t v = veorq_u8(vld1q_u8(x), flip);
    for (i = 16; i + 16 <= count; i += 16) v = vmaxq_u8(v, veorq_u8(vld1q_u8(x + i), flip));
    best = int32_t{vmaxvq_u8(v)} - (kSigned ? 128 : 0);
  }
  for (; i < count; ++i) best = value<kSigned>(x[i]) > best ? value<kSigned>(x[i]) : best;
  return best;
}

template <bool kSigned>
uint64_t sum_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += static_cast<uint32_t>(table[max - value<kSigned>(x[i])]);
  return sum;
}

template <bool kSigned>
void divide_as(const int32_t* table, const uint8_t* x, int32_t max, int64_t count, float total,
               float* y) {
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    int32_t entries[4];
    for (int j = 0; j < 4; ++j) entries[j] = table[max - value<kSigned>(x[i + j])];
    vst1q_f32(y + i, vdivq_f32(vcvtq_f32_s32(vld1q_s32(entries)), vdupq_n_f32(total)));
  }
  for (; i < count; ++i) y[i] = static_cast<float>(table[max - value<kSigned>(x[i])]) / total;
}

}  // namespace

const SoftmaxKernel kSoftmaxNeon{maximum, sum, divide};

}  // namespace octile
