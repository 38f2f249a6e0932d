// A real model of the ONNX zoo on real digits, when the data lies beside the repository.
#ifdef OCTILE_HAVE_ONNX
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "graph/interpreter.h"
#include "octile/data.h"
#include "octile/onnx.h"

namespace octile::test {
namespace {

TEST(OnnxMnist, TheZoosModelReadsDigits) {
  const std::filesystem::path folder =
      std::filesystem::path(OCTILE_SOURCE_DIR) / "../shared/data/mnist";
  if (!std::filesystem::exists(folder / "mnist_cntk_opset7.onnx")) {
    GTEST_SKIP() << "the MNIST data is not at " << folder;
  }
  OnnxOptions options;
  options.dynamic_batch = true;
  const Network net = import_onnx((folder / "mnist_cntk_opset7.onnx").string(), options);
  ASSERT_EQ(net.inputs().size(), 1u);  // its initializers are listed as inputs too
  EXPECT_EQ(net.name(net.inputs()[0]), "Input3");
  EXPECT_EQ(net.shape(net.inputs()[0]), (Shape{kDynamic, 1, 28, 28}));
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{kDynamic, 10}));
  EXPECT_TRUE(net.find_tensor("Pooling66_Output_0"));

  DataOptions data;
  data.batch = 100;
  data.samples = 100;
  data.input_shapes["Input3"] = Shape{kDynamic, 1, 28, 28};
  auto source = open_data((folder / "t10k-images-idx3-ubyte.gz").string(), data);
  const auto batch = source->next();
  ASSERT_TRUE(batch);
  Tensor images = batch->begin()->second.cast(DataType::kFloat32);
  images = images.reshaped({100, 1, 28, 28});
  const std::vector<int64_t> labels = load_labels((folder / "t10k-labels-idx1-ubyte.gz").string());
  ASSERT_GE(labels.size(), 100u);
  const Tensor scores = interpret(net, {images})[0];
  int right = 0;
  for (size_t i = 0; i < 100; ++i) {
    const float* row = scores.as<float>() + 10 * i;
    right += std::max_element(row, row + 10) - row == labels[i];
  }
  EXPECT_GE(right, 97);
}

}  // namespace
}  // namespace octile::test
#endif
