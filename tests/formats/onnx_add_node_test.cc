// add_onnx_node(): one operator on a network in memory; values by hand.
#ifdef OCTILE_HAVE_ONNX
#include <cmath>

#include "formats/onnx_models.h"
#include "graph/validate.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;
using Inputs = std::vector<OnnxInput>;
using Ids = std::vector<TensorId>;

constexpr std::monostate kLeftOut;

Tensor number(int64_t value) { return Tensor::int64s({value}).reshaped(Shape{}); }

/// A network with the input x.
struct OnX {
  Network net{"on x"};
  TensorId x;
  explicit OnX(const Shape& shape, DataType type = DataType::kFloat32)
      : x(net.add_input("x", type, shape)) {}

  Ids add(const std::string& op_type, Inputs inputs, const OnnxAttributes& attributes = {},
          int outputs = 1) {
    return add_onnx_node(net, op_type, std::move(inputs), attributes, outputs);
  }
  /// What the tensors are for this x.
  std::vector<Tensor> run(const Ids& tensors, const Tensor& value) const {
    Network copy = net;
    for (const TensorId id : tensors) copy.mark_output(id);
    validate(copy);
    return interpret(copy, {value});
  }
  Tensor result(const std::string& op_type, Inputs inputs, const OnnxAttributes& attributes,
                const Tensor& value) {
    return run(add(op_type, std::move(inputs), attributes), value)[0];
  }
  /// The error of add(); nothing may have changed.
  std::string error(const std::string& op_type, Inputs inputs,
                    const OnnxAttributes& attributes = {}, int outputs = 1,
                    ErrorCode code = ErrorCode::kInvalidArgument) {
    const std::string before = net.to_string();
    const int layers = net.layer_count(), tensors = net.tensor_count();
    std::string message =
        message_of([&] { add(op_type, std::move(inputs), attributes, outputs); }, code);
    EXPECT_EQ(net.to_string(), before);
    EXPECT_EQ(net.layer_count(), layers);
    EXPECT_EQ(net.tensor_count(), tensors);
    EXPECT_EQ(net.name(), "on x");
    return message;
  }
};

TEST(OnnxAddNode, Einsum) {
  OnX n({2, 3});
  const Tensor y =
      n.result("Einsum", {n.x, Tensor::floats({3, 2}, {1, 0, 0, 1, 1, 1})},
               {{"equation", "ij,jk->ki"}}, Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(list<float>(y), (Floats{4, 10, 5, 11}));
}

TEST(OnnxAddNode, WholeNumbersStandForFloats) {
  OnX n({1, 2, 1, 1});
  const Tensor y =
      n.result("LRN", {n.x}, {{"size", 1}, {"alpha", 1}, {"beta", 1.0f}, {"bias", int64_t{1}}},
               Tensor::floats({1, 2, 1, 1}, {1, 3}));
  expect_close(y, {0.5, 0.3}, 1e-6);
  OnX up({1, 1, 2, 2});
  EXPECT_EQ(up.net.shape(
                add_onnx_node(up.net, "Upsample", {up.x}, {{"scales", Ints{1, 1, 2, 3}}}, 1, 7)[0]),
            (Shape{1, 1, 4, 6}));
  EXPECT_TRUE(contains(n.error("LRN", {n.x}, {{"size", 1.0f}}), "'size' has the wrong type"));
}

TEST(OnnxAddNode, Normalizations) {
  OnX n({1, 2, 1, 2});
  const Tensor x = Tensor::floats({1, 2, 1, 2}, {1, 3, 2, 6});
  const OnnxAttributes exact{{"epsilon", 0.0f}};
  expect_close(n.result("InstanceNormalization", {n.x, row({1, 2}), row({0, 10})}, exact, x),
               {-1, 1, 8, 12}, 1e-5);
  expect_close(n.result("GroupNormalization", {n.x, row({1, 2}), row({0, 10})},
                        {{"epsilon", 0.0f}, {"num_groups", 2}}, x),
               {-1, 1, 8, 12}, 1e-5);
  expect_close(n.result("LayerNormalization", {n.x, row({1, 2}), row({0, 10})}, exact, x),
               {-1, 12, -1, 12}, 1e-5);
}

TEST(OnnxAddNode, OneHotReverseSequenceTrilu) {
  OnX n({2}, DataType::kInt64);
  EXPECT_EQ(
      list<float>(n.result("OneHot", {n.x, number(3), row({0, 5})}, {}, Tensor::int64s({0, 2}))),
      (Floats{5, 0, 0, 0, 0, 5}));
  OnX m({3, 2});
  const Tensor x = Tensor::floats({3, 2}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(list<float>(m.result("ReverseSequence", {m.x, Tensor::int64s({2, 3})}, {}, x)),
            (Floats{3, 6, 1, 4, 5, 2}));
  EXPECT_EQ(list<float>(m.result("Trilu", {m.x}, {{"upper", 0}}, x)), (Floats{1, 0, 3, 4, 5, 6}));
}

TEST(OnnxAddNode, PadAndResizeByConstantsOfTheNetwork) {
  OnX n({1, 1, 1, 2});
  const TensorId pads = n.net.constant(Tensor::int64s({0, 0, 0, 1, 0, 0, 0, 0}), "pads");
  const TensorId sizes = n.net.constant(Tensor::int64s({1, 1, 2, 4}), "sizes");
  const Tensor x = Tensor::floats({1, 1, 1, 2}, {1, 2});
  EXPECT_EQ(list<float>(n.result("Pad", {n.x, pads, Tensor::scalar(7)}, {}, x)), (Floats{7, 1, 2}));
  EXPECT_EQ(list<float>(n.result("Resize", {n.x, kLeftOut, kLeftOut, sizes},
                                 {{"mode", "nearest"},
                                  {"coordinate_transformation_mode", "asymmetric"},
                                  {"nearest_mode", "floor"}},
                                 x)),
            (Floats{1, 1, 2, 2, 1, 1, 2, 2}));
}

TEST(OnnxAddNode, NonMaxSuppression) {
  OnX n({1, 3, 4});
  const Tensor scores = Tensor::floats({1, 1, 3}, {0.5f, 0.9f, 0.8f});
  const Tensor kept =
      n.result("NonMaxSuppression",
               {n.x, scores, number(5), Tensor::scalar(0.5f), Tensor::scalar(0.1f), kLeftOut}, {},
               Tensor::floats({1, 3, 4}, {0, 0, 1, 1, 5, 5, 6, 6, 5, 5, 6, 6.1f}));
  EXPECT_EQ(kept.shape(), (Shape{2, 3}));
  EXPECT_EQ(list<int64_t>(kept), (Ints{0, 0, 1, 0, 0, 0}));
}

TEST(OnnxAddNode, SeveralOutputs) {
  OnX n({5});
  const Tensor x = row({3, 9, 1, 7, 5});
  const Ids parts = n.add("Split", {n.x, Tensor::int64s({1, 3, 1})}, {{"axis", 0}}, 3);
  const Ids best = n.add("TopK", {n.x, Tensor::int64s({2})}, {}, 2);
  const auto got = n.run({parts[0], parts[1], parts[2], best[0], best[1]}, x);
  EXPECT_EQ(list<float>(got[0]), (Floats{3}));
  EXPECT_EQ(list<float>(got[1]), (Floats{9, 1, 7}));
  EXPECT_EQ(list<float>(got[2]), (Floats{5}));
  EXPECT_EQ(list<float>(got[3]), (Floats{9, 7}));
  EXPECT_EQ(list<int64_t>(got[4]), (Ints{1, 3}));
  EXPECT_EQ(n.net.name(parts[2]), "Split_output_3");
  EXPECT_EQ(n.net.name(best[1]), "TopK_output_2");
  EXPECT_EQ(n.net.name(n.net.producer(best[0])), "TopK");
}

/// Gates of 0 give ½ and a cell of tanh(0) = 0, so that c' = ½ c and h' = ½ tanh(c').
TEST(OnnxAddNode, LstmAndItsName) {
  for (const int64_t layout : {0, 1}) {
    OnX n({1, 1, 2});
    const Ids ids = add_onnx_node(
        n.net, "LSTM",
        {n.x, Tensor(DataType::kFloat32, {1, 4, 2}), Tensor(DataType::kFloat32, {1, 4, 1}),
         kLeftOut, kLeftOut, Tensor(DataType::kFloat32, {1, 1, 1}), Tensor::floats({1, 1, 1}, {2})},
        {{"hidden_size", int64_t{1}}, {"layout", layout}}, 3, 14, "lstm");
    ASSERT_EQ(ids.size(), 3u);
    const auto got = n.run(ids, Tensor::floats({1, 1, 2}, {5, 6}));
    EXPECT_EQ(got[0].shape(), (Shape{1, 1, 1, 1}));
    for (const int i : {0, 1})
      expect_close(got[static_cast<size_t>(i)], {std::tanh(1.0) / 2}, 1e-6);
    expect_close(got[2], {1}, 1e-6);
    const LayerId named = n.net.find_layer("lstm").value();
    EXPECT_TRUE(std::holds_alternative<Recurrent>(n.net.op(named)));
  }
}

TEST(OnnxAddNode, Names) {
  OnX n({1, 2, 3});
  const TensorId a = n.add("Relu", {n.x})[0], b = n.add("Relu", {a})[0];
  EXPECT_EQ(n.net.name(n.net.producer(a)), "Relu");
  EXPECT_EQ(n.net.name(a), "Relu_output");
  EXPECT_EQ(n.net.name(n.net.producer(b)), "Relu#2");
  EXPECT_EQ(n.net.name(b), "Relu#2_output");
  n.net.mark_output(b, "y_output");
  // the layer that makes the output has the name, and no tensor loses its own
  const TensorId y =
      add_onnx_node(n.net, "LayerNormalization", {a, row({1, 1, 1})}, {}, 1, 18, "y")[0];
  EXPECT_EQ(n.net.name(n.net.producer(y)), "y");
  EXPECT_EQ(n.net.name(y), "y_output#2");
  EXPECT_EQ(n.net.name(b), "y_output");
  EXPECT_EQ(message_of([&] { add_onnx_node(n.net, "Relu", {n.x}, {}, 1, 18, "y"); }),
            "network 'on x' already has a layer named 'y'; choose another name");
  const TensorId c = n.add("MatMul", {n.x, Tensor(DataType::kFloat32, {3, 4})})[0];
  EXPECT_EQ(n.net.name(n.net.inputs(n.net.producer(c))[1]), "MatMul.input_1");
  n.net.identity(n.x);  // only layers without a name are numbered, as ever
  validate(n.net);
}

TEST(OnnxAddNode, OutputsAreNewTensors) {
  OnX n({2});
  for (const char* op_type : {"Identity", "Dropout", "Max", "Sum"}) {
    SCOPED_TRACE(op_type);
    const TensorId y = n.add(op_type, {n.x})[0];
    EXPECT_FALSE(y == n.x);
    EXPECT_EQ(n.net.name(y), std::string(op_type) + "_output");
    EXPECT_EQ(list<float>(n.run({y}, row({3, 4}))[0]), (Floats{3, 4}));
  }
  const TensorId same = n.add("Cast", {n.x}, {{"to", int64_t{onnx::TensorProto::FLOAT}}})[0];
  EXPECT_FALSE(same == n.x);
  const TensorId c = n.net.constant(row({1}), "c");
  EXPECT_FALSE(n.add("Identity", {c})[0] == c);
  EXPECT_EQ(n.net.name(n.x), "x");
  EXPECT_EQ(n.net.name(c), "c");
}

TEST(OnnxAddNode, WhatIsKnownBecomesAConstant) {
  OnX n({2, 3});
  const TensorId two = n.net.constant(Tensor::int64s({2}), "two");
  const TensorId shape =
      add_onnx_node(n.net, "Concat", {two, Tensor::int64s({-1})}, {{"axis", 0}}, 1, 18, "shape")[0];
  ASSERT_NE(n.net.constant_value(shape), nullptr);
  EXPECT_EQ(list<int64_t>(*n.net.constant_value(shape)), (Ints{2, -1}));
  EXPECT_EQ(n.net.name(n.net.producer(shape)), "shape");
  EXPECT_EQ(n.net.name(shape), "shape_output");
  EXPECT_EQ(n.net.layer_count(), 2);  // the inputs that were folded left nothing behind
  const TensorId flat = n.add("Reshape", {n.x, shape})[0];
  EXPECT_EQ(n.net.shape(flat), (Shape{2, 3}));
  const TensorId extents = n.add("Shape", {n.x})[0];
  EXPECT_EQ(list<int64_t>(*n.net.constant_value(extents)), (Ints{2, 3}));
  const TensorId given = n.add("Constant", {}, {{"value", row({1, 2})}})[0];
  EXPECT_EQ(list<float>(*n.net.constant_value(given)), (Floats{1, 2}));
  const Ids halves = n.add("Split", {given}, {{"axis", 0}}, 2);
  EXPECT_EQ(list<float>(*n.net.constant_value(halves[1])), (Floats{2}));
  const Tensor wide = Tensor::floats({2, 1}, {2, 3}).cast(DataType::kFloat64);
  EXPECT_EQ(list<float>(n.result("Mul", {n.x, wide}, {}, Tensor::floats({2, 3}, Floats(6, 1)))),
            (Floats{2, 2, 2, 3, 3, 3}));
}

TEST(OnnxAddNode, UnknownExtents) {
  OnX n({-1, 2, -1});
  EXPECT_EQ(n.net.shape(n.add("Flatten", {n.x})[0]), (Shape{-1, -1}));
  const TensorId relu = n.add("Relu", {n.x})[0];
  const TensorId same = n.add("Reshape", {relu, Tensor::int64s({0, 2, -1})})[0];
  EXPECT_EQ(n.net.shape(same), (Shape{-1, 2, -1}));
  EXPECT_TRUE(std::holds_alternative<Shuffle>(n.net.op(n.net.producer(same))));
  // The extents are only known as the network runs: layers compute them.
  const TensorId extents = n.add("Shape", {relu})[0];
  EXPECT_EQ(n.net.name(extents), "Shape_output");
  const Tensor x = Tensor::floats({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(list<int64_t>(n.run({extents}, x)[0]), (Ints{1, 2, 3}));
  const TensorId size = n.add("Size", {n.x})[0];
  EXPECT_EQ(list<int64_t>(n.run({size}, x)[0]), (Ints{6}));
}

/// What computes a target from extents may be spread over calls, or built without ONNX.
TEST(OnnxAddNode, ExtentsAreFollowedThroughTheNetwork) {
  OnX n({-1, 2, 3});
  const TensorId relu = n.add("Relu", {n.x})[0];
  const TensorId shape = n.net.output(n.net.add(ShapeOf{}, {relu}));
  const TensorId batch = n.add("Gather", {shape, Tensor::int64s({0})})[0];
  const TensorId rest = n.net.gather(shape, n.net.constant(Tensor::int64s({1, 2})), 0);
  const TensorId product = n.add("ReduceProd", {rest})[0];
  ASSERT_NE(n.net.constant_value(product), nullptr);
  EXPECT_EQ(list<int64_t>(*n.net.constant_value(product)), (Ints{6}));
  const TensorId target = n.add("Concat", {batch, product}, {{"axis", 0}})[0];
  EXPECT_EQ(n.net.constant_value(target), nullptr);
  const TensorId flat = n.add("Reshape", {n.x, target})[0];
  EXPECT_EQ(n.net.shape(flat), (Shape{-1, 6}));
  EXPECT_TRUE(std::holds_alternative<Shuffle>(n.net.op(n.net.producer(flat))));
  // Which is smaller, two or the batch, only running tells.
  const TensorId least = n.add("Min", {batch, Tensor::int64s({2})})[0];
  EXPECT_EQ(n.net.constant_value(least), nullptr);
  const TensorId best = n.add("TopK", {flat, least}, {}, 2)[0];
  const auto got = n.run({flat, best, target}, Tensor::floats({1, 2, 3}, {1, 2, 3, 6, 5, 4}));
  EXPECT_EQ(got[0].shape(), (Shape{1, 6}));
  EXPECT_EQ(list<float>(got[1]), (Floats{6}));
  EXPECT_EQ(list<int64_t>(got[2]), (Ints{1, 6}));
  // Two inputs of the network have extents of their own.
  const TensorId y = n.net.add_input("y", DataType::kFloat32, {-1, 2, 3});
  const TensorId other = n.add("Reshape", {y, target})[0];
  EXPECT_FALSE(std::get_if<Shuffle>(&n.net.op(n.net.producer(other)))->dims[0] == 0);
}

TEST(OnnxAddNode, OtherDomains) {
  OnX n({1});
  const float y =
      n.result("com.microsoft.QuickGelu", {n.x}, {{"alpha", 2}}, row({1})).as<float>()[0];
  EXPECT_NEAR(y, 1 / (1 + std::exp(-2.0)), 1e-6);
  EXPECT_EQ(n.net.name(*n.net.find_layer("QuickGelu")), "QuickGelu");
  EXPECT_EQ(n.add("ai.onnx.Relu", {n.x}).size(), 1u);
  OnX q({2}, DataType::kUInt8);
  const auto byte = [](uint8_t v) { return values<uint8_t>({}, {v}); };
  // ½ (a − 1) + 2 b, over 1, about 3
  const Tensor sum = q.result("com.microsoft.QLinearAdd",
                              {q.x, Tensor::scalar(0.5f), byte(1), values<uint8_t>({2}, {4, 5}),
                               Tensor::scalar(2), byte(0), Tensor::scalar(1), byte(3)},
                              {}, values<uint8_t>({2}, {5, 21}));
  EXPECT_EQ(list<uint8_t>(sum), (std::vector<uint8_t>{13, 23}));
}

TEST(OnnxAddNode, RefusalsChangeNothing) {
  OnX n({2, 3});
  const TensorId relu = n.add("Relu", {n.x})[0];
  const ErrorCode lacks = ErrorCode::kUnsupported;
  EXPECT_EQ(n.error("Foo", {n.x}, {}, 1, lacks), "Octile lacks the ONNX operator 'Foo'");
  EXPECT_TRUE(contains(n.error("org.other.Relu", {n.x}, {}, 1, lacks), "'org.other.Relu'"));
  EXPECT_TRUE(contains(n.error("If", {n.x}, {}, 1, lacks), "only a model file can hold"));
  EXPECT_EQ(n.error("Relu", {n.x}, {{"slope", 1.0f}}),
            "node 'Relu#2' (Relu): attribute 'slope' is not known");
  EXPECT_EQ(n.error("Add", {row({1}), row({2})}, {{"slope", 1.0f}}),
            "node 'Add' (Add): attribute 'slope' is not known");
  EXPECT_TRUE(contains(n.error("Constant", {}, {{"value", Tensor()}}), "'value' has no value"));
  EXPECT_EQ(n.error("Relu", {}), "node 'Relu#2' (Relu): input 0 is missing");
  EXPECT_EQ(n.error("Relu", {n.x}, {}, 2),
            "node 'Relu#2' (Relu): it has no output 1; 2 were asked for");
  EXPECT_TRUE(contains(n.error("Relu", {n.x}, {}, 0), "cannot have 0 outputs"));
  EXPECT_TRUE(contains(n.error("Relu", {TensorId{77}}), "has no tensor 77"));
  EXPECT_TRUE(contains(n.error("Relu", {Tensor()}), "input 0 has no value"));
  EXPECT_EQ(n.error("Reshape", {n.x, n.net.outputs().empty() ? relu : n.x}, {}, 1, lacks),
            "node 'Reshape' (Reshape): its target shape ('Relu_output') must be constant; Octile "
            "needs the value at import; give it as a constant");
  // fails at its last layer, behind constants and others
  EXPECT_TRUE(contains(n.error("LayerNormalization", {n.x, row({1, 2})}), "LayerNormalization"));
  EXPECT_TRUE(contains(n.error("Einsum", {n.x}, {{"equation", "ij,jk->ik"}}), "(Einsum)"));
  EXPECT_TRUE(contains(message_of([&] { add_onnx_node(n.net, "Relu", {n.x}, {}, 1, 99); }),
                       "operator set 99"));
  // and names are free as before
  EXPECT_EQ(n.net.name(n.add("LayerNormalization", {n.x, row({1, 2, 3})})[0]),
            "LayerNormalization_output");
  EXPECT_EQ(n.net.name(n.net.identity(n.x)).substr(0, 15), "(Unnamed Layer*");
}

}  // namespace
}  // namespace octile::test
#endif
