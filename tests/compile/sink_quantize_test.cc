// Pictures that come with their channels last are quantized behind the view that the convolution
// reads, with the bits of the Q/DQ network.
#include "compile/sink_quantize.h"

#include "compile/harness.h"
#include "plan/plans.h"
#include "plan/quantize_chains.h"

namespace octile::test {
namespace {

/// x (N, H, W, C) → transpose → convolution; `flat`: x comes as (N, H·W·C) and is reshaped first.
Network picture(bool flat) {
  Random random(3);
  Network n("picture");
  TensorId x = n.add_input("x", DataType::kFloat32, flat ? Shape{2, 6 * 5 * 3} : Shape{2, 6, 5, 3});
  if (flat) x = n.reshape(x, {2, 6, 5, 3}, "unfold");
  const TensorId image = n.transpose(x, {0, 3, 1, 2}, "to_channels_first");
  const TensorId y = n.convolution(image, random_floats({8, 3, 3, 3}, random),
                                   random_floats({8}, random), conv_of(1, 1), "conv");
  n.mark_output(y, "y");
  return n;
}

CompileOptions options_for(bool keep_tensors) {
  CompileOptions options{.build = first_tactics(true)};
  options.build.isa = Isa::kPortable;  // no tables that make bytes unsigned
  options.keep_tensors = keep_tensors;
  return options;
}

TEST(SinkQuantize, BehindTheViewsOfAPicture) {
  for (const bool flat : {false, true}) {
    const Network network = picture(flat);
    const auto inputs = inputs_for(network);
    const CalibrationTable table = table_for(network, inputs);
    const auto plan = compile(network, &table, options_for(false));
    validate(*plan, "plan");
    const std::string steps = steps_of(*plan);
    EXPECT_TRUE(steps.starts_with(flat ? "View View Quantize Conv" : "View Quantize Conv"))
        << steps;
    EXPECT_EQ(quantize_chains(*plan).size(), 1u);
    const auto before = compile(network, &table, options_for(true));
    const std::string apart = steps_of(*before);
    EXPECT_TRUE(apart.starts_with(flat ? "Quantize View View Conv" : "Quantize View Conv"))
        << apart;
    EXPECT_TRUE(quantize_chains(*before).empty());
    const auto outputs = run_plan(plan, inputs);
    EXPECT_EQ(outputs, run_plan(before, inputs));
    const auto expected = interpret(quantized(network, &table, first_tactics(true)), inputs);
    EXPECT_LT(distance(outputs[0], expected[0], largest(expected[0])).worst, 1e-5);
  }
}

TEST(SinkQuantize, NotWhereOthersReadTheBytes) {
  Random random(4);
  Network n("twice");
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 6, 5, 3});
  const TensorId image = n.transpose(x, {0, 3, 1, 2}, "to_channels_first");
  const auto conv = [&](int64_t kernel, const std::string& name) {
    return n.convolution(image, random_floats({8, 3, kernel, kernel}, random), {},
                         conv_of(1, kernel / 2), name);
  };
  n.mark_output(conv(1, "a"), "y");
  n.mark_output(conv(3, "b"), "z");
  const auto inputs = inputs_for(n);
  const CalibrationTable table = table_for(n, inputs);
  const auto plan = compile(n, &table, options_for(false));
  EXPECT_TRUE(steps_of(*plan).starts_with("Quantize View Conv Conv")) << steps_of(*plan);
}

/// x (N, 6, 6, 4) → Quantize q → view v (N, 4, 6, 6) → convolution y → out.
struct ViewPlan {
  PlanBuilder b;
  int32_t x = 0, q = 0, v = 0;

  explicit ViewPlan(DataType type = kF32) {
    const Shape picture{kDynamic, 6, 6, 4}, image{kDynamic, 4, 6, 6};
    x = b.input("x", picture, type);
    q = b.tensor("x", kS8, kPlain, picture, 0.5f, 3);
    b.step(QuantizeStep{.q_lo = -100, .q_hi = 99}, {x}, {q});
    v = b.tensor("v", kS8, kLast, image, 0.5f, 3);
    Shuffle to_front;
    to_front.first = {0, 3, 1, 2};
    b.step(ViewStep{to_front}, {q}, {v});
    const int32_t y = b.tensor("y", kS8, kLast, image, 0.25f);
    b.step(small_conv(b), {v}, {y});
    const int32_t out = b.tensor("out", kF32, kPlain, image);
    b.step(DequantizeStep{}, {y}, {out});
    b.plan.outputs = {out};
  }
  /// Whether it moves; what does not stays as it was.
  bool moves() {
    const PlanData before = b.finish();
    PlanData after = before;
    sink_quantize(after);
    const bool same = after.steps == before.steps;
    EXPECT_EQ(same, after.tensors == before.tensors);
    return !same;
  }
};

TEST(SinkQuantize, TheQuantizeStepChangesPlacesWithTheView) {
  ViewPlan p;
  PlanData plan = p.b.finish();
  sink_quantize(plan);
  validate(plan, "plan");
  EXPECT_TRUE(std::holds_alternative<ViewStep>(plan.steps[0].step));
  EXPECT_EQ(plan.steps[0].inputs, std::vector<int32_t>{p.x});
  EXPECT_EQ(plan.steps[0].outputs, std::vector<int32_t>{p.q});
  EXPECT_EQ(plan.steps[0].name, "step 1");
  EXPECT_EQ(plan.tensors[size_t(p.q)],
            (PlanTensor{.name = "v", .layout = kLast, .shape = {kDynamic, 4, 6, 6}}));
  EXPECT_EQ(plan.steps[1].inputs, std::vector<int32_t>{p.q});
  EXPECT_EQ(plan.steps[1].outputs, std::vector<int32_t>{p.v});
  EXPECT_EQ(plan.steps[1].name, "step 0");
  ASSERT_EQ(quantize_chains(plan).size(), 1u);
  EXPECT_EQ(quantize_chains(plan)[0].step.inner_quantize, (InnerQuantize{p.v, -100, 99}));
}

TEST(SinkQuantize, WhatStays) {
  EXPECT_TRUE(ViewPlan().moves());
  EXPECT_FALSE(ViewPlan(DataType::kFloat16).moves());
  ViewPlan output;
  output.b.plan.outputs.push_back(output.q);
  EXPECT_FALSE(output.moves());
  ViewPlan read;  // by a second convolution
  const int32_t z = read.b.tensor("z", kS8, kLast, {kDynamic, 4, 6, 6}, 0.25f);
  read.b.step(small_conv(read.b), {read.v}, {z});
  EXPECT_FALSE(read.moves());
  ViewPlan layout;
  layout.b.plan.tensors[size_t(layout.q)].layout = kLast;
  EXPECT_FALSE(layout.moves());
  ViewPlan grid;
  grid.b.plan.tensors[size_t(grid.q)].zero_point = 4;
  EXPECT_FALSE(grid.moves());
}

}  // namespace
}  // namespace octile::test
