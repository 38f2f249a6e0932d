// Editing networks: shapes follow, what does not fit is taken back, order and names stay right.
#include "graph/validate.h"
#include "octile/network.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

struct Chain {
  Network net{"chain"};
  TensorId x, conv, relu, flat, fc;
  Chain() {
    x = net.add_input("x", DataType::kFloat32, {-1, 3, 8, 8});
    conv = net.convolution(x, zeros({4, 3, 3, 3}), zeros({4}), {}, "conv");
    relu = net.activation(conv, ActivationKind::kRelu, 0, 0, "relu");
    flat = net.reshape(relu, {0, -1}, "flat");
    fc = net.fully_connected(flat, zeros({144, 10}), std::nullopt, "fc");
    net.mark_output(fc, "y");
  }
};

TEST(Edit, SetOpInfersDownstream) {
  Chain c;
  Convolution op = std::get<Convolution>(c.net.op(c.net.producer(c.conv)));
  c.net.remove([&] {  // the product would refuse any other extent
    c.net.unmark_output(c.fc);
    return c.net.producer(c.fc);
  }());
  op.window.pad_before = op.window.pad_after = {1, 1};
  c.net.set_op(c.net.producer(c.conv), op);
  EXPECT_EQ(c.net.shape(c.conv), (Shape{-1, 4, 8, 8}));
  EXPECT_EQ(c.net.shape(c.flat), (Shape{-1, 256}));
}

TEST(Edit, SetOpThatBreaksALaterLayerChangesNothing) {
  Chain c;
  const std::string before = c.net.to_string();
  Convolution op = std::get<Convolution>(c.net.op(c.net.producer(c.conv)));
  op.window.stride = {2, 2};
  EXPECT_TRUE(contains(message_of([&] { c.net.set_op(c.net.producer(c.conv), op); }),
                       "layer 'fc' (MatrixMultiply): operands (-1, 36) and (144, 10)"));
  EXPECT_EQ(c.net.to_string(), before);
  EXPECT_TRUE(contains(message_of([&] {
                         c.net.set_op(c.net.producer(c.relu), TopK{3, 9, true});
                       }),
                       "layer 'relu' (TopK): axis 9"));
  EXPECT_EQ(c.net.to_string(), before);
  validate(c.net);
}

TEST(Edit, SetOpMayChangeTheNumberOfOutputs) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {4, 6});
  Quantize op;
  op.scale = {0.5f};
  const LayerId q = net.producer(net.quantize(x, op, "q"));
  net.mark_output(net.output(q));
  Quantize dynamic;
  dynamic.dynamic = true;
  net.set_op(q, dynamic);
  ASSERT_EQ(net.outputs(q).size(), 3u);
  const TensorId scale = net.output(q, 1);
  EXPECT_EQ(net.name(scale), "q_output_2");
  EXPECT_EQ(net.shape(scale), (Shape{4}));
  validate(net);
  net.mark_output(scale);
  EXPECT_TRUE(contains(message_of([&] { net.set_op(q, op); }), "its output 'q_output_2' is used"));
  net.unmark_output(scale);
  net.set_op(q, op);
  EXPECT_EQ(net.outputs(q).size(), 1u);
  EXPECT_FALSE(net.alive(scale));
  EXPECT_FALSE(net.find_tensor("q_output_2").has_value());
  validate(net);
}

TEST(Edit, GrownOutputsAreTakenBackWhenALaterLayerRefuses) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {4, 6});
  const TensorId y = net.identity(x, "q");
  net.mark_output(net.softmax(y, {1}, "soft"));  // needs float
  const std::string before = net.to_string();
  const int tensors = net.tensor_count();
  Quantize dynamic;
  dynamic.dynamic = true;
  EXPECT_TRUE(contains(message_of([&] { net.set_op(net.producer(y), dynamic); }),
                       "layer 'soft' (Softmax): input 0 has type int8"));
  EXPECT_EQ(net.to_string(), before);
  EXPECT_EQ(net.tensor_count(), tensors);
  EXPECT_FALSE(net.find_tensor("q_output_2").has_value());
  validate(net);
}

TEST(Edit, ConstantsKeepTheirOp) {
  Chain c;
  const LayerId w = c.net.find_layer("conv.weights").value();
  EXPECT_TRUE(contains(message_of([&] { c.net.set_op(w, Identity{}); }), "cannot be set"));
  EXPECT_TRUE(contains(message_of([&] { c.net.set_op(c.net.producer(c.relu), Constant{}); }),
                       "cannot be set"));
}

TEST(Edit, SetInput) {
  Chain c;
  const LayerId relu = c.net.producer(c.relu);
  const TensorId other = c.net.identity(c.conv, "other");
  c.net.set_input(relu, 0, other);
  EXPECT_EQ(c.net.inputs(relu), std::vector<TensorId>{other});
  validate(c.net);
  const std::string before = c.net.to_string();
  EXPECT_TRUE(
      contains(message_of([&] { c.net.set_input(relu, 0, c.flat); }),
               "layer 'relu' (Activation) cannot read tensor 'flat_output', which depends"));
  EXPECT_TRUE(contains(message_of([&] { c.net.set_input(relu, 0, c.x); }), "layer 'fc'"));
  EXPECT_TRUE(contains(message_of([&] { c.net.set_input(relu, 2, c.x); }), "has 1 inputs"));
  EXPECT_EQ(c.net.to_string(), before);
  const TensorId bias = c.net.constant(zeros({10}), "late bias");
  c.net.set_input(c.net.producer(c.fc), 2, bias);
  EXPECT_EQ(c.net.inputs(c.net.producer(c.fc)).size(), 3u);
  validate(c.net);
}

TEST(Edit, ReplaceUsesPutsALayerBehindATensor) {
  Chain c;
  const TensorId copy = c.net.identity(c.conv, "copy");
  c.net.replace_uses(c.conv, copy);
  EXPECT_EQ(c.net.inputs(c.net.producer(copy)), std::vector<TensorId>{c.conv});
  EXPECT_EQ(c.net.inputs(c.net.producer(c.relu)), std::vector<TensorId>{copy});
  validate(c.net);
  // topological although added last
  std::vector<std::string> order;
  for (LayerId layer : c.net.layers()) order.push_back(c.net.name(layer));
  EXPECT_EQ(order, (std::vector<std::string>{"conv.weights", "conv.bias", "conv", "fc.weights",
                                             "copy", "relu", "flat", "fc"}));
}

TEST(Edit, ReplaceUsesOfAnOutputKeepsItsName) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {2});
  const TensorId a = net.activation(x, ActivationKind::kRelu, 0, 0, "a");
  const TensorId b = net.identity(a, "b");
  net.mark_output(b, "result");
  net.replace_uses(b, a);
  EXPECT_EQ(net.outputs(), std::vector<TensorId>{a});
  EXPECT_EQ(net.name(a), "result");
  EXPECT_EQ(net.name(b), "a_output");
  EXPECT_EQ(net.find_tensor("result"), a);
  EXPECT_EQ(net.find_tensor("a_output"), b);
  net.remove(net.producer(b));
  validate(net);
  EXPECT_TRUE(contains(message_of([&] { net.replace_uses(a, x); }),
                       "tensor 'x' cannot take the place of network output 'result'"));
  EXPECT_EQ(net.outputs(), std::vector<TensorId>{a});
}

TEST(Edit, ReplaceUsesThatDoesNotFitChangesNothing) {
  Chain c;
  const std::string before = c.net.to_string();
  EXPECT_TRUE(contains(message_of([&] { c.net.replace_uses(c.flat, c.relu); }), "layer 'fc'"));
  EXPECT_EQ(c.net.to_string(), before);
  validate(c.net);
}

TEST(Edit, RemoveNeedsUnusedOutputs) {
  Chain c;
  const LayerId relu = c.net.producer(c.relu), fc = c.net.producer(c.fc);
  EXPECT_TRUE(contains(message_of([&] { c.net.remove(relu); }),
                       "layer 'relu' (Activation) cannot be removed: its output 'relu_output' is "
                       "used"));
  EXPECT_TRUE(contains(message_of([&] { c.net.remove(fc); }), "its output 'y' is used"));
  c.net.replace_uses(c.relu, c.conv);
  c.net.remove(relu);
  EXPECT_FALSE(c.net.alive(relu));
  EXPECT_FALSE(c.net.alive(c.relu));
  EXPECT_FALSE(c.net.find_layer("relu").has_value());
  EXPECT_TRUE(contains(message_of([&] { c.net.op(relu); }), "was it removed"));
  EXPECT_TRUE(contains(message_of([&] { c.net.shape(c.relu); }), "was it removed"));
  validate(c.net);
  c.net.activation(c.conv, ActivationKind::kTanh, 0, 0, "relu");  // the name is free again
}

TEST(Edit, TruncateTakesBackWhatWasAdded) {
  Chain c;
  c.net.identity(c.relu);  // a default name: "(Unnamed Layer* 4) [Identity]"
  const std::string before = c.net.to_string(), digest = c.net.digest();
  const int layers = c.net.layer_count(), tensors = c.net.tensor_count();
  for (int round = 0; round < 3; ++round) {
    const TensorId extra = c.net.convolution(c.relu, zeros({2, 4, 1, 1}), zeros({2}), {}, "extra");
    EXPECT_EQ(extra.index, tensors + 2);
    const TensorId gone = c.net.identity(extra);
    EXPECT_EQ(c.net.name(c.net.producer(gone)), "(Unnamed Layer* 6) [Identity]");
    c.net.remove(c.net.producer(gone));
    c.net.mark_output(extra, "z");
    c.net.truncate(layers);
    EXPECT_EQ(c.net.layer_count(), layers);
    EXPECT_EQ(c.net.tensor_count(), tensors);
    EXPECT_EQ(c.net.to_string(), before);
    EXPECT_EQ(c.net.digest(), digest);
    EXPECT_EQ(c.net.outputs(), std::vector<TensorId>{c.fc});
    EXPECT_FALSE(c.net.find_layer("extra.weights").has_value());
    EXPECT_FALSE(c.net.find_tensor("z").has_value());
    EXPECT_FALSE(c.net.alive(extra));
    validate(c.net);
  }
  const TensorId next = c.net.identity(c.x);
  EXPECT_EQ(c.net.name(next), "(Unnamed Layer* 5) [Identity]_output");
  c.net.truncate(c.net.layer_count());
  EXPECT_TRUE(c.net.alive(next));
}

TEST(Edit, TruncateToNothingLeavesTheInputs) {
  Chain c;
  const TensorId late = c.net.add_input("late", DataType::kFloat32, {2});
  const TensorId y = c.net.identity(late, "last");
  c.net.truncate(0);
  EXPECT_TRUE(c.net.layers().empty());
  EXPECT_TRUE(c.net.outputs().empty());
  EXPECT_EQ(c.net.inputs(), (std::vector<TensorId>{c.x, late}));
  EXPECT_FALSE(c.net.alive(y));
  EXPECT_FALSE(c.net.alive(c.conv));
  const TensorId again = c.net.identity(late);
  EXPECT_EQ(c.net.name(again), "(Unnamed Layer* 0) [Identity]_output");
  EXPECT_EQ(c.net.producer(again), LayerId{0});
  EXPECT_FALSE(c.net.alive(c.conv));  // its handle lies before the input that stayed
  c.net.mark_output(again);
  validate(c.net);
}

TEST(Edit, TruncateRefusesWhileAnOlderLayerReads) {
  Chain c;
  const int layers = c.net.layer_count();
  const TensorId other = c.net.identity(c.conv, "other");
  c.net.set_input(c.net.producer(c.relu), 0, other);
  const std::string before = c.net.to_string();
  EXPECT_EQ(message_of([&] { c.net.truncate(layers); }),
            "network 'chain' cannot be cut to 7 layers: layer 'relu' reads tensor 'other_output', "
            "which a later one makes");
  EXPECT_EQ(c.net.to_string(), before);
  validate(c.net);
  c.net.set_input(c.net.producer(c.relu), 0, c.conv);
  c.net.truncate(layers);
  validate(c.net);
  EXPECT_TRUE(contains(message_of([&] { c.net.truncate(layers + 1); }), "has 7 layers"));
  EXPECT_TRUE(contains(message_of([&] { c.net.truncate(-1); }), "cannot be cut to -1"));
}

TEST(Edit, TruncateKeepsTensorsThatSetOpGaveToOlderLayers) {
  Network net;
  const TensorId x = net.add_input("x", DataType::kFloat32, {4, 6});
  Quantize op;
  op.scale = {0.5f};
  const LayerId q = net.producer(net.quantize(x, op, "q"));
  net.mark_output(net.output(q));
  const TensorId later = net.identity(x, "later");
  Quantize dynamic;
  dynamic.dynamic = true;
  net.set_op(q, dynamic);
  net.truncate(1);
  EXPECT_FALSE(net.alive(later));
  ASSERT_EQ(net.outputs(q).size(), 3u);
  EXPECT_EQ(net.name(net.output(q, 2)), "q_output_3");
  validate(net);
}

TEST(Edit, Rename) {
  Chain c;
  const LayerId conv = c.net.producer(c.conv);
  c.net.rename(conv, "stem");
  c.net.rename(c.conv, "features");
  EXPECT_EQ(c.net.find_layer("stem"), conv);
  EXPECT_FALSE(c.net.find_layer("conv").has_value());
  EXPECT_EQ(c.net.find_tensor("features"), c.conv);
  EXPECT_TRUE(contains(message_of([&] { c.net.rename(conv, "relu"); }),
                       "layer 'stem' cannot be renamed: network 'chain' already has a layer"));
  EXPECT_TRUE(contains(message_of([&] { c.net.rename(c.conv, "x"); }),
                       "tensor 'features' cannot be renamed"));
  c.net.rename(conv, "stem");  // to itself: fine
  validate(c.net);
}

TEST(Edit, Consumers) {
  Chain c;
  const TensorId sum = c.net.elementwise(c.conv, c.conv, ElementwiseKind::kAdd, "twice");
  EXPECT_EQ(c.net.consumers(c.conv),
            (std::vector<LayerId>{c.net.producer(c.relu), c.net.producer(sum)}));
  EXPECT_FALSE(c.net.producer(c.x).valid());
}

TEST(Digest, SeesMeaningNotNames) {
  Chain a, b;
  EXPECT_EQ(a.net.digest(), b.net.digest());
  EXPECT_EQ(a.net.digest().size(), 16u);
  b.net.rename(b.net.producer(b.conv), "other");
  b.net.rename(b.conv, "other tensor");
  EXPECT_EQ(a.net.digest(), b.net.digest());
  b.net.set_op(b.net.producer(b.relu), Activation{ActivationKind::kSigmoid});
  EXPECT_NE(a.net.digest(), b.net.digest());
  b.net.set_op(b.net.producer(b.relu), Activation{ActivationKind::kRelu});
  EXPECT_EQ(a.net.digest(), b.net.digest());
}

TEST(Digest, SeesConstantsAndForgetsRemovedLayers) {
  const auto with = [](float value) {
    Network net;
    const TensorId x = net.add_input("x", DataType::kFloat32, {2});
    const TensorId y =
        net.elementwise(x, net.constant(Tensor::scalar(value)), ElementwiseKind::kMul);
    net.mark_output(y);
    return net;
  };
  EXPECT_NE(with(1).digest(), with(2).digest());
  Network net = with(1);
  const LayerId extra = net.producer(net.identity(net.outputs()[0]));
  EXPECT_NE(net.digest(), with(1).digest());
  net.remove(extra);
  EXPECT_EQ(net.digest(), with(1).digest());
}

TEST(Validate, NeedsAnOutput) {
  Network net("n");
  const TensorId x = net.add_input("x", DataType::kFloat32, {2});
  net.identity(x);
  EXPECT_TRUE(contains(message_of([&] { validate(net); }),
                       "network 'n' has no output; call mark_output()"));
}

}  // namespace
}  // namespace octile::test
