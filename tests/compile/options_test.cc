// Requests and refusals: precision and scheme by layer, manual and missing ranges, profiles, odd
// channels, deterministic plans, the timing cache.
#include <filesystem>
#include <set>
#include <sstream>

#include "base/bytes.h"
#include "base/cpu.h"
#include "compile/harness.h"
#include "compile/profiles.h"
#include "compile/timing_cache.h"

namespace octile::test {
namespace {

/// conv1 + relu1 → conv2 + relu2 → conv3 → "y".
Network three_convs() {
  Random random(51);
  Network n("three");
  TensorId t = n.add_input("x", DataType::kFloat32, {1, 3, 6, 6});
  t = n.convolution(t, random_floats({4, 3, 3, 3}, random), random_floats({4}, random),
                    conv_of(1, 1), "conv1");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu1");
  t = n.convolution(t, random_floats({4, 4, 3, 3}, random), std::nullopt, conv_of(1, 1), "conv2");
  t = n.activation(t, ActivationKind::kRelu, 0, 0, "relu2");
  t = n.convolution(t, random_floats({2, 4, 1, 1}, random), std::nullopt, {}, "conv3");
  n.mark_output(t, "y");
  return n;
}

const PlanStep& step_called(const PlanData& plan, const std::string& name) {
  for (const PlanStep& s : plan.steps) {
    if (s.name == name) return s;
  }
  throw std::runtime_error("no step " + name);
}

/// Type of the first operand of a step: what it computes in. Signed bytes may be kept as x + 128.
DataType computes_in(const PlanData& plan, const std::string& name) {
  const PlanTensor& x = plan.tensors[size_t(step_called(plan, name).inputs[0])];
  const bool is_signed = x.type == DataType::kUInt8 && x.zero_point == 128;
  return is_signed ? DataType::kInt8 : x.type;
}

struct Built {
  Network network = three_convs();
  CalibrationTable table = table_for(network, inputs_for(network));
  BuildOptions options = first_tactics(true);
  std::vector<std::string> warnings;
  std::string told;  // what is no warning
  std::shared_ptr<const PlanData> plan() {
    options.log = [this](LogLevel level, std::string_view text) {
      if (level == LogLevel::kWarning) {
        warnings.emplace_back(text);
      } else {
        told.append(text);
      }
    };
    return compiled(network, &table, options);
  }
};

TEST(Precision, EverythingIsInt8ByDefault) {
  Built b;
  const auto plan = b.plan();
  for (const char* name : {"conv1 + relu1", "conv2 + relu2", "conv3"}) {
    EXPECT_EQ(computes_in(*plan, name), DataType::kInt8);
  }
  EXPECT_EQ(steps_of(*plan), "Quantize Conv Conv Conv Reorder");
  EXPECT_TRUE(b.warnings.empty());
}

TEST(Precision, OptionsAndNetworkAskByLayer) {
  Built b;
  b.options.layer_precision["conv2"] = Precision::kFloat32;
  const auto plan = b.plan();
  EXPECT_EQ(computes_in(*plan, "conv1 + relu1"), DataType::kInt8);
  EXPECT_EQ(computes_in(*plan, "conv2 + relu2"), DataType::kFloat32);
  EXPECT_EQ(step_called(*plan, "conv2 + relu2").note, "float32 was asked for");
  EXPECT_EQ(computes_in(*plan, "conv3"), DataType::kInt8);

  Built by_network;
  by_network.network.set_precision(*by_network.network.find_layer("conv3"), Precision::kFloat32);
  EXPECT_EQ(computes_in(*by_network.plan(), "conv3"), DataType::kFloat32);
  by_network.options.layer_precision["conv3"] = Precision::kInt8;  // options win
  EXPECT_EQ(computes_in(*by_network.plan(), "conv3"), DataType::kInt8);
}

/// The scale layer is folded into the convolution before it, whose step then obeys both.
TEST(Precision, FoldedLayersHandTheirRequestsOn) {
  Random random(53);
  Network n("folded");
  TensorId t = n.add_input("x", DataType::kFloat32, {1, 3, 6, 6});
  t = n.convolution(t, random_floats({4, 3, 3, 3}, random), std::nullopt, conv_of(1, 1), "conv1");
  t = n.scale(t, random_floats({4}, random), random_floats({4}, random), std::nullopt, 1, "norm1");
  t = n.convolution(t, random_floats({2, 4, 1, 1}, random), std::nullopt, {}, "conv2");
  n.mark_output(t, "y");
  const CalibrationTable table = table_for(n, inputs_for(n));
  BuildOptions options = first_tactics(true);
  options.layer_precision["norm1"] = Precision::kFloat32;
  const auto plan = compiled(n, &table, options);
  int floats = 0;
  for (const PlanStep& step : plan->steps) {
    const bool conv = std::holds_alternative<ConvStep>(step.step);
    floats += conv && plan->tensors[size_t(step.inputs[0])].type == DataType::kFloat32 ? 1 : 0;
  }
  EXPECT_EQ(floats, 1);
  EXPECT_EQ(computes_in(*plan, "conv2"), DataType::kInt8);
}

TEST(Precision, SchemesByLayer) {
  Built b;
  b.options.layer_scheme["conv1"] = Scheme::kStaticAffine;
  b.options.layer_scheme["conv3"] = Scheme::kDynamicAffine;
  b.network.set_scheme(*b.network.find_layer("conv2"), Scheme::kDynamicSymmetric);
  const auto plan = b.plan();
  EXPECT_EQ(computes_in(*plan, "conv1 + relu1"), DataType::kUInt8);
  EXPECT_EQ(computes_in(*plan, "conv2 + relu2"), DataType::kInt8);
  EXPECT_TRUE(std::get<ConvStep>(step_called(*plan, "conv2 + relu2").step).dynamic);
  EXPECT_EQ(computes_in(*plan, "conv3"), DataType::kUInt8);
  EXPECT_TRUE(std::get<ConvStep>(step_called(*plan, "conv3").step).dynamic);
}

TEST(Precision, WhatCannotBeInt8IsRefused) {
  Built b;
  const TensorId soft = b.network.softmax(b.network.outputs()[0], {1}, "soft");
  b.network.mark_output(soft, "p");
  b.options.layer_precision["soft"] = Precision::kInt8;
  const std::string message = message_of([&] { b.plan(); }, ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(message, "'soft'"));
  EXPECT_TRUE(contains(message, "no int8 arithmetic"));
}

TEST(Precision, UnknownNamesAreRefused) {
  Built b;
  b.options.layer_precision["conv9"] = Precision::kFloat32;
  EXPECT_TRUE(contains(message_of([&] { b.plan(); }), "layer_precision names layer 'conv9'"));
  Built c;
  c.options.layer_scheme["conv8"] = Scheme::kStaticAffine;
  EXPECT_TRUE(contains(message_of([&] { c.plan(); }), "layer_scheme names layer 'conv8'"));
  Built d;
  d.options.disabled_passes = {"fold-everything"};
  EXPECT_TRUE(contains(message_of([&] { d.plan(); }), "'fold-everything'"));
}

TEST(Ranges, ManualOnesBeatTheTable) {
  Built b;
  const TensorId relu1 = b.network.output(*b.network.find_layer("relu1"));
  b.network.set_dynamic_range(relu1, {-12.7f, 6.0f});
  const auto plan = b.plan();
  const PlanStep conv1 = step_called(*plan, "conv1 + relu1");
  EXPECT_EQ(plan->tensors[size_t(conv1.outputs[0])].scale, 12.7f / 127.0f);
}

TEST(Ranges, TheTableGivesScales) {
  Built b;
  const float threshold = b.table.find("x")->threshold;
  const auto plan = b.plan();
  const PlanStep conv1 = step_called(*plan, "conv1 + relu1");
  EXPECT_EQ(plan->tensors[size_t(conv1.inputs[0])].scale, threshold / 127.0f);
  // After ReLU nothing is below zero, which kernels may use.
  EXPECT_EQ(plan->tensors[size_t(conv1.outputs[0])].q_min, 0);
}

TEST(Ranges, AMissingOneMakesOneWarningAndAFloatLayer) {
  Built b;
  const std::string relu1 = b.network.name(b.network.output(*b.network.find_layer("relu1")));
  const std::string relu2 = b.network.name(b.network.output(*b.network.find_layer("relu2")));
  b.table.entries.erase(relu1);
  b.table.entries.erase(relu2);
  const auto plan = b.plan();
  ASSERT_EQ(b.warnings.size(), 1u);
  EXPECT_TRUE(contains(b.warnings[0], "2 groups stay float"));
  EXPECT_TRUE(contains(b.warnings[0], "conv2 + relu2: no range for tensor '" + relu1 + "'"));
  EXPECT_TRUE(contains(b.warnings[0], "conv3"));
  EXPECT_EQ(computes_in(*plan, "conv1 + relu1"), DataType::kInt8);
  EXPECT_EQ(computes_in(*plan, "conv2 + relu2"), DataType::kFloat32);
  EXPECT_TRUE(contains(step_called(*plan, "conv3").note, "no range for tensor '" + relu2 + "'"));
}

TEST(Ranges, DynamicSchemesNeedNone) {
  Built b;
  b.table.entries.clear();
  b.options.scheme = Scheme::kDynamicSymmetric;
  EXPECT_EQ(computes_in(*b.plan(), "conv2 + relu2"), DataType::kInt8);
  EXPECT_TRUE(b.warnings.empty());
}

// --- profiles ---

std::string profile_error(const std::vector<Profile>& profiles) {
  Network n;
  const TensorId x = n.add_input("image", DataType::kFloat32, {kDynamic, 3, kDynamic, 8});
  n.mark_output(n.activation(x, ActivationKind::kRelu));
  return message_of([&] { make_profiles(n, profiles); });
}

TEST(Profiles, ErrorsNameProfileInputAndExtents) {
  const Shape good{2, 3, 4, 8};
  EXPECT_TRUE(contains(profile_error({}), "'image'"));
  EXPECT_TRUE(contains(profile_error({}), "(-1, 3, -1, 8) is dynamic"));
  EXPECT_TRUE(contains(profile_error({{{"picture", {good, good, good}}}}), "no input 'picture'"));
  EXPECT_TRUE(contains(profile_error({{{"image", {{2, 3}, good, good}}}}),
                       "profile 0, input 'image': shape (2, 3) has 2 axes"));
  const ShapeRange fits{good, good, good};
  EXPECT_TRUE(contains(profile_error({{{"image", fits}}, {{"image", {{4, 3, 4, 8}, good, good}}}}),
                       "profile 1, input 'image': axis 0 needs 0 <= min <= opt <= max, not 4 / 2"));
  EXPECT_TRUE(
      contains(profile_error({{{"image", {{-1, 3, 4, 8}, good, good}}}}), "not -1 / 2 / 2"));
  EXPECT_TRUE(contains(profile_error({{{"image", {{2, 3, 4, 8}, good, {2, 5, 4, 8}}}}}), "axis 1"));
  EXPECT_TRUE(contains(profile_error({{{"image", {{1, 4, 4, 8}, {1, 4, 4, 8}, {1, 4, 4, 8}}}}}),
                       "fixed at 3"));
}

TEST(Profiles, StaticInputsNeedNone) {
  Network n;
  const TensorId x = n.add_input("x", DataType::kFloat32, {2, 3});
  n.mark_output(n.activation(x, ActivationKind::kRelu));
  const auto profiles = make_profiles(n, {});
  ASSERT_EQ(profiles.size(), 1u);
  EXPECT_EQ(profiles[0].inputs[0].max, (Shape{2, 3}));
}

TEST(Compile, ANetworkWithoutOutputsIsRefused) {
  Network n("headless");
  n.add_input("x", DataType::kFloat32, {1});
  EXPECT_TRUE(contains(message_of([&] { compiled(n, nullptr, first_tactics()); }), "'headless'"));
}

// --- channels at the edge of the arithmetic ---

Network one_conv(Tensor weights, std::optional<Tensor> bias) {
  Network n("edge");
  const int64_t in = weights.shape()[1];
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, in, 2, 2});
  TensorId t = n.convolution(x, std::move(weights), std::move(bias), {}, "conv");
  n.mark_output(t, "y");
  return n;
}

TEST(Edges, AllZeroChannelsGiveTheirBias) {
  const Network n = one_conv(Tensor::floats({3, 2, 1, 1}, {0, 0, 1, -1, 0, 0}),
                             Tensor::floats({3}, {0.5f, 0.25f, 0.0f}));
  const auto inputs = inputs_for(n);
  const CalibrationTable table = table_for(n, inputs);
  for (const Scheme scheme : kSchemes) {
    const auto y = run_plan(compiled(n, &table, first_tactics(true, scheme)), inputs)[0];
    for (int i = 0; i < 4; ++i) {
      EXPECT_NEAR(y.as<float>()[i], 0.5f, 1e-6f) << name_of(scheme);
      EXPECT_EQ(y.as<float>()[8 + i], 0.0f) << name_of(scheme);
    }
  }
}

/// A multiplier below 2^-100 makes the channel constant: w_q = bias_q = 0, m = 1.
TEST(Edges, TinyMultipliersBecomeZeroChannels) {
  const float tiny = 0x1p-120f;
  const Network n = one_conv(Tensor::floats({2, 2, 1, 1}, {tiny, -tiny, 1, 0.5f}), std::nullopt);
  const auto inputs = inputs_for(n);
  const CalibrationTable table = table_for(n, inputs);
  const auto plan = compiled(n, &table, first_tactics(true));
  const auto& conv = std::get<ConvStep>(step_called(*plan, "conv").step);
  const auto* weights = plan->blobs[size_t(conv.weights)].as<int8_t>();
  EXPECT_EQ(weights[0], 0);
  EXPECT_EQ(weights[1], 0);
  EXPECT_EQ(weights[2], 127);
  EXPECT_EQ(plan->blobs[size_t(conv.bias)].as<int32_t>()[0], 0);
  EXPECT_EQ(plan->blobs[size_t(conv.multiplier)].as<float>()[0], 1.0f);
  const auto y = run_plan(plan, inputs)[0];
  for (int i = 0; i < 4; ++i) EXPECT_EQ(y.as<float>()[i], 0.0f);
}

TEST(Edges, SumsThatCouldOverflowStayFloat) {
  const int64_t k = 140000;  // 140000 · 127 · 128 > 2^31
  Network n("wide");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, k});
  Tensor weights(DataType::kFloat32, {k, 1});
  std::fill_n(weights.as<float>(), k, 0.01f);
  n.mark_output(n.fully_connected(x, weights, std::nullopt, "fc"), "y");
  n.set_dynamic_range(x, {-1, 1});
  const CalibrationTable table;
  const auto plan = compiled(n, &table, first_tactics(true));
  EXPECT_EQ(computes_in(*plan, "fc"), DataType::kFloat32);
  EXPECT_TRUE(contains(step_called(*plan, "fc").note, "channel 0 could overflow"));
  BuildOptions forced = first_tactics(true);
  forced.layer_precision["fc"] = Precision::kInt8;
  EXPECT_TRUE(contains(message_of([&] { compiled(n, &table, forced); }, ErrorCode::kUnsupported),
                       "could overflow"));
}

TEST(Edges, WeightsThatAreNotFiniteStayFloat) {
  const Network n = one_conv(Tensor::floats({1, 2, 1, 1}, {std::nanf(""), 1}), std::nullopt);
  CalibrationTable table;
  table.entries["x"] = {{-1, 1}, 1};
  const auto plan = compiled(n, &table, first_tactics(true));
  EXPECT_EQ(computes_in(*plan, "conv"), DataType::kFloat32);
  EXPECT_TRUE(contains(step_called(*plan, "conv").note, "NaN"));
}

/// A bias far beyond the products' range raises the weight scale instead of overflowing.
TEST(Edges, GiantBiasesFit) {
  const Network n =
      one_conv(Tensor::floats({1, 2, 1, 1}, {1e-6f, 1e-6f}), Tensor::floats({1}, {1e6f}));
  const auto inputs = inputs_for(n);
  const CalibrationTable table = table_for(n, inputs);
  const auto y = run_plan(compiled(n, &table, first_tactics(true)), inputs)[0];
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(y.as<float>()[i], 1e6f, 1.0f);
}

// --- determinism and timing ---

TEST(Tactics, FirstGivesIdenticalBytes) {
  for (const Scheme scheme : kSchemes) {
    Built a, b;
    a.options.scheme = b.options.scheme = scheme;
    EXPECT_EQ(serialize(*a.plan()), serialize(*b.plan())) << name_of(scheme);
  }
}

TEST(Tactics, PlansSurviveTheirFile) {
  Built b;
  const auto plan = b.plan();
  const Plan read = Plan::parse(serialize(*plan));
  const auto inputs = inputs_for(b.network);
  EXPECT_EQ(run_plan(read.shared_data(), inputs), run_plan(plan, inputs));
  EXPECT_TRUE(contains(read.built_on(), "first"));
}

TEST(Tactics, TheTimingCacheIsReadBack) {
  const std::string path = testing::TempDir() + "octile_timing.cache";
  std::filesystem::remove(path);
  Built b;
  b.options.tactics = BuildOptions::Tactics::kTimed;
  b.options.timing_cache = path;
  const std::string first = serialize(*b.plan());
  const std::string cache = read_file(path);
  EXPECT_EQ(cache.rfind("octile timing cache 1\n", 0), 0u);
  EXPECT_GT(std::count(cache.begin(), cache.end(), '\n'), 1);
  EXPECT_EQ(serialize(*b.plan()), first) << "the second build reads what the first measured";
  EXPECT_EQ(read_file(path), cache);
  write_file(path, cache + "no number here\n");
  const std::string message = message_of([&] { b.plan(); }, ErrorCode::kInvalidFile);
  EXPECT_TRUE(contains(message, path));
  EXPECT_TRUE(contains(message, "line"));
  std::filesystem::remove(path);
}

/// AVX2 alone has no u8 × s8 products that are exact: the build says what affine activations cost.
TEST(Tactics, WhatAffineActivationsCostIsTold) {
  const auto log_of = [](Scheme scheme, Isa isa) {
    Built b;
    b.options.scheme = scheme;
    b.options.isa = isa;
    const auto first = b.plan();
    b.options.tactics = BuildOptions::Tactics::kTimed;
    EXPECT_EQ(b.plan()->tensors, first->tensors);
    return b.told;
  };
  if (!cpu_refusal(Isa::kAvx2).empty()) GTEST_SKIP() << cpu_refusal(Isa::kAvx2);
  const std::string affine = log_of(Scheme::kStaticAffine, Isa::kAvx2);
  EXPECT_TRUE(contains(affine, "affine activations on avx2: ")) << affine;
  EXPECT_TRUE(contains(affine, "times what symmetric activations would take")) << affine;
  EXPECT_FALSE(contains(log_of(Scheme::kStaticSymmetric, Isa::kAvx2), "affine"));
  EXPECT_FALSE(contains(log_of(Scheme::kStaticAffine, Isa::kPortable), "affine"));
  if (cpu_refusal(Isa::kAvx512Vnni).empty()) {
    EXPECT_FALSE(contains(log_of(Scheme::kStaticAffine, Isa::kAvx512Vnni), "affine"));
  }
}

/// Equal layers differ in weights and multipliers, which take no time: they are measured once.
TEST(Tactics, EqualLayersShareTheirTimes) {
  const std::string path = testing::TempDir() + "octile_timing_shared.cache";
  const auto lines_of = [&](int layers) {
    std::filesystem::remove(path);
    Random random(52);
    Built b;
    b.network = Network("chain");
    TensorId t = b.network.add_input("x", DataType::kFloat32, {1, 4, 6, 6});
    for (int i = 0; i < layers; ++i) {
      const std::string name = std::to_string(i);
      t = b.network.convolution(t, random_floats({4, 4, 3, 3}, random), std::nullopt, conv_of(1, 1),
                                "conv" + name);
      t = b.network.activation(t, ActivationKind::kRelu, 0, 0, "relu" + name);
    }
    b.network.mark_output(t, "y");
    b.table = table_for(b.network, inputs_for(b.network));
    b.options.tactics = BuildOptions::Tactics::kTimed;
    b.options.timing_cache = path;
    b.plan();
    const std::string cache = read_file(path);
    return std::count(cache.begin(), cache.end(), '\n');
  };
  EXPECT_EQ(lines_of(6), lines_of(3));
  std::filesystem::remove(path);
}

/// Times in the cache decide: whichever row of a float step is made the fastest is taken.
TEST(Tactics, CachedTimesDecide) {
  const std::string path = testing::TempDir() + "octile_timing_forged.cache";
  std::filesystem::remove(path);
  Built b;
  b.options.int8 = false;
  b.options.tactics = BuildOptions::Tactics::kTimed;
  b.options.timing_cache = path;
  const std::string honest = step_called(*b.plan(), "conv2 + relu2").tactics[0];
  std::set<std::string> rows;
  std::vector<std::string> keys;
  std::istringstream lines(read_file(path));
  std::string header, line;
  while (std::getline(lines, line)) {
    const size_t tab = line.rfind('\t');
    if (tab == std::string::npos) {
      header += line + "\n";
      continue;
    }
    keys.push_back(line.substr(0, tab));
    const std::string row = keys.back().substr(keys.back().rfind(' ') + 1);
    if (contains(row, "conv")) rows.insert(row);
  }
  if (rows.size() < 2) GTEST_SKIP() << "one row alone runs float convolutions in this build";
  EXPECT_TRUE(rows.count(honest) == 1) << honest;
  for (const std::string& wanted : rows) {
    std::string forged = header;
    for (const std::string& key : keys) {
      forged += key + (key.ends_with(' ' + wanted) ? "\t1.0\n" : "\t1000000.0\n");
    }
    write_file(path, forged);
    EXPECT_EQ(step_called(*b.plan(), "conv2 + relu2").tactics[0], wanted);
  }
  std::filesystem::remove(path);
}

TEST(Tactics, RetimeKeepsEverythingElse) {
  Built b;
  const auto plan = b.plan();
  BuildOptions portable = first_tactics(true);
  portable.isa = Isa::kPortable;
  const auto again = retime(*plan, portable);
  EXPECT_TRUE(contains(again->built_on, "portable"));
  EXPECT_EQ(again->tensors, plan->tensors);
  EXPECT_EQ(again->profiles, plan->profiles);
  const auto inputs = inputs_for(b.network);
  EXPECT_EQ(run_plan(again, inputs), run_plan(plan, inputs));
}

}  // namespace
}  // namespace octile::test
