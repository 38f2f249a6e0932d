// Timings of engines in turn: what the numbers mean, not how large they are.
#include "tune/race.h"

#include <gtest/gtest.h>

#include "compile/harness.h"

namespace octile::test {
namespace {

TEST(Race, ATimeIsTheLowerQuartileWithItsSpread) {
  const Timing timing = timing_of({8, 1, 7, 2, 6, 3, 5, 4});
  EXPECT_EQ(timing.ns, 3.0);
  EXPECT_DOUBLE_EQ(timing.spread, 3.0 / 3.0);
  EXPECT_EQ(timing_of({}).ns, 0.0);
  EXPECT_EQ(timing_of({5}).spread, 0.0);
}

Network network() {
  Random random(1);
  Network network("net");
  TensorId x = network.add_input("x", DataType::kFloat32, {kDynamic, 16});
  x = network.fully_connected(x, random_floats({16, 16}, random), std::nullopt, "fc");
  network.mark_output(network.activation(x, ActivationKind::kRelu, 0.0f, 0.0f, "relu"), "y");
  return network;
}

BuildOptions options() {
  BuildOptions build = first_tactics();
  build.threads = 1;
  build.profiles = {{{"x", {{1, 16}, {2, 16}, {4, 16}}}}};
  return build;
}

TEST(Race, TimesEveryStepOfEveryPlan) {
  const auto plan = compiled(network(), nullptr, options());
  Race race(options());
  race.add(plan);
  race.add(plan);
  const auto steps = race.steps();
  ASSERT_EQ(steps.size(), 2u);
  for (const auto& timings : steps) {
    ASSERT_EQ(timings.size(), plan->steps.size());
    double sum = 0.0;
    for (const Timing& timing : timings) sum += timing.ns;
    EXPECT_GT(sum, 0.0);
  }
  for (const Timing& timing : race.whole_runs()) EXPECT_GT(timing.ns, 0.0);
}

TEST(Race, StreamsRunForThroughput) {
  BuildOptions build = options();
  build.threads = 2;
  build.objective = Objective::kThroughput;
  Race race(build);
  race.add(compiled(network(), nullptr, build));
  EXPECT_GT(race.whole_runs()[0].ns, 0.0);
  EXPECT_EQ(race.steps()[0].size(), compiled(network(), nullptr, build)->steps.size());
}

TEST(Race, SaysWhereANetworkDoesNotRunOnMadeUpValues) {
  Network reshaped("sized by an input");
  const TensorId x = reshaped.add_input("x", DataType::kFloat32, {2, 3});
  const TensorId size = reshaped.add_input("size", DataType::kInt64, {2});
  const LayerId layer = reshaped.add(ReshapeTo{.zero_is_placeholder = false}, {x, size}, "reshape");
  reshaped.mark_output(reshaped.output(layer), "y");
  const auto plan = compiled(reshaped, nullptr, first_tactics());
  Race race(options());
  EXPECT_THROW(race.add(plan), CannotTime);
}

}  // namespace
}  // namespace octile::test
