// An earlier choice taken over: the same labels and steps, whatever passes fuse, move and rename,
// and whatever times it rests on. The times are the test's.
#include <nlohmann/json.hpp>
#include <random>

#include "tune/small_networks.h"
#include "tune/written_times.h"

namespace octile::test {
namespace {

TensorId input(Network& n) { return n.add_input("x", DataType::kFloat32, {1, 8, 6, 6}); }

/// Scaling folds into its convolution, x · sigmoid(x) becomes one layer, transposes move behind
/// what stands between them, a residual and a ReLU join a convolution.
Network fused() {
  Random random(3);
  Network n("fused");
  TensorId y = convolution(n, input(n), "a");
  const TensorId factors = n.constant(random_floats({1, 8, 1, 1}, random, 1.0f), "factors");
  y = n.elementwise(y, factors, ElementwiseKind::kMul, "scaled");
  const TensorId gate = n.activation(y, ActivationKind::kSigmoid, 0.0f, 0.0f, "gate");
  const TensorId swish = n.elementwise(y, gate, ElementwiseKind::kMul, "swish");
  TensorId z = convolution(n, swish, "b");
  z = n.elementwise(z, swish, ElementwiseKind::kAdd, "sum");
  z = n.activation(z, ActivationKind::kRelu, 0.0f, 0.0f, "relu");
  z = n.transpose(z, {0, 2, 3, 1}, "there");
  z = n.activation(z, ActivationKind::kTanh, 0.0f, 0.0f, "tanh");
  z = n.transpose(z, {0, 3, 1, 2}, "back");
  z = n.identity(z, "same");
  n.mark_output(convolution(n, z, "c"), "y");
  return n;
}

/// A model that quantized a part of itself.
Network with_qdq() {
  Random random(9);
  Network n("qdq");
  const auto pair = [&](TensorId t, const std::string& name) {
    const Quantize q{.type = DataType::kInt8, .scale = {0.05f}, .zero_point = 0};
    return n.dequantize(n.quantize(t, q, name + ".q"), {.scale = {0.05f}, .zero_point = 0},
                        name + ".d");
  };
  const TensorId w = pair(n.constant(random_floats({8, 8, 1, 1}, random), "w"), "w");
  const TensorId x = convolution(n, input(n), "first");
  const LayerId conv = n.add(Convolution{.window = {.kernel = {1, 1}}}, {pair(x, "x"), w}, "model");
  const Pooling pool{.kind = PoolingKind::kMax, .window = same_window()};
  const TensorId pooled = n.pooling(pair(n.output(conv), "mid"), pool, "pool");
  const TensorId smooth = n.activation(pooled, ActivationKind::kSigmoid, 0.0f, 0.0f, "smooth");
  n.mark_output(convolution(n, smooth, "ours"), "y");
  return n;
}

std::vector<std::string> steps_of(const Plan& plan) {
  std::vector<std::string> steps;
  for (const LayerInfo& layer : plan.layers()) {
    steps.push_back(layer.name + ": " + std::string(layer.step) + " " + layer.precision);
  }
  return steps;
}

/// Times of their own for every group and label, and for conversions.
void write_random_times(const OwnFile& cache, unsigned seed) {
  std::mt19937 random(seed);
  std::istringstream lines(read_file(cache.path));
  std::string changed;
  for (std::string line; std::getline(lines, line); changed += line + "\n") {
    const bool group = line.rfind("group ", 0) == 0 && !contains(line, "spread-ppm");
    if (!group && line.rfind("conversion ", 0) != 0) continue;
    const unsigned most = group ? 100000 : 10000;
    line = line.substr(0, line.rfind('\t') + 1) + std::to_string(1000 + random() % most);
  }
  write_file(cache.path, changed);
}

class Earlier : public testing::TestWithParam<Network (*)()> {
 protected:
  Earlier() : network(GetParam()()), table(table_for(network, inputs_for(network))) {}

  Plan built(const BuildOptions& options) const { return build(network, &table, options); }
  BuildOptions taking(const Plan& plan) const {
    BuildOptions options = first_tactics(true);
    options.group_precision = chosen_precisions(plan, network);
    options.log = [this](LogLevel, std::string_view text) {
      if (contains(std::string(text), "earlier choice")) told += text;
    };
    return options;
  }

  OwnFile cache;
  Network network;
  CalibrationTable table;
  mutable std::string told;
};

TEST_P(Earlier, ChoicesComeOutAgainStepByStep) {
  (void)built(timed(cache));
  std::set<std::vector<std::string>> seen;
  for (unsigned seed = 0; seed < 8; ++seed) {
    const Plan plan = settled(
        cache,
        [&] {
          write_random_times(cache, seed);
          set_times(cache, "engine ", " ns", 1e6);  // of equally quick ones the chosen one is kept
        },
        [&] { return built(timed(cache)); });
    seen.insert(steps_of(plan));
    const Plan again = built(taking(plan));
    EXPECT_EQ(steps_of(again), steps_of(plan)) << "seed " << seed;
    EXPECT_EQ(told, "");
    EXPECT_EQ(again.precision(), "");
  }
  EXPECT_GT(seen.size(), 1u) << "all times gave one choice";
}

TEST_P(Earlier, RequestsForLayersWin) {
  (void)built(timed(cache));
  const Plan plan = built(timed(cache));
  for (const char* wanted : {"int8", "float32"}) {
    BuildOptions options = taking(plan);
    const std::string layer = network.find_layer("c") ? "c" : "ours";
    options.layer_precision[layer] = precision_from_name(wanted);
    for (const LayerInfo& info : built(options).layers()) {
      if (info.name != layer || info.step != "Conv") continue;
      EXPECT_EQ(info.precision.rfind(wanted, 0), 0u) << info.precision;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Earlier, testing::Values(&fused, &with_qdq));

/// Three convolutions, built once.
class Taken : public testing::Test {
 protected:
  Taken() : network("chain") {
    const TensorId y = convolution(network, convolution(network, input(network), "a"), "b");
    network.mark_output(convolution(network, y, "c"), "y");
    table = table_for(network, inputs_for(network));
  }
  std::string warning(const BuildOptions& given) {
    BuildOptions options = given;
    std::string told;
    options.log = [&](LogLevel level, std::string_view text) {
      if (level == LogLevel::kWarning) told += text;
    };
    (void)build(network, &table, options);
    return told;
  }
  static BuildOptions with(std::map<std::string, Precision> groups) {
    BuildOptions options = first_tactics(true);
    options.group_precision = std::move(groups);
    return options;
  }
  Network network;
  CalibrationTable table;
};

TEST_F(Taken, WhatDoesNotFitIsNamed) {
  const auto int8 = Precision::kInt8;
  EXPECT_EQ(warning(with({{"a", int8}, {"b", int8}, {"c", Precision::kFloat32}})), "");
  const std::string other = warning(with({{"a", int8}, {"b", int8}, {"c + relu", int8}}));
  EXPECT_TRUE(contains(other, "not the network's:\n  c + relu")) << other;
  EXPECT_TRUE(contains(other, "have no choice, and run in float:\n  c")) << other;
  table.entries.erase(network.name(network.inputs(*network.find_layer("b"))[0]));
  const std::string refused = warning(with({{"a", int8}, {"b", int8}, {"c", int8}}));
  EXPECT_TRUE(contains(refused, "cannot run in int8 here:\n  b: no range for tensor")) << refused;
  const std::string none = message_of([&] {
    (void)build(network, &table, with({{"z", int8}, {"y", int8}}));
  });
  EXPECT_TRUE(contains(none, "network 'chain' has none of the groups")) << none;
  BuildOptions floats = with({{"a", int8}});
  floats.int8 = false;
  EXPECT_TRUE(contains(message_of([&] { (void)build(network, &table, floats); }), "--int8"));
  const BuildOptions half = with({{"a", Precision::kFloat16}});
  EXPECT_TRUE(contains(message_of([&] { (void)build(network, &table, half); }), "--fp16"));
}

TEST_F(Taken, OnlySoundChoicesAreRead) {
  OwnFile cache;
  const Plan plan = build(network, &table, timed(cache));
  const auto refusal = [&](const std::string& text, const Network& other,
                           ErrorCode code = ErrorCode::kInvalidArgument) {
    auto data = std::make_shared<PlanData>(plan.data());
    data->precision = text;
    return message_of([&] { (void)chosen_precisions(Plan(data), other); }, code);
  };
  EXPECT_TRUE(contains(refusal("", network), "holds no choice"));
  for (const char* text :
       {"{", "[]", "5", "{}", R"({"groups": 5})", R"({"groups": [{"name": "a"}]})",
        R"({"groups": [{"name": 5, "label": "int8"}]})", R"({"groups": [null]})"}) {
    EXPECT_TRUE(contains(refusal(text, network, ErrorCode::kInvalidFile), "unreadable")) << text;
  }
  EXPECT_TRUE(
      contains(refusal(R"({"groups": [{"name": "a", "label": "int7"}]})", network), "int7"));
  EXPECT_TRUE(contains(refusal(plan.precision(), Network("other")), "network 'other'"));
}

TEST_F(Taken, ExportTakesItOverAsWell) {
  const QuantizedNetwork made =
      quantize(network, &table, with({{"a", Precision::kInt8}, {"b", Precision::kFloat32}}),
               QdqStyle::kTensorRt);
  std::map<std::string, bool> int8;
  for (const LayerDecision& layer : made.layers) int8[layer.name] = layer.int8;
  EXPECT_EQ(int8, (std::map<std::string, bool>{{"a", true}, {"b", false}, {"c", false}}));
}

}  // namespace
}  // namespace octile::test
