// What a build that measures says of its layers is what was built, whatever the network: layers
// that cannot be INT8 as labelled, that nobody can judge, that the model quantized, or that an
// earlier build with the same timing cache was not allowed to run in INT8.
#include <nlohmann/json.hpp>

#include "tune/small_networks.h"
#include "tune/written_times.h"

namespace octile::test {
namespace {

Network empty(TensorId& x) {
  Network n("labels");
  x = n.add_input("x", DataType::kFloat32, {1, 8, 6, 6});
  return n;
}

struct Built {
  explicit Built(Network made) : network(std::move(made)), inputs(inputs_for(network)) {
    table = table_for(network, inputs);
  }
  PrecisionChoice choose(const PrecisionGoal& goal = {}) {
    return choose_precision(network, &table, {.build = timed(cache)}, goal);
  }
  PrecisionChoice choose_at(const Times& times, const PrecisionGoal& goal = {}) {
    return settled(
        cache, [&] { write_times(cache, times); }, [&] { return choose(goal); });
  }
  /// A goal on the network's inputs; `evaluate` is the test's.
  PrecisionGoal goal() {
    source = memory_data({{"x", inputs[0]}}, 1);
    PrecisionGoal made;
    made.samples = source.get();
    return made;
  }
  OwnFile cache;
  Network network;
  std::vector<Tensor> inputs;
  CalibrationTable table;
  std::unique_ptr<BatchSource> source;
};

Accuracy perfect(const Plan&) { return {.sqnr_db = 99.0, .metric = 90.0, .reference = 90.0}; }

TEST(PrecisionLabels, APoolingThatNobodyReadsInInt8IsFloat) {
  TensorId x;
  Network n = empty(x);
  const Pooling pool{.kind = PoolingKind::kMax, .window = {.kernel = {2, 2}, .stride = {2, 2}}};
  const TensorId y = convolution(n, n.pooling(convolution(n, x, "a"), pool, "inner"), "b");
  n.mark_output(n.pooling(y, pool, "last"), "y");
  Built built(std::move(n));
  (void)built.choose();
  PrecisionGoal goal = built.goal();
  goal.min_sqnr_db = 0.0;  // all may be INT8, the last one too
  goal.evaluate = perfect;
  EXPECT_EQ(labels_of(built.choose_at({.int8 = 1e3, .engine = 1e6}, goal), 2),
            "int8 int8 int8 float32");
}

TEST(PrecisionLabels, GroupsOfUnknownNoiseDoNotOutliveTheGoal) {
  TensorId x;
  Network n = empty(x);
  const LayerId best = n.top_k(convolution(n, convolution(n, x, "a"), "b"), {.k = 1, .axis = 1});
  n.mark_output(n.outputs(best)[1], "class");  // integers: no noise
  Built built(std::move(n));
  (void)built.choose();
  PrecisionGoal goal = built.goal();
  goal.max_loss = 0.0;
  goal.evaluate = [](const Plan& plan) {
    Accuracy accuracy = perfect(plan);
    for (const LayerInfo& layer : plan.layers()) {
      if (layer.precision.rfind("int8", 0) == 0) accuracy.metric = 50.0;
    }
    return accuracy;
  };
  const PrecisionChoice choice = built.choose_at({.int8 = 1e5, .engine = 3e6}, goal);
  EXPECT_EQ(labels_of(choice, 2), "float32 float32 float32");
  EXPECT_NE(choice.kept, 1u);

  goal.max_loss = std::nullopt;
  goal.min_sqnr_db = 10.0;
  goal.evaluate = [](const Plan&) { return Accuracy{}; };  // as compare() answers for integers
  EXPECT_TRUE(contains(message_of([&] { (void)built.choose(goal); }), "hold integers"));
}

TEST(PrecisionLabels, WhatTheModelQuantizedIsInt8) {
  TensorId x;
  Network n = empty(x);
  const auto pair = [&](TensorId t, const std::string& name) {
    const Quantize q{.type = DataType::kInt8, .scale = {0.05f}, .zero_point = 0};
    return n.dequantize(n.quantize(t, q, name + ".q"), {.scale = {0.05f}, .zero_point = 0},
                        name + ".d");
  };
  Random random(9);
  const TensorId w = pair(n.constant(random_floats({8, 8, 1, 1}, random), "w"), "w");
  const LayerId conv = n.add(Convolution{.window = {.kernel = {1, 1}}}, {pair(x, "x"), w}, "model");
  const TensorId smooth = n.activation(pair(n.output(conv), "mid"), ActivationKind::kSigmoid);
  n.mark_output(convolution(n, smooth, "ours"), "y");
  Built built(std::move(n));
  int found = 0;
  const Plan plan = build(built.network, &built.table, timed(built.cache));
  const auto report = nlohmann::json::parse(plan.precision());
  for (const auto& group : report["groups"]) {
    if (group["name"] != "model") continue;
    ++found;
    EXPECT_EQ(group["precision"], "int8");
    EXPECT_EQ(group["refusal"], "quantized by the model");
  }
  EXPECT_EQ(found, 1);
  EXPECT_GE(report["engines"][0]["int8"], 1);
  EXPECT_EQ(chosen_precisions(plan, built.network).at("model"), Precision::kFloat32);  // no request
  for (const auto& group : report["groups"]) {  // weights in the plan are no layer
    EXPECT_FALSE(group["name"] == "w.q" || group["name"] == "w.d") << group;
  }
  for (const auto& tensor : report["tensors"]) {
    const int producer = tensor["producer"];
    ASSERT_LT(producer, int(report["groups"].size()));
    if (producer >= 0) {
      const int made = report["groups"][size_t(producer)]["output"];
      EXPECT_EQ(report["tensors"][size_t(made)]["name"], tensor["name"]);
    }
  }
}

TEST(PrecisionLabels, ARequestLeavesNoTraceInTheTimingCache) {
  TensorId x;
  Network n = empty(x);
  n.mark_output(convolution(n, convolution(n, x, "a"), "b"), "y");
  Built built(n);
  BuildOptions options = timed(built.cache);
  options.layer_precision = {{"a", Precision::kFloat32}};
  const PrecisionChoice asked = choose_precision(n, &built.table, {.build = options}, {});
  EXPECT_FALSE(asked.times.groups[0].int8);
  EXPECT_TRUE(built.choose().times.groups[0].int8);  // and is a candidate again

  Network fixed = n;
  fixed.set_precision(*fixed.find_layer("a"), Precision::kInt8);
  std::filesystem::remove(built.cache.path);
  (void)choose_precision(fixed, &built.table, {.build = timed(built.cache)}, {});
  const Times times{.int8 = 1e5, .conversion = 5e6, .engine = 2e6};
  EXPECT_EQ(labels_of(built.choose_at(times), 2), "float32 float32");
}

TEST(PrecisionLabels, ACpuHasNoFloat16) {
  TensorId x;
  Network n = empty(x);
  n.mark_output(convolution(n, convolution(n, x, "a"), "b"), "y");
  Built built(std::move(n));
  int told = 0;
  BuildOptions options = timed(built.cache);
  options.fp16 = true;
  options.log = [&](LogLevel, std::string_view text) {
    told += contains(std::string(text), "float16") ? 1 : 0;
  };
  const PrecisionChoice choice =
      choose_precision(built.network, &built.table, {.build = options}, {});
  for (const GroupTimes& times : choice.times.groups) EXPECT_FALSE(times.half);
  EXPECT_EQ(told, 1);
}

TEST(PrecisionLabels, Float16IsWhatTheLabelsSayOfLayersThatCannotBeInt8) {
  TensorId x;
  Network n = empty(x);
  const TensorId a = convolution(n, x, "a");
  n.mark_output(convolution(n, a, "b"), "y");
  Built built(std::move(n));
  built.table.entries.erase(built.network.name(a));  // b has no range
  BuildOptions options = timed(built.cache);
  options.fp16 = true;
  const CompileOptions compile{.build = options, .half_on_cpu = true};
  const auto labels_at = [&](double half_ns) {
    const PrecisionChoice choice = settled(
        built.cache,
        [&] {
          write_times(built.cache, {.int8 = 2e6, .engine = 2.0 * std::min(1e6, half_ns)});
          set_times(built.cache, "group ", " half", half_ns);
        },
        [&] { return choose_precision(built.network, &built.table, compile, {}); });
    int halves = 0;
    for (const PlanTensor& t : choice.candidates[2].plan->tensors) {
      halves += t.type == DataType::kFloat16 ? 1 : 0;
    }
    return labels_of(choice, 2) + (halves > 0 ? ", halves" : "");
  };
  (void)choose_precision(built.network, &built.table, compile, {});
  EXPECT_EQ(labels_at(1e7), "float32 float32");
  EXPECT_EQ(labels_at(1e5), "float16 float16, halves");
}

TEST(PrecisionLabels, ANormalizationReadsWhatItNormalizes) {
  TensorId x;
  Network n = empty(x);
  const TensorId a = convolution(n, x, "a");
  const Reduce mean{ReduceKind::kMean, {-1}, true};
  const TensorId centred = n.elementwise(a, n.reduce(a, mean), ElementwiseKind::kSub);
  const TensorId square = n.elementwise(centred, centred, ElementwiseKind::kMul);
  const TensorId spread = n.elementwise(n.reduce(square, mean), n.constant(Tensor::scalar(1e-5f)),
                                        ElementwiseKind::kAdd);
  const TensorId inverse = n.unary(n.unary(spread, UnaryKind::kSqrt), UnaryKind::kReciprocal);
  const TensorId normal = n.elementwise(centred, inverse, ElementwiseKind::kMul);
  n.mark_output(convolution(n, normal, "b"), "y");
  Built built(std::move(n));
  const PrecisionChoice choice = built.choose();
  const PrecisionProblem& problem = choice.costs.problem;
  ASSERT_EQ(problem.groups.size(), 3u);
  const auto made = std::ranges::find(problem.tensors, 0, &TensorCosts::producer);
  ASSERT_NE(made, problem.tensors.end());
  EXPECT_EQ(made->consumers, std::vector<int>{1});
}

TEST(PrecisionLabels, AnEngineWithTwoNamesIsEvaluatedOnce) {
  TensorId x;
  Network n = empty(x);
  n.mark_output(convolution(n, convolution(n, x, "a"), "b"), "y");
  Built built(std::move(n));
  (void)built.choose();
  int evaluations = 0;
  PrecisionGoal goal;
  goal.evaluate = [&](const Plan& plan) {
    ++evaluations;
    return perfect(plan);
  };
  const PrecisionChoice choice = settled(
      built.cache,
      [&] {
        write_times(built.cache, {.int8 = 1e4, .engine = 2e4});
        evaluations = 0;
      },
      [&] { return built.choose(goal); });
  ASSERT_EQ(choice.candidates[1].labels, choice.candidates[2].labels);
  EXPECT_EQ(evaluations, 2);  // float, and all in INT8, which is the chosen one
}

}  // namespace
}  // namespace octile::test
