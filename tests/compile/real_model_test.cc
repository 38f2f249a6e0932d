// Lowering judged on a real model: ResNet-20's INT8 engines against the interpreter on the Q/DQ
// network that compile() lowers, on CIFAR-10's pictures, when the data lies beside the repository.
#ifdef OCTILE_HAVE_ONNX
#include <filesystem>

#include "compile/harness.h"
#include "octile/data.h"
#include "octile/onnx.h"

namespace octile::test {
namespace {

constexpr int kPictures = 4;

std::vector<Tensor> pictures(const std::string& file) {
  DataOptions options;
  options.samples = kPictures;
  options.preprocess =
      Preprocess::parse("scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225");
  options.input_shapes["input"] = {kDynamic, 3, 32, 32};
  const auto source = open_data(file, options);
  std::vector<Tensor> list;
  while (auto batch = source->next()) list.push_back(batch->begin()->second);
  return list;
}

int64_t best(const Tensor& scores) {
  const auto row = scores.span<float>();
  return std::max_element(row.begin(), row.end()) - row.begin();
}

TEST(RealModel, ResNet20IsLoweredAsItsQuantizedNetworkSays) {
  const auto folder = std::filesystem::path(OCTILE_SOURCE_DIR) / "../shared/data/cifar10-resnet";
  const std::string model = (folder / "cifar10_resnet20.onnx").string();
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no model at " << model;
  const ThreadCountScope one(1);
  const Network network = import_onnx(model);
  const auto samples = pictures((folder / "cifar10_test600.bin").string());
  ASSERT_EQ(samples.size(), size_t{kPictures});
  const CalibrationTable table = table_for(network, {samples[0]});
  for (const Scheme scheme : kSchemes) {
    BuildOptions options = first_tactics(true, scheme);
    options.profiles = {{{"input", {{1, 3, 32, 32}, {1, 3, 32, 32}, {1, 3, 32, 32}}}}};
    const auto plan = compiled(network, &table, options);
    const std::string steps = steps_of(*plan);
    EXPECT_TRUE(contains(steps, "Quantize Conv")) << steps;
    const Network oracle = quantized(network, &table, options);
    for (const Tensor& sample : samples) {
      const Tensor expected = interpret(oracle, {sample})[0];
      const Tensor scores = run_plan(plan, {sample})[0];
      // Sums on the edge between two integers fall either way, and go through twenty layers.
      EXPECT_LE(distance(scores, expected, largest(expected) / 127.0).worst, 3.0)
          << name_of(scheme);
      EXPECT_EQ(best(scores), best(expected)) << name_of(scheme);
    }
  }
}

}  // namespace
}  // namespace octile::test
#endif  // OCTILE_HAVE_ONNX
