// Pictures that come with their channels last are quantized behind the view that the convolution
// reads, with the bits of the Q/DQ network.
#include "compile/sink_quantize.h"

#include "compile/harness.h"
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

}  // namespace
}  // namespace octile::test
