// Timings of engines in turn: what the numbers mean, not how large they are.
#include "tune/race.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "compile/harness.h"
#include "support/gpu.h"

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

void expect_times(const BuildOptions& options) {
  const auto plan = compiled(network(), nullptr, options);
  Race race(options);
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

TEST(Race, TimesEveryStepOfEveryPlan) { expect_times(options()); }

TEST(Race, TimesAGpusSteps) {
  OCTILE_NEED_GPU(gpu);
  BuildOptions build = options();
  build.device = "cuda:0";
  for (const Objective objective : {Objective::kLatency, Objective::kThroughput}) {
    build.objective = objective;
    expect_times(build);
    const double ns = empty_run_ns(build);  // of threads two runs may take less than one
    EXPECT_TRUE(gpu.is_simulated() ? ns >= 0.0 : ns > 0.0) << ns;
  }
}

TEST(Race, RoundsAreBoundByTimeAndByNumber) {
  constexpr double kSecond = 1e9;
  EXPECT_TRUE(takes_another_round(29, 0.1 * kSecond));
  EXPECT_FALSE(takes_another_round(30, 0.1 * kSecond));  // they say no more
  EXPECT_TRUE(takes_another_round(10, 0.59 * kSecond));
  EXPECT_FALSE(takes_another_round(10, 0.61 * kSecond));
  EXPECT_TRUE(takes_another_round(3, 1e4 * kSecond));  // quartiles need four
  EXPECT_FALSE(takes_another_round(4, 1e4 * kSecond));
  const Timing four = timing_of({4, 3, 2, 1});
  EXPECT_EQ(four.ns, 2.0);
  EXPECT_EQ(four.spread, 0.5);
}

TEST(Race, RoundsAreTold) {
  BuildOptions build = options();
  std::map<std::string, std::pair<int64_t, int64_t>> last;
  std::map<std::string, int64_t> calls;
  build.progress = [&](std::string_view phase, int64_t done, int64_t total) {
    EXPECT_EQ(done, ++calls[std::string(phase)]);
    EXPECT_LE(done, total);
    last[std::string(phase)] = {done, total};
  };
  Race race(build);
  race.add(compiled(network(), nullptr, options()));
  (void)race.whole_runs();
  (void)race.steps();
  ASSERT_EQ(last.size(), 2u);
  for (const char* phase : {"time engines", "time layers"}) {
    EXPECT_GE(calls[phase], 4);
    EXPECT_EQ(last[phase].first, last[phase].second) << phase << " did not end";
  }
}

/// Where the rows of a table of `rows` entries are picked by bytes.
std::shared_ptr<const PlanData> picking(int64_t rows) {
  Random random(2);
  Network n("bytes");
  const TensorId x = n.add_input("x", DataType::kUInt8, {1, 64});
  const TensorId table = n.constant(random_floats({rows, 4}, random), "table");
  const TensorId indices = n.cast(x, DataType::kInt64, "indices");
  n.mark_output(n.output(n.add(Gather{.axis = 0}, {table, indices}, "pick")), "y");
  return compiled(n, nullptr, first_tactics());
}

TEST(Race, BytesAreVariedUnlessTheyPickFromATable) {
  for (const DataType type : {DataType::kInt8, DataType::kUInt8}) {
    const Tensor bytes = made_up_values(type, {64});
    const auto* begin = bytes.as<uint8_t>();
    EXPECT_GT(std::set<int>(begin, begin + 64).size(), 16u);
  }
  const Tensor indices = made_up_values(DataType::kInt64, {64});
  const auto* begin = indices.as<int64_t>();
  EXPECT_EQ(std::set<int64_t>(begin, begin + 64), std::set<int64_t>{0});
  Race race(options());
  race.add(picking(256));
  race.add(picking(3));  // most bytes are beyond it: 0 is not
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

TEST(Race, WhatCannotBeTimedIsToldBeforeTheWork) {
  Random random(4);
  Network n("sized by an input");
  TensorId x = n.add_input("x", DataType::kFloat32, {2, 8});
  x = n.fully_connected(x, random_floats({8, 8}, random), std::nullopt, "fc");
  const TensorId size = n.add_input("size", DataType::kInt64, {2});
  n.mark_output(n.output(n.add(ReshapeTo{.zero_is_placeholder = false}, {x, size}, "reshape")));
  CalibrationTable table;
  for (const char* name : {"x", "fc_output"}) table.entries[name] = {{-1.0f, 1.0f}, 1.0f};
  BuildOptions build_options;
  build_options.int8 = true;
  build_options.threads = 1;
  std::set<std::string> phases;
  std::string told;
  build_options.progress = [&](std::string_view phase, int64_t, int64_t) { phases.emplace(phase); };
  build_options.log = [&](LogLevel, std::string_view text) { told += text; };
  const Plan plan = build(n, &table, build_options);
  EXPECT_TRUE(contains(told, "does not run on made-up inputs")) << told;
  EXPECT_EQ(plan.precision(), "");
  for (const char* phase : {"measure", "time conversions", "time layers", "time engines"}) {
    EXPECT_FALSE(phases.contains(phase)) << phase;
  }
}

}  // namespace
}  // namespace octile::test
