// Networks written as ONNX and read again: every op comes back with the same values, names and
// types; what has no form in ONNX is refused, all of it in one message.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "graph/interpreter.h"
#include "octile/onnx.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct In {
  Shape shape;
  DataType type = DataType::kFloat32;
};

/// One layer called "it" over inputs x0, x1 … and the constants behind them.
Network layer(Op op, const std::vector<In>& inputs, const std::vector<Tensor>& constants = {}) {
  Network network("one");
  std::vector<TensorId> in;
  for (const In& input : inputs) {
    in.push_back(network.add_input("x" + std::to_string(in.size()), input.type, input.shape));
  }
  for (const Tensor& value : constants) in.push_back(network.constant(value));
  const LayerId it = network.add(std::move(op), in, "it");
  for (const TensorId t : network.outputs(it)) network.mark_output(t);
  return network;
}

Tensor weights(const Shape& shape, uint64_t seed = 7) {
  Random random(seed);
  return random_floats(shape, random);
}

std::vector<Tensor> inputs_of(const Network& network) {
  Random random(3);
  std::vector<Tensor> inputs;
  for (const TensorId t : network.inputs()) {
    Shape shape = network.shape(t);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == kDynamic) shape[axis] = 2;
    }
    const bool real = network.type(t) == DataType::kFloat32;
    inputs.push_back(real ? random_floats(shape, random, 2.0f)
                          : random_bits(network.type(t), shape, random));
  }
  return inputs;
}

void expect_same_face(const Network& a, const Network& b) {
  ASSERT_EQ(a.inputs().size(), b.inputs().size());
  for (size_t i = 0; i < a.inputs().size(); ++i) {
    EXPECT_EQ(a.name(a.inputs()[i]), b.name(b.inputs()[i]));
    EXPECT_EQ(a.shape(a.inputs()[i]), b.shape(b.inputs()[i]));
  }
  ASSERT_EQ(a.outputs().size(), b.outputs().size());
  for (size_t i = 0; i < a.outputs().size(); ++i) {
    EXPECT_EQ(a.name(a.outputs()[i]), b.name(b.outputs()[i]));
    EXPECT_EQ(a.type(a.outputs()[i]), b.type(b.outputs()[i]));
  }
}

/// Written, read and run: the same bits, or values within `relative` where ONNX spells the op out.
Network round_trip(const Network& network, double relative = 0.0) {
  SCOPED_TRACE(network.to_string());
  Network again = import_onnx_bytes(export_onnx_bytes(network));
  expect_same_face(network, again);
  EXPECT_TRUE(again.find_layer("it").has_value()) << again.to_string();
  const std::vector<Tensor> inputs = inputs_of(network);
  const std::vector<Tensor> before = interpret(network, inputs), after = interpret(again, inputs);
  EXPECT_EQ(before.size(), after.size());
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (relative == 0.0 || before[i].type() != DataType::kFloat32) {
      EXPECT_EQ(before[i], after[i]);
    } else {
      const auto values = before[i].span<float>();
      expect_close(after[i], {values.begin(), values.end()}, relative, relative);
    }
  }
  return again;
}

Window window(std::vector<int64_t> kernel, PaddingMode mode = PaddingMode::kExplicit) {
  return {.kernel = std::move(kernel), .mode = mode};
}

TEST(OnnxExport, Convolutions) {
  for (const PaddingMode mode : {PaddingMode::kExplicit, PaddingMode::kCeil,
                                 PaddingMode::kSameUpper, PaddingMode::kSameLower}) {
    Convolution op{window({3, 2}, mode), 2};
    op.window.stride = {2, 3};
    op.window.dilation = {1, 2};
    if (mode == PaddingMode::kExplicit || mode == PaddingMode::kCeil) {
      op.window.pad_before = {1, 0};
      op.window.pad_after = {0, 1};
    }
    round_trip(layer(op, {{{2, 4, 8, 9}}}, {weights({6, 2, 3, 2}), weights({6})}));
  }
  round_trip(layer(Convolution{window({3}), 1}, {{{-1, 2, 7}}}, {weights({3, 2, 3})}));
  round_trip(
      layer(Convolution{window({2, 2, 2}), 1}, {{{1, 2, 4, 4, 4}}}, {weights({3, 2, 2, 2, 2})}));
  Deconvolution back{window({3, 3}), 2, {1, 0}};
  back.window.stride = {2, 2};
  back.window.pad_before = {1, 1};
  back.window.pad_after = {0, 1};
  round_trip(layer(back, {{{1, 4, 4, 5}}}, {weights({4, 3, 3, 3}), weights({6})}));
  Deconvolution same{window({3, 3}, PaddingMode::kSameLower), 1, {}};
  same.window.stride = {2, 2};
  round_trip(layer(same, {{{1, 2, 4, 5}}}, {weights({2, 3, 3, 3})}));
}

TEST(OnnxExport, Poolings) {
  for (const PoolingKind kind : {PoolingKind::kMax, PoolingKind::kAverage}) {
    for (const bool ceil : {false, true}) {
      Pooling op{kind, window({3, 2}, ceil ? PaddingMode::kCeil : PaddingMode::kExplicit), false,
                 ceil};
      op.window.stride = {2, 2};
      op.window.pad_before = {1, 0};
      op.window.pad_after = {1, 1};
      round_trip(layer(op, {{{1, 3, 8, 8}}}));
    }
    round_trip(layer(Pooling{kind, {}, true, false}, {{{-1, 3, 5, 4}}}));
  }
  Pooling dilated{PoolingKind::kAverage, window({2, 2}), false, false};
  dilated.window.dilation = {2, 2};
  round_trip(layer(dilated, {{{1, 2, 6, 6}}}));
  for (const bool column_major : {false, true}) {
    Network network("indices");
    const TensorId x = network.add_input("x", DataType::kFloat32, {1, 2, 6, 6});
    const LayerId it = network.add(PoolingIndices{window({2, 2}), column_major}, {x}, "it");
    network.mark_output(network.output(it));
    const Network again = import_onnx_bytes(export_onnx_bytes(network));
    const auto inputs = inputs_of(network);
    EXPECT_EQ(interpret(network, inputs)[0], interpret(again, inputs)[0]);
  }
}

TEST(OnnxExport, Activations) {
  const In x{{2, 3, 4}};
  for (const ActivationKind kind :
       {ActivationKind::kRelu, ActivationKind::kSigmoid, ActivationKind::kTanh,
        ActivationKind::kSoftsign, ActivationKind::kGeluErf, ActivationKind::kGeluTanh,
        ActivationKind::kHardSwish, ActivationKind::kMish}) {
    round_trip(layer(Activation{kind, 0.0f, 0.0f}, {x}));
  }
  for (const ActivationKind kind :
       {ActivationKind::kLeakyRelu, ActivationKind::kElu, ActivationKind::kThresholdedRelu}) {
    round_trip(layer(Activation{kind, 0.3f, 0.0f}, {x}));
  }
  round_trip(layer(Activation{ActivationKind::kSelu, 1.5f, 1.25f}, {x}));
  round_trip(layer(Activation{ActivationKind::kHardSigmoid, 0.25f, 0.5f}, {x}));
  for (const auto& [low, high] : {std::pair{-0.5f, 0.75f}, std::pair{0.0f, 6.0f},
                                  std::pair{-kInfinity, 0.5f}, std::pair{-0.25f, kInfinity}}) {
    round_trip(layer(Activation{ActivationKind::kClip, low, high}, {x}));
  }
  round_trip(layer(Activation{ActivationKind::kSoftplus, 1.0f, 1.0f}, {x}));
  for (const ActivationKind kind : {ActivationKind::kSoftplus, ActivationKind::kScaledTanh,
                                    ActivationKind::kSwish, ActivationKind::kAffine}) {
    round_trip(layer(Activation{kind, 1.5f, 0.75f}, {x}), 1e-6);
  }
  round_trip(layer(Activation{ActivationKind::kSwish, 1.0f, 0.0f}, {x}), 1e-6);
}

TEST(OnnxExport, ElementwiseAndUnary) {
  for (int k = 0; k <= static_cast<int>(ElementwiseKind::kXor); ++k) {
    const auto kind = static_cast<ElementwiseKind>(k);
    const bool logic = kind >= ElementwiseKind::kAnd;
    const DataType type = logic ? DataType::kBool : DataType::kFloat32;
    round_trip(layer(Elementwise{kind}, {{{2, 3}, type}, {{1, 3}, type}}));
  }
  round_trip(layer(Elementwise{ElementwiseKind::kMod}, {{{4}, DataType::kInt64}},
                   {values<int64_t>({4}, {3, -3, 5, 7})}));
  for (int k = 0; k <= static_cast<int>(UnaryKind::kIsNan); ++k) {
    const auto kind = static_cast<UnaryKind>(k);
    const DataType type = kind == UnaryKind::kNot ? DataType::kBool : DataType::kFloat32;
    round_trip(layer(Unary{kind}, {{{3, 5}, type}}));
  }
  round_trip(layer(Select{}, {{{2, 3}, DataType::kBool}, {{2, 3}}, {{1, 3}}}));
  for (const DataType type :
       {DataType::kInt32, DataType::kInt64, DataType::kBool, DataType::kUInt8, DataType::kInt8}) {
    round_trip(layer(Cast{type}, {{{7}}}));
  }
  round_trip(layer(Identity{}, {{{7}}}));
}

TEST(OnnxExport, ProductsAndScales) {
  for (const bool a : {false, true}) {
    for (const bool b : {false, true}) {
      const MatrixMultiply op{a, b};
      const In left{a ? Shape{5, 3} : Shape{3, 5}}, deep{a ? Shape{2, 5, 3} : Shape{2, 3, 5}};
      const Tensor right = weights(b ? Shape{4, 5} : Shape{5, 4});
      round_trip(layer(op, {left}, {right}));
      round_trip(layer(op, {left}, {right, weights({4})}));
      round_trip(layer(op, {deep}, {right}));
      round_trip(layer(op, {deep}, {right, weights({4})}), 1e-5);
      round_trip(layer(op, {deep, {b ? Shape{2, 4, 5} : Shape{2, 5, 4}}}));
    }
  }
  round_trip(layer(MatrixMultiply{}, {{{5}}, {{5, 4}}}));
  const auto scaled = [&](const Shape& x, int64_t axis, const std::vector<Tensor>& parameters) {
    Scale op{axis, true, parameters.size() > 1, parameters.size() > 2};
    round_trip(layer(op, {{x}}, parameters));
  };
  scaled({2, 3, 4, 5}, 1, {weights({3}), weights({3}, 8)});
  scaled({2, 3, 4}, -1, {weights({4})});
  scaled({2, 3}, 1, {weights({3}), Tensor::scalar(0.5f), Tensor::scalar(2.0f)});
  scaled({2, 3, 4}, 1, {weights({3, 4}), weights({3, 4}, 9)});
}

TEST(OnnxExport, Movement) {
  const In x{{2, 3, 4}};
  Shuffle all;
  all.first = {2, 0, 1};
  all.has_reshape = true;
  all.dims = {0, -1};
  all.second = {1, 0};
  round_trip(layer(all, {x}));
  Shuffle reshape;
  reshape.has_reshape = true;
  reshape.dims = {-1, 12};
  round_trip(layer(reshape, {{{-1, 3, 4}}}));
  Shuffle transpose;
  transpose.first = {1, 2, 0};
  round_trip(layer(transpose, {x}));
  round_trip(layer(Shuffle{}, {x}));
  round_trip(layer(Concatenation{2}, {x, {{2, 3, 1}}}));
  round_trip(layer(Slice{{1, 2}, {1, 0}, {2, 2}, {1, 2}}, {x}));
  round_trip(layer(Slice{{2}, {-1}, {-1}, {-1}}, {x}));
  round_trip(layer(Slice{{2}, {3}, {4}, {-1}}, {x}));
  round_trip(layer(Slice{{2}, {-3}, {3}, {}}, {x}));
  round_trip(layer(Slice{{}, {0, 1, 2}, {}, {}}, {x}));
  for (const PaddingKind kind :
       {PaddingKind::kConstant, PaddingKind::kReflect, PaddingKind::kEdge}) {
    round_trip(layer(Padding{kind, {0, 1, 2}, {0, 2, 0}, 0.5f}, {x}));
  }
  round_trip(layer(Padding{PaddingKind::kConstant, {0, -1, 0}, {0, 0, -2}, 0.0f}, {x}));
  const Tensor indices = values<int32_t>({2, 2}, {0, 2, 1, 1});
  round_trip(layer(Gather{1}, {x}, {indices}));
  round_trip(layer(GatherElements{1}, {{{2, 3}}}, {indices}));
  round_trip(layer(GatherNd{0}, {{{3, 3, 2}}}, {indices}));
  for (int r = 0; r <= static_cast<int>(ScatterReduction::kMax); ++r) {
    const auto reduction = static_cast<ScatterReduction>(r);
    round_trip(layer(ScatterElements{1, reduction}, {{{2, 3}}}, {indices, weights({2, 2})}));
    round_trip(layer(ScatterNd{reduction}, {{{3, 3}}}, {indices, weights({2})}));
  }
}

TEST(OnnxExport, ReductionsAndScans) {
  const In x{{2, 3, 4}};
  for (int k = 0; k <= static_cast<int>(ReduceKind::kMean); ++k) {
    const auto kind = static_cast<ReduceKind>(k);
    round_trip(layer(Reduce{kind, {0, 2}, true}, {x}));
    round_trip(layer(Reduce{kind, {1}, false}, {x}));
    round_trip(layer(Reduce{kind, {}, false}, {x}));
  }
  round_trip(layer(Softmax{{1}}, {x}));
  round_trip(layer(Softmax{{1, 2}}, {x}), 1e-6);
  for (const bool largest : {false, true}) round_trip(layer(TopK{2, 1, largest}, {x}));
  for (const bool exclusive : {false, true}) {
    round_trip(layer(CumulativeSum{1, exclusive, !exclusive}, {x}));
  }
  round_trip(layer(Determinant{}, {{{2, 3, 3}}}));
}

TEST(OnnxExport, Sampling) {
  const In x{{1, 2, 5, 6}};
  for (int c = 0; c <= static_cast<int>(ResizeCoordinates::kHalfPixelSymmetric); ++c) {
    const auto coordinates = static_cast<ResizeCoordinates>(c);
    for (const ResizeKind kind : {ResizeKind::kNearest, ResizeKind::kLinear, ResizeKind::kCubic}) {
      Resize op{.kind = kind, .coordinates = coordinates};
      op.rounding = static_cast<ResizeRounding>(c % 4);
      op.scales = {1.0f, 1.0f, 2.0f, 1.5f};
      if (coordinates == ResizeCoordinates::kTfCropAndResize) {
        op.roi = {0, 0, 0.1f, 0.2f, 1, 1, 0.9f, 1.2f};
        op.extrapolation = 3.0f;
      }
      round_trip(layer(op, {x}));
    }
  }
  Resize sizes{.kind = ResizeKind::kLinear, .sizes = {1, 2, 3, 9}};
  round_trip(layer(sizes, {x}));
  sizes.antialias = true;
  round_trip(layer(sizes, {x}));
  sizes.sizes = {-1, -1, 7, 9};
  round_trip(layer(sizes, {{{-1, 2, 5, 6}}}));
  for (const ResizeKind kind : {ResizeKind::kNearest, ResizeKind::kLinear, ResizeKind::kCubic}) {
    for (const GridPadding padding :
         {GridPadding::kZeros, GridPadding::kBorder, GridPadding::kReflection}) {
      round_trip(
          layer(GridSample{kind, padding, padding == GridPadding::kBorder}, {x, {{1, 3, 4, 2}}}));
    }
  }
  round_trip(layer(GridSample{}, {{{1, 2, 3, 4, 5}}, {{1, 2, 2, 2, 3}}}));
  const Tensor rois = values<float>({2, 4}, {0, 0, 3, 4, 1, 1, 4, 5});
  for (const PoolingKind kind : {PoolingKind::kMax, PoolingKind::kAverage}) {
    for (const DataType type : {DataType::kInt32, DataType::kInt64}) {
      RoiAlign op{kind, 2, 3, 2, 0.5f, kind == PoolingKind::kMax};
      round_trip(layer(op, {x}, {rois, Tensor(type, Shape{2})}));
    }
  }
}

TEST(OnnxExport, SequencesAndSpectra) {
  const auto plain = [](ActivationKind kind) { return Activation{kind, 0.0f, 0.0f}; };
  const Activation sigmoid = plain(ActivationKind::kSigmoid), tanh = plain(ActivationKind::kTanh);
  Recurrent rnn{.kind = RecurrentKind::kRnn, .activations = {{ActivationKind::kElu, 0.5f, 0.0f}}};
  round_trip(layer(rnn, {{{4, 2, 3}}}, {weights({1, 5, 3}), weights({1, 5, 5})}));
  Recurrent gru{.kind = RecurrentKind::kGru,
                .direction = RecurrentDirection::kBidirectional,
                .activations = {sigmoid, tanh, sigmoid, tanh},
                .clip = 2.0f,
                .linear_before_reset = true,
                .has_bias = true};
  round_trip(
      layer(gru, {{{4, 2, 3}}}, {weights({2, 15, 3}), weights({2, 15, 5}), weights({2, 30})}));
  Recurrent lstm{.activations = {sigmoid, tanh, tanh},
                 .input_forget = true,
                 .has_lengths = true,
                 .has_initial_c = true,
                 .has_peepholes = true};
  lstm.direction = RecurrentDirection::kReverse;
  round_trip(layer(lstm, {{{4, 2, 3}}},
                   {weights({1, 20, 3}), weights({1, 20, 5}), values<int32_t>({2}, {4, 2}),
                    weights({1, 2, 5}), weights({1, 15})}));
  round_trip(layer(Fourier{1, 0, false, true}, {{{2, 8, 1}}}));
  round_trip(layer(Fourier{2, 6, true, false}, {{{2, 3, 8, 2}}}));
}

TEST(OnnxExport, ShapesFromValues) {
  const auto flags = [](std::initializer_list<bool> values) {
    Tensor t(DataType::kBool, Shape{int64_t(values.size())});
    std::copy(values.begin(), values.end(), t.as<bool>());
    return t;
  };
  round_trip(layer(NonZero{}, {{{3, 4}}}));
  round_trip(layer(Compress{}, {{{2, 3}}}, {flags({true, false, true, true})}));
  round_trip(layer(Compress{.flat = false, .axis = 1}, {{{2, 3}}}, {flags({false, true})}));
  round_trip(layer(Unique{}, {{{3, 4}, DataType::kInt64}}));
  round_trip(layer(Unique{.flat = false, .axis = 1, .sorted = false}, {{{2, 3}}}));
  round_trip(
      layer(NonMaxSuppression{.max_output = 3, .iou_threshold = 0.4f}, {{{1, 6, 4}}, {{1, 2, 6}}}));
  round_trip(layer(
      NonMaxSuppression{
          .max_output = 2, .iou_threshold = 0.5f, .score_threshold = 0.1f, .center_point = true},
      {{{1, 6, 4}}, {{1, 2, 6}}}));
  round_trip(layer(ShapeOf{}, {{{kDynamic, 5}}}));
  round_trip(layer(Expand{}, {{{1, 3}}}, {Tensor::int64s({2, 3})}));
  round_trip(layer(ReshapeTo{}, {{{2, 6}}}, {Tensor::int64s({0, 3, -1})}));
  round_trip(layer(SliceBetween{.axes = {1}, .stride = {2}}, {{{2, 6}}},
                   {Tensor::int64s({1}), Tensor::int64s({-1})}));
  round_trip(layer(TopKOf{.axis = 1, .largest = false}, {{{2, 6}}}, {Tensor::int64s({3})}));
}

TEST(OnnxExport, QuantizationKeepsItsIntegers) {
  const In x{{2, 3, 4}};
  const Quantize u8{
      .type = DataType::kUInt8, .scale = {0.02f}, .zero_point = 100, .lo = 0, .hi = 255};
  round_trip(layer(u8, {x}));
  Quantize channels{.type = DataType::kInt8, .scale = {0.02f, 0.01f, 0.005f}, .axis = 1};
  round_trip(layer(channels, {x}));
  Quantize narrow = u8;
  narrow.lo = 100;  // what a fused ReLU leaves
  narrow.hi = 180;
  round_trip(layer(narrow, {x}));
  round_trip(
      layer(Dequantize{.scale = {0.5f, 2.0f, 3.0f}, .axis = 1}, {{{2, 3}, DataType::kInt8}}));
  round_trip(layer(Dequantize{.scale = {0.5f}, .zero_point = 7}, {{{5}, DataType::kUInt8}}));
  round_trip(layer(Dequantize{.scale = {0.5f}}, {}, {values<int32_t>({2}, {-70000, 5})}));
}

/// Weights leave as int8 and a DequantizeLinear: no float copy, no QuantizeLinear over a constant.
TEST(OnnxExport, QuantizedWeightsAreStoredAsIntegers) {
  Network network("weights");
  const TensorId x = network.add_input("x", DataType::kFloat32, {1, 2, 4, 4});
  const TensorId w = network.constant(weights({3, 2, 1, 1}), "w");
  const std::vector<float> scale{0.01f, 0.02f, 0.03f};
  const TensorId q = network.quantize(
      w, {.type = DataType::kInt8, .scale = scale, .axis = 0, .lo = -127, .hi = 127}, "wq");
  const TensorId d = network.dequantize(q, {.scale = scale, .axis = 0}, "wd");
  const LayerId it = network.add(Convolution{window({1, 1}), 1}, {x, d}, "it");
  network.mark_output(network.output(it));
  const Network again = round_trip(network);
  for (const LayerId l : again.layers()) {
    EXPECT_FALSE(std::holds_alternative<Quantize>(again.op(l))) << again.to_string();
  }
  const TensorId stored = again.inputs(again.producer(again.inputs(*again.find_layer("it"))[1]))[0];
  ASSERT_NE(again.constant_value(stored), nullptr);
  EXPECT_EQ(again.constant_value(stored)->type(), DataType::kInt8);
}

TEST(OnnxExport, WhatHasNoFormIsRefusedAtOnce) {
  Network network("refused");
  const TensorId x = network.add_input("x", DataType::kFloat32, {2, 3});
  const LayerId q = network.add(
      Quantize{.type = DataType::kInt8, .scale = {}, .axis = -1, .dynamic = true}, {x}, "dynamic");
  network.mark_output(network.output(q, 0));
  const TensorId i = network.add_input("i", DataType::kInt32, {1, 1, 3, 3});
  const TensorId k = network.constant(Tensor(DataType::kInt32, Shape{1, 1, 2, 2}));
  const LayerId c = network.add(Convolution{window({2, 2}), 1}, {i, k}, "integers");
  network.mark_output(network.output(c));
  const std::string text = message_of([&] { export_onnx_bytes(network); }, ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "2 layers cannot be written as ONNX"));
  EXPECT_TRUE(contains(text, "dynamic (Quantize): "));
  EXPECT_TRUE(contains(text, "integers (Convolution): Conv takes no int32"));
  EXPECT_TRUE(contains(message_of([] { export_onnx_bytes(Network("empty")); }), "no outputs"));
}

TEST(OnnxExport, ParametersTakeNoNameThatIsTaken) {
  Network network("names");
  const TensorId x = network.add_input("it.k", DataType::kFloat32, {2, 3});
  const LayerId it = network.add(TopK{2, 1, true}, {x}, "it");
  for (const TensorId t : network.outputs(it)) network.mark_output(t);
  round_trip(network);
}

}  // namespace
}  // namespace octile::test
