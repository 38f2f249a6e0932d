// What a small file may cost at import: work, memory, and names without end.
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using onnx::TensorProto;

TEST(OnnxBudget, ProductsOfLargeMadeConstantsAreRefused) {
  Model m(13);
  m.output("y").int64s("n", {3000, 3000});
  m.node("ConstantOfShape", {"n"}, {"a"});
  m.node("MatMul", {"a", "a"}, {"y"}).named("product");
  const std::string text = m.error(ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "'product'"));
  EXPECT_TRUE(contains(text, "too much work"));
}

TEST(OnnxBudget, WideWindowsAreCountedTapByTap) {
  Model m(13);
  m.output("y").int64s("n", {1, 2000, 40, 40});
  m.node("ConstantOfShape", {"n"}, {"a"});
  m.node("LRN", {"a"}, {"y"}).named("across").set("size", 1001);  // 3e9 terms
  EXPECT_TRUE(
      contains(m.error(ErrorCode::kUnsupported), "'across' (LRN): the model takes too much"));
}

/// Four boxes of an image, all constants, cut into 8 × 8 bins each.
Model boxes_of(float size) {
  std::vector<float> boxes(16, 0.0f);
  for (size_t i = 2; i < boxes.size(); i += 4) boxes[i] = boxes[i + 1] = size;
  Model m(13);
  m.output("y").int64s("image", {1, 1, 8, 8}).floats("boxes", {4, 4}, boxes);
  m.int64s("images", {0, 0, 0, 0}).node("ConstantOfShape", {"image"}, {"x"});
  auto node = m.node("RoiAlign", {"x", "boxes", "images"}, {"y"}).named("align");
  node.set("output_height", 8).set("output_width", 8);
  return m;
}

TEST(OnnxBudget, BoxesThatAskForManySamples) {
  const std::string text = boxes_of(30000.0f).error(ErrorCode::kUnsupported);
  EXPECT_TRUE(contains(text, "'align' (RoiAlign): the model takes")) << text;
  EXPECT_EQ(boxes_of(100.0f).import().outputs().size(), 1u);
}

TEST(OnnxBudget, AxesWithoutElementsStillTakeTime) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  for (const char* op : {"CumSum", "Softmax", "Gather", "Unique"}) {
    Model m(13);
    m.output("y").floats("x", {kMost, kMost, 0}, {}).int64s("axis", {}, {2});
    if (op == std::string("CumSum")) m.node(op, {"x", "axis"}, {"y"});
    if (op == std::string("Softmax")) m.node(op, {"x"}, {"y"}).set("axis", 1);
    if (op == std::string("Gather")) m.node(op, {"x", "axis"}, {"y"}).set("axis", 1);
    if (op == std::string("Unique")) m.node(op, {"x"}, {"y"}).set("axis", 0);
    EXPECT_FALSE(m.error(ErrorCode::kUnsupported).empty()) << op;
  }
}

TEST(OnnxBudget, NodesOfConstantsAddUp) {
  Model m(13);
  m.output("y").int64s("n", {1000, 1000});
  m.node("ConstantOfShape", {"n"}, {"t0"});
  constexpr int kCount = 200;  // one of them is nothing
  for (int i = 0; i < kCount; ++i) {
    const std::string to = i + 1 == kCount ? "y" : "t" + std::to_string(i + 1);
    m.node("Exp", {"t" + std::to_string(i)}, {to});
  }
  EXPECT_TRUE(contains(m.error(ErrorCode::kUnsupported), "too much work or memory"));
}

TEST(OnnxBudget, ALargeModelMayComputeMore) {
  Model m(13);
  m.output("y").floats("t0", {1000, 1000}, std::vector<float>(1'000'000, 0.5f));
  constexpr int kCount = 30;
  for (int i = 0; i < kCount; ++i) {
    const std::string to = i + 1 == kCount ? "y" : "t" + std::to_string(i + 1);
    m.node("Cos", {"t" + std::to_string(i)}, {to});
  }
  EXPECT_EQ(m.import().outputs().size(), 1u);
}

TEST(OnnxBudget, LargeConstantsInLoopsAddUp) {
  Model body, m(13);
  body.input("i", {}, TensorProto::INT64).input("go", {}, TensorProto::BOOL).input("v", {});
  body.output("go").output("v_out").int64s("size", {1 << 22});
  body.node("ConstantOfShape", {"size"}, {"c"});
  body.node("Size", {"c"}, {"count"});
  body.node("Cast", {"count"}, {"more"}).set("to", TensorProto::FLOAT);
  body.node("Add", {"v", "more"}, {"v_out"});
  m.input("x", {}).output("y").int64s("n", {}, {1000});
  auto* attribute = m.node("Loop", {"n", "", "x"}, {"y"}).named("loop").proto().add_attribute();
  attribute->set_name("body");
  attribute->set_type(onnx::AttributeProto::GRAPH);
  *attribute->mutable_g() = body.proto.graph();
  EXPECT_TRUE(contains(m.error(ErrorCode::kUnsupported), "too much work or memory"));
}

TEST(OnnxBudget, ManyNodesOfOneName) {
  Model m(13);
  m.input("x", {1}).output("y");
  constexpr int kCount = 20000;  // quadratic work would show
  for (int i = 0; i < kCount; ++i) {
    m.node("Relu", {i == 0 ? "x" : "t" + std::to_string(i)},
           {i + 1 == kCount ? "y" : "t" + std::to_string(i + 1)})
        .named("same");
  }
  const Network net = m.import();
  EXPECT_TRUE(net.find_layer("same"));
  EXPECT_TRUE(net.find_layer("same#20000"));
}

}  // namespace
}  // namespace octile::test
#endif
