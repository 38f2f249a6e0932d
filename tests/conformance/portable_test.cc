// The portable tactics define the bits of int8 steps; here they are held to literal examples
// worked out by hand and to the formulas of docs/arithmetic.md written out anew (oracle.h).
#include <gtest/gtest.h>

#include "conformance/oracle.h"
#include "conformance/runner.h"
#include "kernels/portable/tactics.h"

namespace octile {
namespace {

const Tactic& portable_row(const Case& c) {
  const StepView view = c.view();
  const Tactic* found = nullptr;
  for (const Tactic* tactic : portable_tactics()) {
    if (!refusal(*tactic, view, {Isa::kPortable, 1}).empty()) continue;
    EXPECT_EQ(found, nullptr) << c.name << ": two portable tactics accept it";
    found = tactic;
  }
  if (found == nullptr) throw std::runtime_error("no portable tactic accepts " + c.name);
  return *found;
}

template <typename T>
std::vector<T> values(const std::vector<std::byte>& bytes) {
  std::vector<T> result(bytes.size() / sizeof(T));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

template <typename T>
std::vector<T> run(const Case& c) {
  return values<T>(run_tactic(portable_row(c), c, Isa::kPortable)[0]);
}

template <typename T>
void set(CaseBuilder& b, size_t index, const std::vector<T>& data) {
  std::copy(data.begin(), data.end(), b.data(index).as<T>());
}

TEST(Portable, EveryCaseAgreesWithTheFormulas) {
  if (kThreadSanitizer) {
    GTEST_SKIP() << "values were judged without the thread sanitizer; it would add minutes";
  }
  int judged = 0;
  for (const Case& c : all_cases()) {
    const auto expected = by_formula(c);
    if (!expected) continue;
    ++judged;
    const Tactic& tactic = portable_row(c);
    ASSERT_EQ(difference(c, *expected, run_tactic(tactic, c, Isa::kPortable, {.threads = 2})), "")
        << tactic.name() << " on " << c.name;
  }
  EXPECT_GT(judged, 1000);
}

/// One 2-element dot product: x = (3, −4), w = (10, 20), bias 5, so acc = −45.
Case dot(float multiplier, int32_t q_lo) {
  CaseBuilder b("literal/dot", 1);
  ConvStep step;
  step.window = {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, PaddingMode::kExplicit};
  step.in_channels = 2;
  step.out_channels = 1;
  step.rows = true;
  step.weights = b.blob<int8_t>(kS8, {1, 1, 1, 2}, {10, 20});
  step.bias = b.blob<int32_t>(DataType::kInt32, {1}, {5});
  step.multiplier = b.blob<float>(kF32, {1}, {multiplier});
  step.clamp.q_lo = q_lo;
  b.input(kS8, kPlain, {1, 2}, 1.0f, 0);
  set<int8_t>(b, 0, {3, -4});
  b.output(kS8, kPlain, {1, 1}, 1.0f, 0);
  return b.build(step);
}

TEST(Portable, ConvolutionLiterals) {
  EXPECT_EQ(run<int8_t>(dot(1.0f, -128)), (std::vector<int8_t>{-45}));
  EXPECT_EQ(run<int8_t>(dot(0.1f, -128)), (std::vector<int8_t>{-4}));   // −4.5 → even
  EXPECT_EQ(run<int8_t>(dot(0.5f, -128)), (std::vector<int8_t>{-22}));  // −22.5 → even
  EXPECT_EQ(run<int8_t>(dot(10.0f, -128)), (std::vector<int8_t>{-128}));
  EXPECT_EQ(run<int8_t>(dot(10.0f, 0)), (std::vector<int8_t>{0}));  // ReLU
}

// A 2×2 window of ones around the pixels (1, 2; 3, 4) with z_x = 10 and padding: each padded tap
// contributes 10. bias = −z·Σw = −40, so the corner is (1 − 10) + 3·0 = −9.
TEST(Portable, PaddingContributesTheZeroPoint) {
  CaseBuilder b("literal/padding", 1);
  ConvStep step;
  step.window = {{2, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, PaddingMode::kExplicit};
  step.in_channels = 1;
  step.out_channels = 1;
  step.weights = b.blob<int8_t>(kS8, {1, 2, 2, 1}, {1, 1, 1, 1});
  step.bias = b.blob<int32_t>(DataType::kInt32, {1}, {-40});
  step.multiplier = b.blob<float>(kF32, {1}, {1.0f});
  b.input(kU8, kLast, {1, 1, 2, 2}, 1.0f, 10);
  set<uint8_t>(b, 0, {1, 2, 3, 4});
  b.output(kS8, kLast, {1, 1, 3, 3}, 1.0f, 0);
  EXPECT_EQ(run<int8_t>(b.build(step)),
            (std::vector<int8_t>{-9, -17, -8, -16, -30, -14, -7, -13, -6}));
}

// Two multiplies, then one add: 3·0.5 + (7 − 2)·0.2 = 2.5 → 2; fused any other way it may not be.
TEST(Portable, AddLiterals) {
  CaseBuilder b("literal/add", 1);
  b.input(kS8, kPlain, {4}, 0.5f, 0);
  set<int8_t>(b, 0, {3, -3, 127, -128});
  b.input(kU8, kPlain, {4}, 0.2f, 2);
  set<uint8_t>(b, 1, {7, 2, 255, 0});
  b.output(kS8, kPlain, {4}, 1.0f, 1);
  EltwiseStep step{.kind = ElementwiseKind::kAdd, .m_a = 0.5f, .m_b = 0.2f, .clamp = {}};
  // 1 + rne(2.5) = 3; 1 + rne(−1.5) = −1; 63.5 + 50.6 = 114.1 → 115; −64.4 → −63
  EXPECT_EQ(run<int8_t>(b.build(step)), (std::vector<int8_t>{3, -1, 115, -63}));
}

TEST(Portable, MulLiterals) {
  CaseBuilder b("literal/mul", 1);
  b.input(kS8, kPlain, {3}, 1.0f, 1);
  set<int8_t>(b, 0, {6, -128, 127});
  b.input(kS8, kPlain, {3}, 1.0f, 0);
  set<int8_t>(b, 1, {3, -128, 127});
  b.output(kS8, kPlain, {3}, 1.0f, -2);
  EltwiseStep step{.kind = ElementwiseKind::kMul, .m_a = 0.1f, .m_b = 0.0f, .clamp = {}};
  // 15·0.1 = 1.5 → 2 − 2 = 0; 16512·0.1 and 16002·0.1 leave the range
  EXPECT_EQ(run<int8_t>(b.build(step)), (std::vector<int8_t>{0, 127, 127}));
}

TEST(Portable, QuantizeLiterals) {
  CaseBuilder b("literal/quantize", 1);
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = kInfinity;
  b.input(kF32, kPlain, {8});
  set<float>(b, 0, {0.25f, 0.75f, -0.25f, 1.25f, 1e9f, -inf, nan, inf});
  b.output(kU8, kPlain, {8}, 0.5f, 10);
  // 0.5 → 0, 1.5 → 2, −0.5 → 0, 2.5 → 2, then the ends; NaN goes to the lower one
  EXPECT_EQ(run<uint8_t>(b.build(QuantizeStep{.q_lo = 0, .q_hi = 255})),
            (std::vector<uint8_t>{10, 12, 10, 12, 255, 0, 0, 255}));
}

TEST(Portable, DynamicQuantizeLiterals) {
  CaseBuilder b("literal/dynamic", 1);
  b.input(kF32, kPlain, {3, 2});
  set<float>(b, 0, {-1.0f, 1.55f, 0.0f, 0.0f, 5.1f, 2.55f});
  b.output(kU8, kPlain, {3, 2});
  b.output(kF32, kPlain, {3});
  b.output(DataType::kInt32, kPlain, {3});
  const Case c = b.build(QuantizeStep{.q_lo = 0, .q_hi = 255, .dynamic = true});
  const auto out = run_tactic(portable_row(c), c, Isa::kPortable);
  EXPECT_EQ(values<uint8_t>(out[0]), (std::vector<uint8_t>{0, 255, 0, 0, 255, 128}));
  EXPECT_EQ(values<float>(out[1]), (std::vector<float>{2.55f / 255.0f, 1.0f, 5.1f / 255.0f}));
  EXPECT_EQ(values<int32_t>(out[2]), (std::vector<int32_t>{100, 0, 0}));
}

// Infinities and NaN are no part of the range; they take its ends. 0 and 1 keep their order.
TEST(Portable, DynamicQuantizeLeavesInfinitiesOutOfTheRange) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  CaseBuilder b("literal/infinite", 1);
  b.input(kF32, kPlain, {3, 3});
  set<float>(b, 0, {-1.0f, inf, 1.55f, -inf, 5.1f, NAN, inf, -inf, NAN});
  b.output(kU8, kPlain, {3, 3});
  b.output(kF32, kPlain, {3});
  b.output(DataType::kInt32, kPlain, {3});
  const Case c = b.build(QuantizeStep{.q_lo = 0, .q_hi = 255, .dynamic = true});
  const auto out = run_tactic(portable_row(c), c, Isa::kPortable);
  EXPECT_EQ(values<uint8_t>(out[0]), (std::vector<uint8_t>{0, 255, 255, 0, 255, 0, 255, 0, 0}));
  EXPECT_EQ(values<float>(out[1]), (std::vector<float>{2.55f / 255.0f, 5.1f / 255.0f, 1.0f}));
  EXPECT_EQ(values<int32_t>(out[2]), (std::vector<int32_t>{100, 0, 0}));
}

// Averages of (1 2; 3 4) over 2×2 windows with padding 1 at the corner: one element on the image.
TEST(Portable, AveragePoolLiterals) {
  for (const bool count_padding : {false, true}) {
    CaseBuilder b("literal/average", 1);
    b.input(kS8, kLast, {1, 1, 2, 2}, 1.0f, 0);
    set<int8_t>(b, 0, {8, 16, 24, 36});
    b.output(kS8, kLast, {1, 1, 2, 2}, 1.0f, 0);
    PoolStep step{.kind = PoolingKind::kAverage, .window = {}, .count_padding = count_padding};
    step.window = {{2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, PaddingMode::kExplicit};
    const std::vector<int8_t> without{8, 16, 24, 36}, with{2, 4, 6, 9};
    EXPECT_EQ(run<int8_t>(b.build(step)), count_padding ? with : without);
  }
}

TEST(Portable, MaxPoolIgnoresPadding) {
  CaseBuilder b("literal/max", 1);
  b.input(kS8, kLast, {1, 1, 2, 2}, 1.0f, 0);
  set<int8_t>(b, 0, {-128, -5, -7, -128});
  b.output(kS8, kLast, {1, 1, 2, 2}, 1.0f, 0);
  PoolStep step{.kind = PoolingKind::kMax, .window = {}};
  step.window = {{2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, PaddingMode::kExplicit};
  EXPECT_EQ(run<int8_t>(b.build(step)), (std::vector<int8_t>{-128, -5, -7, -128}));
}

// E[0] = 2^23, E[1] = 2^22, all else 0: probabilities are exact binary fractions.
TEST(Portable, SoftmaxLiterals) {
  CaseBuilder b("literal/softmax", 1);
  std::vector<int32_t> table(256, 0);
  table[0] = 1 << 23;
  table[1] = 1 << 22;
  const int32_t blob = b.blob(DataType::kInt32, {256}, table);
  b.input(kS8, kPlain, {1, 4}, 1.0f, 0);
  set<int8_t>(b, 0, {-3, -4, -4, -128});
  b.output(kF32, kPlain, {1, 4});
  EXPECT_EQ(run<float>(b.build(SoftmaxStep{{1}, blob})),
            (std::vector<float>{0.5f, 0.25f, 0.25f, 0.0f}));
}

TEST(Portable, MatmulLiterals) {
  CaseBuilder b("literal/matmul", 1);
  b.input(kU8, kPlain, {2, 2}, 1.0f, 1);
  set<uint8_t>(b, 0, {2, 3, 4, 0});
  b.input(kS8, kPlain, {2, 2}, 1.0f, 0);
  set<int8_t>(b, 1, {10, -20, 3, 4});
  b.output(kF32, kPlain, {2, 2});
  MatMulStep step{.op = {}, .multiplier = 0.5f, .clamp = {}};
  // (1 2; 3 −1)·(10 −20; 3 4) = (16 −12; 27 −64)
  EXPECT_EQ(run<float>(b.build(step)), (std::vector<float>{8.0f, -6.0f, 13.5f, -32.0f}));
}

}  // namespace
}  // namespace octile
