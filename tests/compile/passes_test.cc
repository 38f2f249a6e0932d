// Each pass on its own: it changes what it should, and never the network's outputs.
#include "compile/rewriting.h"

namespace octile::test {
namespace {

struct ConvNet {
  Network network{"net"};
  TensorId x, y;
  Random random{41};
  explicit ConvNet(bool bias = false) {
    x = network.add_input("x", DataType::kFloat32, {2, 3, 5, 5});
    std::optional<Tensor> b;
    if (bias) b = random_floats({4}, random);
    y = network.convolution(x, random_floats({4, 3, 3, 3}, random), b, conv_of(1, 1), "conv");
  }
  TensorId constant(const Shape& shape) { return network.constant(random_floats(shape, random)); }
};

TEST(FoldBias, AddsPerChannelConstants) {
  for (const Shape& shape : {Shape{1, 4, 1, 1}, Shape{4, 1, 1}, Shape{1}, Shape{}}) {
    for (const bool bias : {false, true}) {
      for (const bool left : {false, true}) {
        ConvNet net(bias);
        const TensorId c = net.constant(shape);
        const TensorId sum = left ? net.network.elementwise(c, net.y, ElementwiseKind::kAdd)
                                  : net.network.elementwise(net.y, c, ElementwiseKind::kAdd);
        net.network.mark_output(sum, "sum");
        EXPECT_EQ(apply_pass(net.network, fold_bias), 1) << shape.to_string();
        EXPECT_EQ(count<Elementwise>(net.network), 0);
        EXPECT_TRUE(net.network.find_layer("conv").has_value());
        EXPECT_EQ(net.network.name(net.network.outputs()[0]), "sum");
      }
    }
  }
}

TEST(FoldBias, LeavesOtherAddsAlone) {
  {  // one number a column, not a channel
    ConvNet net;
    net.network.mark_output(
        net.network.elementwise(net.y, net.constant({5}), ElementwiseKind::kAdd));
    EXPECT_EQ(apply_pass(net.network, fold_bias), 0);
  }
  {  // the product is read elsewhere
    ConvNet net;
    net.network.mark_output(
        net.network.elementwise(net.y, net.constant({1}), ElementwiseKind::kAdd));
    net.network.mark_output(net.network.activation(net.y, ActivationKind::kRelu));
    EXPECT_EQ(apply_pass(net.network, fold_bias), 0);
  }
  {  // the product is an output
    ConvNet net;
    net.network.mark_output(net.y, "product");
    net.network.mark_output(
        net.network.elementwise(net.y, net.constant({1}), ElementwiseKind::kAdd));
    EXPECT_EQ(apply_pass(net.network, fold_bias), 0);
  }
  {  // a product of (2, 3, 5, 5) and a constant of a larger rank broadcasts
    ConvNet net;
    net.network.mark_output(
        net.network.elementwise(net.y, net.constant({1, 1, 4, 1, 1}), ElementwiseKind::kAdd));
    EXPECT_EQ(apply_pass(net.network, fold_bias), 0);
  }
  {  // subtraction
    ConvNet net;
    net.network.mark_output(
        net.network.elementwise(net.y, net.constant({4, 1, 1}), ElementwiseKind::kSub));
    EXPECT_EQ(apply_pass(net.network, fold_bias), 0);
  }
}

TEST(FoldBias, KeepsRequests) {
  ConvNet net;
  const LayerId conv = *net.network.find_layer("conv");
  net.network.set_precision(conv, Precision::kFloat32);
  net.network.set_scheme(conv, Scheme::kStaticAffine);
  const TensorId sum =
      net.network.elementwise(net.y, net.constant({4, 1, 1}), ElementwiseKind::kAdd);
  net.network.set_dynamic_range(sum, {-1, 2});
  net.network.mark_output(net.network.activation(sum, ActivationKind::kRelu));
  EXPECT_EQ(apply_pass(net.network, fold_bias), 1);
  const LayerId merged = *net.network.find_layer("conv");
  EXPECT_EQ(net.network.precision(merged), Precision::kFloat32);
  EXPECT_EQ(net.network.scheme(merged), Scheme::kStaticAffine);
  EXPECT_EQ(net.network.dynamic_range(net.network.output(merged)), (Range{-1, 2}));
}

TEST(FoldScale, KeepsRequestsOfBothLayers) {
  ConvNet net;
  const TensorId y = net.network.batch_norm(
      net.y, random_floats({4}, net.random), random_floats({4}, net.random),
      random_floats({4}, net.random), Tensor::floats({4}, {1, 1, 1, 1}), 1e-5f, "bn");
  net.network.mark_output(y);
  net.network.set_precision(*net.network.find_layer("conv"), Precision::kInt8);
  net.network.set_precision(*net.network.find_layer("bn"), Precision::kFloat32);
  net.network.set_scheme(*net.network.find_layer("bn"), Scheme::kDynamicAffine);
  EXPECT_EQ(apply_pass(net.network, fold_scale), 1);
  const LayerId merged = *net.network.find_layer("conv");
  EXPECT_EQ(net.network.precision(merged), Precision::kFloat32);
  EXPECT_EQ(net.network.scheme(merged), Scheme::kDynamicAffine);
}

TEST(FoldBias, IntoProducts) {
  Random random(42);
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {3, 6});
  const TensorId y = n.fully_connected(x, random_floats({6, 4}, random), std::nullopt, "fc");
  n.mark_output(n.elementwise(y, n.constant(random_floats({1, 4}, random)), ElementwiseKind::kAdd));
  EXPECT_EQ(apply_pass(n, fold_bias), 1);
}

TEST(FoldScale, BatchNormalizationMovesIntoWeights) {
  for (const bool bias : {false, true}) {
    ConvNet net(bias);
    const TensorId y = net.network.batch_norm(
        net.y, random_floats({4}, net.random), random_floats({4}, net.random),
        random_floats({4}, net.random), Tensor::floats({4}, {0.5f, 1, 2, 0.1f}));
    net.network.mark_output(y, "y");
    EXPECT_EQ(apply_pass(net.network, fold_scale), 1);
    EXPECT_EQ(count<Scale>(net.network), 0);
  }
}

TEST(FoldScale, IntoDeconvolutionsAndProducts) {
  Random random(43);
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 3, 4, 4});
  TensorId y = n.deconvolution(x, random_floats({3, 2, 2, 2}, random), std::nullopt, {});
  n.mark_output(n.scale(y, random_floats({2}, random), std::nullopt, std::nullopt));
  const TensorId rows = n.reshape(x, {3, 16});
  y = n.fully_connected(rows, random_floats({16, 5}, random), random_floats({5}, random));
  n.mark_output(n.scale(y, random_floats({5}, random), random_floats({5}, random), std::nullopt));
  EXPECT_EQ(apply_pass(n, fold_scale), 2);
}

TEST(FoldScale, LeavesPowersAndGroupedDeconvolutionsAlone) {
  ConvNet net;
  net.network.mark_output(
      net.network.scale(net.y, std::nullopt, std::nullopt, Tensor::floats({}, {2.0f})));
  EXPECT_EQ(apply_pass(net.network, fold_scale), 0);

  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 4, 4, 4});
  Deconvolution grouped;
  grouped.groups = 2;
  const TensorId y =
      n.deconvolution(x, random_floats({4, 3, 2, 2}, net.random), std::nullopt, grouped);
  n.mark_output(n.scale(y, random_floats({6}, net.random), std::nullopt, std::nullopt));
  EXPECT_EQ(apply_pass(n, fold_scale), 0);
}

TEST(FoldConstants, ComputesAtBuild) {
  Random random(44);
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3});
  const TensorId a = n.constant(random_floats({3}, random)),
                 b = n.constant(random_floats({3}, random));
  const TensorId c = n.unary(n.elementwise(a, b, ElementwiseKind::kMul), UnaryKind::kExp);
  n.mark_output(n.elementwise(x, c, ElementwiseKind::kAdd), "y");
  EXPECT_GT(apply_pass(n, fold_constants), 0);
  EXPECT_EQ(count<Elementwise>(n), 1);
  EXPECT_EQ(count<Unary>(n), 0);
  EXPECT_EQ(count<Constant>(n), 1) << "what the folded layers read is gone";
}

TEST(RemoveIdentities, KeepsOutputsAndTheirNames) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3});
  const TensorId t = n.cast(n.reshape(n.identity(x), {2, 3}), DataType::kFloat32);
  n.mark_output(n.activation(t, ActivationKind::kTanh), "y");
  n.mark_output(n.identity(x), "same");
  EXPECT_EQ(apply_pass(n, remove_identities), 3);
  EXPECT_EQ(n.layers().size(), 2u);
  EXPECT_EQ(n.name(n.outputs()[1]), "same");
}

TEST(RemoveIdentities, ReshapesThatMoveExtentsStay) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3});
  n.mark_output(n.activation(n.reshape(x, {3, 2}), ActivationKind::kTanh));
  n.mark_output(n.activation(n.transpose(x, {1, 0}), ActivationKind::kTanh));
  EXPECT_EQ(apply_pass(n, remove_identities), 0);
}

TEST(RemoveDeadLayers, DropsWhatNoOutputNeeds) {
  ConvNet net;
  net.network.mark_output(net.network.activation(net.x, ActivationKind::kRelu));
  EXPECT_GT(apply_pass(net.network, remove_dead_layers), 0);
  EXPECT_EQ(count<Convolution>(net.network), 0);
  EXPECT_EQ(count<Constant>(net.network), 0);
  EXPECT_EQ(net.network.inputs().size(), 1u);
}

TEST(CanonicalizeReduce, SpatialMeansBecomePooling) {
  for (const bool keep : {false, true}) {
    for (const std::vector<int64_t>& axes : {std::vector<int64_t>{2, 3}, {-1, -2}}) {
      Network n;
      const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3, 4, 5});
      n.mark_output(n.reduce(x, {ReduceKind::kMean, axes, keep}, "mean"), "y");
      EXPECT_EQ(apply_pass(n, canonicalize_reduce), 1);
      EXPECT_EQ(count<Pooling>(n), 1);
      EXPECT_EQ(n.shape(n.outputs()[0]), keep ? (Shape{2, 3, 1, 1}) : (Shape{2, 3}));
      EXPECT_EQ(n.name(n.outputs()[0]), "y");
    }
  }
}

TEST(CanonicalizeReduce, OtherReductionsStay) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3, 4, 5});
  n.mark_output(n.reduce(x, {ReduceKind::kSum, {2, 3}, false}));
  n.mark_output(n.reduce(x, {ReduceKind::kMean, {1, 2}, false}));
  n.mark_output(n.reduce(x, {ReduceKind::kMean, {}, false}));
  EXPECT_EQ(apply_pass(n, canonicalize_reduce), 0);
}

TEST(Passes, WorkTogether) {
  Random random(45);
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 3, 6, 6});
  TensorId t =
      n.convolution(n.identity(x), random_floats({4, 3, 1, 1}, random), std::nullopt, {}, "conv");
  const TensorId shift = n.unary(n.constant(random_floats({4, 1, 1}, random)), UnaryKind::kNeg);
  t = n.elementwise(t, shift, ElementwiseKind::kAdd);
  t = n.scale(t, random_floats({4}, random), random_floats({4}, random), std::nullopt);
  n.mark_output(n.activation(t, ActivationKind::kRelu), "y");
  std::string log;
  run_passes(n, {}, [&](LogLevel level, std::string_view text) {
    EXPECT_EQ(level, LogLevel::kDebug);
    log += std::string(text) + "\n";
  });
  EXPECT_TRUE(contains(log, "pass fold-bias: 1 places"));
  EXPECT_EQ(count<Convolution>(n) + count<Activation>(n) + count<Constant>(n),
            int(n.layers().size()));
}

TEST(Passes, DisabledOnesDoNotRun) {
  for (const Pass& pass : passes()) {
    ConvNet net;
    const TensorId sum =
        net.network.elementwise(net.y, net.constant({4, 1, 1}), ElementwiseKind::kAdd);
    net.network.mark_output(
        net.network.identity(net.network.activation(sum, ActivationKind::kRelu)));
    std::string log;
    run_passes(net.network, {std::string(pass.name)},
               [&](LogLevel, std::string_view text) { log += text; });
    EXPECT_EQ(log.find("pass " + std::string(pass.name) + ":"), std::string::npos);
  }
}

TEST(Passes, UnknownNamesAreRefused) {
  ConvNet net;
  net.network.mark_output(net.y);
  const std::string message = message_of([&] { run_passes(net.network, {"fold-bais"}, {}); });
  EXPECT_TRUE(contains(message, "'fold-bais'"));
  EXPECT_TRUE(contains(message, "fold-bias"));
}

}  // namespace
}  // namespace octile::test
