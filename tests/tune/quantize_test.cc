// quantize(): the styles' promises, and that their networks, read as they are or through an ONNX
// file, mean what the engine computes.
#include <gtest/gtest.h>

#include "graph/interpreter.h"
#include "octile/builder.h"
#include "octile/engine.h"
#include "octile/onnx.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

Convolution conv3() {
  Convolution op;
  op.window.kernel = {3, 3};
  op.window.pad_before = op.window.pad_after = {1, 1};
  return op;
}

/// conv → relu → (conv → add with the skip → relu) → concat with a signed branch → relu → pool →
/// flatten → fc.
Network residual_network() {
  Random random(11);
  const auto weights = [&](const Shape& shape) { return random_floats(shape, random, 0.4f); };
  Network n("residual");
  const TensorId x = n.add_input("image", DataType::kFloat32, {1, 3, 8, 8});
  TensorId a = n.convolution(x, weights({4, 3, 3, 3}), weights({4}), conv3(), "conv1");
  a = n.activation(a, ActivationKind::kRelu, 0, 0, "relu1");
  TensorId b = n.convolution(a, weights({4, 4, 3, 3}), weights({4}), conv3(), "conv2");
  b = n.elementwise(b, a, ElementwiseKind::kAdd, "add");
  b = n.activation(b, ActivationKind::kRelu, 0, 0, "relu2");
  const TensorId c = n.convolution(a, weights({4, 4, 3, 3}), weights({4}), conv3(), "conv3");
  TensorId d = n.concatenation({b, c}, 1, "concat");
  d = n.convolution(d, weights({4, 8, 3, 3}), weights({4}), conv3(), "conv4");
  Pooling pool{PoolingKind::kAverage, {}, true, false};
  d = n.reshape(n.pooling(d, pool, "pool"), {-1, 4}, "flat");
  n.mark_output(n.fully_connected(d, weights({4, 5}), weights({5}), "fc"), "scores");
  n.mark_output(c, "branch");
  return n;
}

Tensor sample(uint64_t seed) {
  Random random(seed);
  return random_floats({1, 3, 8, 8}, random);
}

CalibrationTable table_of(const Network& network) {
  CalibrationTable table;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    interpret(network, {sample(seed)}, [&](TensorId t, const Tensor& value) {
      auto& entry = table.entries[network.name(t)];
      for (const float v : value.span<float>()) {
        entry.range = {std::min(entry.range.min, v), std::max(entry.range.max, v)};
      }
      entry.threshold = std::max(-entry.range.min, entry.range.max);
    });
  }
  return table;
}

BuildOptions options(QdqStyle style) {
  BuildOptions options;
  options.int8 = true;
  options.tactics = BuildOptions::Tactics::kFirst;
  options.scheme = style == QdqStyle::kTensorRt ? Scheme::kStaticSymmetric : Scheme::kStaticAffine;
  return options;
}

std::vector<Tensor> run(const Plan& plan, const Tensor& x) {
  const Engine engine = Engine::load(plan, {.threads = 1});
  ExecutionContext context = engine.create_context();
  return context.run({x});
}

/// The op that makes input `index` of a layer; Constant's name where nothing does.
std::string maker(const Network& network, LayerId layer, size_t index) {
  const LayerId producer = network.producer(network.inputs(layer)[index]);
  return producer.valid() ? std::string(name_of(network.op(producer))) : "input";
}

TEST(Quantize, TensorRtStyleIsWhatBuildLowers) {
  const Network network = residual_network();
  const CalibrationTable table = table_of(network);
  const BuildOptions options = test::options(QdqStyle::kTensorRt);
  const QuantizedNetwork result = quantize(network, &table, options, QdqStyle::kTensorRt);
  const Network again = import_onnx_bytes(export_onnx_bytes(result.network));
  BuildOptions as_it_is = options;
  as_it_is.int8 = false;
  const Plan direct = build(network, &table, options), from_file = build(again, nullptr, as_it_is);
  for (uint64_t seed = 20; seed < 30; ++seed) {
    EXPECT_EQ(run(direct, sample(seed)), run(from_file, sample(seed)));
    EXPECT_EQ(interpret(result.network, {sample(seed)}), interpret(again, {sample(seed)}));
  }
  for (const LayerId layer : again.layers()) {
    if (const auto* q = std::get_if<Quantize>(&again.op(layer))) {
      EXPECT_EQ(q->type, DataType::kInt8);
      EXPECT_EQ(q->zero_point, 0);
    }
    if (!std::holds_alternative<Convolution>(again.op(layer))) continue;
    EXPECT_EQ(maker(again, layer, 0), "Dequantize");
    EXPECT_EQ(maker(again, layer, 1), "Dequantize");
    EXPECT_EQ(maker(again, layer, 2), "Constant");  // TensorRT wants float biases
  }
  const LayerId add = *again.find_layer("add");
  EXPECT_EQ(maker(again, add, 0), "Convolution");  // no pair between the product and the add
  EXPECT_EQ(maker(again, add, 1), "Dequantize");   // the residual is quantized
}

TEST(Quantize, OnnxRuntimeStyleHasPairsOnBothSides) {
  const Network network = residual_network();
  const CalibrationTable table = table_of(network);
  const BuildOptions options = test::options(QdqStyle::kOnnxRuntime);
  const QuantizedNetwork result = quantize(network, &table, options, QdqStyle::kOnnxRuntime);
  const Network again = import_onnx_bytes(export_onnx_bytes(result.network));
  for (const LayerId layer : again.layers()) {
    const Op& op = again.op(layer);
    if (const auto* q = std::get_if<Quantize>(&op)) {
      EXPECT_EQ(q->type, DataType::kUInt8);
    }
    if (!std::holds_alternative<Convolution>(op)) continue;
    for (const size_t i : {0, 1, 2}) EXPECT_EQ(maker(again, layer, i), "Dequantize");
    LayerId reader = again.consumers(again.output(layer))[0];
    const auto* activation = std::get_if<Activation>(&again.op(reader));
    if (activation != nullptr) reader = again.consumers(again.output(reader))[0];
    EXPECT_TRUE(std::holds_alternative<Quantize>(again.op(reader))) << again.name(layer);
  }
  EXPECT_EQ(maker(again, *again.find_layer("add"), 0), "Dequantize");
  EXPECT_EQ(maker(again, *again.find_layer("fc"), 2), "Dequantize");
  BuildOptions as_it_is = options;
  as_it_is.int8 = false;
  const Plan plan = build(again, nullptr, as_it_is);
  const float step = 0.02f;  // half a quantization step of the scores, and more
  for (uint64_t seed = 20; seed < 30; ++seed) {
    EXPECT_EQ(interpret(result.network, {sample(seed)}), interpret(again, {sample(seed)}));
    const Tensor oracle = interpret(again, {sample(seed)})[0], y = run(plan, sample(seed))[0];
    const auto values = oracle.span<float>();
    expect_close(y, {values.begin(), values.end()}, step);
  }
}

/// A ReLU whose range is shared with signed values does not vanish in the Quantize behind it: a
/// pair goes before it, and changes nothing.
TEST(Quantize, OnnxRuntimeStyleClosesConvolutionsBeforeClampsThatStay) {
  Random random(3);
  Network n("shared");
  const TensorId x = n.add_input("image", DataType::kFloat32, {1, 3, 8, 8});
  TensorId a = n.convolution(x, random_floats({4, 3, 3, 3}, random), std::nullopt, conv3(), "a");
  a = n.activation(a, ActivationKind::kRelu, 0, 0, "relu");
  const TensorId b =
      n.convolution(x, random_floats({4, 3, 3, 3}, random), std::nullopt, conv3(), "b");
  const TensorId joined = n.concatenation({a, b}, 1, "concat");
  n.mark_output(
      n.convolution(joined, random_floats({2, 8, 3, 3}, random), std::nullopt, conv3(), "c"));
  const CalibrationTable table = table_of(n);
  const BuildOptions options = test::options(QdqStyle::kOnnxRuntime);
  const Network q = quantize(n, &table, options, QdqStyle::kOnnxRuntime).network;
  const LayerId relu = *q.find_layer("relu");
  EXPECT_EQ(maker(q, relu, 0), "Dequantize");
  Network without = q;
  const LayerId pair = q.producer(q.inputs(relu)[0]);
  const LayerId inner = q.producer(q.inputs(pair)[0]);
  without.set_input(relu, 0, q.inputs(inner)[0]);
  for (uint64_t seed = 20; seed < 30; ++seed) {
    EXPECT_EQ(interpret(q, {sample(seed)}), interpret(without, {sample(seed)}));
  }
}

/// What a method cuts off is not lost where only float layers read the tensor.
TEST(Quantize, OnnxRuntimeStyleDoesNotCutWhatNoInt8LayerReads) {
  const Network network = residual_network();
  CalibrationTable table = table_of(network);
  for (auto& [name, entry] : table.entries) {
    entry.seen = entry.range;
    entry.range = {entry.range.min / 4, entry.range.max / 4};
  }
  const auto scale = [&](const std::string& tensor, QdqStyle style) {
    const Network q = quantize(network, &table, options(style), style).network;
    for (const LayerId layer : q.layers()) {
      const auto* op = std::get_if<Quantize>(&q.op(layer));
      if (op != nullptr && q.name(layer) == tensor + ".quantize") return op->scale[0];
    }
    return 0.0f;
  };
  const Range seen = *table.find("image")->seen;
  const float cut = (seen.max - seen.min) / 4 / 255;
  EXPECT_NEAR(scale("image", QdqStyle::kOnnxRuntime), cut, 0.01f * cut);
  // A summand is added in float elsewhere: nothing is cut off it either.
  const std::string summand = network.name(network.output(*network.find_layer("conv2")));
  const Range whole = *table.find(summand)->seen;
  EXPECT_FLOAT_EQ(scale(summand, QdqStyle::kOnnxRuntime), (whole.max - whole.min) / 255);
  // conv1's float output is read by int8 layers behind its ReLU; "alone" by nobody but the user.
  Network alone("alone");
  const TensorId x = alone.add_input("image", DataType::kFloat32, {1, 3, 8, 8});
  Random random(4);
  alone.mark_output(
      alone.convolution(x, random_floats({2, 3, 3, 3}, random), std::nullopt, conv3(), "conv"));
  CalibrationTable two = table_of(alone);
  const std::string y = alone.name(alone.outputs()[0]);
  two.entries[y] = {{-1.0f, 1.0f}, 1.0f, Range{-3.0f, 7.2f}};
  const auto output_scale = [&] {
    const Network q =
        quantize(alone, &two, options(QdqStyle::kOnnxRuntime), QdqStyle::kOnnxRuntime).network;
    return std::get<Dequantize>(q.op(q.producer(q.outputs()[0]))).scale[0];
  };
  EXPECT_FLOAT_EQ(output_scale(), 10.2f / 255);
  alone.set_dynamic_range(alone.outputs()[0],
                          {-2.0f, 3.1f});  // a range by hand is a cut on purpose
  EXPECT_FLOAT_EQ(output_scale(), 5.1f / 255);
}

Network for_onnx_runtime(const Network& network) {
  const CalibrationTable table = table_of(network);
  return quantize(network, &table, options(QdqStyle::kOnnxRuntime), QdqStyle::kOnnxRuntime).network;
}

/// convolution a ▸ pad ▸ pointwise convolution b
Network padded(uint64_t seed, Padding pad) {
  Random random(seed);
  Network n("padded");
  const int64_t channels = 2 + pad.before[1] + pad.after[1];
  const TensorId x = n.add_input("image", DataType::kFloat32, {1, 3, 8, 8});
  TensorId y = n.convolution(x, random_floats({2, 3, 3, 3}, random), std::nullopt, conv3(), "a");
  y = n.padding(y, std::move(pad), "pad");
  Convolution pointwise;
  pointwise.window.kernel = {1, 1};
  n.mark_output(
      n.convolution(y, random_floats({2, channels, 1, 1}, random), std::nullopt, pointwise, "b"));
  return n;
}

/// ONNX Runtime fuses no Pad: the integers are padded, with the zero point, and mean the same.
TEST(Quantize, OnnxRuntimeStylePadsIntegers) {
  const Network n = padded(5, {PaddingKind::kConstant, {0, 1, 0, 2}, {0, 0, 1, 0}, 0.0f});
  const Network q = for_onnx_runtime(n);
  const LayerId pad = *q.find_layer("pad");
  EXPECT_EQ(q.type(q.output(pad)), DataType::kUInt8);
  EXPECT_EQ(maker(q, pad, 0), "Quantize");
  const Network again = import_onnx_bytes(export_onnx_bytes(q));
  BuildOptions as_it_is = options(QdqStyle::kOnnxRuntime);
  as_it_is.int8 = false;
  const Plan plan = build(again, nullptr, as_it_is);
  int int8 = 0;
  for (const LayerInfo& info : plan.layers()) {
    int8 += info.step == "Conv" && info.precision.rfind("int8", 0) == 0 ? 1 : 0;
  }
  EXPECT_EQ(int8, 2);
  for (uint64_t seed = 20; seed < 30; ++seed) {
    const Tensor expected = interpret(q, {sample(seed)})[0];
    EXPECT_EQ(interpret(again, {sample(seed)})[0], expected);
    const auto values = expected.span<float>();
    expect_close(run(plan, sample(seed))[0], {values.begin(), values.end()}, 0.1);
  }
}

/// Another value than 0 need not be on the grid: that padding stays float, with its own value.
TEST(Quantize, OnnxRuntimeStyleKeepsOtherPaddingValues) {
  const Network n = padded(6, {PaddingKind::kConstant, {0, 0, 2, 2}, {0, 0, 2, 2}, 2.5f});
  const Network q = for_onnx_runtime(n);
  EXPECT_EQ(std::get<Padding>(q.op(*q.find_layer("pad"))).value, 2.5f);
  const Tensor expected = interpret(n, {sample(20)})[0], got = interpret(q, {sample(20)})[0];
  const auto values = expected.span<float>();
  expect_close(got, {values.begin(), values.end()}, 0.15);
}

/// ONNX Runtime fuses Sigmoid and Mul, each between pairs, but no Swish.
TEST(Quantize, OnnxRuntimeStyleKeepsSwishInParts) {
  Random random(7);
  Network n("silu");
  const TensorId x = n.add_input("image", DataType::kFloat32, {1, 3, 8, 8});
  const TensorId a =
      n.convolution(x, random_floats({2, 3, 3, 3}, random), std::nullopt, conv3(), "a");
  const TensorId s = n.activation(a, ActivationKind::kSigmoid, 0.0f, 0.0f, "sigmoid");
  const TensorId y = n.elementwise(a, s, ElementwiseKind::kMul, "mul");
  n.mark_output(n.convolution(y, random_floats({2, 2, 3, 3}, random), std::nullopt, conv3(), "b"));
  const Network q = for_onnx_runtime(n);
  for (const char* name : {"sigmoid", "mul"}) {
    const auto layer = q.find_layer(name);
    ASSERT_TRUE(layer.has_value()) << name;
    EXPECT_EQ(maker(q, *layer, 0), "Dequantize") << name;
    const auto readers = q.consumers(q.output(*layer));
    ASSERT_EQ(readers.size(), 1u) << name;
    EXPECT_EQ(name_of(q.op(readers[0])), "Quantize") << name;
  }
  const CalibrationTable table = table_of(n);
  const Network t = quantize(n, &table, options(QdqStyle::kTensorRt), QdqStyle::kTensorRt).network;
  EXPECT_FALSE(t.find_layer("sigmoid").has_value());
}

TEST(Quantize, SaysWhatBecameOfEveryLayer) {
  const Network network = residual_network();
  const CalibrationTable table = table_of(network);
  BuildOptions options = test::options(QdqStyle::kTensorRt);
  options.layer_precision["conv3"] = Precision::kFloat32;
  const auto layers = quantize(network, &table, options, QdqStyle::kTensorRt).layers;
  const auto find = [&](const std::string& name) {
    for (const LayerDecision& layer : layers) {
      if (layer.name.find(name) != std::string::npos) return layer;
    }
    ADD_FAILURE() << name;
    return LayerDecision{};
  };
  EXPECT_TRUE(find("conv1").int8);
  EXPECT_TRUE(find("conv1").weighted);
  EXPECT_EQ(find("conv1").op, "Convolution");
  EXPECT_FALSE(find("conv3").int8);
  EXPECT_EQ(find("conv3").why, "float32 was asked for");
}

/// TensorRT's caches hold |range| alone; what a ReLU made has no negative side all the same.
TEST(Quantize, ATensorRtCacheServesBothStyles) {
  const Network network = residual_network();
  const CalibrationTable table =
      CalibrationTable::from_tensorrt(table_of(network).to_tensorrt(), "cache");
  const auto zero_point = [&](QdqStyle style, const std::string& tensor) {
    const Network q = quantize(network, &table, options(style), style).network;
    const auto quantize = q.find_layer(tensor + ".quantize");
    EXPECT_TRUE(quantize.has_value()) << tensor << "\n" << q.to_string();
    return quantize ? std::get<Quantize>(q.op(*quantize)).zero_point : -1;
  };
  const std::string relu = network.name(network.output(*network.find_layer("relu1")));
  EXPECT_EQ(zero_point(QdqStyle::kTensorRt, relu), 0);
  EXPECT_EQ(zero_point(QdqStyle::kOnnxRuntime, relu), 0);
  EXPECT_EQ(zero_point(QdqStyle::kTensorRt, "image"), 0);
  EXPECT_EQ(zero_point(QdqStyle::kOnnxRuntime, "image"), 128);
}

TEST(Quantize, RangesThatAreMissingKeepLayersFloatWithOneWarning) {
  const Network network = residual_network();
  CalibrationTable table = table_of(network);
  table.entries.erase("image");
  table.entries.erase(network.name(network.output(*network.find_layer("relu2"))));
  int warnings = 0;
  BuildOptions options = test::options(QdqStyle::kTensorRt);
  options.log = [&](LogLevel level, std::string_view text) {
    if (level != LogLevel::kWarning) return;
    ++warnings;
    EXPECT_TRUE(contains(std::string(text), "stay float because a range is missing"));
  };
  const Network q = quantize(network, &table, options, QdqStyle::kTensorRt).network;
  EXPECT_EQ(warnings, 1);
  EXPECT_EQ(maker(q, *q.find_layer("conv1"), 1), "Constant");
  EXPECT_EQ(maker(q, *q.find_layer("conv2"), 1), "Dequantize");
}

TEST(Quantize, DynamicSchemesAreRefused) {
  const Network network = residual_network();
  BuildOptions options = test::options(QdqStyle::kTensorRt);
  options.scheme = Scheme::kDynamicAffine;
  EXPECT_TRUE(contains(
      message_of([&] { quantize(network, nullptr, options, QdqStyle::kTensorRt); }), "dynamic"));
  EXPECT_EQ(qdq_style_from_name(name_of(QdqStyle::kTensorRt)), QdqStyle::kTensorRt);
  EXPECT_EQ(qdq_style_from_name("onnxruntime"), QdqStyle::kOnnxRuntime);
  EXPECT_TRUE(contains(message_of([] { qdq_style_from_name("ncnn"); }), "'ncnn'"));
}

/// The text that ncnn2int8 reads, with numbers worked out by hand.
TEST(NcnnTable, HoldsFactorsOfWeightsAndInputs) {
  Network n("ncnn");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 2, 4, 4});
  Convolution pointwise, depthwise = conv3();
  pointwise.window.kernel = {1, 1};
  depthwise.groups = 2;
  TensorId y = n.convolution(x, Tensor::floats({2, 2, 1, 1}, {1.0f, -2.0f, 0.5f, 0.25f}),
                             std::nullopt, pointwise, "point");
  Tensor taps(DataType::kFloat32, {2, 1, 3, 3});
  taps.as<float>()[0] = 127.0f;
  taps.as<float>()[9] = -0.5f;
  y = n.convolution(y, taps, std::nullopt, depthwise, "depth");
  Tensor full(DataType::kFloat32, {1, 2, 3, 3});
  full.as<float>()[4] = 31.0f;
  y = n.convolution(y, full, std::nullopt, conv3(), "full");
  n.mark_output(y);
  for (const TensorId t : {x, n.output(*n.find_layer("point")), n.output(*n.find_layer("depth"))}) {
    n.set_dynamic_range(t, {-63.5f, 63.5f});
  }
  const Network q = quantize(n, nullptr, options(QdqStyle::kTensorRt), QdqStyle::kTensorRt).network;
  EXPECT_EQ(to_ncnn_table(q),
            "point_param_0 63.5 254\n"
            "depth_param_0 1 254\n"
            "full_param_0 1\n"  // 31 / 31: ncnn's Winograd kernels take six bits
            "point 2\n"
            "depth 2\n"
            "full 2\n");
  const Network affine =
      quantize(n, nullptr, options(QdqStyle::kOnnxRuntime), QdqStyle::kOnnxRuntime).network;
  EXPECT_TRUE(contains(message_of([&] { to_ncnn_table(affine); }), "symmetric"));
}

}  // namespace
}  // namespace octile::test
