// Building networks: inferred shapes, TensorRT's default names, refusals that change nothing.
#include "graph/validate.h"
#include "octile/network.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

Pooling halve() {
  Pooling op;
  op.window.kernel = op.window.stride = {2, 2};
  return op;
}

Convolution same5() {
  Convolution op;
  op.window.pad_before = op.window.pad_after = {2, 2};
  return op;
}

/// conv, relu, pool, conv, relu, pool, shuffle, two products with explicit constants, as users of
/// TensorRT write it.
Network lenet() {
  Network net("lenet");
  TensorId x = net.add_input("inputT0", DataType::kFloat32, {-1, 1, 28, 28});
  x = net.convolution(x, zeros({32, 1, 5, 5}), zeros({32}), same5());
  x = net.activation(x, ActivationKind::kRelu);
  x = net.pooling(x, halve());
  x = net.convolution(x, zeros({64, 32, 5, 5}), zeros({64}), same5());
  x = net.activation(x, ActivationKind::kRelu);
  x = net.pooling(x, halve());
  x = net.reshape(x, {-1, 64 * 7 * 7});
  const TensorId w1 = net.constant(zeros({64 * 7 * 7, 1024}));
  x = net.matrix_multiply(x, w1);
  const TensorId b1 = net.constant(zeros({1, 1024}));
  x = net.elementwise(x, b1, ElementwiseKind::kAdd);
  x = net.activation(x, ActivationKind::kRelu);
  x = net.softmax(x, {1});
  const LayerId top = net.top_k(x, {1, 1, true});
  net.mark_output(net.output(top, 1), "label");
  return net;
}

TEST(Build, ShapesAreInferredAndTheNetworkIsValid) {
  const Network net = lenet();
  validate(net);
  const TensorId label = net.find_tensor("label").value();
  EXPECT_EQ(net.shape(label), (Shape{-1, 1}));
  EXPECT_EQ(net.type(label), DataType::kInt32);
  const TensorId flat = net.find_tensor("(Unnamed Layer* 6) [Shuffle]_output").value();
  EXPECT_EQ(net.shape(flat), (Shape{-1, 3136}));
  EXPECT_EQ(net.outputs(), std::vector<TensorId>{label});
  EXPECT_EQ(net.inputs().size(), 1u);
}

TEST(Build, DefaultNamesAreTensorRts) {
  const Network net = lenet();
  const char* names[] = {"(Unnamed Layer* 0) [Convolution]",     "(Unnamed Layer* 1) [Activation]",
                         "(Unnamed Layer* 2) [Pooling]",         "(Unnamed Layer* 3) [Convolution]",
                         "(Unnamed Layer* 4) [Activation]",      "(Unnamed Layer* 5) [Pooling]",
                         "(Unnamed Layer* 6) [Shuffle]",         "(Unnamed Layer* 7) [Constant]",
                         "(Unnamed Layer* 8) [Matrix Multiply]", "(Unnamed Layer* 9) [Constant]",
                         "(Unnamed Layer* 10) [ElementWise]",    "(Unnamed Layer* 11) [Activation]",
                         "(Unnamed Layer* 12) [Softmax]",        "(Unnamed Layer* 13) [TopK]"};
  for (const char* name : names) {
    const auto layer = net.find_layer(name);
    ASSERT_TRUE(layer.has_value()) << name;
    EXPECT_EQ(net.name(net.output(*layer)), std::string(name) + "_output");
  }
  EXPECT_TRUE(net.find_layer("(Unnamed Layer* 0) [Convolution].weights").has_value());
  EXPECT_TRUE(net.find_tensor("(Unnamed Layer* 3) [Convolution].bias").has_value());
}

TEST(Build, SecondOutputIsNumbered) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {4, 9});
  const LayerId top = net.top_k(x, {2, 1, true}, "top");
  EXPECT_EQ(net.name(net.output(top, 0)), "top_output");
  EXPECT_EQ(net.name(net.output(top, 1)), "top_output_2");
  EXPECT_TRUE(contains(message_of([&] { net.output(top, 2); }),
                       "layer 'top' (TopK) has 2 outputs, so there is no output 2"));
}

TEST(Build, GivenNames) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {1, 3, 8, 8});
  const TensorId y = net.convolution(x, zeros({4, 3, 3, 3}), zeros({4}), {}, "conv1");
  EXPECT_EQ(net.name(y), "conv1_output");
  const std::vector<TensorId> inputs = net.inputs(net.producer(y));
  ASSERT_EQ(inputs.size(), 3u);
  EXPECT_EQ(net.name(inputs[1]), "conv1.weights");
  EXPECT_EQ(net.name(net.producer(inputs[2])), "conv1.bias");
  const TensorId c = net.constant(zeros({2}), "table");
  EXPECT_EQ(net.name(c), "table");
  // weights took no number; conv1 and table did
  EXPECT_EQ(net.name(net.identity(x)), "(Unnamed Layer* 2) [Identity]_output");
}

TEST(Build, NamesAreUnique) {
  Network net("n");
  const TensorId x = net.add_input("x", DataType::kFloat32, {1, 3});
  net.identity(x, "a");
  EXPECT_EQ(message_of([&] { net.identity(x, "a"); }),
            "network 'n' already has a layer named 'a'; choose another name");
  EXPECT_EQ(message_of([&] { net.add_input("x", DataType::kFloat32, {1}); }),
            "network 'n' already has a tensor named 'x'; choose another name");
  net.identity(x, "(Unnamed Layer* 2) [Identity]");  // what the default would be next
  EXPECT_EQ(net.name(net.producer(net.identity(x))), "(Unnamed Layer* 2) [Identity]#2");
  net.add_input("b_output", DataType::kFloat32, {1});
  EXPECT_EQ(net.name(net.identity(x, "b")), "b_output#2");
  validate([&] {
    net.mark_output(x);
    return net;
  }());
}

TEST(Build, AWrongLayerIsRefusedByNameAndNothingChanges) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {1, 3, 8, 8});
  const std::string before = net.to_string();
  EXPECT_EQ(message_of([&] {
              net.convolution(x, zeros({4, 1, 3, 3}), zeros({4}), {}, "conv1");
            }),
            "layer 'conv1' (Convolution): input has 3 channels but weights (4, 1, 3, 3) with "
            "groups=1 need 1; give weights of shape (4, 3, 3, 3) or change groups");
  EXPECT_TRUE(contains(message_of([&] { net.pooling(x, {}); }),
                       "layer '(Unnamed Layer* 0) [Pooling]' (Pooling): the window has no kernel"));
  EXPECT_TRUE(contains(message_of([&] { net.convolution(x, Tensor(), {}, {}, "c"); }),
                       "layer 'c' (Convolution): its weights have no value"));
  EXPECT_TRUE(contains(message_of([&] { net.add(Constant{}, {}, "k"); }), "Network::constant()"));
  EXPECT_TRUE(contains(message_of([&] { net.identity(TensorId{99}, "i"); }),
                       "layer 'i' (Identity): network 'network' has no tensor 99"));
  EXPECT_EQ(net.to_string(), before);
  EXPECT_EQ(net.layer_count(), 0);
}

TEST(Build, Inputs) {
  Network net;
  EXPECT_TRUE(
      contains(message_of([&] { net.add_input("", DataType::kFloat32, {1}); }), "has no name"));
  EXPECT_TRUE(contains(message_of([&] {
                         net.add_input("x", DataType::kFloat32, {1, -3});
                       }),
                       "input 'x' has shape (1, -3)"));
  EXPECT_TRUE(contains(message_of([&] { net.add_input("x", DataType::kFloat32, {-2}); }),
                       "-1 where unknown"));
  EXPECT_EQ(net.shape(net.add_input("none", DataType::kFloat32, {1, 0})), (Shape{1, 0}));
}

TEST(Build, FullyConnectedAndScale) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {-1, 6});
  const TensorId y = net.fully_connected(x, zeros({6, 4}), zeros({4}), "fc");
  EXPECT_EQ(net.shape(y), (Shape{-1, 4}));
  EXPECT_EQ(net.inputs(net.producer(y)).size(), 3u);
  EXPECT_NE(net.constant_value(net.find_tensor("fc.weights").value()), nullptr);
  EXPECT_EQ(net.constant_value(x), nullptr);
  const TensorId s = net.scale(y, Tensor::scalar(2), std::nullopt, Tensor::scalar(3), 1, "s");
  EXPECT_EQ(std::get<Scale>(net.op(net.producer(s))), (Scale{1, true, false, true}));
  EXPECT_TRUE(net.find_tensor("s.power").has_value());
  EXPECT_TRUE(contains(message_of([&] {
                         net.fully_connected(x, zeros({5, 4}), {}, "bad");
                       }),
                       "layer 'bad' (MatrixMultiply): operands (-1, 6) and (5, 4)"));
}

TEST(Build, BatchNormIsAScale) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {1, 2, 3});
  const Tensor gamma = Tensor::floats({2}, {2, 3}), beta = Tensor::floats({2}, {1, -1});
  const Tensor mean = Tensor::floats({2}, {4, 5}), variance = Tensor::floats({2}, {3.75f, 8.75f});
  const TensorId y = net.batch_norm(x, gamma, beta, mean, variance, 0.25f, "bn");
  EXPECT_EQ(list<float>(*net.constant_value(net.find_tensor("bn.scale").value())),
            (std::vector<float>{1, 1}));
  EXPECT_EQ(list<float>(*net.constant_value(net.find_tensor("bn.shift").value())),
            (std::vector<float>{-3, -6}));
  EXPECT_EQ(net.shape(y), (Shape{1, 2, 3}));
  const Tensor bad = Tensor::floats({2}, {-1, 1});
  EXPECT_TRUE(contains(message_of([&] { net.batch_norm(x, gamma, beta, mean, bad, 0.25f, "b2"); }),
                       "layer 'b2' (batch norm): variance[0] + epsilon is -0.75"));
}

TEST(Build, Requests) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {1});
  const TensorId y = net.identity(x, "i");
  const LayerId layer = net.producer(y);
  EXPECT_EQ(net.precision(layer), Precision::kAuto);
  EXPECT_FALSE(net.scheme(layer).has_value());
  net.set_precision(layer, Precision::kInt8);
  net.set_scheme(layer, Scheme::kDynamicAffine);
  net.set_dynamic_range(x, {-1, 2});
  EXPECT_EQ(net.precision(layer), Precision::kInt8);
  EXPECT_EQ(net.scheme(layer), Scheme::kDynamicAffine);
  EXPECT_EQ(net.dynamic_range(x), (Range{-1, 2}));
  EXPECT_TRUE(contains(message_of([&] {
                         net.set_dynamic_range(x, {2, 1});
                       }),
                       "tensor 'x': the range [2, 1]"));
  EXPECT_TRUE(contains(message_of([&] { net.set_dynamic_range(x, {0, INFINITY}); }), "finite"));
}

TEST(Build, CopiesAreIndependentAndShareConstants) {
  Network net = lenet();
  Network copy = net;
  EXPECT_EQ(copy.digest(), net.digest());
  const TensorId w = net.find_tensor("(Unnamed Layer* 0) [Convolution].weights").value();
  EXPECT_EQ(copy.constant_value(w), net.constant_value(w));
  copy.identity(copy.outputs()[0]);
  EXPECT_NE(copy.layer_count(), net.layer_count());
}

TEST(Build, PrintsOneLineALayer) {
  Network net("tiny");
  const TensorId x = net.add_input("x", DataType::kFloat32, {-1, 2});
  net.mark_output(net.softmax(x, {1}, "soft"), "p");
  EXPECT_EQ(net.to_string(),
            "network 'tiny'\n"
            "  input x float32 (-1, 2)\n"
            "  soft: Softmax(axes=[1]) (x) -> p float32 (-1, 2)\n"
            "  output p float32 (-1, 2)\n");
}

}  // namespace
}  // namespace octile::test
