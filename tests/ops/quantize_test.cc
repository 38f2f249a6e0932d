// Quantize and Dequantize: values worked out from docs/arithmetic.md by hand.
#include "arithmetic/quantize.h"

#include <limits>

#include "ops/run.h"

namespace octile::test {
namespace {

Quantize quantize(DataType type, std::vector<float> scale, int32_t zero_point = 0,
                  int64_t axis = -1) {
  Quantize op;
  op.type = type;
  op.scale = std::move(scale);
  op.zero_point = zero_point;
  op.axis = axis;
  if (type == DataType::kUInt8) op.lo = 0, op.hi = 255;
  if (type == DataType::kInt32) op.lo = INT32_MIN, op.hi = INT32_MAX;
  return op;
}

TEST(Quantize, SymmetricTiesToEvenAndClamps) {
  const Tensor x =
      Tensor::floats({10}, {0.25f, 0.75f, 1.25f, -0.25f, -0.75f, 63.5f, 64, -64, -65, kNan});
  EXPECT_EQ(list<int8_t>(run(quantize(DataType::kInt8, {0.5f}), {x})),
            (std::vector<int8_t>{0, 2, 2, 0, -2, 127, 127, -128, -128, -128}));
  Quantize weights = quantize(DataType::kInt8, {0.5f});
  weights.lo = -127;
  EXPECT_EQ(list<int8_t>(run(weights, {Tensor::floats({2}, {-64, -kInf})})),
            (std::vector<int8_t>{-127, -127}));
}

TEST(Quantize, AffineWithZeroPoint) {
  const Tensor x = Tensor::floats({6}, {-3, 0, 0.5f, 1.5f, 300, -300});
  EXPECT_EQ(list<uint8_t>(run(quantize(DataType::kUInt8, {1.0f}, 10), {x})),
            (std::vector<uint8_t>{7, 10, 10, 12, 255, 0}));
}

TEST(Quantize, PerAxis) {
  const Tensor x = Tensor::floats({2, 2, 2}, {1, 2, 1, 2, 3, 4, 3, 4});
  EXPECT_EQ(list<int8_t>(run(quantize(DataType::kInt8, {1, 0.5f}, 0, 1), {x})),
            (std::vector<int8_t>{1, 2, 2, 4, 3, 4, 6, 8}));
  EXPECT_EQ(list<int8_t>(run(quantize(DataType::kInt8, {1, 0.5f}, 0, 0), {x})),
            (std::vector<int8_t>{1, 2, 1, 2, 6, 8, 6, 8}));
}

TEST(Quantize, ThirtyTwoBits) {
  const Tensor x = Tensor::floats({5}, {2.5f, -1e9f, 3e9f, -3e9f, kNan});
  EXPECT_EQ(list<int32_t>(run(quantize(DataType::kInt32, {1.0f}), {x})),
            (std::vector<int32_t>{2, -1000000000, INT32_MAX, INT32_MIN, INT32_MIN}));
}

TEST(Quantize, DynamicSymmetricPerSample) {
  Quantize op;
  op.dynamic = true;
  const auto y = run_all(op, {Tensor::floats({3, 2}, {1, -2, 0.5f, 0.25f, 0, 0})});
  ASSERT_EQ(y.size(), 3u);
  EXPECT_EQ(list<float>(y[1]), (std::vector<float>{2.0f / 127.0f, 0.5f / 127.0f, 1.0f}));
  EXPECT_EQ(list<int32_t>(y[2]), (std::vector<int32_t>{0, 0, 0}));
  EXPECT_EQ(list<int8_t>(y[0]), (std::vector<int8_t>{64, -127, 127, 64, 0, 0}));  // 63.5 → 64
}

TEST(Quantize, DynamicAffinePerSample) {
  Quantize op;
  op.dynamic = true;
  op.type = DataType::kUInt8;
  op.lo = 0;
  op.hi = 255;
  const auto y = run_all(op, {Tensor::floats({3, 2}, {-51, 204, 2, 255, 0, 0})});
  EXPECT_EQ(list<float>(y[1]), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(list<int32_t>(y[2]), (std::vector<int32_t>{51, 0, 0}));
  EXPECT_EQ(list<uint8_t>(y[0]), (std::vector<uint8_t>{0, 255, 2, 255, 0, 0}));
}

TEST(Quantize, DynamicRangesLeaveInfinitiesOut) {
  Quantize op;
  op.dynamic = true;
  const Tensor x = Tensor::floats({3, 3}, {1, -2, kInf, -kInf, 0.5f, kNan, kInf, -kInf, kNan});
  auto y = run_all(op, {x});
  EXPECT_EQ(list<float>(y[1]), (std::vector<float>{2.0f / 127.0f, 0.5f / 127.0f, 1.0f}));
  EXPECT_EQ(list<int8_t>(y[0]),
            (std::vector<int8_t>{64, -127, 127, -128, 127, -128, 127, -128, -128}));
  op.type = DataType::kUInt8;
  op.lo = 0;
  op.hi = 255;
  y = run_all(op, {Tensor::floats({1, 4}, {-51, 204, kInf, -kInf})});
  EXPECT_EQ(list<float>(y[1]), std::vector<float>{1});
  EXPECT_EQ(list<int32_t>(y[2]), std::vector<int32_t>{51});
  EXPECT_EQ(list<uint8_t>(y[0]), (std::vector<uint8_t>{0, 255, 255, 0}));
}

TEST(Parameters, AreNormalNumbersForEveryRange) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const float least = std::numeric_limits<float>::min(), most = std::numeric_limits<float>::max();
  EXPECT_EQ(symmetric_params(1e-44f).scale, 1.0f);
  EXPECT_EQ(symmetric_params(100.0f * least).scale, 1.0f) << "its scale would be subnormal";
  EXPECT_EQ(symmetric_params(127.0f * least).scale, least);
  EXPECT_EQ(symmetric_params(most).scale, most / 127.0f);
  EXPECT_EQ(affine_params(-tiny, tiny).scale, 1.0f);
  EXPECT_EQ(affine_params(0.0f, 255.0f * least).scale, least);
  const QuantParams wide = affine_params(-most, most);
  EXPECT_EQ(wide.scale, most / 127.5f);
  EXPECT_EQ(wide.zero_point, 128);  // 127.5, to even
  EXPECT_EQ(affine_params(0.0f, most).scale, most / 255.0f);
}

TEST(Parameters, HalvingTheWidthChangesNoOrdinaryBit) {
  Random random(15);
  for (int i = 0; i < 100'000; ++i) {
    const float min = -std::fabs(random.value()), max = std::fabs(random.value());
    EXPECT_EQ(affine_params(min, max).scale, (max - min) / 255.0f);
    EXPECT_EQ((0.5f * max - 0.5f * min) / 127.5f, (max - min) / 255.0f);
  }
}

TEST(Quantize, BatchMatesDoNotMatter) {
  Random random(14);
  Quantize op;
  op.dynamic = true;
  const Tensor x = random_floats({5, 3, 7}, random);
  const auto all = run_all(op, {x});
  for (int64_t n = 0; n < 5; ++n) {
    const auto* bytes = reinterpret_cast<const std::byte*>(x.as<float>() + n * 21);
    const auto one = run_all(op, {Tensor(DataType::kFloat32, {1, 3, 7}, {bytes, 84})});
    EXPECT_EQ(0, std::memcmp(one[0].data(), all[0].as<int8_t>() + n * 21, 21));
    EXPECT_EQ(one[1].as<float>()[0], all[1].as<float>()[n]);
  }
}

TEST(Dequantize, StaticPerAxisAndDynamic) {
  Dequantize op;
  op.scale = {0.5f};
  op.zero_point = 3;
  EXPECT_EQ(list<float>(run(op, {values<uint8_t>({3}, {0, 3, 255})})),
            (std::vector<float>{-1.5f, 0, 126}));
  op = {{0.5f, 2.0f}, 0, 1, false};
  EXPECT_EQ(list<float>(run(op, {values<int8_t>({2, 2}, {-128, 1, 127, -1})})),
            (std::vector<float>{-64, 2, 63.5f, -2}));
  op = {{}, 0, -1, true};
  const Tensor q = values<int8_t>({2, 2}, {1, 2, 3, 4});
  const Tensor scale = Tensor::floats({2}, {1, 0.25f}), zero = values<int32_t>({2}, {1, -1});
  EXPECT_EQ(list<float>(run(op, {q, scale, zero})), (std::vector<float>{0, 1, 1, 1.25f}));
  EXPECT_EQ(list<float>(run(op, {q, scale})), (std::vector<float>{1, 2, 0.75f, 1}));
}

TEST(Dequantize, WidestDifferenceDoesNotOverflow) {
  const Dequantize op{{1.0f}, 127, -1, false};
  EXPECT_EQ(list<float>(run(op, {values<int32_t>({1}, {INT32_MIN})})),
            (std::vector<float>{-2147483775.0f}));
}

TEST(Quantize, Refusals) {
  EXPECT_TRUE(contains(refusal(quantize(DataType::kInt8, {0.0f}), {{2}}),
                       "scale 0 must be positive and finite"));
  EXPECT_TRUE(contains(refusal(quantize(DataType::kInt8, {kNan}), {{2}}), "positive and finite"));
  EXPECT_TRUE(contains(refusal(quantize(DataType::kInt8, {1, 2}), {{2}}), "2 scales were given"));
  EXPECT_TRUE(contains(refusal(quantize(DataType::kInt8, {1, 2}, 0, 1), {{2, 3}}),
                       "2 scales were given, but axis 1 of (2, 3) has 3 slices"));
  Quantize op = quantize(DataType::kUInt8, {1});
  op.lo = -128;
  EXPECT_TRUE(contains(refusal(op, {{2}}), "must lie in [0, 255], the range of uint8"));
  op = quantize(DataType::kInt8, {1}, 200);
  EXPECT_TRUE(contains(refusal(op, {{2}}), "zero point 200 is outside [lo, hi] = [-128, 127]"));
  EXPECT_TRUE(
      contains(refusal(quantize(DataType::kInt64, {1}), {{2}}), "use int8, uint8 or int32"));
  op = quantize(DataType::kInt8, {});
  op.dynamic = true;
  EXPECT_TRUE(contains(refusal(op, {{}}), "needs a batch axis"));
  EXPECT_TRUE(
      contains(refusal(Dequantize{{1}, 0, -1, false}, {{2}}), "must be int8, uint8, int32"));
}

}  // namespace
}  // namespace octile::test
