// compare(): against sums over tensors that the interpreter gives, of the float network and of the
// Q/DQ network that INT8 engines are lowered from.
#include <cmath>
#include <map>

#include "compile/harness.h"
#include "octile/builder.h"
#include "octile/report.h"
#include "report/error_sums.h"

namespace octile {
namespace {

using test::Random;
using test::random_floats;

/// Convolution + ReLU, a residual block, pooling, a flattened image and a product: what fusion,
/// channels-last bytes and permuted rows make hard to read.
Network make_network(int64_t batch) {
  Random random(5);
  Network n("net");
  TensorId x = n.add_input("x", DataType::kFloat32, {batch, 3, 8, 8});
  const auto conv = [&](TensorId t, int64_t in, int64_t out, const std::string& name) {
    return n.convolution(t, random_floats({out, in, 3, 3}, random, 0.3f),
                         random_floats({out}, random, 0.2f), test::conv_of(1, 1), name);
  };
  x = n.activation(conv(x, 3, 6, "stem"), ActivationKind::kRelu, 0, 0, "stem_relu");
  TensorId y = n.activation(conv(x, 6, 6, "a"), ActivationKind::kRelu, 0, 0, "a_relu");
  y = n.elementwise(conv(y, 6, 6, "b"), x, ElementwiseKind::kAdd, "sum");
  y = n.activation(y, ActivationKind::kRelu, 0, 0, "sum_relu");
  y = n.pooling(y, test::pool_of(PoolingKind::kMax, 2, 2), "pool");
  y = n.reshape(y, {0, -1}, "flat");
  y = n.fully_connected(y, random_floats({96, 10}, random, 0.2f), std::nullopt, "fc");
  n.mark_output(y, "scores");
  return n;
}

std::vector<Tensor> make_samples(int64_t count) {
  Random random(6);
  std::vector<Tensor> samples;
  for (int64_t i = 0; i < count; ++i) samples.push_back(random_floats({1, 3, 8, 8}, random));
  return samples;
}

std::unique_ptr<BatchSource> source_of(const std::vector<Tensor>& samples, int64_t batch) {
  Tensor all(DataType::kFloat32, {int64_t(samples.size()), 3, 8, 8});
  for (size_t i = 0; i < samples.size(); ++i) {
    std::memcpy(all.as<float>() + i * 192, samples[i].data(), samples[i].bytes());
  }
  return memory_data({{"x", all}}, batch);
}

/// All values of each tensor over the samples, one after the other.
using Values = std::map<std::string, std::vector<float>>;
Values values_of(const Network& network, const std::vector<Tensor>& samples) {
  Values values;
  for (const Tensor& sample : samples) {
    interpret(network, {sample}, [&](TensorId id, const Tensor& value) {
      if (value.type() != DataType::kFloat32) return;
      auto& list = values[network.name(id)];
      list.insert(list.end(), value.as<float>(), value.as<float>() + value.volume());
    });
  }
  return values;
}

const TensorComparison* find(const Comparison& result, const std::string& tensor) {
  for (const TensorComparison& row : result.tensors) {
    if (row.tensor == tensor) return &row;
  }
  return nullptr;
}

TEST(ErrorSums, AreThoseOfTheWholeWhateverTheParts) {
  Random random(7);
  const Tensor r = random_floats({1000}, random, 3.0f);
  Tensor x = r;
  for (int i = 0; i < 1000; ++i) x.as<float>()[i] += 0.01f * random.value();
  ErrorSums sums;
  for (size_t at = 0; at < 1000; at += 250) {
    sums.add(r.span<float>().subspan(at, 250), x.span<float>().subspan(at, 250));
  }
  double rr = 0, xx = 0, rx = 0, noise = 0, worst = 0;
  for (int i = 0; i < 1000; ++i) {
    const double a = r.as<float>()[i], b = x.as<float>()[i];
    rr += a * a, xx += b * b, rx += a * b, noise += (a - b) * (a - b);
    worst = std::max(worst, std::fabs(a - b));
  }
  EXPECT_NEAR(sums.sqnr_db(), 10 * std::log10(rr / noise), 1e-9);
  EXPECT_NEAR(sums.cosine(), rx / std::sqrt(rr * xx), 1e-12);
  EXPECT_EQ(sums.max_abs_error(), worst);
}

TEST(ErrorSums, WhatIsNotFinite) {
  const float inf = INFINITY, nan = NAN;
  ErrorSums same;
  same.add(std::vector{1.0f, inf, -inf, nan}, std::vector{1.0f, inf, -inf, nan});
  EXPECT_EQ(same.sqnr_db(), inf);
  EXPECT_EQ(same.max_abs_error(), 0.0);
  ErrorSums other;
  other.add(std::vector{1.0f, inf}, std::vector{1.0f, 2.0f});
  EXPECT_EQ(other.sqnr_db(), -inf);
  EXPECT_EQ(other.max_abs_error(), inf);
}

TEST(Compare, AFloatEngineHasTheNetworksTensors) {
  const Network network = make_network(1);
  const auto samples = make_samples(3);
  const Plan plan = build(network, nullptr, test::first_tactics());
  const Comparison result = compare(network, plan, *source_of(samples, 1));
  EXPECT_EQ(result.samples, 3);
  for (const char* name : {"x", "stem_relu_output", "a_relu_output", "sum_relu_output",
                           "pool_output", "flat_output", "scores"}) {
    const TensorComparison* row = find(result, name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_GT(row->sqnr_db, 110.0) << name;
    EXPECT_GT(row->cosine, 0.999999) << name;
    EXPECT_EQ(row->precision, "float32") << name;
    EXPECT_EQ(row->output, std::string(name) == "scores") << name;
  }
  EXPECT_EQ(result.tensors.size(), 7u) << "fused tensors are not the engine's";
  EXPECT_EQ(result.only_reference, 4);  // stem, a, b and sum before their ReLU
  EXPECT_EQ(result.only_candidate, 0);
  EXPECT_EQ(find(result, "x")->layer, "");
  EXPECT_EQ(find(result, "x")->order, 0);
  EXPECT_EQ(find(result, "scores")->order, 6);
  EXPECT_EQ(find(result, "stem_relu_output")->layer, "stem + stem_relu");
}

TEST(Compare, AnInt8EngineIsMeasuredOnItsGrids) {
  const Network network = make_network(1);
  const auto samples = make_samples(4);
  const CalibrationTable table = test::table_for(network, {samples[0]});
  const Values floats = values_of(network, samples);
  for (const Scheme scheme : {Scheme::kStaticSymmetric, Scheme::kStaticAffine}) {
    const BuildOptions options = test::first_tactics(true, scheme);
    const Values quantized = values_of(test::quantized(network, &table, options), samples);
    const Comparison result =
        compare(network, build(network, &table, options), *source_of(samples, 1));
    int int8 = 0;
    for (const TensorComparison& row : result.tensors) {
      const bool is_int8 = row.precision == "int8";
      const auto grid = quantized.find(row.tensor + (is_int8 ? ".dequantize_output" : ""));
      ASSERT_NE(grid, quantized.end()) << row.tensor;
      const auto& reference = floats.at(row.tensor);
      // An element on the edge between two integers falls either way.
      EXPECT_NEAR(row.sqnr_db, sqnr_db(reference, grid->second), 0.2) << row.tensor;
      EXPECT_NEAR(row.cosine, cosine(reference, grid->second), 1e-4) << row.tensor;
      EXPECT_LT(row.sqnr_db, 60.0) << row.tensor;
      int8 += is_int8 ? 1 : 0;
    }
    EXPECT_EQ(int8, 6) << "all but the scores";
    EXPECT_TRUE(result.tensors.back().output);
    for (size_t i = 0; i + 2 < result.tensors.size(); ++i) {
      EXPECT_LE(result.tensors[i].sqnr_db, result.tensors[i + 1].sqnr_db) << "worst first";
    }
  }
}

TEST(Compare, BatchesDoNotShow) {
  const auto samples = make_samples(5);
  const Network one = make_network(1);
  const CalibrationTable table = test::table_for(one, {samples[0]});
  BuildOptions options = test::first_tactics(true);
  const Comparison expected = compare(one, build(one, &table, options), *source_of(samples, 1));
  const auto expect_equal = [&](const Comparison& result, const char* what) {
    EXPECT_EQ(result.samples, 5) << what;
    ASSERT_EQ(result.tensors.size(), expected.tensors.size()) << what;
    for (const TensorComparison& row : result.tensors) {
      EXPECT_NEAR(row.sqnr_db, find(expected, row.tensor)->sqnr_db, 0.05) << what << row.tensor;
    }
  };
  // A fixed batch whose last part is filled up, and a profile that begins above the batch.
  const Network two = make_network(2);
  expect_equal(compare(two, build(two, &table, options), *source_of(samples, 2)), "fixed ");
  const Network any = make_network(kDynamic);
  options.profiles = {{{"x", {{3, 3, 8, 8}, {4, 3, 8, 8}, {4, 3, 8, 8}}}}};
  expect_equal(compare(any, build(any, &table, options), *source_of(samples, 1)), "profile ");
  expect_equal(compare(any, build(any, &table, options), *source_of(samples, 4)), "batch 4 ");
}

/// A ReLU that the grid does anyway is absorbed: the engine's tensor is the clamped one, by name.
TEST(Compare, AnAbsorbedClampGivesTheTensorItsName) {
  Random random(8);
  Network n("absorbed");
  const auto on_grid = [&](TensorId t, float scale, int32_t zero) {
    const Quantize q{
        .type = DataType::kUInt8, .scale = {scale}, .zero_point = zero, .lo = 0, .hi = 255};
    return n.dequantize(n.quantize(t, q), {.scale = {scale}, .zero_point = zero});
  };
  TensorId t = on_grid(n.add_input("x", DataType::kFloat32, {1, 3, 8, 8}), 1.0f / 128, 128);
  t = n.convolution(t, random_floats({4, 3, 3, 3}, random), std::nullopt, test::conv_of(), "conv");
  t = on_grid(n.activation(t, ActivationKind::kRelu, 0, 0, "relu"), 0.03f, 0);
  n.mark_output(t, "y");
  const auto samples = make_samples(2);
  const Comparison result =
      compare(n, build(n, nullptr, test::first_tactics()), *source_of(samples, 1));
  EXPECT_EQ(find(result, "conv_output"), nullptr);
  const TensorComparison* row = find(result, "relu_output");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->precision, "int8");
  EXPECT_GT(row->sqnr_db, 30.0);
}

TEST(Compare, OutputsAreShownInOrder) {
  const Network network = make_network(1);
  const auto samples = make_samples(2);
  CompareOptions options;
  int64_t rows = 0;
  options.outputs = [&](std::span<const Tensor> ours, std::span<const Tensor> theirs, int64_t n) {
    ASSERT_EQ(ours.size(), 1u);
    test::expect_close(theirs[0], {ours[0].as<float>(), ours[0].as<float>() + 10}, 1e-4);
    const Tensor expected = interpret(network, {samples[size_t(rows)]})[0];
    test::expect_close(ours[0], {expected.as<float>(), expected.as<float>() + 10}, 1e-4);
    rows += n;
  };
  Network renamed = make_network(1);
  renamed.rename(renamed.outputs()[0], "other");
  const auto result = compare(network, build(renamed, nullptr, test::first_tactics()),
                              *source_of(samples, 1), options);
  EXPECT_EQ(rows, 2);
  ASSERT_NE(find(result, "scores"), nullptr) << "an output of another name is matched by position";
  EXPECT_TRUE(find(result, "scores")->output);
}

/// x · 1, and the places where that lies above 0.502: how many there are hangs on values.
Network with_places() {
  Network n("places");
  Tensor one(DataType::kFloat32, {8, 8});
  for (int i = 0; i < 8; ++i) one.as<float>()[9 * i] = 1.0f;
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 8});
  const TensorId y = n.fully_connected(x, one, std::nullopt, "fc");
  n.mark_output(y, "scores");
  const TensorId above = n.elementwise(y, n.constant(Tensor::scalar(-0.502f), "least"),
                                       ElementwiseKind::kAdd, "above");
  const TensorId some = n.activation(above, ActivationKind::kRelu, 0, 0, "relu");
  const LayerId places = n.add(NonZero{}, {some}, "nonzero");
  n.mark_output(n.output(places), "indices");  // integers: not compared
  n.mark_output(n.cast(n.output(places), DataType::kFloat32, "cast"), "places");
  return n;
}

/// Of INT8 with steps of 1/127 the value 0.5015 is 64/127, beyond 0.502. No other is near it.
std::unique_ptr<BatchSource> places_source(const std::vector<float>& firsts) {
  Tensor all(DataType::kFloat32, {int64_t(firsts.size()), 8});
  for (size_t i = 0; i < firsts.size(); ++i) {
    for (size_t k = 0; k < 8; ++k) {
      all.as<float>()[8 * i + k] = k == 0 ? firsts[i] : 0.13f * float(k) - 0.2f;
    }
  }
  return memory_data({{"x", all}}, 1);
}

TEST(Compare, OutputsThatCannotBeComparedInSomeSamplesAreNamed) {
  const Network n = with_places();
  CalibrationTable table;
  for (const char* name : {"x", "scores"}) table.entries[name] = {{-1.0f, 1.0f}, 1.0f};
  const Plan int8 = build(n, &table, test::first_tactics(true));
  const auto found = [&](const Plan& plan, const std::vector<float>& firsts) {
    return compare(n, plan, *places_source(firsts));
  };
  const Comparison alike = found(int8, {0.9f, -0.4f});
  EXPECT_TRUE(alike.skipped_outputs.empty());
  ASSERT_NE(find(alike, "places"), nullptr);
  ASSERT_TRUE(alike.output_sqnr_db());

  const Comparison some = found(int8, {0.9f, 0.5015f, -0.4f, 0.5015f});
  EXPECT_EQ(some.skipped_outputs, (std::map<std::string, int64_t>{{"places", 2}}));
  EXPECT_NE(find(some, "places"), nullptr);  // in the others it is compared
  EXPECT_TRUE(some.output_sqnr_db());
  EXPECT_EQ(some.accuracy().sqnr_db, some.output_sqnr_db());
  EXPECT_EQ(some.accuracy().not_compared, std::vector<std::string>{"places (2 of 4 samples)"});

  const Comparison none = found(int8, {0.5015f});
  EXPECT_EQ(none.skipped_outputs, (std::map<std::string, int64_t>{{"places", 1}}));
  EXPECT_EQ(find(none, "places"), nullptr);
  EXPECT_TRUE(none.output_sqnr_db()) << "of the scores";

  const Comparison floats = found(build(n, nullptr, test::first_tactics()), {0.9f, 0.5015f});
  EXPECT_TRUE(floats.skipped_outputs.empty());
}

TEST(Compare, AGoalIsNotKeptWhereAnOutputCannotBeCompared) {
  const Network n = with_places();
  CalibrationTable table;
  for (const char* name : {"x", "scores"}) table.entries[name] = {{-1.0f, 1.0f}, 1.0f};
  BuildOptions options;
  options.int8 = true;
  options.threads = 1;
  options.layer_precision = {{"fc", Precision::kInt8}};  // whatever the times are
  std::vector<float> firsts{0.9f, 0.5015f, -0.4f};
  PrecisionGoal goal;
  goal.min_sqnr_db = 20.0;
  goal.evaluate = [&](const Plan& plan) {
    return compare(n, plan, *places_source(firsts)).accuracy();
  };
  const auto source = places_source(firsts);
  goal.samples = source.get();
  const std::string refusal = test::message_of([&] { (void)build(n, &table, options, goal); });
  EXPECT_TRUE(test::contains(refusal, "cannot be verified")) << refusal;
  EXPECT_TRUE(test::contains(refusal, "places (1 of 3 samples)")) << refusal;
  firsts = {0.9f, -0.4f};
  const Plan kept = build(n, &table, options, goal);
  EXPECT_GE(*compare(n, kept, *places_source(firsts)).output_sqnr_db(), 20.0);
  options.layer_precision.clear();
  firsts = {0.9f, 0.5015f, -0.4f};  // free to choose, it stays float
  const Plan free = build(n, &table, options, goal);
  EXPECT_TRUE(compare(n, free, *places_source(firsts)).skipped_outputs.empty());
}

TEST(Compare, RefusesWhatDoesNotFit) {
  const Network network = make_network(1);
  const Plan plan = build(network, nullptr, test::first_tactics());
  const auto message = [&](const Network& reference, BatchSource& source) {
    return test::message_of([&] { compare(reference, plan, source); });
  };
  const auto samples = make_samples(3);
  EXPECT_TRUE(test::contains(message(network, *source_of(samples, 3)), "fixed batch 1"));
  EXPECT_TRUE(test::contains(message(make_network(kDynamic), *source_of(samples, 3)),
                             "no profile for samples of shape (3, 3, 8, 8)"));
  const auto named = memory_data({{"y", samples[0]}, {"z", samples[0]}}, 1);
  EXPECT_TRUE(test::contains(message(network, *named), "no array for the input 'x'"));
  Network outputs = make_network(1);
  outputs.rename(outputs.outputs()[0], "other");
  outputs.mark_output(*outputs.find_tensor("pool_output"));
  EXPECT_TRUE(test::contains(message(outputs, *source_of(samples, 1)), "has no output 'other'"));
}

}  // namespace
}  // namespace octile
