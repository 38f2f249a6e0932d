// Operators whose extents depend on values, and what reads extents known only at run time, from
// ONNX: values by hand.
#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

/// x (6): its elements that are not zero, as "picked" (n); "where" is NonZero's (1, n).
Model picker(int64_t opset = 13) {
  Model m(opset);
  m.input("x", {6}).int64s("flat", {-1});
  m.node("NonZero", {"x"}, {"where"});
  m.node("Reshape", {"where", "flat"}, {"index"});
  m.node("Gather", {"x", "index"}, {"picked"});
  return m;
}

TEST(OnnxValues, NonZeroAndGather) {
  Model m = picker();
  m.output("picked").output("where");
  const Network network = m.import();
  EXPECT_EQ(network.shape(*network.find_tensor("where")), (Shape{1, kDynamic}));
  EXPECT_EQ(list<float>(m.run({row({0, 4, 0, 5, 6, 0})})[0]), (Floats{4, 5, 6}));
  EXPECT_EQ(m.run({row({0, 0, 0, 0, 0, 0})})[0].shape(), (Shape{0}));
}

/// What detectors end with: at most so many of what is there.
TEST(OnnxValues, TopKOfWhatIsThere) {
  Model m = picker();
  m.int64s("first", {}, {0}).int64s("most", {2}).int64s("zero", {0});
  m.node("Shape", {"picked"}, {"extents"});
  m.node("Gather", {"extents", "first"}, {"count"});
  m.node("Unsqueeze", {"count", "zero"}, {"list"});
  m.node("Min", {"list", "most"}, {"k"});
  m.node("TopK", {"picked", "k"}, {"best", "at"});
  m.output("best").output("at");
  m.int64s("unused", {1});
  const auto two = m.run({row({0, 4, 0, 9, 6, 0})});
  EXPECT_EQ(list<float>(two[0]), (Floats{9, 6}));
  EXPECT_EQ(list<int64_t>(two[1]), (Ints{1, 2}));
  EXPECT_EQ(list<float>(m.run({row({0, 0, 0, 0, 6, 0})})[0]), (Floats{6}));
  EXPECT_EQ(m.run({row({0, 0, 0, 0, 0, 0})})[0].shape(), (Shape{0}));
}

/// ONNX moves a slice's bounds into the axis, however short it turns out.
TEST(OnnxValues, SliceOfWhatIsThere) {
  for (const int64_t opset : {9, 13}) {
    Model m = picker(opset);
    if (opset == 9) {
      m.node("Slice", {"picked"}, {"y"}).ints("starts", {1}).ints("ends", {3}).ints("axes", {0});
    } else {
      m.int64s("start", {1}).int64s("end", {3}).int64s("axis", {0});
      m.node("Slice", {"picked", "start", "end", "axis"}, {"y"});
    }
    m.output("y");
    EXPECT_EQ(list<float>(m.run({row({1, 2, 3, 4, 5, 6})})[0]), (Floats{2, 3}));
    EXPECT_EQ(list<float>(m.run({row({0, 2, 3, 0, 0, 0})})[0]), (Floats{3}));
    EXPECT_EQ(m.run({row({0, 0, 0, 0, 5, 0})})[0].shape(), (Shape{0}));
    EXPECT_EQ(m.run({row({0, 0, 0, 0, 0, 0})})[0].shape(), (Shape{0}));
  }
}

TEST(OnnxValues, RangeExpandAndFill) {
  Model m = picker();
  m.int64s("first", {}, {0}).int64s("one", {}, {1}).int64s("two", {2});
  m.floats("seven", {1}, {7});
  m.node("Shape", {"picked"}, {"extents"});
  m.node("Gather", {"extents", "first"}, {"count"});
  m.node("Range", {"first", "count", "one"}, {"counted"});
  m.node("Concat", {"two", "extents"}, {"wide"}).set("axis", 0);
  m.node("Expand", {"picked", "wide"}, {"twice"});
  m.node("ConstantOfShape", {"extents"}, {"zeros"});
  m.node("Sub", {"zeros", "picked"}, {"minus"});
  m.output("counted").output("twice").output("minus");
  const auto y = m.run({row({0, 4, 0, 5, 0, 0})});
  EXPECT_EQ(list<int64_t>(y[0]), (Ints{0, 1}));
  EXPECT_EQ(y[1], Tensor::floats({2, 2}, {4, 5, 4, 5}));
  EXPECT_EQ(list<float>(y[2]), (Floats{-4, -5}));
}

/// Two extents from values, in a new order: no single -1 can say that.
TEST(OnnxValues, ReshapesWithSeveralOpenExtents) {
  Model m(13);
  m.input("a", {3}).input("b", {3}).int64s("flat", {-1}).int64s("ends", {0, 3});
  for (const char* x : {"a", "b"}) {
    const std::string s = x;
    m.node("NonZero", {s}, {s + "w"});
    m.node("Reshape", {s + "w", "flat"}, {s + "i"});
    m.node("Gather", {s, s + "i"}, {s + "p"});
  }
  m.int64s("last", {1}).int64s("front", {0});
  m.node("Unsqueeze", {"ap", "last"}, {"column"});
  m.node("Unsqueeze", {"bp", "front"}, {"line"});
  m.node("Mul", {"column", "line"}, {"table"});
  m.node("Unsqueeze", {"table", "ends"}, {"y"});
  m.output("y");
  const auto y = m.run({row({2, 0, 3}), row({5, 6, 7})});
  EXPECT_EQ(y[0], Tensor::floats({1, 2, 3, 1}, {10, 12, 14, 15, 18, 21}));
  EXPECT_EQ(m.run({row({0, 0, 0}), row({5, 6, 0})})[0].shape(), (Shape{1, 0, 2, 1}));
}

TEST(OnnxValues, NonMaxSuppressionTakesItsLimits) {
  Model m(11);
  m.input("boxes", {1, 3, 4}).input("scores", {1, 1, 3});
  m.int64s("most", {2}).floats("iou", {1}, {0.5f}).floats("least", {1}, {0.6f});
  m.node("NonMaxSuppression", {"boxes", "scores", "most", "iou", "least"}, {"y"})
      .set("center_point_box", 1);
  m.output("y");
  const Tensor boxes = Tensor::floats({1, 3, 4}, {1, 1, 2, 2, 1, 1, 2, 1.8f, 9, 9, 2, 2});
  EXPECT_EQ(list<int64_t>(m.run({boxes, Tensor::floats({1, 1, 3}, {0.7f, 0.8f, 0.9f})})[0]),
            (Ints{0, 0, 2, 0, 0, 1}));
  EXPECT_EQ(m.run({boxes, Tensor::floats({1, 1, 3}, {0.1f, 0.2f, 0.3f})})[0].shape(),
            (Shape{0, 3}));
}

TEST(OnnxValues, UniqueAndCompress) {
  Model m(11);
  m.input("x", {2, 3}).input("keep", {2}, onnx::TensorProto::BOOL);
  m.node("Compress", {"x", "keep"}, {"rows"}).set("axis", 0);
  m.node("Unique", {"rows"}, {"y", "", "", "counts"});
  m.output("y").output("counts");
  const Tensor x = Tensor::floats({2, 3}, {3, 1, 3, 2, 2, 2});
  const auto y = m.run({x, row({1, 0}).cast(DataType::kBool)});
  EXPECT_EQ(list<float>(y[0]), (Floats{1, 3}));
  EXPECT_EQ(list<int64_t>(y[1]), (Ints{1, 2}));
  EXPECT_EQ(m.run({x, row({0, 0}).cast(DataType::kBool)})[0].shape(), (Shape{0}));
}

/// The smaller of an open batch and a number is not the number.
TEST(OnnxValues, SizesAreComparedAtRunTime) {
  Model m(13);
  m.input("x", {-1}).int64s("most", {3});
  m.node("Shape", {"x"}, {"extents"});
  m.node("Min", {"extents", "most"}, {"k"});
  m.node("TopK", {"x", "k"}, {"y", ""});
  m.output("y");
  EXPECT_EQ(list<float>(m.run({row({1, 2})})[0]), (Floats{2, 1}));
  EXPECT_EQ(list<float>(m.run({row({1, 2, 5, 4})})[0]), (Floats{5, 4, 2}));
}

TEST(OnnxValues, TriangleOfUnknownSize) {
  Model m(14);
  m.input("x", {-1, -1}).output("y");
  m.node("Trilu", {"x"}, {"y"});
  EXPECT_EQ(m.run({Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6})})[0],
            Tensor::floats({2, 3}, {1, 2, 3, 0, 5, 6}));
  EXPECT_EQ(m.run({Tensor(DataType::kFloat32, {0, 5})})[0].shape(), (Shape{0, 5}));
}

TEST(OnnxValues, ExtentsOfZero) {
  Model m(14);
  m.input("x", {3, 0, 5}).int64s("to", {5, 0}).int64s("none", {0, 0});
  m.node("Reshape", {"x", "to"}, {"y"}).set("allowzero", 1);
  m.node("Trilu", {"x"}, {"upper"});
  m.node("Split", {"x", "none"}, {"a", "b"}).set("axis", 1);
  m.output("y").output("upper").output("a");
  const auto y = m.run({Tensor(DataType::kFloat32, {3, 0, 5})});
  EXPECT_EQ(y[0].shape(), (Shape{5, 0}));
  EXPECT_EQ(y[1].shape(), (Shape{3, 0, 5}));
  EXPECT_EQ(y[2].shape(), (Shape{3, 0, 5}));
}

}  // namespace
}  // namespace octile::test
