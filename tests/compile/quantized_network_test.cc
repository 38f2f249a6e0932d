// Networks that come with Quantize and Dequantize layers of their own: the passes change no value,
// lowering runs everything between them in int8, and the interpreter judges the result.
#include "compile/harness.h"

namespace octile::test {
namespace {

Quantize u8(float scale, int32_t zero) {
  return {.type = DataType::kUInt8, .scale = {scale}, .zero_point = zero, .lo = 0, .hi = 255};
}

Dequantize back(float scale, int32_t zero) { return {.scale = {scale}, .zero_point = zero}; }

TensorId on_grid(Network& network, TensorId t, float scale, int32_t zero) {
  return network.dequantize(network.quantize(t, u8(scale, zero)), back(scale, zero));
}

/// Integers in [lo, hi] behind a Dequantize.
TensorId weights(Network& network, DataType type, const Shape& shape, int64_t lo, int64_t hi,
                 Dequantize op) {
  Random random(static_cast<uint64_t>(shape.volume()));
  Tensor q(DataType::kInt32, shape);
  for (int64_t i = 0; i < q.volume(); ++i) {
    q.as<int32_t>()[i] = static_cast<int32_t>(random.integer(lo, hi));
  }
  q.as<int32_t>()[0] = static_cast<int32_t>(lo);
  q.as<int32_t>()[q.volume() - 1] = static_cast<int32_t>(hi);
  return network.dequantize(network.constant(q.cast(type)), std::move(op));
}

Convolution conv3(int64_t groups = 1) {
  Convolution op = conv_of(1, 1, groups);
  op.window.kernel = {3, 3};
  return op;
}

std::string precisions_of(const PlanData& plan) {
  std::string text;
  for (const LayerInfo& layer : Plan(std::make_shared<PlanData>(plan)).layers()) {
    text += (text.empty() ? "" : ", ") + layer.step + " " + layer.precision;
  }
  return text;
}

/// Builds without INT8 of Octile's own, checks values and returns the steps with their types.
std::string checked(const Network& network, double step, const std::vector<Tensor>& inputs) {
  Network passed = network;
  run_passes(passed, {}, {});
  const Tensor expected = interpret(network, inputs)[0];
  EXPECT_EQ(interpret(passed, inputs)[0], expected) << passed.to_string();
  const auto plan = compiled(network, nullptr, first_tactics());
  const Distance d = distance(run_plan(plan, inputs)[0], expected, step);
  EXPECT_LE(d.worst, 1.02);  // a value between two integers may fall to either
  EXPECT_LE(d.share_off, 0.02);
  return precisions_of(*plan);
}

std::string checked(const Network& network, double step) {
  return checked(network, step, inputs_for(network));
}

TEST(QuantizedNetwork, SignedWeightsMayHoldMinus128) {
  Network network;
  const TensorId x =
      on_grid(network, network.add_input("x", DataType::kFloat32, {1, 4, 6, 6}), 0.01f, 120);
  const TensorId w = weights(network, DataType::kInt8, {5, 4, 3, 3}, -128, 127, back(0.02f, 0));
  network.mark_output(on_grid(network, network.output(network.add(conv3(), {x, w})), 0.03f, 128));
  const std::string steps = checked(network, 0.03);
  EXPECT_NE(steps.find("Conv int8"), std::string::npos) << steps;
}

TEST(QuantizedNetwork, UnsignedWeightsWithAZeroPointRunInInt8) {
  for (const int64_t groups : {1, 2, 4}) {
    for (const int32_t zero : {0, 90, 128, 255}) {
      if (zero == 255 || zero == 0) continue;  // |q − zero| = 255 has no two summands
      Network network;
      const TensorId x =
          on_grid(network, network.add_input("x", DataType::kFloat32, {2, 4, 6, 5}), 0.008f, 101);
      const TensorId w =
          weights(network, DataType::kUInt8, {8, 4 / groups, 3, 3}, 0, 255, back(0.01f, zero));
      const TensorId y = network.output(network.add(conv3(groups), {x, w}));
      network.mark_output(on_grid(network, y, 0.05f, 128));
      const std::string steps = checked(network, 0.05);
      EXPECT_NE(steps.find("Conv int8"), std::string::npos) << steps;
      EXPECT_EQ(steps.find("Conv float32"), std::string::npos) << steps;
    }
  }
}

TEST(QuantizedNetwork, WeightsThatNeedNineBitsStayFloat) {
  Network network;
  const TensorId x =
      on_grid(network, network.add_input("x", DataType::kFloat32, {1, 4, 6, 6}), 0.01f, 128);
  const TensorId w = weights(network, DataType::kUInt8, {5, 4, 3, 3}, 0, 255, back(0.02f, 0));
  network.mark_output(on_grid(network, network.output(network.add(conv3(), {x, w})), 0.09f, 3));
  const std::string steps = checked(network, 0.09);
  EXPECT_NE(steps.find("Conv float32"), std::string::npos) << steps;
}

TEST(QuantizedNetwork, UnsignedWeightsOfAProductBehindAFlattenedImage) {
  Network network;
  const TensorId x = network.add_input("x", DataType::kFloat32, {2, 3, 4, 4});
  const TensorId pooled = on_grid(
      network, network.pooling(on_grid(network, x, 0.008f, 128), pool_of(PoolingKind::kMax, 2, 2)),
      0.008f, 128);
  const TensorId flat = network.reshape(pooled, {0, -1});
  const TensorId w = weights(
      network, DataType::kUInt8, {12, 7}, 0, 255,
      Dequantize{.scale = {.01f, .02f, .03f, .01f, .02f, .03f, .01f}, .zero_point = 77, .axis = 1});
  network.mark_output(on_grid(network, network.matrix_multiply(flat, w), 0.1f, 128));
  const std::string steps = checked(network, 0.1);
  EXPECT_NE(steps.find("Conv int8"), std::string::npos) << steps;
  EXPECT_EQ(steps.find("View float32"), std::string::npos) << steps;
}

/// conv ▸ relu ▸ pool ▸ Q ▸ DQ ▸ reshape ▸ conv, as TensorRT's tools write it.
TEST(QuantizedNetwork, QuantizeMovesUpAndDequantizeDown) {
  Network network;
  const TensorId x =
      on_grid(network, network.add_input("x", DataType::kFloat32, {1, 4, 8, 8}), 0.008f, 128);
  const TensorId w = weights(network, DataType::kInt8, {4, 4, 3, 3}, -127, 127, back(0.01f, 0));
  const TensorId y =
      network.activation(network.output(network.add(conv3(), {x, w})), ActivationKind::kRelu);
  const TensorId pooled = network.pooling(y, pool_of(PoolingKind::kMax, 2, 2));
  const TensorId turned = network.transpose(on_grid(network, pooled, 0.05f, 0), {0, 1, 3, 2});
  const TensorId v = weights(network, DataType::kInt8, {4, 4, 3, 3}, -127, 127, back(0.01f, 0));
  const TensorId z = network.output(network.add(conv3(), {turned, v}));
  network.mark_output(on_grid(network, z, 0.1f, 128));
  const std::string steps = checked(network, 0.1);
  EXPECT_NE(steps.find("Conv int8, Pool int8"), std::string::npos) << steps;
  EXPECT_EQ(steps.find("Conv float32"), std::string::npos) << steps;
  EXPECT_EQ(steps.find("Shuffle float32"), std::string::npos) << steps;
}

/// Layers on uint8 tensors themselves, from the network's input on.
TEST(QuantizedNetwork, IntegersThatMoveStayInt8) {
  Network network;
  const TensorId x = network.add_input("x", DataType::kUInt8, {1, 4, 8, 8});
  const TensorId pooled = network.pooling(x, pool_of(PoolingKind::kMax, 2, 2));
  Padding around{.before = {0, 0, 1, 1}, .after = {0, 0, 1, 1}, .value = 117.0f};
  const TensorId padded = network.padding(pooled, around);
  const TensorId w = weights(network, DataType::kInt8, {4, 4, 3, 3}, -127, 127, back(0.01f, 0));
  const TensorId y =
      network.output(network.add(conv3(), {network.dequantize(padded, back(0.01f, 117)), w}));
  const TensorId q = network.concatenation(
      {network.quantize(y, u8(0.1f, 128)), network.quantize(y, u8(0.1f, 128))}, 1);
  network.mark_output(network.dequantize(q, back(0.1f, 128)));
  Random random(5);
  const std::string steps =
      checked(network, 0.1, {random_bits(DataType::kUInt8, {1, 4, 8, 8}, random)});
  EXPECT_EQ(steps.substr(steps.size() - 26), "Dequantize int8 -> float32") << steps;
  EXPECT_EQ(steps.find("float32"), steps.size() - 7) << steps;
}

/// A grid that excludes −128 is no view of one that holds it.
TEST(QuantizedNetwork, ANarrowerGridClamps) {
  Network network;
  Quantize wide{.type = DataType::kInt8, .scale = {0.01f}}, narrow = wide;
  narrow.lo = -127;
  const TensorId x = network.add_input("x", DataType::kFloat32, {1, 3});
  const TensorId moved =
      network.reshape(network.dequantize(network.quantize(x, wide), back(0.01f, 0)), {3, 1});
  network.mark_output(network.dequantize(network.quantize(moved, narrow), back(0.01f, 0)));
  const std::vector<Tensor> inputs{Tensor::floats({1, 3}, {-5.0f, 0.5f, 5.0f})};
  const Tensor y = run_plan(compiled(network, nullptr, first_tactics()), inputs)[0];
  EXPECT_EQ(y, interpret(network, inputs)[0]);
  EXPECT_EQ(y.as<float>()[0], 0.01f * -127.0f);
}

TEST(QuantizedNetwork, ClampsThatTheGridDoesAnywayGo) {
  Network network;
  const TensorId x = network.add_input("x", DataType::kFloat32, {1, 16});
  const TensorId relu = network.activation(x, ActivationKind::kRelu);
  network.mark_output(on_grid(network, relu, 0.01f, 0));
  const TensorId kept = network.activation(x, ActivationKind::kClip, -0.5f, 0.5f);
  network.mark_output(on_grid(network, kept, 0.01f, 100));
  Network passed = network;
  run_passes(passed, {}, {});
  const std::string text = passed.to_string();
  EXPECT_EQ(text.find("relu"), std::string::npos) << text;
  EXPECT_NE(text.find("clip"), std::string::npos) << text;
  EXPECT_EQ(interpret(passed, inputs_for(network)), interpret(network, inputs_for(network)));
}

}  // namespace
}  // namespace octile::test
