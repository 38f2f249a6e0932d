// Where int32 sums or binary32 multipliers end: such layers run in float, whoever quantized them,
// and never wrap. The expected values are computed here from the numbers that went in.
#include <cmath>

#include "compile/harness.h"

namespace octile::test {
namespace {

/// Dequantize(Quantize(x)) on a per-tensor grid, as an imported Q/DQ model has it.
TensorId fake_quantized(Network& n, TensorId x, float scale, DataType type, int32_t zero = 0,
                        int32_t lo = -127) {
  const bool affine = type == DataType::kUInt8;
  Quantize q{.type = type, .scale = {scale}, .zero_point = zero};
  q.lo = affine ? 0 : lo;
  q.hi = affine ? 255 : 127;
  return n.dequantize(n.quantize(x, q), Dequantize{.scale = {scale}, .zero_point = zero});
}

Tensor filled(const Shape& shape, float value) {
  Tensor t(DataType::kFloat32, shape);
  std::fill_n(t.as<float>(), t.volume(), value);
  return t;
}

float first_value(const Network& n, const CalibrationTable* table, const BuildOptions& options,
                  const std::vector<Tensor>& inputs) {
  return run_plan(compiled(n, table, options), inputs)[0].as<float>()[0];
}

std::string notes_of_plan(const PlanData& plan) {
  std::string notes;
  for (const PlanStep& step : plan.steps) notes += step.note + "\n";
  return notes;
}

TEST(Limits, ImportedProductWithSumsBeyondInt32) {
  constexpr int64_t kTerms = 70000;  // 70000 · 255 · 127 > 2^31
  Network n("long");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, kTerms});
  const TensorId w = n.constant(filled({kTerms, 1}, 127.0f), "w");
  const TensorId y = n.matrix_multiply(fake_quantized(n, x, 1.0f, DataType::kUInt8),
                                       fake_quantized(n, w, 1.0f, DataType::kInt8), {}, "fc");
  n.mark_output(y, "y");
  const auto plan = compiled(n, nullptr, first_tactics());
  const float got = run_plan(plan, {filled({1, kTerms}, 255.0f)})[0].as<float>()[0];
  EXPECT_NEAR(got, 255.0 * 127.0 * kTerms, 1e5);
  EXPECT_NE(notes_of_plan(*plan).find("sum of channel 0 could overflow"), std::string::npos);
}

TEST(Limits, ImportedBiasBeyondInt32) {
  Network n("bias");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 4, 2, 2});
  const TensorId w = n.constant(filled({1, 4, 1, 1}, 1e-3f), "w");
  Convolution op;
  op.window.kernel = {1, 1};
  const LayerId conv = n.add(
      op,
      {fake_quantized(n, x, 1e-2f, DataType::kInt8), fake_quantized(n, w, 1e-3f, DataType::kInt8),
       n.constant(Tensor::floats({1}, {1e9f}), "b")},
      "conv");
  n.mark_output(n.output(conv), "y");
  EXPECT_FLOAT_EQ(first_value(n, nullptr, first_tactics(), {filled({1, 4, 2, 2}, 0.0f)}), 1e9f);
}

/// The first reader decides the grid: what is legal for the second one's scheme is not for that.
TEST(Limits, TheSchemeReallyInPlaceIsJudged) {
  constexpr int64_t kTerms = 100000;  // legal for |x_q| ≤ 128, not for 255
  Network n("two");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, kTerms});
  Tensor spike = filled({kTerms, 1}, 0.0f);  // legal in any scheme
  spike.as<float>()[0] = 1.0f;
  n.mark_output(n.fully_connected(x, std::move(spike), std::nullopt, "first"), "a");
  n.mark_output(n.fully_connected(x, filled({kTerms, 1}, 1.0f), std::nullopt, "second"), "b");
  n.set_dynamic_range(x, {0.0f, 255.0f});
  BuildOptions options = first_tactics(true);
  options.layer_scheme["first"] = Scheme::kStaticAffine;
  const auto outputs = run_plan(compiled(n, nullptr, options), {filled({1, kTerms}, 255.0f)});
  EXPECT_NEAR(outputs[1].as<float>()[0], 255.0 * kTerms, 1e-3 * 255.0 * kTerms);
}

/// Largest values on both sides: u8 times s8.
Network run_time_product(int64_t terms) {
  Network n("product");
  const TensorId a = n.add_input("a", DataType::kFloat32, {1, terms});
  const TensorId b = n.add_input("b", DataType::kFloat32, {terms, 1});
  n.mark_output(n.matrix_multiply(fake_quantized(n, a, 1.0f, DataType::kUInt8),
                                  fake_quantized(n, b, 1.0f, DataType::kInt8), {}, "product"),
                "y");
  return n;
}

TEST(Limits, RunTimeProductWithSumsBeyondInt32) {
  constexpr int64_t kTerms = 150000;
  const float got = first_value(run_time_product(kTerms), nullptr, first_tactics(),
                                {filled({1, kTerms}, 255.0f), filled({kTerms, 1}, 127.0f)});
  EXPECT_NEAR(got, 255.0 * 127.0 * kTerms, 1e5);
}

TEST(Limits, RunTimeProductWhoseExtentIsKnownLate) {
  constexpr int64_t kTerms = 150000;
  const Network n = run_time_product(kDynamic);
  BuildOptions options = first_tactics();
  const auto profile = [](int64_t max) {
    return Profile{{"a", {{1, 1}, {1, 8}, {1, max}}}, {"b", {{1, 1}, {8, 1}, {max, 1}}}};
  };
  options.profiles = {profile(1000)};
  EXPECT_NO_THROW(compiled(n, nullptr, options));
  options.profiles = {profile(kTerms)};
  const std::string message =
      message_of([&] { compiled(n, nullptr, options); }, ErrorCode::kUnsupported);
  EXPECT_NE(message.find("'product'"), std::string::npos) << message;
  EXPECT_NE(message.find("could overflow"), std::string::npos) << message;
}

TEST(Limits, AverageOverMoreThanInt32Holds) {
  constexpr int64_t kSide = 2910;  // 2910² · 255 > 2^31
  Network n("average");
  TensorId t = n.add_input("x", DataType::kFloat32, {1, 1, kSide, kSide});
  Pooling op;
  op.kind = PoolingKind::kAverage;
  op.global = true;
  t = n.pooling(fake_quantized(n, t, 1.0f / 255, DataType::kUInt8), op, "pool");
  n.mark_output(fake_quantized(n, t, 1.0f / 255, DataType::kUInt8), "y");
  EXPECT_FLOAT_EQ(first_value(n, nullptr, first_tactics(), {filled({1, 1, kSide, kSide}, 1.0f)}),
                  1.0f);
}

TEST(Limits, MultipliersBeyondFloat32) {
  Network n("huge");
  TensorId t = n.add_input("x", DataType::kFloat32, {1, 4, 1, 1});
  n.set_dynamic_range(t, {-1e15f, 1e15f});
  t = n.convolution(t, filled({4, 4, 1, 1}, 1.0f), std::nullopt, {}, "first");
  n.set_dynamic_range(t, {-1e-27f, 1e-27f});
  t = n.convolution(t, filled({1, 4, 1, 1}, 1.0f), std::nullopt, {}, "second");
  n.mark_output(t, "y");
  EXPECT_EQ(first_value(n, nullptr, first_tactics(true), {filled({1, 4, 1, 1}, 0.0f)}), 0.0f);
}

TEST(Limits, SumsWithMultipliersBeyondFloat32) {
  Network n("add");
  const TensorId a = n.add_input("a", DataType::kFloat32, {1, 4});
  const TensorId b = n.add_input("b", DataType::kFloat32, {1, 4});
  const TensorId y =
      n.elementwise(fake_quantized(n, a, 1e30f, DataType::kInt8),
                    fake_quantized(n, b, 1.0f, DataType::kInt8), ElementwiseKind::kAdd, "add");
  n.mark_output(fake_quantized(n, y, 1e-20f, DataType::kInt8), "y");
  EXPECT_EQ(first_value(n, nullptr, first_tactics(), {filled({1, 4}, 0.0f), filled({1, 4}, 0.0f)}),
            0.0f);
}

TEST(Ranges, AConcatenationPushesItsManualRangeToItsInputs) {
  Network n("concat");
  const TensorId a = n.add_input("a", DataType::kFloat32, {1, 4, 1, 1});
  const TensorId b = n.add_input("b", DataType::kFloat32, {1, 4, 1, 1});
  const TensorId joined = n.concatenation({a, b}, 1, "join");
  n.set_dynamic_range(a, {-0.2f, 0.2f});
  n.set_dynamic_range(b, {-20.0f, 20.0f});
  n.set_dynamic_range(joined, {-20.0f, 20.0f});
  Tensor w = filled({1, 8, 1, 1}, 1.0f);
  n.mark_output(n.convolution(joined, std::move(w), std::nullopt, {}, "conv"), "y");
  BuildOptions options = first_tactics(true);
  std::vector<std::string> warnings;
  options.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarning) warnings.emplace_back(text);
  };
  const float got =
      first_value(n, nullptr, options, {filled({1, 4, 1, 1}, 0.1f), filled({1, 4, 1, 1}, 10.0f)});
  EXPECT_NEAR(got, 40.4f, 8 * 0.5f * 20.0f / 127 + 1e-3f);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("1 manual ranges give way"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[0].find("\n  a"), std::string::npos) << warnings[0];
}

}  // namespace
}  // namespace octile::test
