// Operators that rearrange, from ONNX: values by hand, and what unknown extents become.
#ifdef OCTILE_HAVE_ONNX
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

TEST(OnnxReshape, ZeroCopiesAndMinusOneInfers) {
  Model m;
  m.input("x", {2, 3}).output("y").int64s("shape", {0, 1, -1});
  m.node("Reshape", {"x", "shape"}, {"y"});
  const Tensor y = m.run({six()})[0];
  EXPECT_EQ(y.shape(), (Shape{2, 1, 3}));
  EXPECT_EQ(list<float>(y), (Floats{1, 2, 3, 4, 5, 6}));
}

TEST(OnnxReshape, TheTargetMayBeComputedFromShapes) {
  // What exporters write for x.view(x.size(0), -1): Shape → Gather → Unsqueeze → Concat → Reshape.
  Model m;
  m.input("x", {-1, 2, 3})
      .output("y")
      .int64s("zero", {}, {0})
      .int64s("axes", {0})
      .int64s("rest", {-1});
  m.node("Shape", {"x"}, {"s"});
  m.node("Gather", {"s", "zero"}, {"n"});
  m.node("Unsqueeze", {"n", "axes"}, {"n1"});
  m.node("Concat", {"n1", "rest"}, {"target"}).set("axis", 0);
  m.node("Reshape", {"x", "target"}, {"y"});
  const Network net = m.import();
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{kDynamic, 6}));
  EXPECT_EQ(net.layers().size(), 1u) << net.to_string();
  for (const int64_t n : {1, 2, 5}) {
    EXPECT_EQ(interpret(net, {counting<float>({n, 2, 3})})[0].shape(), (Shape{n, 6}));
  }
}

TEST(OnnxReshape, DynamicBatchFreesAFixedTarget) {
  Model m;
  m.input("x", {1, 2, 3}).output("y").int64s("shape", {1, 6});
  m.node("Reshape", {"x", "shape"}, {"y"});
  EXPECT_EQ(m.import().shape(m.import().outputs()[0]), (Shape{1, 6}));
  OnnxOptions options;
  options.dynamic_batch = true;
  const Network net = m.import(options);
  EXPECT_EQ(net.shape(net.inputs()[0]), (Shape{kDynamic, 2, 3}));
  EXPECT_EQ(net.shape(net.outputs()[0]), (Shape{kDynamic, 6}));
  EXPECT_EQ(interpret(net, {counting<float>({3, 2, 3})})[0].shape(), (Shape{3, 6}));
}

TEST(OnnxReshape, DynamicBatchLeavesOtherExtentsAlone) {
  Model m;
  m.input("x", {4, 3}).output("y");
  m.node("Relu", {"x"}, {"y"});
  OnnxOptions options;
  options.dynamic_batch = true;
  const Network net = m.import(options);
  EXPECT_EQ(net.shape(net.inputs()[0]), (Shape{4, 3}));  // fixed at 4, not 1
}

TEST(OnnxReshape, ImpossibleTargetsNameTheNode) {
  for (const Ints& target : std::vector<Ints>{{4}, {-1, -1}, {-2, 3}, {5, -1}, {0, 0, 0}}) {
    Model m;
    m.input("x", {2, 3}).output("y").int64s("shape", target);
    m.node("Reshape", {"x", "shape"}, {"y"}).named("view");
    EXPECT_TRUE(contains(m.error(ErrorCode::kInvalidFile), "'view' (Reshape)"));
  }
}

TEST(OnnxShape, FlattenSqueezeUnsqueezeTranspose) {
  Model m;
  m.input("x", {2, 1, 3}).int64s("one", {1}).int64s("ends", {0, -1});
  m.node("Flatten", {"x"}, {"flat2"}).set("axis", 2);
  m.node("Flatten", {"x"}, {"flat0"}).set("axis", 0);
  m.node("Squeeze", {"x", "one"}, {"squeezed"});
  m.node("Unsqueeze", {"squeezed", "ends"}, {"wide"});
  m.node("Transpose", {"squeezed"}, {"turned"});
  m.node("Transpose", {"x"}, {"rolled"}).ints("perm", {2, 0, 1});
  for (const char* name : {"flat2", "flat0", "squeezed", "wide", "turned", "rolled"}) {
    m.output(name);
  }
  const auto y = m.run({six().reshaped({2, 1, 3})});
  const Shape shapes[] = {{2, 3}, {1, 6}, {2, 3}, {1, 2, 3, 1}, {3, 2}, {3, 2, 1}};
  for (size_t i = 0; i < std::size(shapes); ++i) EXPECT_EQ(y[i].shape(), shapes[i]) << i;
  EXPECT_EQ(list<float>(y[4]), (Floats{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(list<float>(y[5]), (Floats{1, 4, 2, 5, 3, 6}));
}

TEST(OnnxShape, AxesWereAttributesBeforeOpset13) {
  Model m(11);
  m.input("x", {2, 1, 3}).output("y");
  m.node("Squeeze", {"x"}, {"s"}).ints("axes", {1});
  m.node("Unsqueeze", {"s"}, {"y"}).ints("axes", {0});
  EXPECT_EQ(m.run({six().reshaped({2, 1, 3})})[0].shape(), (Shape{1, 2, 3}));
}

TEST(OnnxSlice, InputsAttributesAndNegativeSteps) {
  Model m;
  m.input("x", {2, 3}).output("y").int64s("starts", {-1, 1}).int64s("ends", {-100, 1000});
  m.int64s("axes", {1, 0}).int64s("steps", {-2, 1});
  m.node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"y"});
  const Tensor y = m.run({six()})[0];
  EXPECT_EQ(y.shape(), (Shape{1, 2}));
  EXPECT_EQ(list<float>(y), (Floats{6, 4}));
  Model old(9);
  old.input("x", {2, 3}).output("y");
  old.node("Slice", {"x"}, {"y"}).ints("starts", {0, 1}).ints("ends", {2, -1});
  EXPECT_EQ(list<float>(old.run({six()})[0]), (Floats{2, 5}));
}

TEST(OnnxSlice, ToTheEndOfAnUnknownAxis) {
  Model m;
  m.input("x", {-1, 3})
      .output("y")
      .int64s("starts", {1})
      .int64s("ends", {INT64_MAX})
      .int64s("axes", {0});
  m.node("Slice", {"x", "starts", "ends", "axes"}, {"y"});
  EXPECT_EQ(list<float>(m.run({six()})[0]), (Floats{4, 5, 6}));
}

TEST(OnnxSlice, FromTheEndOfAnUnknownAxis) {
  Model m;
  m.input("x", {-1}).output("y").int64s("starts", {0}).int64s("ends", {-2}).int64s("axes", {0});
  m.int64s("steps", {2}).node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"y"});
  EXPECT_EQ(list<float>(m.run({Tensor::floats({7}, {1, 2, 3, 4, 5, 6, 7})})[0]), (Floats{1, 3, 5}));
  EXPECT_EQ(m.run({Tensor::floats({2}, {1, 2})})[0].shape(), (Shape{0}));
}

TEST(OnnxConcat, JoinsWithConstants) {
  Model m;
  m.input("x", {2, 3}).output("y").floats("c", {2, 1}, {7, 8});
  m.node("Concat", {"c", "x"}, {"y"}).set("axis", -1);
  EXPECT_EQ(list<float>(m.run({six()})[0]), (Floats{7, 1, 2, 3, 8, 4, 5, 6}));
}

TEST(OnnxPad, ConstantReflectEdge) {
  const std::pair<const char*, Floats> cases[] = {{"constant", {9, 9, 1, 2, 3, 9}},
                                                  {"reflect", {3, 2, 1, 2, 3, 2}},
                                                  {"edge", {1, 1, 1, 2, 3, 3}}};
  for (const auto& [mode, expected] : cases) {
    Model m;
    m.input("x", {1, 3}).output("y").int64s("pads", {0, 2, 0, 1}).floats("nine", {}, {9});
    m.node("Pad", {"x", "pads", "nine"}, {"y"}).set("mode", mode);
    EXPECT_EQ(list<float>(m.run({Tensor::floats({1, 3}, {1, 2, 3})})[0]), expected) << mode;
  }
  Model old(10);
  old.input("x", {1, 3}).output("y");
  old.node("Pad", {"x"}, {"y"}).ints("pads", {0, -1, 0, 1}).set("value", 5.0f);
  EXPECT_EQ(list<float>(old.run({Tensor::floats({1, 3}, {1, 2, 3})})[0]), (Floats{2, 3, 5}));
}

TEST(OnnxGather, AlongAnAxisWithNegativeIndices) {
  Model m;
  m.input("x", {2, 3}).output("y").int64s("i", {2, 1}, {2, 0});
  m.node("Gather", {"x", "i"}, {"y"}).set("axis", 1);
  const Tensor y = m.run({six()})[0];
  EXPECT_EQ(y.shape(), (Shape{2, 2, 1}));
  EXPECT_EQ(list<float>(y), (Floats{3, 1, 6, 4}));
}

TEST(OnnxGather, SplitExpandAndTile) {
  Model m;
  m.input("x", {2, 3}).output("a").output("b").output("t").output("e");
  m.int64s("sizes", {1, 2}).int64s("twice", {1, 2}).int64s("shape", {2, 2, 1});
  m.node("Split", {"x", "sizes"}, {"a", "b"}).set("axis", 1);
  m.node("Tile", {"a", "twice"}, {"t"});
  m.node("Expand", {"a", "shape"}, {"e"});
  const auto y = m.run({six()});
  EXPECT_EQ(list<float>(y[0]), (Floats{1, 4}));
  EXPECT_EQ(list<float>(y[1]), (Floats{2, 3, 5, 6}));
  EXPECT_EQ(list<float>(y[2]), (Floats{1, 1, 4, 4}));
  EXPECT_EQ(y[3].shape(), (Shape{2, 2, 1}));
  EXPECT_EQ(list<float>(y[3]), (Floats{1, 4, 1, 4}));
}

TEST(OnnxIdentity, DropoutAndIdentityPassThrough) {
  Model m;
  m.input("x", {2, 3}).output("y");
  m.node("Dropout", {"x"}, {"d"}).set("seed", 1);
  m.node("Identity", {"d"}, {"y"});
  EXPECT_EQ(list<float>(m.run({six()})[0]), (Floats{1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace octile::test
#endif
