// Assigning precision from times that the test writes into the timing cache, so that nothing hangs
// on how quick this machine is: which labels come out, what is kept to, and what the plan says.
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "support/gpu.h"
#include "tune/written_times.h"

namespace octile::test {
namespace {

/// Three convolutions in a row, the second one with a residual.
Network chain() {
  Random random(3);
  Network network("chain");
  TensorId x = network.add_input("x", DataType::kFloat32, {1, 8, 6, 6});
  const Convolution op{.window = {.kernel = {3, 3},
                                  .stride = {1, 1},
                                  .dilation = {1, 1},
                                  .pad_before = {1, 1},
                                  .pad_after = {1, 1}}};
  TensorId y = x;
  for (const char* name : {"a", "b", "c"}) {
    const TensorId weights =
        network.constant(random_floats({8, 8, 3, 3}, random, 0.2f), std::string(name) + ".w");
    const LayerId layer = network.add(op, {y, weights}, name);
    TensorId made = network.output(layer);
    if (std::string(name) == "b") {
      made = network.elementwise(made, y, ElementwiseKind::kAdd, "add");
    }
    y = network.activation(made, ActivationKind::kRelu, 0.0f, 0.0f, std::string("relu ") + name);
  }
  network.mark_output(y, "y");
  return network;
}

std::vector<Tensor> inputs() {
  Random random(5);
  return {random_floats({1, 8, 6, 6}, random)};
}

/// The keys of the engines whose times are known.
std::vector<std::string> engines_in(const OwnFile& cache) {
  std::vector<std::string> engines;
  std::istringstream lines(read_file(cache.path));
  for (std::string line; std::getline(lines, line);) {
    const std::string key = line.substr(0, line.rfind('\t'));
    if (key.rfind("engine ", 0) == 0 && key.ends_with(" ns")) engines.push_back(key);
  }
  return engines;
}

class Choice : public testing::Test {
 protected:
  Choice() : network(chain()), table(table_for(network, inputs())) {
    static const std::string measured = [&] {  // the file has every line
      (void)choose({});
      return read_file(cache.path);
    }();
    write_file(cache.path, measured);
  }

  PrecisionChoice choose(const PrecisionGoal& goal, const BuildOptions* options = nullptr) {
    const BuildOptions build = options != nullptr ? *options : timed(cache);
    return choose_precision(network, &table, {.build = build}, goal);
  }
  PrecisionChoice choose_at(const Times& times, const PrecisionGoal& goal = {},
                            const BuildOptions* options = nullptr) {
    return settled(
        cache, [&] { write_times(cache, times); }, [&] { return choose(goal, options); });
  }

  OwnFile cache;
  Network network;
  CalibrationTable table;
};

TEST_F(Choice, FollowsTheTimes) {
  EXPECT_EQ(labels_of(choose_at({.int8 = 1e5, .engine = 3e5}), 2), "int8 int8 int8");
  const PrecisionChoice choice = choose_at({.int8 = 2e6, .engine = 3e6});
  EXPECT_EQ(labels_of(choice, 2), "float32 float32 float32");
  EXPECT_EQ(labels_of(choice, 0), "float32 float32 float32");
  EXPECT_EQ(labels_of(choice, 1), "int8 int8 int8");
}

TEST_F(Choice, AGpusTimesAreItsOwn) {
  OCTILE_NEED_GPU(gpu);
  BuildOptions options = timed(cache);
  options.device = "cuda:0";
  const std::string before = read_file(cache.path);
  const PrecisionChoice choice = choose({}, &options);
  const std::string after = read_file(cache.path);
  EXPECT_NE(after, before) << "the CPU's times were taken";
  std::istringstream lines(before);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_NE(after.find(line + "\n"), std::string::npos) << "changed: " << line;
  }
  EXPECT_NE(after.find(" in a row"), std::string::npos);
  EXPECT_NE(after.find("empty run"), std::string::npos);
  EXPECT_TRUE(gpu.is_simulated() || choice.times.run_ns > 0.0);
  const auto inputs_at_hand = inputs();
  const Plan plan(choice.candidates[choice.kept].plan);
  const Engine cpu = Engine::load(plan, {.threads = 1});
  const Engine engine = Engine::load(plan, {.device = "cuda:0"});
  ExecutionContext a = cpu.create_context(), b = engine.create_context();
  const Tensor expected = a.run(inputs_at_hand)[0];
  EXPECT_GT(sqnr(expected, b.run(inputs_at_hand)[0]), 60.0);
}

TEST_F(Choice, ConversionsThatCostMoreThanInt8SavesKeepLayersFloat) {
  EXPECT_EQ(labels_of(choose_at({.int8 = 9e5, .conversion = 2e5, .engine = 3e6}), 2),
            "int8 int8 int8");  // one conversion, three gains
  const PrecisionChoice choice = choose_at({.int8 = 9e5, .conversion = 4e5, .engine = 3e6});
  EXPECT_EQ(labels_of(choice, 2), "float32 float32 float32");
  EXPECT_TRUE(contains(choice.candidates[2].plan->steps[0].note, "conversions cost"));
}

TEST_F(Choice, TheQuickestEngineIsKept) {
  const Times times{.int8 = 1e5, .engine = 3e5};
  const PrecisionChoice equal = choose_at(times);
  ASSERT_EQ(equal.candidates[1].labels, equal.candidates[2].labels);
  EXPECT_EQ(equal.kept, 2u);  // the chosen one
  // Layer by layer INT8 wins; as a whole it may be float.
  std::set<size_t> kept;
  for (const std::string& engine : engines_in(cache)) {
    write_times(cache, times);
    set_times(cache, engine, " ns", 2.9e5);
    const PrecisionChoice choice = choose({});
    EXPECT_EQ(labels_of(choice, 2), "int8 int8 int8");
    kept.insert(choice.kept);
    if (choice.kept == 0) {
      EXPECT_EQ(choice.candidates[0].time.ns, 2.9e5);
    }
  }
  EXPECT_EQ(kept, (std::set<size_t>{0, 2}));
}

TEST_F(Choice, RequestsWinInEveryEngine) {
  BuildOptions options = timed(cache);
  options.layer_precision = {{"a", Precision::kInt8}, {"c", Precision::kFloat32}};
  const PrecisionChoice choice = choose_at({.int8 = 1e5, .engine = 1.2e6}, {}, &options);
  EXPECT_EQ(labels_of(choice, 0), "int8 float32 float32");
  EXPECT_EQ(labels_of(choice, 2), "int8 int8 float32");
}

TEST_F(Choice, TheGoalIsKeptOnTheBuiltPlan) {
  const auto source = memory_data({{"x", inputs()[0]}}, 1);
  PrecisionGoal goal;
  goal.samples = source.get();
  goal.metric = "made up";
  goal.max_loss = 0.25;
  int evaluations = 0;
  goal.evaluate = [&](const Plan& plan) {
    ++evaluations;
    double int8 = 0;
    for (const LayerInfo& layer : plan.layers()) {
      int8 += layer.step == "Conv" && layer.precision.rfind("int8", 0) == 0 ? 1 : 0;
    }
    return Accuracy{.sqnr_db = 40.0 - 10.0 * int8, .metric = 90.0 - 0.2 * int8, .reference = 90.0};
  };
  const PrecisionChoice one = choose_at({.int8 = 1e5, .engine = 2.1e6}, goal);
  EXPECT_EQ(
      std::count(one.candidates[2].labels.begin(), one.candidates[2].labels.end(), Label::kInt8),
      1);
  EXPECT_GE(one.lambda, 0.0);
  EXPECT_GT(evaluations, 1);
  // What INT8 costs is least where the noise is: the layer that adds the least is the one in INT8.
  size_t least = 0;
  for (size_t g = 1; g < one.noise.size(); ++g) least = one.noise[g] < one.noise[least] ? g : least;
  EXPECT_EQ(one.candidates[2].labels[least], Label::kInt8);
  EXPECT_NE(one.kept, 1u);  // all in INT8 loses 0.6 points, whatever its time
  goal.max_loss = std::nullopt;
  goal.min_sqnr_db = 15.0;
  const PrecisionChoice two = choose_at({.int8 = 1e5, .engine = 1.2e6}, goal);
  EXPECT_EQ(
      std::count(two.candidates[2].labels.begin(), two.candidates[2].labels.end(), Label::kInt8),
      2);
}

TEST_F(Choice, GoalsNeedWhatTheyRestOn) {
  PrecisionGoal goal;
  goal.max_loss = 0.3;
  const auto refusal = [&](const BuildOptions& options) {
    return message_of([&] { (void)build(network, &table, options, goal); });
  };
  EXPECT_TRUE(contains(refusal(timed(cache)), "evaluate()"));
  BuildOptions options = timed(cache);
  options.tactics = BuildOptions::Tactics::kFirst;
  EXPECT_TRUE(contains(refusal(options), "by measurement"));
  const auto source = memory_data({{"x", inputs()[0]}}, 1);
  goal.samples = source.get();
  goal.evaluate = [](const Plan&) { return Accuracy{}; };
  EXPECT_TRUE(contains(refusal(timed(cache)), "metric"));
  goal.max_loss = -1.0;
  EXPECT_TRUE(contains(refusal(timed(cache)), "0 or more"));
}

TEST_F(Choice, ThePlanSaysWhatItsLayersAre) {
  write_times(cache, {.int8 = 1e5});
  BuildOptions options = timed(cache);
  options.layer_precision = {{"c", Precision::kFloat32}};
  const Plan plan = Plan::parse(build(network, &table, options).serialize());
  const auto json = nlohmann::json::parse(plan.precision());
  EXPECT_EQ(json["format"], 1);
  ASSERT_EQ(json["groups"].size(), 3u);
  for (const auto& group : json["groups"]) {
    for (const LayerInfo& layer : plan.layers()) {
      if (layer.name != group["name"].get<std::string>() || layer.step != "Conv") continue;
      EXPECT_EQ(layer.precision.rfind(group["precision"].get<std::string>(), 0), 0u)
          << layer.name << ": " << layer.precision;
    }
  }
  EXPECT_EQ(json["groups"][2]["refusal"], "float32 was asked for");
  EXPECT_EQ(json["engines"].size(), 3u);
}

TEST_F(Choice, TheSameCacheGivesTheSamePlan) {
  std::filesystem::remove(cache.path);
  const std::string first = build(network, &table, timed(cache)).serialize();  // which measures
  EXPECT_EQ(build(network, &table, timed(cache)).serialize(), first);
}

TEST_F(Choice, WhatTheCacheKnowsStays) {
  // Inside of the chosen engine the last layer takes long, so that it becomes float and that engine
  // races the others, which have raced before.
  const PrecisionChoice first = choose_at({.int8 = 1e5, .engine = 1e9});
  ASSERT_EQ(labels_of(first, 2), "int8 int8 int8");
  ASSERT_GT(change_times(cache, "engine ", "group 0", 1e5), 0);
  ASSERT_GT(change_times(cache, "engine ", "group 1", 1e5), 0);
  ASSERT_GT(change_times(cache, "engine ", "group 2", 5e6), 0);
  const std::string known = read_file(cache.path);
  const PrecisionChoice second = choose({});
  EXPECT_TRUE(contains(second.explanation, "assigned again")) << second.explanation;
  const std::string later = read_file(cache.path);
  std::istringstream lines(known);
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(contains(later, line + "\n"));
}

TEST_F(Choice, ALeastSqnrMustBeSeenInEverySample) {
  const auto source = memory_data({{"x", inputs()[0]}}, 1);
  PrecisionGoal goal;
  goal.samples = source.get();
  goal.min_sqnr_db = 15.0;
  const auto int8_layers = [](const Plan& plan) {
    const auto layers = plan.layers();
    return std::ranges::count_if(layers, [](const LayerInfo& layer) {
      return layer.step == "Conv" && layer.precision.rfind("int8", 0) == 0;
    });
  };
  std::ptrdiff_t unlike = 2;  // so many INT8 layers change the shape of an output
  goal.evaluate = [&](const Plan& plan) {
    Accuracy accuracy{.sqnr_db = 60.0};
    if (int8_layers(plan) >= unlike) accuracy.not_compared = {"boxes (1 of 9 samples)"};
    return accuracy;
  };
  std::string told;
  BuildOptions options = timed(cache);
  options.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarning) told += text;
  };
  const PrecisionChoice one = choose_at({.int8 = 1e5, .engine = 2.1e6}, goal, &options);
  EXPECT_EQ(int8_layers(Plan(one.candidates[one.kept].plan)), 1) << "what is known is kept";
  EXPECT_TRUE(contains(told, "boxes (1 of 9 samples)")) << told;
  unlike = 0;  // not even float can be judged
  EXPECT_TRUE(contains(message_of([&] { (void)choose(goal, &options); }),
                       "cannot be verified: outputs whose shapes hang on values"));
  goal.max_loss = 1.0;
  goal.min_sqnr_db = std::nullopt;  // a metric needs no shapes
  goal.evaluate = [&](const Plan&) {
    return Accuracy{.not_compared = {"boxes"}, .metric = 90.0, .reference = 90.0};
  };
  EXPECT_EQ(labels_of(choose_at({.int8 = 1e5, .engine = 3e5}, goal, &options), 2),
            "int8 int8 int8");
}

TEST_F(Choice, NothingIsMeasuredWhereNothingCanBeInt8) {
  EXPECT_EQ(build(network, nullptr, timed(cache)).precision(), "");
  BuildOptions options = timed(cache);
  options.int8_layers = BuildOptions::Int8Layers::kAll;
  EXPECT_EQ(build(network, &table, options).precision(), "");
}

}  // namespace
}  // namespace octile::test
