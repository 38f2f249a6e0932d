// build() and check_options(): what is asked for must be possible, and is refused before the work.
#include <gtest/gtest.h>

#include "octile/builder.h"
#include "support/tensors.h"

namespace octile {
namespace {

Network two_layers() {
  Network network("two");
  TensorId x = network.add_input("x", DataType::kFloat32, {kDynamic, 2});
  x = network.fully_connected(x, test::values<float>({2, 2}, {1, 2, 3, 4}), std::nullopt, "fc");
  x = network.activation(x, ActivationKind::kRelu, 0.0f, 0.0f, "relu");
  network.mark_output(x, "y");
  return network;
}

BuildOptions first_tactics() {
  BuildOptions options;
  options.tactics = BuildOptions::Tactics::kFirst;
  options.profiles = {{{"x", {{1, 2}, {1, 2}, {4, 2}}}}};
  return options;
}

/// The message with which both refuse; check_options alone where `table` says so.
std::string refusal(const BuildOptions& options, const CalibrationTable* table = nullptr) {
  try {
    if (table == nullptr) check_options(two_layers(), options);
    (void)build(two_layers(), table, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.what();
  }
  return "";
}

TEST(Build, Int8LayersNeedInt8) {
  BuildOptions options = first_tactics();
  options.layer_precision["fc"] = Precision::kInt8;
  EXPECT_TRUE(test::contains(refusal(options), "layer 'fc'"));
  EXPECT_TRUE(test::contains(refusal(options), "int8 is false"));
  EXPECT_THROW((void)build(two_layers(), nullptr, options), Error);
  options.layer_precision["fc"] = Precision::kFloat32;
  EXPECT_EQ(refusal(options), "");
}

TEST(Build, CheckOptionsNamesWhatIsWrong) {
  BuildOptions options = first_tactics();
  EXPECT_EQ(refusal(options), "");
  options.layer_scheme["fc9"] = Scheme::kStaticAffine;
  EXPECT_TRUE(test::contains(refusal(options), "'fc9'"));
  options = first_tactics();
  options.disabled_passes = {"fold-bias", "fold-nothing"};
  EXPECT_TRUE(test::contains(refusal(options), "'fold-nothing'"));
  options.disabled_passes = pass_names();
  EXPECT_EQ(refusal(options), "");
  options.profiles[0].begin()->second.max = {4, 3};
  EXPECT_TRUE(test::contains(refusal(options), "input 'x'"));
}

TEST(Build, StaticAffineIsRefusedWithATableOfTensorRt) {
  const CalibrationTable table = CalibrationTable::from_tensorrt(
      "TRT-8601-EntropyCalibration2\nx: 3c010a14\ny: 3c010a14\n", "test");
  BuildOptions options = first_tactics();
  options.int8 = true;
  EXPECT_EQ(refusal(options, &table), "");
  options.layer_scheme["fc"] = Scheme::kStaticAffine;
  EXPECT_TRUE(test::contains(refusal(options, &table), "static-symmetric"));
  options.layer_scheme.clear();
  options.scheme = Scheme::kStaticAffine;
  EXPECT_TRUE(test::contains(refusal(options, &table), "static-symmetric"));
  options.int8 = false;
  EXPECT_EQ(refusal(options, &table), "");
}

TEST(Build, ARangeOfWhatIsFoldedAwayIsTold) {
  Network network("folded");
  TensorId x = network.add_input("x", DataType::kFloat32, {1, 2, 4, 4});
  TensorId c = network.convolution(x, test::values<float>({2, 2, 1, 1}, {1, 2, 3, 4}), std::nullopt,
                                   {.window = {.kernel = {1, 1}}}, "conv");
  const Tensor two = test::values<float>({2}, {2, 2});
  const TensorId y = network.batch_norm(c, two, two, two, two, 1e-5f, "norm");
  network.mark_output(y, "y");
  network.set_dynamic_range(c, {-1.0f, 1.0f});
  network.set_dynamic_range(x, {-1.0f, 1.0f});
  network.set_dynamic_range(y, {-1.0f, 1.0f});
  BuildOptions options;
  options.int8 = true;
  options.tactics = BuildOptions::Tactics::kFirst;
  std::string told;
  options.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarning) told += text;
  };
  (void)build(network, nullptr, options);
  EXPECT_TRUE(test::contains(told, "change nothing")) << told;
  EXPECT_TRUE(test::contains(told, network.name(c))) << told;
}

}  // namespace
}  // namespace octile
