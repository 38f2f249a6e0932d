// Half and bfloat16: every value there and back, and rounding to even between neighbours.
#include "base/half.h"

#include <cmath>
#include <limits>

#include "support/tensors.h"

namespace octile::test {
namespace {

/// The value of a half by definition.
double half_by_definition(uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const double sign = (h & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return mantissa != 0 ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Half, EveryValueThereAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto h = static_cast<uint16_t>(bits);
    const double expected = half_by_definition(h);
    const float value = half_to_float(h);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value));
      ASSERT_TRUE(std::isnan(half_to_float(float_to_half(value))));
      continue;
    }
    ASSERT_EQ(value, expected) << h;
    ASSERT_EQ(std::signbit(value), std::signbit(expected));
    ASSERT_EQ(float_to_half(value), h);
  }
}

TEST(Half, RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {  // every pair of finite neighbours
    const auto low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits + 1);
    const float a = half_to_float(low), b = half_to_float(high);
    const float middle = a + (b - a) / 2;  // exact in binary32
    ASSERT_EQ(float_to_half(middle), (bits & 1) != 0 ? high : low);
    ASSERT_EQ(float_to_half(std::nextafter(middle, b)), high);
    ASSERT_EQ(float_to_half(std::nextafter(middle, a)), low);
    ASSERT_EQ(float_to_half(-std::nextafter(middle, b)), high | 0x8000);
  }
  EXPECT_EQ(float_to_half(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(1e30f), 0x7c00);
}

TEST(BFloat16, ThereAndBackAndRounding) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto h = static_cast<uint16_t>(bits);
    const float value = bfloat16_to_float(h);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(value))));
    } else {
      ASSERT_EQ(float_to_bfloat16(value), h);
    }
  }
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-8f), 0x3f80);  // half way: to even
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82);
  EXPECT_EQ(float_to_bfloat16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace octile::test
