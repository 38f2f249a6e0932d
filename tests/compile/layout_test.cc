// Layers that move values keep the layout of the image they move: no reorder lies between them and
// the convolutions around, in float and in INT8.
#include "compile/rewriting.h"

namespace octile::test {
namespace {

using OneInput = TensorId (*)(Network&, TensorId);

/// A convolution, the middle, and a convolution that reads it (or, for rows, an activation).
Network around(OneInput middle, bool image) {
  Random random(71);
  Network n("layout");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3, 9, 9});
  TensorId t =
      n.convolution(x, random_floats({6, 3, 3, 3}, random, 0.3f), std::nullopt, conv_of(1, 1), "a");
  t = middle(n, t);
  if (image) {
    const int64_t channels = n.shape(t)[1];
    t = n.convolution(t, random_floats({4, channels, 1, 1}, random, 0.4f), std::nullopt, conv_of(),
                      "b");
  }
  n.mark_output(t, "y");
  return n;
}

int reorders(const PlanData& plan) {
  int n = 0;
  for (const PlanStep& step : plan.steps) n += std::holds_alternative<ReorderStep>(step.step);
  return n;
}

/// Engines agree with the interpreter, and have `most` reorders (the input's and the output's).
void expect_layout(OneInput middle, bool image, int most, const char* what) {
  const Network network = around(middle, image);
  const auto inputs = inputs_for(network);
  const auto expected = interpret(network, inputs);
  const auto plan = compiled(network, nullptr, first_tactics());
  EXPECT_LE(reorders(*plan), most) << what << ": " << steps_of(*plan);
  expect_same_outputs(run_plan(plan, inputs), expected, 1e-5, what);
  if (!image) return;
  const CalibrationTable table = table_for(network, inputs);
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
    const BuildOptions options = first_tactics(true, scheme);
    const auto int8 = compiled(network, &table, options);
    EXPECT_LE(reorders(*int8), most) << what << ": " << steps_of(*int8);
    const auto oracle = interpret(quantized(network, &table, options), inputs);
    expect_same_outputs(run_plan(int8, inputs), oracle, 1.0 / 127.0, what);
  }
}

TEST(Layout, MovementStaysChannelsLast) {
  expect_layout(
      [](Network& n, TensorId t) {
        return n.slice(t, {{1}, {1}, {3}, {2}});
      },
      true, 2, "slice of channels");
  expect_layout(
      [](Network& n, TensorId t) {
        return n.slice(t, {{-1, 2}, {8, 1}, {9, 4}, {-1, 2}});
      },
      true, 2, "slice of the image");
  expect_layout(
      [](Network& n, TensorId t) {
        return n.padding(t, {PaddingKind::kConstant, {0, 1, 2, 0}, {0, 2, 0, 1}, 0.0f});
      },
      true, 2, "padding");
  expect_layout(
      [](Network& n, TensorId t) {
        return n.padding(t, {PaddingKind::kReflect, {0, 0, 2, 1}, {0, 0, 1, 2}, 0.0f});
      },
      true, 2, "reflection");
  expect_layout(
      [](Network& n, TensorId t) {
        Resize op;
        op.scales = {1, 1, 2, 3};
        return n.resize(t, op);
      },
      true, 2, "resize");
}

TEST(Layout, ChannelShufflesStayChannelsLast) {  // ShuffleNet's: two strided slices of a join
  expect_layout(
      [](Network& n, TensorId t) {
        const TensorId both = n.concatenation({n.activation(t, ActivationKind::kRelu), t}, 1);
        const TensorId even = n.slice(both, {{1}, {0}, {6}, {2}});
        return n.concatenation({even, n.slice(both, {{1}, {1}, {6}, {2}})}, 1);
      },
      true, 2, "channel shuffle");
}

TEST(Layout, SoftmaxOverChannelsReadsThemSideBySide) {
  expect_layout([](Network& n, TensorId t) { return n.softmax(t, {1}); }, true, 2, "softmax");
}

/// A detector's head over two sizes of images: nothing is reordered but the network's input.
TEST(Layout, JoinedHeadsAreViews) {
  Random random(73);
  Network n("heads");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3, 8, 8});
  const auto head = [&](int64_t stride, const char* name) {
    const TensorId boxes = n.convolution(x, random_floats({4, 3, 3, 3}, random, 0.3f), std::nullopt,
                                         conv_of(stride, 1), name);
    const TensorId classes = n.convolution(x, random_floats({5, 3, 3, 3}, random, 0.3f),
                                           std::nullopt, conv_of(stride, 1));
    const TensorId all =
        n.concatenation({boxes, n.activation(classes, ActivationKind::kSigmoid)}, 1);
    return n.reshape(all, {2, 9, -1});
  };
  const TensorId joined = n.concatenation({head(1, "fine"), head(2, "coarse")}, 2);
  n.mark_output(n.transpose(joined, {0, 2, 1}), "y");
  const auto plan = compiled(n, nullptr, first_tactics());
  EXPECT_EQ(reorders(*plan), 1) << steps_of(*plan);
  expect_same_outputs(run_plan(plan, inputs_for(n)), interpret(n, inputs_for(n)), 1e-5);
}

TEST(Layout, TransposesAreViews) {
  expect_layout(
      [](Network& n, TensorId t) {
        return n.reshape(n.transpose(t, {0, 2, 3, 1}), {2, -1, 2});
      },
      false, 1, "a detector's head");
  Network n("pictures");  // (N, H, W, C), as cameras give them
  Random random(72);
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 8, 8, 3});
  n.mark_output(n.convolution(n.transpose(x, {0, 3, 1, 2}), random_floats({4, 3, 3, 3}, random),
                              std::nullopt, conv_of(1, 1)),
                "y");
  const auto plan = compiled(n, nullptr, first_tactics());
  EXPECT_EQ(reorders(*plan), 1) << steps_of(*plan);
  expect_same_outputs(run_plan(plan, inputs_for(n)), interpret(n, inputs_for(n)), 1e-5);
}

}  // namespace
}  // namespace octile::test
