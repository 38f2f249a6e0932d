// The recipes: the float function stays, and what each promises is measured by the interpreter on
// the quantized network, which shares nothing with how the recipes measure.
#include "tune/recipes.h"

#include "compile/harness.h"
#include "tune/layer_errors.h"

namespace octile::test {
namespace {

constexpr int64_t kSamples = 12;

Tensor uneven(const Shape& shape, uint64_t seed, float spread) {
  Random random(seed);
  Tensor t = random_floats(shape, random);
  const int64_t inner = t.volume() / shape[0];
  for (int64_t i = 0; i < t.volume(); ++i) {
    if (i / inner % 4 == 1) t.as<float>()[i] *= spread;
  }
  return t;
}

Tensor weights(const Shape& shape, uint64_t seed) { return uneven(shape, seed, 1.0f); }

/// Small where uneven() is large: what counts behind them is every channel alike.
Tensor inverse_columns(const Shape& shape, uint64_t seed, float spread) {
  Tensor t = weights(shape, seed);
  for (int64_t i = 0; i < t.volume(); ++i) {
    if (i % shape[1] % 4 == 1) t.as<float>()[i] /= spread;
  }
  return t;
}

Batch samples() {
  Random random(77);
  return {{"x", random_floats({kSamples, 3, 8, 8}, random)}};
}

/// conv ▸ relu ▸ depthwise ▸ relu ▸ pool ▸ conv, the first with output channels of unlike size.
Network uneven_network(ActivationKind kind = ActivationKind::kRelu) {
  Network n("uneven");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 3, 8, 8});
  TensorId t =
      n.convolution(x, uneven({8, 3, 3, 3}, 1, 60.0f), weights({8}, 2), conv_of(1, 1), "a");
  t = n.activation(t, kind, 0.0f, 0.0f, "relu_a");
  t = n.convolution(t, weights({8, 1, 3, 3}, 3), weights({8}, 4), conv_of(1, 1, 8), "b");
  t = n.activation(t, kind, 0.0f, 0.0f, "relu_b");
  t = n.pooling(t, pool_of(PoolingKind::kMax, 2, 2), "pool");
  t = n.convolution(t, inverse_columns({6, 8, 1, 1}, 5, 60.0f), std::nullopt, conv_of(), "c");
  n.mark_output(t, "y");
  return n;
}

std::vector<Tensor> inputs() { return {samples().at("x")}; }

/// SQNR of the network quantized with min-max ranges of its own, by the interpreter alone.
double int8_sqnr(const Network& network, const Tensor& reference) {
  const CalibrationTable table = table_for(network, inputs());
  const Network q = quantized(network, &table, first_tactics(true));
  return sqnr(reference, interpret(q, inputs())[0]);
}

Network with(const Network& network, const std::vector<std::string>& recipes, int threads = 1) {
  const auto source = memory_data(samples(), 5);
  CalibrationOptions calibration;
  calibration.threads = threads;
  Network result = network;
  BuildOptions options = first_tactics(true);
  before_calibration(result, options, recipes, source.get(), calibration);
  return result;
}

TEST(Equalize, KeepsTheFloatFunctionAndLowersTheNoise) {
  const Network network = uneven_network();
  const Network equal = with(network, {"equalize"});
  const Tensor reference = interpret(network, inputs())[0];
  EXPECT_LE(distance(interpret(equal, inputs())[0], reference, largest(reference)).worst, 1e-5);
  EXPECT_GT(int8_sqnr(equal, reference), int8_sqnr(network, reference) + 6.0);
}

TEST(Equalize, LeavesAloneWhatFactorsCannotPass) {
  const Network swish = uneven_network(ActivationKind::kSwish);
  const Network after = with(swish, {"equalize"});
  const LayerId a = *after.find_layer("a"), b = *after.find_layer("b");
  EXPECT_EQ(*after.constant_value(after.inputs(a)[1]), uneven({8, 3, 3, 3}, 1, 60.0f));
  EXPECT_EQ(*after.constant_value(after.inputs(b)[1]), weights({8, 1, 3, 3}, 3));

  Network twice = uneven_network();
  twice.mark_output(twice.output(*twice.find_layer("relu_a")));  // someone else reads it
  const Network kept = with(twice, {"equalize"});
  EXPECT_EQ(*kept.constant_value(kept.inputs(*kept.find_layer("a"))[1]),
            uneven({8, 3, 3, 3}, 1, 60.0f));
}

TEST(Equalize, ProductsToo) {
  Network n("products");
  TensorId t = n.add_input("x", DataType::kFloat32, {kDynamic, 16});
  t = n.fully_connected(t, weights({16, 12}, 8), weights({12}, 9), "a");
  t = n.activation(t, ActivationKind::kRelu, 0.0f, 0.0f, "relu");
  t = n.fully_connected(t, uneven({12, 5}, 10, 0.01f), std::nullopt, "b");
  n.mark_output(t, "y");
  Random random(3);
  const Batch batch = {{"x", random_floats({kSamples, 16}, random)}};
  const auto source = memory_data(batch, 4);
  Network equal = n;
  BuildOptions options = first_tactics(true);
  before_calibration(equal, options, {"equalize"}, source.get(), {});
  const Tensor reference = interpret(n, {batch.at("x")})[0];
  const Tensor value = interpret(equal, {batch.at("x")})[0];
  EXPECT_LE(distance(value, reference, largest(reference)).worst, 1e-5);
  EXPECT_NE(equal.digest(), n.digest());
}

/// Mean over samples and places of quantized − float, by channel of the only layer.
std::vector<double> mean_errors(const Network& network, const CalibrationTable& table,
                                const Tensor& reference) {
  const Network q = quantized(network, &table, first_tactics(true));
  const Tensor value = interpret(q, inputs())[0];
  const int64_t channels = value.shape()[1], inner = value.shape()[2] * value.shape()[3];
  std::vector<double> mean(size_t(channels), 0.0);
  for (int64_t i = 0; i < value.volume(); ++i) {
    mean[size_t(i / inner % channels)] +=
        (double(value.as<float>()[i]) - reference.as<float>()[i]) /
        double(value.volume() / channels);
  }
  return mean;
}

TEST(BiasCorrection, TakesTheMeanErrorAway) {
  Network n("one");
  const TensorId x = n.add_input("x", DataType::kFloat32, {kDynamic, 3, 8, 8});
  n.mark_output(n.convolution(x, weights({4, 3, 3, 3}, 11), std::nullopt, conv_of(1, 1), "a"), "y");
  const Tensor reference = interpret(n, inputs())[0];
  CalibrationTable table = table_for(n, inputs());
  table.entries["x"] = {{-1.0f, 0.3f}, 0.3f};  // clips, so that means move
  const std::vector<double> before = mean_errors(n, table, reference);
  for (const int threads : {1, 3}) {
    Network corrected = n;
    BuildOptions options = first_tactics(true);
    const auto source = memory_data(samples(), 5);
    CalibrationOptions calibration;
    calibration.threads = threads;
    before_build(corrected, options, &table, {"bias-correction"}, source.get(), calibration);
    const std::vector<double> after = mean_errors(corrected, table, reference);
    for (size_t c = 0; c < after.size(); ++c) {
      EXPECT_GT(std::fabs(before[c]), 1e-3);
      EXPECT_LT(std::fabs(after[c]), std::fabs(before[c]) * 0.02 + 1e-5) << c;
    }
  }
}

TEST(BiasCorrection, DoesNotDependOnTheNumberOfThreads) {
  std::string digests[2];
  for (int i = 0; i < 2; ++i) {
    Network network = uneven_network();
    const CalibrationTable table = table_for(network, inputs());
    BuildOptions options = first_tactics(true);
    const auto source = memory_data(samples(), i == 0 ? 1 : 7);
    CalibrationOptions calibration;
    calibration.threads = i == 0 ? 1 : 4;
    before_build(network, options, &table, recipe_names(), source.get(), calibration);
    digests[i] = network.digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(Fallback, KeepsTheFragileLayerFloatAndNoOther) {
  Network network = uneven_network();
  const CalibrationTable table = table_for(network, inputs());
  BuildOptions options = first_tactics(true);
  const auto source = memory_data(samples(), 5);
  before_build(network, options, &table, {"fallback"}, source.get(), {});
  // b reads channels of which few are 60 times as large as the rest, each for itself.
  const LayerId b = *network.find_layer("b"), a = *network.find_layer("a");
  const auto errors = layer_errors(uneven_network(), &table, first_tactics(true), *source, {});
  ASSERT_EQ(errors.size(), 3u);
  int fragile_layers = 0;
  for (const LayerError& error : errors) {
    const bool fragile = error.sqnr_db() < 20.0;
    fragile_layers += fragile ? 1 : 0;
    const Precision kept = network.precision(error.layer);
    EXPECT_EQ(kept == Precision::kFloat32, fragile) << network.name(error.layer);
  }
  EXPECT_EQ(fragile_layers, 1);
  EXPECT_EQ(network.precision(a), Precision::kAuto);
  EXPECT_TRUE(network.alive(b));
}

TEST(LeastSquaresWeights, ErrorIsNeverAboveTheLargestWeightsScale) {
  Tensor w = weights({4, 50}, 21);
  w.as<float>()[7] = 30.0f;  // one weight far from the others: clipping it pays
  Network n("w");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 50});
  const TensorId constant = n.constant(w, "w");
  const LayerId layer =
      n.add(MatrixMultiply{.transpose_a = false, .transpose_b = true}, {x, constant}, "fc");
  using Kind = BuildOptions::WeightScales;
  const auto widest = weight_scales(n, layer, 0.0f, Kind::kMax);
  const auto least = weight_scales(n, layer, 0.0f, Kind::kLeastSquares);
  const auto error = [&](size_t row, float scale) {
    double sum = 0.0;
    for (int64_t i = 0; i < 50; ++i) {
      const double v = w.as<float>()[int64_t(row) * 50 + i];
      const double q = std::clamp(std::nearbyint(v / scale), -127.0, 127.0);
      sum += (v - q * scale) * (v - q * scale);
    }
    return sum;
  };
  for (size_t row = 0; row < 4; ++row) {
    EXPECT_LE(error(row, least[row]), error(row, widest[row]) * (1.0 + 1e-9)) << row;
    EXPECT_LE(least[row], widest[row]);
  }
}

TEST(Recipes, RequestsSurviveThePassesThatTheyRun) {
  Network network("folded");
  const TensorId x = network.add_input("x", DataType::kFloat32, {kDynamic, 3, 8, 8});
  TensorId t = network.convolution(x, weights({4, 3, 3, 3}, 1), std::nullopt, conv_of(), "conv");
  const Tensor ones = values<float>({4}, {1, 1, 1, 1});
  t = network.batch_norm(t, ones, ones, ones, ones, 1e-5f, "norm");
  network.mark_output(t, "y");
  BuildOptions options = first_tactics(true);
  options.layer_precision["norm"] = Precision::kFloat32;
  const auto source = memory_data(samples(), 5);
  before_calibration(network, options, {"equalize"}, source.get(), {});
  const CalibrationTable table = table_for(network, inputs());
  before_build(network, options, &table, {"bias-correction"}, source.get(), {});
  options.profiles = {{{"x", {{1, 3, 8, 8}, {1, 3, 8, 8}, {1, 3, 8, 8}}}}};
  for (const LayerInfo& layer : build(network, &table, options).layers()) {
    EXPECT_EQ(layer.precision.find("int8"), std::string::npos) << layer.name;
  }
}

TEST(Recipes, RefuseUnknownNamesAndMissingSamples) {
  Network network = uneven_network();
  BuildOptions options = first_tactics(true);
  EXPECT_THROW(before_build(network, options, nullptr, {"magic"}, nullptr, {}), Error);
  EXPECT_THROW(before_calibration(network, options, {"magic"}, nullptr, {}), Error);
  EXPECT_THROW(before_calibration(network, options, {"equalize"}, nullptr, {}), Error);
  EXPECT_THROW(before_build(network, options, nullptr, {"bias-correction"}, nullptr, {}), Error);
  before_build(network, options, nullptr, {"mse-weights"}, nullptr, {});
  EXPECT_EQ(options.weight_scales, BuildOptions::WeightScales::kLeastSquares);
}

}  // namespace
}  // namespace octile::test
