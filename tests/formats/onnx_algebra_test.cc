// Einsum, LRN, CumSum, MelWeightMatrix, and the operators with indices and samples: what the
// published node tests leave open.
#ifdef OCTILE_HAVE_ONNX
#include <functional>

#include "formats/onnx_models.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;
using Dims = std::vector<std::vector<int64_t>>;

Model einsum(const std::string& equation, const Dims& dims, int type = onnx::TensorProto::FLOAT) {
  Model m(12);
  std::vector<std::string> names;
  for (const auto& d : dims) {
    names.push_back("x" + std::to_string(names.size()));
    m.input(names.back(), d, type);
  }
  m.output("y");
  m.node("Einsum", names, {"y"}).set("equation", equation.c_str());
  return m;
}

TEST(OnnxEinsum, TwoOperands) {
  const Tensor a = counting<float>({2, 3}), b = counting<float>({3, 2});
  const auto two = [&](const char* equation) {
    return list<float>(einsum(equation, {{2, 3}, {3, 2}}).run({a, b})[0]);
  };
  EXPECT_EQ(two("ij,jk->ik"), (Floats{10, 13, 28, 40}));
  EXPECT_EQ(two("ij, jk"), (Floats{10, 13, 28, 40}));
  EXPECT_EQ(two("ij,jk->ki"), (Floats{10, 28, 13, 40}));
  EXPECT_EQ(two("ij,ji->"), (Floats{50}));
  EXPECT_EQ(two("ij,kl->ik"), (Floats{3 * 1, 3 * 5, 3 * 9, 12 * 1, 12 * 5, 12 * 9}));
  EXPECT_EQ(two("ij,jk->j"), (Floats{3 * 1, 5 * 5, 7 * 9}));
}

TEST(OnnxEinsum, AttentionOfAnUnknownBatch) {
  const Tensor q = counting<float>({1, 2, 2, 3}), k = counting<float>({1, 2, 2, 3});
  const Model m = einsum("bqhd,bkhd->bhqk", {{-1, 2, 2, 3}, {-1, 2, 2, 3}});
  const Tensor y = m.run({q, k})[0];
  ASSERT_EQ(y.shape(), (Shape{1, 2, 2, 2}));
  EXPECT_EQ(list<float>(y), (Floats{5, 23, 23, 149, 50, 122, 122, 302}));
}

TEST(OnnxEinsum, MergesSeveralAxes) {
  // axes c and d are contracted together, a and b are rows together
  const Tensor x = counting<float>({2, 2, 2, 2}), w = counting<float>({2, 2, 3});
  const Tensor y = einsum("abcd,dco->abo", {{2, 2, 2, 2}, {2, 2, 3}}).run({x, w})[0];
  ASSERT_EQ(y.shape(), (Shape{2, 2, 3}));
  // row (0, 0): 0·w00 + 1·w10 + 2·w01 + 3·w11 with w00 = 0 1 2, w01 = 3 4 5, w10 = 6 7 8, …
  EXPECT_EQ(list<float>(y)[0], 0 * 0 + 1 * 6 + 2 * 3 + 3 * 9);
  EXPECT_EQ(list<float>(y)[5], 4 * 2 + 5 * 8 + 6 * 5 + 7 * 11);
}

TEST(OnnxEinsum, DiagonalsSumsAndEllipses) {
  const Tensor x = counting<float>({2, 2, 2});
  const auto one = [&](const char* equation) {
    return list<float>(einsum(equation, {{2, 2, 2}}).run({x})[0]);
  };
  EXPECT_EQ(one("...ii->...i"), (Floats{0, 3, 4, 7}));
  EXPECT_EQ(one("iij->j"), (Floats{0 + 6, 1 + 7}));
  EXPECT_EQ(one("iii"), (Floats{0 + 7}));
  EXPECT_EQ(one("...i->i..."), (Floats{0, 2, 4, 6, 1, 3, 5, 7}));
  EXPECT_EQ(one("b...->..."), (Floats{4, 6, 8, 10}));
}

TEST(OnnxEinsum, EllipsesBroadcast) {
  const Tensor a = counting<float>({2, 1, 1, 2}), b = counting<float>({2, 2, 1});
  const Tensor y = einsum("...ij,...jk->...ik", {{2, 1, 1, 2}, {2, 2, 1}}).run({a, b})[0];
  EXPECT_EQ(y.shape(), (Shape{2, 2, 1, 1}));
  EXPECT_EQ(list<float>(y), (Floats{1, 3, 3, 13}));
}

TEST(OnnxEinsum, ThreeOperandsAndIntegers) {
  const Dims dims{{2}, {2}, {2}};
  const std::vector<int32_t> v{2, 3};
  const Tensor x = values<int32_t>({2}, v);
  const auto y = einsum("i,i,i->", dims, onnx::TensorProto::INT32).run({x, x, x})[0];
  EXPECT_EQ(list<int32_t>(y), std::vector<int32_t>{8 + 27});
  const Tensor f = Tensor::floats({2}, {2, 3});
  EXPECT_EQ(list<float>(einsum("i,j,i->j", dims).run({f, f, f})[0]), (Floats{26, 39}));
}

TEST(OnnxEinsum, RefusesWhatIsNoEquation) {
  for (const char* equation :
       {"ij,jk->ik", "i->j", "ij->ii", "i1->i", "i.j->", "ijk", "i->i", ""}) {
    EXPECT_FALSE(einsum(equation, {{2, 3}}).error(ErrorCode::kInvalidFile).empty()) << equation;
  }
}

TEST(OnnxLrn, TakesAnUnknownBatch) {
  Model m;
  m.input("x", {-1, 3, 1, 2}).output("y");
  m.node("LRN", {"x"}, {"y"}).set("size", 2).set("alpha", 2.0f).set("beta", 1.0f);
  // the window of channel c is c, c + 1
  expect_close(m.run({Tensor::floats({1, 3, 1, 2}, {1, 0, 2, 1, 3, 1})})[0],
               {1 / 6.0, 0, 2 / 14.0, 1 / 3.0, 3 / 10.0, 1 / 2.0}, 1e-6);
}

TEST(OnnxCumSum, WantsItsAxisAtImport) {
  Model m;
  m.input("x", {3}).input("axis", {}, onnx::TensorProto::INT32).output("y");
  m.node("CumSum", {"x", "axis"}, {"y"});
  EXPECT_TRUE(contains(m.error(ErrorCode::kUnsupported), "--constant axis=VALUE"));
}

TEST(OnnxMelWeightMatrix, RefusesAbsurdParameters) {
  Model m(17);
  m.output("y").int64s("filters", {}, {int64_t{1} << 40}).int64s("length", {}, {16});
  m.int64s("rate", {}, {8192}).floats("low", {}, {0}).floats("high", {}, {8192});
  m.node("MelWeightMatrix", {"filters", "length", "rate", "low", "high"}, {"y"});
  EXPECT_TRUE(contains(m.error(ErrorCode::kInvalidFile), "out of range"));
}

TEST(OnnxMaxUnpool, UndoesMaxPool) {
  Model m(12);
  m.input("x", {1, 2, 2, 2}).output("values").output("places").output("y");
  m.node("MaxPool", {"x"}, {"values", "places"}).ints("kernel_shape", {2, 2});
  m.node("MaxUnpool", {"values", "places"}, {"y"}).ints("kernel_shape", {2, 2});
  const auto got = m.run({Tensor::floats({1, 2, 2, 2}, {1, 2, 9, 4, 5, 6, 7, 8})});
  EXPECT_EQ(list<int64_t>(got[1]), (std::vector<int64_t>{2, 7}));
  EXPECT_EQ(list<float>(got[2]), (Floats{0, 0, 9, 0, 0, 0, 0, 8}));
}

TEST(OnnxMaxUnpool, RefusesAbsurdWindows) {
  for (const int64_t kernel : {int64_t{1} << 40, int64_t{-3}, int64_t{0}}) {
    Model m(12);
    m.input("x", {1, 1, 1}).input("i", {1, 1, 1}, onnx::TensorProto::INT64).output("y");
    m.node("MaxUnpool", {"x", "i"}, {"y"}).ints("kernel_shape", {kernel});
    EXPECT_FALSE(m.error(ErrorCode::kInvalidFile).empty());
  }
}

TEST(OnnxScatter, ReductionsOfNewerSets) {
  Model m(18);
  m.input("x", {3}).input("i", {2}, onnx::TensorProto::INT64).input("u", {2}).output("y");
  m.node("ScatterElements", {"x", "i", "u"}, {"y"}).set("reduction", "max");
  EXPECT_EQ(list<float>(m.run({Tensor::floats({3}, {1, 2, 3}), Tensor::int64s({0, -1}),
                               Tensor::floats({2}, {5, 1})})[0]),
            (Floats{5, 2, 3}));
}

// --- Resize ---

Tensor resized(int64_t opset, const std::vector<int64_t>& dims, const std::vector<int64_t>& sizes,
               const std::function<void(NodeBuilder&)>& attributes) {
  Model m(opset);
  m.input("x", dims).output("y").int64s("sizes", sizes).floats("roi", {2}, {0.25f, 0.75f});
  NodeBuilder node = m.node("Resize", {"x", "roi", "", "sizes"}, {"y"});
  attributes(node);
  return m.run({counting<float>(Shape(dims))})[0];
}

TEST(OnnxResize, KeepsTheAspectRatio) {
  const auto shape = [](const char* policy) {
    return resized(18, {1, 1, 2, 4}, {7, 8},
                   [&](NodeBuilder& n) {
                     n.ints("axes", {2, 3}).set("keep_aspect_ratio_policy", policy);
                   })
        .shape();
  };
  EXPECT_EQ(shape("stretch"), (Shape{1, 1, 7, 8}));
  EXPECT_EQ(shape("not_larger"), (Shape{1, 1, 4, 8}));
  EXPECT_EQ(shape("not_smaller"), (Shape{1, 1, 7, 14}));
}

TEST(OnnxResize, CropsAlongTheListedAxes) {
  const Tensor y = resized(18, {1, 5}, {3}, [](NodeBuilder& n) {
    n.ints("axes", {-1}).set("mode", "linear");
    n.set("coordinate_transformation_mode", "tf_crop_and_resize");
  });
  expect_close(y, {1, 2, 3}, 1e-6);
}

TEST(OnnxResize, LinearOverThreeAxes) {
  const Tensor y = resized(13, {1, 1, 1, 1, 2}, {1, 1, 1, 1, 4},
                           [](NodeBuilder& n) { n.set("mode", "linear"); });
  expect_close(y, {0, 0.25, 0.75, 1}, 1e-6);
}

TEST(OnnxRoiAlign, TheDefaultShiftCameWithOpset16) {
  for (const auto& [opset, expected] : {std::pair{10, 2.5f}, std::pair{16, 0.0f}}) {
    Model m(opset);
    m.input("x", {1, 1, 2, 2}).output("y").floats("rois", {1, 4}, {0, 0, 1, 1});
    m.int64s("batch", {0});
    m.node("RoiAlign", {"x", "rois", "batch"}, {"y"}).set("sampling_ratio", 1);
    // the sample is at (0.5, 0.5), or at (0, 0)
    const Tensor x = Tensor::floats({1, 1, 2, 2}, {0, 2, 3, 5});
    EXPECT_EQ(list<float>(m.run({x})[0]), Floats{expected}) << opset;
  }
}

}  // namespace
}  // namespace octile::test
#endif
