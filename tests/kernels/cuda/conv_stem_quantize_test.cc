// The division-free quantization of first layers against quantize_value(), on the host: values on
// and beside every tie and every end of the clamp, and whatever floats there are.
#include "kernels/cuda/conv_stem_quantize.h"

#include <gtest/gtest.h>

#include <random>

namespace octile::cuda::testing {
namespace {

int32_t by_stem(const StemQuantizer& quantizer, const ConvProblem& p, float x) {
  return static_cast<int32_t>(quantizer.bits(x) - StemQuantizer::kBits) + p.x_zero_point;
}

void expect_equal(const StemQuantizer& quantizer, const ConvProblem& p, float x) {
  ASSERT_EQ(by_stem(quantizer, p, x),
            quantize_value(x, p.x_scale, p.x_zero_point, p.x_q_lo, p.x_q_hi))
      << std::hexfloat << x << " by " << p.x_scale << ", zero point " << p.x_zero_point;
}

TEST(StemQuantizer, GivesTheBitsOfQuantizeValue) {
  std::mt19937_64 random(21);
  for (int problem = 0; problem < 200; ++problem) {
    const auto drawn = static_cast<uint32_t>(random());
    // Exponents of 2^-60 to 2^60; every third significand at an end of its range.
    uint32_t bits = (68 + drawn % 118) << 23 | (drawn >> 9);
    if (problem % 3 == 0) bits = problem % 2 == 0 ? bits | 0x7fffffu : bits & ~0x7fffffu;
    ConvProblem p;
    p.x_scale = std::bit_cast<float>(bits);
    const bool is_unsigned = random() % 2 == 0;
    p.x_q_lo = is_unsigned ? 0 : -128, p.x_q_hi = is_unsigned ? 255 : 127;
    if (random() % 2 == 0) p.x_zero_point = p.x_q_lo + static_cast<int>(random() % 256);
    ASSERT_TRUE(StemQuantizer::takes(p));
    const StemQuantizer quantizer(p);
    for (int halves = -600; halves <= 600; ++halves) {
      float x = static_cast<float>(0.5 * halves * p.x_scale);
      for (int i = 0; i < 3; ++i) x = std::nextafter(x, -INFINITY);
      for (int i = 0; i < 7; ++i, x = std::nextafter(x, INFINITY)) expect_equal(quantizer, p, x);
    }
    for (int i = 0; i < 2000; ++i) {
      expect_equal(quantizer, p, std::bit_cast<float>(static_cast<uint32_t>(random())));
    }
    for (const float x : {INFINITY, -INFINITY, NAN, 0.0f, -0.0f}) expect_equal(quantizer, p, x);
  }
}

}  // namespace
}  // namespace octile::cuda::testing
