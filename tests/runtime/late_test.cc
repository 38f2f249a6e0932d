// Shapes that only running tells: outputs of NonZero, NonMaxSuppression and what follows them,
// against the interpreter; and tensors without elements.
#include "graph/interpreter.h"
#include "ops/ops.h"
#include "runtime/networks.h"

namespace octile::test {
namespace {

Plan reloaded(const Network& network, const Recipe& recipe) {
  return Plan::parse(plan_of(network, recipe).serialize());
}

Shuffle reshape_of(std::vector<int64_t> dims) {
  Shuffle op;
  op.has_reshape = true;
  op.dims = std::move(dims);
  return op;
}

/// x (6) → its elements that are not zero, their positions, and both joined with a fixed row.
Network picker() {
  Network n("picker");
  const TensorId x = n.add_input("x", DataType::kFloat32, {6});
  const TensorId where = n.output(n.add(NonZero{}, {x}, "nonzero"));
  const TensorId index = n.reshape(where, {-1}, "index");
  const TensorId picked = n.gather(x, index, 0, "picked");
  const TensorId fixed = n.constant(Tensor::floats({2}, {-7, 7}), "fixed");
  n.mark_output(where, "where");
  n.mark_output(n.concatenation({picked, fixed, picked}, 0, "joined"), "joined_out");
  n.mark_output(n.elementwise(x, x, ElementwiseKind::kAdd, "twice"), "twice_out");
  return n;
}

/// A box a pixel from a convolution, NonMaxSuppression (twice with heads: those through weights).
/// Outputs: raw (1, 5, 8, 8), detections (k, 5), best (2) and, if asked for, heads (m, 3).
Network detector(bool heads) {
  Random random(5);
  Network n("detector");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 3, 8, 8});
  Convolution conv;
  conv.window.pad_before = conv.window.pad_after = {1, 1};
  TensorId t = n.convolution(x, random_floats({8, 3, 3, 3}, random, 0.4f),
                             random_floats({8}, random), conv, "conv1");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu1");
  const TensorId raw = n.convolution(t, random_floats({5, 8, 3, 3}, random, 0.3f),
                                     random_floats({5}, random), conv, "conv2");
  const TensorId flat = n.reshape(raw, {1, 5, 64}, "flat");
  const TensorId corners = n.slice(flat, Slice{{1}, {0}, {4}, {}}, "corners");
  const TensorId boxes = n.transpose(corners, {0, 2, 1}, "boxes");
  const TensorId scores = n.slice(flat, Slice{{1}, {4}, {1}, {}}, "scores");
  const auto branch = [&](const NonMaxSuppression& op, const std::string& name) {
    const TensorId kept = n.output(n.add(op, {boxes, scores}, name));
    const TensorId column = n.slice(kept, Slice{{1}, {2}, {1}, {}}, name + ".column");
    return n.reshape(column, {-1}, name + ".index");
  };
  const TensorId rows = n.reshape(boxes, {64, 4}, "rows");
  const TensorId list = n.reshape(scores, {64, 1}, "list");
  const TensorId index = branch({64, 0.3f, 0.2f, false}, "nms");
  const TensorId best = n.gather(list, index, 0, "kept_scores");
  n.mark_output(raw, "raw");
  n.mark_output(n.concatenation({n.gather(rows, index, 0, "kept"), best}, 1, "cat"), "detections");
  n.mark_output(n.output(n.top_k(n.reshape(best, {-1}, "flat_scores"), {2, 0, true}, "top")),
                "best");
  if (!heads) return n;
  const TensorId other = branch({5, 0.1f, -10.0f, false}, "nms2");
  n.mark_output(n.fully_connected(n.gather(rows, other, 0, "kept2"), random_floats({4, 3}, random),
                                  random_floats({3}, random), "fc"),
                "heads");
  return n;
}

void expect_near(const Tensor& actual, const Tensor& expected) {
  ASSERT_EQ(actual.shape(), expected.shape());
  if (expected.type() != DataType::kFloat32) {
    EXPECT_EQ(actual, expected);
    return;
  }
  const auto span = expected.span<float>();
  expect_close(actual, {span.begin(), span.end()}, 1e-4);
}

TEST(Late, ShapesFollowTheValues) {
  const Network network = picker();
  const Plan plan = reloaded(network, {.int8 = false});
  const Engine engine = Engine::load(plan);
  ExecutionContext context = engine.create_context();
  EXPECT_TRUE(engine.bindings()[1].from_values && engine.bindings()[2].from_values);
  EXPECT_FALSE(engine.bindings()[0].from_values || engine.bindings()[3].from_values);
  EXPECT_EQ(context.shape("where"), (Shape{1, kDynamic}));
  for (const std::vector<float>& x : std::vector<std::vector<float>>{
           {0, 3, 0, 0, 5, 6}, {0, 0, 0, 0, 0, 0}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 7}}) {
    const Tensor input = Tensor::floats({6}, x);
    const auto expected = interpret(network, {input});
    const auto actual = context.run({input});
    ASSERT_EQ(actual.size(), 3u);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(actual[i], expected[i]);
    EXPECT_EQ(context.shape("joined_out"), expected[1].shape());
  }
  EXPECT_EQ(context.shape("joined_out"), (Shape{14}));
}

TEST(Late, WhatCannotBeIsSaid) {
  const Engine engine = Engine::load(reloaded(picker(), {.int8 = false}));
  ExecutionContext context = engine.create_context();
  float memory[16] = {};
  EXPECT_TRUE(
      contains(message_of([&] { context.bind_output("where", memory); }), "depends on values"));
  EXPECT_TRUE(contains(message_of([&] { context.output("where"); }), "no value before run()"));
  context.bind_output("twice_out", memory);
  context.set_input("x", Tensor::floats({6}, {1, 2, 3, 4, 5, 6}));
  context.run();
  EXPECT_EQ(memory[5], 12.0f);
}

TEST(Late, DetectorInFloat) {
  const Network network = detector(true);
  const Engine engine = Engine::load(reloaded(network, {.int8 = false}));
  ExecutionContext context = engine.create_context();
  Random random(8);
  std::vector<int64_t> counts;
  for (int round = 0; round < 6; ++round) {
    const Tensor x = random_floats({1, 3, 8, 8}, random, 1.0f + float(round));
    const auto expected = interpret(network, {x});
    const auto actual = context.run({x});
    for (size_t i = 0; i < expected.size(); ++i) expect_near(actual[i], expected[i]);
    counts.push_back(actual[1].shape()[0]);
  }
  EXPECT_NE(std::count(counts.begin(), counts.end(), counts[0]), 6) << "the test tests nothing";
}

/// The backbone is int8; the tail is the float one of the same raw values.
TEST(Late, DetectorInInt8) {
  const Network network = detector(false);
  const Plan plan = reloaded(network, {});
  int int8 = 0, late = 0;
  for (const LayerInfo& layer : plan.layers()) {
    int8 += layer.precision.find("int8") != std::string::npos ? 1 : 0;
    late += layer.tactic == "chosen at run time" ? 1 : 0;
  }
  EXPECT_GE(int8, 2);
  EXPECT_GE(late, 8);
  const Engine engine = Engine::load(plan);
  ExecutionContext context = engine.create_context();
  Random random(8);
  for (int round = 0; round < 4; ++round) {
    const auto outputs = context.run({random_floats({1, 3, 8, 8}, random, 2.0f)});
    const float* raw = outputs[0].as<float>();
    Tensor boxes(DataType::kFloat32, {1, 64, 4}), scores(DataType::kFloat32, {1, 1, 64});
    for (int64_t p = 0; p < 64; ++p) {
      for (int64_t c = 0; c < 4; ++c) boxes.as<float>()[4 * p + c] = raw[c * 64 + p];
      scores.as<float>()[p] = raw[4 * 64 + p];
    }
    const Tensor kept = evaluate(NonMaxSuppression{64, 0.3f, 0.2f, false},
                                 std::vector{boxes.view(), scores.view()})[0];
    ASSERT_EQ(outputs[1].shape(), (Shape{kept.shape()[0], 5}));
    for (int64_t k = 0; k < kept.shape()[0]; ++k) {
      const int64_t box = kept.as<int64_t>()[3 * k + 2];
      EXPECT_EQ(outputs[1].as<float>()[5 * k + 4], scores.as<float>()[box]);
      EXPECT_EQ(outputs[1].as<float>()[5 * k], boxes.as<float>()[4 * box]);
    }
  }
}

/// x (6, 4) → weights, ReLU → the rows that a mask keeps, or all → weights.
Network rows_of_mask(bool all) {
  Random random(6);
  Network n("rows");
  const TensorId x = n.add_input("x", DataType::kFloat32, {6, 4});
  TensorId t = n.fully_connected(x, random_floats({4, 8}, random), random_floats({8}, random), "a");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu");
  if (!all) {
    const TensorId mask = n.add_input("mask", DataType::kFloat32, {6});
    const TensorId index = n.reshape(n.output(n.add(NonZero{}, {mask}, "nonzero")), {-1}, "index");
    t = n.gather(t, index, 0, "kept");
  }
  n.mark_output(
      n.fully_connected(t, random_floats({8, 3}, random), random_floats({3}, random), "b"), "y");
  return n;
}

/// Late steps with weights, in int8 as well: each row gets the bits that it gets among all.
TEST(Late, WeightsBehindValues) {
  for (const bool int8 : {false, true}) {
    const Engine whole = Engine::load(reloaded(rows_of_mask(true), {.int8 = int8}));
    const Plan plan = reloaded(rows_of_mask(false), {.int8 = int8});
    EXPECT_EQ(contains(plan.layers().back().precision, "int8"), int8);
    const Engine engine = Engine::load(plan);
    ExecutionContext all = whole.create_context(), some = engine.create_context();
    Random random(4);
    for (const std::vector<float>& mask : std::vector<std::vector<float>>{
             {0, 1, 1, 0, 0, 1}, {1, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1}}) {
      const Tensor x = random_floats({6, 4}, random);
      const Tensor y = all.run({x})[0], kept = some.run({x, Tensor::floats({6}, mask)})[0];
      int64_t row = 0;
      for (int64_t i = 0; i < 6; ++i) {
        if (mask[size_t(i)] == 0.0f) continue;
        ASSERT_LT(row, kept.shape()[0]);
        for (int64_t c = 0; c < 3; ++c) {
          const float expected = y.as<float>()[3 * i + c], got = kept.as<float>()[3 * row + c];
          EXPECT_NEAR(got, expected, int8 ? 0.0f : 1e-5f);
        }
        ++row;
      }
      EXPECT_EQ(kept.shape(), (Shape{row, 3}));
    }
  }
}

/// TopK of 2 where fewer are left: an error that names the layer, and the context goes on.
TEST(Late, FailureLeavesTheContextUsable) {
  Network n("top");
  const TensorId x = n.add_input("x", DataType::kFloat32, {4});
  const TensorId index = n.reshape(n.output(n.add(NonZero{}, {x}, "nonzero")), {-1}, "index");
  const TensorId picked = n.gather(x, index, 0, "picked");
  n.mark_output(n.output(n.top_k(picked, {2, 0, true}, "top")), "y");
  const Engine engine = Engine::load(reloaded(n, {.int8 = false}));
  ExecutionContext context = engine.create_context();
  EXPECT_EQ(context.run({Tensor::floats({4}, {0, 3, 9, 0})})[0], Tensor::floats({2}, {9, 3}));
  const std::string message = message_of([&] { context.run({Tensor::floats({4}, {0, 3, 0, 0})}); });
  EXPECT_TRUE(contains(message, "'top'"));
  EXPECT_TRUE(contains(message_of([&] { context.output("y"); }), "no value before run()"));
  EXPECT_EQ(context.run({Tensor::floats({4}, {5, 0, 9, 1})})[0], Tensor::floats({2}, {9, 5}));
}

TEST(Late, ProfilesAndShapesFromValues) {
  Network n("open");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 2});
  const TensorId extents = n.output(n.add(ShapeOf{}, {x}, "extents"));
  const TensorId rows = n.slice(extents, Slice{{0}, {0}, {1}, {}}, "rows");
  const TensorId zero = n.constant(Tensor::int64s({0}), "zero");
  const TensorId one = n.constant(Tensor::int64s({1}), "one");
  n.mark_output(n.output(n.add(Counting{}, {zero, rows, one}, "count")), "count_out");
  n.mark_output(n.output(n.add(SliceBetween{{0}, {1}}, {x, one, rows}, "rest")), "rest_out");
  const Engine engine = Engine::load(reloaded(n, {.int8 = false, .profiles = {{0, 4}}, .isa = {}}));
  ExecutionContext context = engine.create_context();
  Random random(2);
  for (const int64_t batch : {3, 1, 0, 4, 3}) {
    const Tensor input = random_floats({batch, 2}, random);
    const auto expected = interpret(n, {input});
    const auto actual = context.run({input});
    EXPECT_EQ(actual[0], expected[0]);
    EXPECT_EQ(actual[1], expected[1]);
    EXPECT_EQ(actual[1].shape(), (Shape{std::max<int64_t>(0, batch - 1), 2}));
  }
}

TEST(Empty, ABatchOfNone) {
  const Network network = small_cnn();
  for (const bool int8 : {false, true}) {
    const Engine engine =
        Engine::load(reloaded(network, {.int8 = int8, .profiles = {{0, 4}}, .isa = {}}));
    ExecutionContext context = engine.create_context();
    Random random(4);
    const Tensor two = random_floats({2, 3, 12, 12}, random);
    const Tensor before = context.run({two})[0];
    EXPECT_EQ(context.run({Tensor(DataType::kFloat32, {0, 3, 12, 12})})[0].shape(), (Shape{0, 10}));
    EXPECT_EQ(context.run({two})[0], before);
  }
}

/// An extent of 0 that is fixed: parts without elements beside others, sums over nothing.
TEST(Empty, FixedExtentsOfZero) {
  Network n("empty");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3});
  const TensorId e = n.add_input("e", DataType::kFloat32, {2, 0});
  n.mark_output(n.concatenation({x, e}, 1, "cat"), "cat_out");
  n.mark_output(n.reduce(e, {ReduceKind::kSum, {1}, false}, "sum"), "sum_out");
  n.mark_output(n.shuffle(e, reshape_of({0, 1, -1}), "view"), "view_out");
  n.mark_output(n.matrix_multiply(e, n.transpose(e, {1, 0}, "turned"), {}, "product"),
                "product_out");
  n.mark_output(n.elementwise(e, e, ElementwiseKind::kAdd, "add"), "add_out");
  for (const BuildOptions::Tactics tactics :
       {BuildOptions::Tactics::kFirst, BuildOptions::Tactics::kTimed}) {
    CompileOptions options;
    options.build.tactics = tactics;
    const Engine engine = Engine::load(Plan(compile(n, nullptr, options)));
    ExecutionContext context = engine.create_context();
    const std::vector<Tensor> inputs{Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6}),
                                     Tensor(DataType::kFloat32, {2, 0})};
    const auto actual = context.run(inputs), expected = interpret(n, inputs);
    for (size_t i = 0; i < actual.size(); ++i) EXPECT_EQ(actual[i], expected[i]) << i;
    EXPECT_EQ(actual[3], Tensor::floats({2, 2}, {0, 0, 0, 0}));
  }
}

}  // namespace
}  // namespace octile::test
