// The interpreter: values by hand, observers, errors, Q/DQ networks.
#include "graph/interpreter.h"

#include <map>

#include "base/parallel_for.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

TEST(Interpreter, SmallNetworkByHand) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {-1, 1, 2, 2});
  Convolution op;
  TensorId y = net.convolution(x, Tensor::floats({2, 1, 2, 2}, {1, 1, 1, 1, -1, 0, 0, 0}),
                               Tensor::floats({2}, {0.5f, 0}), op, "conv");
  const TensorId conv = y;
  y = net.activation(y, ActivationKind::kRelu, 0, 0, "relu");
  y = net.reshape(y, {0, -1}, "flat");
  y = net.fully_connected(y, Tensor::floats({2, 3}, {1, 2, 3, 10, 20, 30}),
                          Tensor::floats({3}, {0, 0, 1}), "fc");
  net.mark_output(y);
  net.mark_output(conv);
  const Tensor in = Tensor::floats({2, 1, 2, 2}, {1, 2, 3, 4, -1, -1, 0, 0});
  const auto out = interpret(net, {in});
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(list<float>(out[1]), (std::vector<float>{10.5f, -1, -1.5f, 1}));
  EXPECT_EQ(list<float>(out[0]), (std::vector<float>{10.5f, 21, 32.5f, 10, 20, 31}));
}

TEST(Interpreter, ObserverSeesEveryTensorButConstants) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {1, 4});
  const TensorId a = net.activation(x, ActivationKind::kRelu, 0, 0, "a");
  const TensorId b = net.scale(a, Tensor::scalar(2), std::nullopt, std::nullopt, 1, "b");
  const LayerId top = net.top_k(b, {2, 1, true}, "top");
  net.mark_output(net.output(top, 0));
  std::map<std::string, Tensor> seen;
  interpret(net, {Tensor::floats({1, 4}, {-1, 3, 2, 1})},
            [&](TensorId id, const Tensor& t) { seen.emplace(net.name(id), t); });
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(list<float>(seen.at("a_output")), (std::vector<float>{0, 3, 2, 1}));
  EXPECT_EQ(list<float>(seen.at("b_output")), (std::vector<float>{0, 6, 4, 2}));
  EXPECT_EQ(list<int32_t>(seen.at("top_output_2")), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(list<float>(seen.at("x")), (std::vector<float>{-1, 3, 2, 1}));
}

TEST(Interpreter, OutputsMayBeConstantsInputsAndRepeated) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {2});
  const TensorId c = net.constant(Tensor::floats({1}, {5}), "c");
  net.mark_output(x);
  net.mark_output(c);
  net.mark_output(net.elementwise(x, x, ElementwiseKind::kAdd));
  const auto out = interpret(net, {Tensor::floats({2}, {1, 2})});
  EXPECT_EQ(list<float>(out[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(list<float>(out[1]), (std::vector<float>{5}));
  EXPECT_EQ(list<float>(out[2]), (std::vector<float>{2, 4}));
  EXPECT_EQ(interpret(net, {Tensor::floats({2}, {1, 2})}), out);  // the constant is still there
}

TEST(Interpreter, QuantizedNetwork) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {1, 3});
  Quantize q;
  q.scale = {0.5f};
  Dequantize dq;
  dq.scale = {0.5f};
  net.mark_output(net.dequantize(net.quantize(x, q), dq));
  EXPECT_EQ(list<float>(interpret(net, {Tensor::floats({1, 3}, {0.6f, -0.3f, 100})})[0]),
            (std::vector<float>{0.5f, -0.5f, 63.5f}));
}

TEST(Interpreter, SameBitsOnAnyNumberOfThreads) {
  Random random(21);
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {-1, 3, 20, 20});
  Convolution op;
  op.window.pad_before = op.window.pad_after = {1, 1};
  TensorId y = net.convolution(x, random_floats({40, 3, 3, 3}, random), std::nullopt, op);
  y = net.activation(y, ActivationKind::kGeluErf);
  Pooling average;
  average.kind = PoolingKind::kAverage;
  average.window.kernel = {3, 3};
  y = net.pooling(y, average);
  y = net.softmax(y, {1, 2});
  net.mark_output(y);
  const Tensor in = random_floats({2, 3, 20, 20}, random);
  const ThreadCountScope one(1);
  const auto expected = interpret(net, {in});
  const ThreadCountScope four(4);
  EXPECT_EQ(interpret(net, {in}), expected);
}

TEST(Interpreter, Refusals) {
  Network net("n");
  const TensorId x = net.add_input("x", DataType::kFloat32, {-1, 3});
  const TensorId i = net.add_input("i", DataType::kInt32, {-1});
  net.mark_output(net.gather(x, i, 0, "pick"));
  const Tensor rows = counting<float>({2, 3});
  EXPECT_EQ(message_of([&] { interpret(net, {rows}); }), "network 'n' has 2 inputs, but got 1");
  EXPECT_EQ(message_of([&] {
              interpret(net, {counting<float>({2, 4}), counting<int32_t>({1})});
            }),
            "input 'x' must be float32 (-1, 3), but got float32 (2, 4)");
  EXPECT_EQ(message_of([&] {
              interpret(net, {rows, rows});
            }),
            "input 'i' must be int32 (-1), but got float32 (2, 3)");
  EXPECT_EQ(message_of([&] {
              interpret(net, {rows, values<int32_t>({1}, {7})});
            }),
            "layer 'pick' (Gather): index 7 is outside axis 0 of extent 2");
}

}  // namespace
}  // namespace octile::test
