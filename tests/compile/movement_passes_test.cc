// Passes over layers that move values: what they must do and what they must leave alone.
#include <map>

#include "compile/passes.h"
#include "compile/rewriting.h"

namespace octile::test {
namespace {

constexpr double kExact = 0.0;

Network image(const Shape& shape, TensorId& x) {
  Network n("image");
  x = n.add_input("x", DataType::kFloat32, shape);
  return n;
}

const Op& producer_of_output(const Network& n) { return n.op(n.producer(n.outputs()[0])); }

// --- merge-movement ---

TEST(MergeMovement, ChannelShufflesBecomeSlices) {
  TensorId x;
  Network n = image({1, 6, 4, 5}, x);
  TensorId t = n.reshape(x, {3, 2, 20});
  t = n.reshape(n.transpose(t, {1, 0, 2}), {2, -1, 3, 4, 5});
  for (const int64_t half : {0, 1}) {
    const TensorId index = n.constant(Tensor::from<int64_t>(Shape{}, std::vector{half}));
    n.mark_output(n.activation(n.gather(t, index, 0), ActivationKind::kTanh));
  }
  EXPECT_GE(apply_pass(n, merge_movement, kExact), 2);
  EXPECT_EQ(count<Slice>(n), 2);
  EXPECT_EQ(count<Shuffle>(n) + count<Gather>(n), 0);
}

TEST(MergeMovement, SlicesJoinWithAnUnknownBatch) {
  TensorId x;
  Network n = image({kDynamic, 3, 8, 9}, x);
  const TensorId rows = n.slice(x, {{2}, {1}, {3}, {2}});
  n.mark_output(n.slice(rows, {{3}, {-1}, {4}, {-2}}), "y");
  EXPECT_GE(apply_pass(n, merge_movement, kExact), 1);
  EXPECT_EQ(count_layers(n), 1);
  EXPECT_EQ(n.shape(n.outputs()[0]), (Shape{kDynamic, 3, 3, 4}));
}

TEST(MergeMovement, InverseTransposesAndReshapesCancel) {
  for (const int64_t batch : {int64_t{2}, kDynamic}) {
    TensorId x;
    Network n = image({batch, 3, 4, 5}, x);
    const TensorId back = n.transpose(n.transpose(x, {0, 2, 3, 1}), {0, 3, 1, 2});
    const TensorId flat = n.reshape(n.reshape(back, {0, 0, -1}), {0, 0, 4, 5});
    n.mark_output(n.activation(flat, ActivationKind::kTanh), "y");
    for (int round = 0; round < 2; ++round) {
      apply_pass(n, merge_movement, kExact);
      apply_pass(n, remove_identities, kExact);
    }
    EXPECT_EQ(count_layers(n), 1) << n.to_string();
  }
}

TEST(MergeMovement, TransposesCompose) {
  TensorId x;
  Network n = image({kDynamic, 3, kDynamic, 5}, x);
  n.mark_output(n.transpose(n.transpose(x, {0, 2, 3, 1}), {0, 3, 2, 1}), "y");
  EXPECT_GE(apply_pass(n, merge_movement, kExact), 1);
  ASSERT_EQ(count_layers(n), 1);
  EXPECT_EQ(std::get<Shuffle>(producer_of_output(n)).first, (std::vector<int64_t>{0, 1, 3, 2}));
}

TEST(MergeMovement, TransposesAroundAReshapeBecomeOne) {
  for (const int64_t batch : {int64_t{2}, kDynamic}) {
    TensorId x;
    Network n = image({batch, 6, 4, 5}, x);
    const TensorId rows = n.reshape(n.transpose(x, {0, 2, 3, 1}), {0, -1, 6});
    n.mark_output(n.transpose(rows, {0, 2, 1}), "y");
    EXPECT_GE(apply_pass(n, merge_movement, kExact), 1);
    EXPECT_EQ(count_layers(n), 1) << n.to_string();
  }
}

TEST(MergeMovement, WhatNoSingleLayerDoesStays) {
  TensorId x;
  Network n = image({2, 6, 4, 5}, x);  // a channel shuffle that stays whole
  const TensorId groups = n.transpose(n.reshape(x, {2, 2, 3, 4, 5}), {0, 2, 1, 3, 4});
  n.mark_output(n.reshape(groups, {2, 6, 4, 5}), "y");
  n.mark_output(n.transpose(n.reshape(x, {0, 6, 20}), {0, 2, 1}), "rows");
  EXPECT_EQ(apply_pass(n, merge_movement, kExact), 0);
}

TEST(MergeMovement, SlicesOfAnUnknownExtentKeepIt) {
  TensorId x;
  Network n = image({kDynamic, 4, 3}, x);  // the last sample, whatever the batch
  const TensorId last = n.slice(x, {{0}, {-1}, {1}, {1}});
  n.mark_output(n.slice(last, {{1}, {1}, {2}, {1}}), "y");
  EXPECT_EQ(apply_pass(n, merge_movement, kExact), 0);
}

TEST(MergeMovement, KeepsWhatOthersReadOrTheUserAsksFor) {
  TensorId x;
  Network n = image({1, 4, 4}, x);
  const TensorId middle = n.transpose(x, {0, 2, 1}, "first");
  n.mark_output(n.activation(middle, ActivationKind::kTanh), "other");
  n.mark_output(n.slice(n.transpose(middle, {0, 2, 1}), {{1}, {0}, {2}, {1}}), "y");
  EXPECT_GE(apply_pass(n, merge_movement, kExact), 1);
  EXPECT_EQ(count<Shuffle>(n), 1);
  EXPECT_EQ(count<Slice>(n), 1);

  Network asked = image({1, 4, 4}, x);
  const TensorId t = asked.transpose(x, {0, 2, 1}, "first");
  asked.set_dynamic_range(t, {-1, 1});
  asked.mark_output(asked.transpose(t, {0, 2, 1}), "y");
  EXPECT_EQ(apply_pass(asked, merge_movement, kExact), 0);
}

// --- raise-transposes ---

TEST(RaiseTransposes, ToEachFlattenedImage) {
  for (const int64_t batch : {int64_t{2}, kDynamic}) {
    TensorId x;
    Network n = image({batch, 3, 4, 5}, x);
    const TensorId small = n.slice(x, {{2, 3}, {0, 0}, {2, 2}, {2, 3}});
    const TensorId joined =
        n.concatenation({n.reshape(x, {0, 3, 20}), n.reshape(small, {0, 3, -1})}, -1);
    n.mark_output(n.transpose(joined, {0, 2, 1}, "last"), "y");
    EXPECT_EQ(apply_pass(n, raise_transposes, kExact), 1);
    EXPECT_TRUE(std::holds_alternative<Concatenation>(n.op(*n.find_layer("last"))))
        << n.to_string();
    EXPECT_EQ(apply_pass(n, raise_transposes, kExact), 0);
  }
}

TEST(RaiseTransposes, NotWhereOthersReadTheJoin) {
  TensorId x;
  Network n = image({2, 3, 4, 5}, x);
  const TensorId flat = n.reshape(x, {2, 3, 20});
  const TensorId joined = n.concatenation({flat, flat}, 2);
  n.mark_output(n.transpose(joined, {0, 2, 1}), "y");
  n.mark_output(joined, "joined");
  EXPECT_EQ(apply_pass(n, raise_transposes, kExact), 0);

  Network rows = image({2, 3, 4, 5}, x);  // the reshape takes channels apart
  const TensorId other = rows.reshape(x, {2, 6, 10});
  rows.mark_output(rows.transpose(rows.concatenation({other, other}, 2), {0, 2, 1}), "y");
  EXPECT_EQ(apply_pass(rows, raise_transposes, kExact), 0);
}

// --- sink-transposes ---

const std::vector<int64_t> kToLast{0, 2, 3, 1}, kToFirst{0, 3, 1, 2};

TEST(SinkTransposes, ThroughSoftmaxAndActivationsToTheirInverse) {
  for (const int64_t batch : {int64_t{2}, kDynamic}) {
    TensorId x;
    Network n = image({batch, 3, 4, 5}, x);
    TensorId t = n.activation(n.transpose(x, kToLast), ActivationKind::kTanh, 0, 0, "tanh");
    t = n.softmax(t, {-1}, "softmax");
    n.mark_output(n.unary(n.transpose(t, kToFirst), UnaryKind::kExp, "exp"), "y");
    EXPECT_GE(apply_pass(n, sink_transposes, kExact), 2);
    apply_pass(n, merge_movement, kExact);
    apply_pass(n, remove_identities, kExact);
    EXPECT_EQ(count<Shuffle>(n), 0) << n.to_string();
    EXPECT_EQ(std::get<Softmax>(n.op(*n.find_layer("softmax"))).axes, std::vector<int64_t>{1});
  }
}

TEST(SinkTransposes, ConstantsTurnAlong) {
  Random random(51);
  for (const Shape& shape : {Shape{3}, Shape{5, 3}, Shape{1, 4, 1, 1}, Shape{}, Shape{1}}) {
    TensorId x;
    Network n = image({2, 3, 4, 5}, x);
    const TensorId c = n.constant(random_floats(shape, random));
    const TensorId sum = n.elementwise(n.transpose(x, kToLast), c, ElementwiseKind::kAdd);
    n.mark_output(n.transpose(sum, kToFirst), "y");
    EXPECT_GE(apply_pass(n, sink_transposes, kExact), 1) << shape.to_string();
    apply_pass(n, merge_movement, kExact);
    EXPECT_EQ(count<Shuffle>(n), 0) << n.to_string();
  }
}

TEST(SinkTransposes, SeveralBecomeOne) {
  TensorId x;
  Network n = image({2, 3, 4, 5}, x);
  const TensorId other = n.activation(x, ActivationKind::kTanh);
  const TensorId a = n.transpose(x, kToLast), b = n.transpose(other, kToLast);
  n.mark_output(
      n.elementwise(n.concatenation({a, b}, -1), n.concatenation({b, a}, 3), ElementwiseKind::kMul),
      "y");
  EXPECT_EQ(count<Shuffle>(n), 2);
  EXPECT_EQ(apply_pass(n, sink_transposes, kExact), 0) << "two layers read each transpose";

  Network joined = image({2, 3, 4, 5}, x);
  joined.mark_output(
      joined.concatenation({joined.transpose(x, kToLast),
                            joined.transpose(joined.activation(x, ActivationKind::kTanh), kToLast)},
                           -1),
      "y");
  EXPECT_GE(apply_pass(joined, sink_transposes, kExact), 1);
  EXPECT_EQ(count<Shuffle>(joined), 1);
}

TEST(SinkTransposes, NamesFollowTheValues) {
  TensorId x;
  Network n = image({2, 3, 4, 5}, x);
  const TensorId t = n.activation(n.transpose(x, kToLast), ActivationKind::kTanh, 0, 0, "tanh");
  n.set_dynamic_range(t, {-1, 1});
  n.set_precision(*n.find_layer("tanh"), Precision::kFloat32);
  const std::string name = n.name(t);
  n.mark_output(n.transpose(t, {0, 1, 3, 2}), "y");
  const auto inputs = inputs_for(n);
  std::map<std::string, Tensor> before;
  interpret(n, inputs, [&](TensorId id, const Tensor& v) { before.emplace(n.name(id), v); });
  EXPECT_GE(apply_pass(n, sink_transposes, kExact), 1);
  interpret(n, inputs, [&](TensorId id, const Tensor& v) {
    const auto it = before.find(n.name(id));
    if (it != before.end()) {
      EXPECT_EQ(v, it->second) << n.name(id);
    }
  });
  EXPECT_TRUE(n.find_tensor(name));
  const auto moved = n.find_tensor(name + ".untransposed");
  ASSERT_TRUE(moved);
  EXPECT_EQ(n.dynamic_range(*moved), (Range{-1, 1}));
  EXPECT_EQ(n.precision(*n.find_layer("tanh")), Precision::kFloat32);
}

TEST(SinkTransposes, AloneTheyStay) {
  Random random(52);
  TensorId x;
  Network n = image({2, 3, 4, 5}, x);
  n.mark_output(n.activation(n.transpose(x, kToLast), ActivationKind::kTanh), "alone");
  const TensorId rows =
      n.reshape(n.transpose(n.activation(x, ActivationKind::kRelu), kToLast), {2, 60});
  n.mark_output(n.activation(rows, ActivationKind::kTanh), "flat");
  EXPECT_EQ(apply_pass(n, sink_transposes, kExact), 0);

  Network sum = image({2, 3, 4, 4}, x);  // the other operand comes in another order
  const TensorId a = sum.transpose(x, {0, 1, 3, 2});
  const TensorId s = sum.elementwise(a, x, ElementwiseKind::kAdd);
  sum.mark_output(sum.transpose(s, {0, 1, 3, 2}), "y");
  EXPECT_EQ(apply_pass(sum, sink_transposes, kExact), 0);
}

// A range that calibration saw under the old name serves the tensor in its new order.
TEST(SinkTransposes, Int8GoesOnBehindThem) {
  Random random(53);
  TensorId x;
  Network n = image({1, 4, 6, 6}, x);
  TensorId t = n.convolution(x, random_floats({4, 4, 1, 1}, random), std::nullopt, conv_of(), "a");
  t = n.activation(n.transpose(t, kToLast), ActivationKind::kSigmoid, 0, 0, "sigmoid");
  t = n.transpose(t, kToFirst);
  n.mark_output(n.convolution(t, random_floats({4, 4, 1, 1}, random), std::nullopt, conv_of(), "b"),
                "y");
  const auto inputs = inputs_for(n);
  const CalibrationTable table = table_for(n, inputs);
  const auto plan = compiled(n, &table, first_tactics(true));
  EXPECT_TRUE(contains(steps_of(*plan), "Lookup"));
  EXPECT_EQ(steps_of(*plan).find("Shuffle"), std::string::npos) << steps_of(*plan);
  const Tensor expected = interpret(n, inputs)[0];
  EXPECT_LE(distance(run_plan(plan, inputs)[0], expected, largest(expected)).worst, 0.05);
}

// --- merge-equal ---

TEST(MergeEqual, LayersAndConstants) {
  Random random(54);
  TensorId x;
  Network n = image({2, 3, 4, 5}, x);
  const Tensor c = random_floats({3, 1, 1}, random);
  const auto branch = [&](ElementwiseKind kind) {
    return n.slice(n.elementwise(x, n.constant(c), kind), {{2}, {1}, {2}, {1}});
  };
  const TensorId a = branch(ElementwiseKind::kMul), b = branch(ElementwiseKind::kMul);
  const TensorId other = branch(ElementwiseKind::kAdd);
  n.mark_output(n.concatenation({a, b, other}, 1), "y");
  EXPECT_EQ(apply_pass(n, merge_equal, kExact), 4);  // two constants, a product, a slice
  EXPECT_EQ(count<Elementwise>(n), 2);
  EXPECT_EQ(count<Slice>(n), 2);
  EXPECT_EQ(count<Constant>(n), 1);
}

TEST(MergeEqual, OutputsAndRequestsStay) {
  TensorId x;
  Network n = image({2, 3}, x);
  n.mark_output(n.activation(x, ActivationKind::kTanh), "first");
  n.mark_output(n.activation(x, ActivationKind::kTanh), "second");
  const TensorId a = n.activation(x, ActivationKind::kTanh, 0, 0, "asked");
  n.set_precision(*n.find_layer("asked"), Precision::kFloat32);
  const TensorId b = n.activation(x, ActivationKind::kSigmoid);
  const TensorId c = n.activation(x, ActivationKind::kSigmoid);
  n.set_dynamic_range(b, {0, 1});
  n.mark_output(n.concatenation({a, b, c}, 0), "y");
  EXPECT_EQ(apply_pass(n, merge_equal, kExact), 0);
}

TEST(MergeEqual, DifferentAttributesOrBytesStay) {
  TensorId x;
  Network n = image({2, 3}, x);
  const TensorId a = n.elementwise(x, n.constant(Tensor::scalar(1.0f)), ElementwiseKind::kAdd);
  const TensorId b = n.elementwise(x, n.constant(Tensor::scalar(1.5f)), ElementwiseKind::kAdd);
  const TensorId c = n.activation(x, ActivationKind::kLeakyRelu, 0.1f);
  const TensorId d = n.activation(x, ActivationKind::kLeakyRelu, 0.2f);
  n.mark_output(n.concatenation({a, b, c, d}, 0), "y");
  EXPECT_EQ(apply_pass(n, merge_equal, kExact), 0);
}

}  // namespace
}  // namespace octile::test
