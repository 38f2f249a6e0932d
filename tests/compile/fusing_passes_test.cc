// Passes that recognize activations, widen windows and move scales: what they must do and what they
// must leave alone.
#include <numbers>

#include "compile/rewriting.h"

namespace octile::test {
namespace {

struct Image {
  Network n{"image"};
  TensorId x;
  Random random{61};
  explicit Image(const Shape& shape = {2, 3, 6, 6}) {
    x = n.add_input("x", DataType::kFloat32, shape);
  }
  TensorId number(double value) { return n.constant(Tensor::scalar(static_cast<float>(value))); }
  TensorId mul(TensorId a, TensorId b) { return n.elementwise(a, b, ElementwiseKind::kMul); }
  TensorId div(TensorId a, TensorId b) { return n.elementwise(a, b, ElementwiseKind::kDiv); }
  TensorId add(TensorId a, TensorId b) { return n.elementwise(a, b, ElementwiseKind::kAdd); }
  TensorId act(TensorId t, ActivationKind kind, float alpha = 0, float beta = 0) {
    return n.activation(t, kind, alpha, beta);
  }
  TensorId conv(TensorId t, int64_t pad, int64_t groups = 1, bool bias = true) {
    std::optional<Tensor> b;
    if (bias) b = random_floats({6}, random);
    return n.convolution(t, random_floats({6, n.shape(t)[1] / groups, 3, 3}, random), b,
                         conv_of(1, pad, groups));
  }
  void expect_activation(TensorId y, ActivationKind kind) {
    n.mark_output(y, "y");
    EXPECT_GE(apply_pass(n, recognize_activations), 1);
    ASSERT_EQ(count_layers(n), 1) << n.to_string();
    EXPECT_EQ(std::get<Activation>(n.op(n.producer(n.outputs()[0]))).kind, kind);
  }
};

// --- recognize-activations ---

TEST(RecognizeActivations, Swish) {
  for (const bool left : {false, true}) {
    Image i;
    const TensorId s = i.act(i.x, ActivationKind::kSigmoid);
    i.expect_activation(left ? i.mul(s, i.x) : i.mul(i.x, s), ActivationKind::kSwish);
  }
}

TEST(RecognizeActivations, HardSwishInItsSpellings) {
  const auto relu6 = [](Image& i) {
    return i.act(i.add(i.x, i.number(3)), ActivationKind::kClip, 0, 6);
  };
  {
    Image i;
    i.expect_activation(i.mul(i.x, i.div(relu6(i), i.number(6))), ActivationKind::kHardSwish);
  }
  {
    Image i;
    i.expect_activation(i.div(i.mul(i.x, relu6(i)), i.number(6)), ActivationKind::kHardSwish);
  }
  {
    Image i;
    i.expect_activation(i.mul(i.mul(i.number(1.0 / 6), relu6(i)), i.x), ActivationKind::kHardSwish);
  }
  {
    Image i;
    i.expect_activation(i.mul(i.x, i.act(i.x, ActivationKind::kHardSigmoid, 1.0f / 6, 0.5f)),
                        ActivationKind::kHardSwish);
  }
}

TEST(RecognizeActivations, MishAndGelu) {
  {
    Image i;
    const TensorId plus = i.act(i.x, ActivationKind::kSoftplus, 1, 1);
    i.expect_activation(i.mul(i.x, i.act(plus, ActivationKind::kTanh)), ActivationKind::kMish);
  }
  for (const int spelling : {0, 1, 2}) {
    Image i;
    const TensorId u = spelling == 0 ? i.mul(i.x, i.number(1 / std::numbers::sqrt2))
                                     : i.div(i.x, i.number(std::numbers::sqrt2));
    const TensorId cdf = i.add(i.n.unary(u, UnaryKind::kErf), i.number(1));
    const TensorId y = spelling == 0   ? i.mul(i.mul(i.x, cdf), i.number(0.5))
                       : spelling == 1 ? i.mul(i.mul(i.x, i.number(0.5)), cdf)
                                       : i.mul(i.x, i.div(cdf, i.number(2)));
    i.expect_activation(y, ActivationKind::kGeluErf);
  }
}

TEST(RecognizeActivations, LeavesOtherProductsAlone) {
  const auto expect_none = [](Image& i, TensorId y) {
    i.n.mark_output(y, "y");
    EXPECT_EQ(apply_pass(i.n, recognize_activations), 0) << i.n.to_string();
  };
  {  // of something else
    Image i;
    expect_none(i, i.mul(i.act(i.x, ActivationKind::kTanh), i.act(i.x, ActivationKind::kSigmoid)));
  }
  {  // scaled
    Image i;
    expect_none(i, i.mul(i.mul(i.x, i.number(2)), i.act(i.x, ActivationKind::kSigmoid)));
  }
  {  // the sigmoid is read elsewhere
    Image i;
    const TensorId s = i.act(i.x, ActivationKind::kSigmoid);
    i.n.mark_output(i.n.softmax(s, {1}), "other");
    expect_none(i, i.mul(i.x, s));
  }
  {  // the sigmoid was asked for
    Image i;
    const TensorId s = i.n.activation(i.x, ActivationKind::kSigmoid, 0, 0, "s");
    i.n.set_precision(*i.n.find_layer("s"), Precision::kFloat32);
    expect_none(i, i.mul(i.x, s));
  }
  {  // another clip
    Image i;
    const TensorId c = i.act(i.add(i.x, i.number(3)), ActivationKind::kClip, 0, 5);
    expect_none(i, i.div(i.mul(i.x, c), i.number(6)));
  }
  {  // a quotient the other way round
    Image i;
    expect_none(i, i.div(i.x, i.add(i.act(i.x, ActivationKind::kSigmoid), i.number(1))));
  }
}

// --- fold-padding ---

Padding around(int64_t before, int64_t after, float value = 0.0f) {
  return {PaddingKind::kConstant, {0, 0, before, 0}, {0, 0, after, 1}, value};
}

TEST(FoldPadding, IntoConvolutionsAndAverages) {
  for (const int64_t groups : {1, 3}) {
    Image i;
    i.n.mark_output(i.conv(i.n.padding(i.x, around(1, 2)), 1, groups), "y");
    EXPECT_GE(apply_pass(i.n, fold_padding), 1);
    EXPECT_EQ(count<Padding>(i.n), 0);
  }
  Image i;
  i.n.mark_output(i.n.pooling(i.n.padding(i.x, around(1, 1)), pool_of(PoolingKind::kAverage, 3, 2)),
                  "y");
  EXPECT_GE(apply_pass(i.n, fold_padding), 1);
  EXPECT_EQ(count<Padding>(i.n), 0);
}

TEST(FoldPadding, LeavesOtherPaddingsAlone) {
  const auto expect_none = [](Image& i, TensorId y) {
    i.n.mark_output(y, "y");
    EXPECT_EQ(apply_pass(i.n, fold_padding), 0) << i.n.to_string();
  };
  {
    Image i;
    expect_none(i, i.conv(i.n.padding(i.x, around(1, 1, 0.5f)), 0));
  }
  {
    Image i;
    expect_none(i, i.conv(i.n.padding(i.x, {PaddingKind::kEdge, {0, 0, 1, 1}, {0, 0, 1, 1}}), 0));
  }
  {
    Image i;
    expect_none(i, i.conv(i.n.padding(i.x, around(-1, 1)), 0));
  }
  {
    Image i;
    expect_none(i,
                i.conv(i.n.padding(i.x, {PaddingKind::kConstant, {0, 1, 0, 0}, {0, 0, 1, 0}}), 0));
  }
  {  // a maximum over zeros is no maximum over the image alone
    Image i;
    expect_none(i, i.n.pooling(i.n.padding(i.x, around(1, 1)), pool_of(PoolingKind::kMax, 3, 2)));
  }
  {  // some zeros would count and others not
    Image i;
    expect_none(
        i, i.n.pooling(i.n.padding(i.x, around(1, 1)), pool_of(PoolingKind::kAverage, 3, 2, 1)));
  }
  {  // a window of padding alone
    Image i;
    expect_none(i,
                i.n.pooling(i.n.padding(i.x, around(3, 1)), pool_of(PoolingKind::kAverage, 3, 2)));
  }
}

// --- fold-focus ---

TensorId phase(Network& n, TensorId x, int64_t row, int64_t column) {
  return n.slice(x, {{2, 3}, {row, column}, {-1, -1}, {2, 2}});
}

TEST(FoldFocus, BecomesAStridedConvolution) {
  for (const int64_t pad : {0, 1, 2}) {
    Image i({2, 3, 8, 10});
    const TensorId joined = i.n.concatenation({phase(i.n, i.x, 0, 0), phase(i.n, i.x, 1, 0),
                                               phase(i.n, i.x, 0, 1), phase(i.n, i.x, 1, 1)},
                                              1);
    i.n.mark_output(i.conv(joined, pad, 1, pad != 0), "y");
    EXPECT_GE(apply_pass(i.n, fold_focus), 1);
    ASSERT_EQ(count_layers(i.n), 1) << i.n.to_string();
    const auto& conv = std::get<Convolution>(i.n.op(i.n.producer(i.n.outputs()[0])));
    EXPECT_EQ(conv.window.kernel, (std::vector<int64_t>{6, 6}));
    EXPECT_EQ(conv.window.stride, (std::vector<int64_t>{2, 2}));
  }
}

TEST(FoldFocus, LeavesOtherJoinsAlone) {
  const auto expect_none = [](Image& i, const std::vector<TensorId>& parts, int64_t groups = 1) {
    i.n.mark_output(i.conv(i.n.concatenation(parts, 1), 1, groups), "y");
    EXPECT_EQ(apply_pass(i.n, fold_focus), 0) << i.n.to_string();
  };
  const auto at = [](Image& i, int64_t row, int64_t column) {
    return phase(i.n, i.x, row, column);
  };
  {  // a phase is missing
    Image i;
    expect_none(i, {at(i, 0, 0), at(i, 1, 0), at(i, 0, 1)});
  }
  {  // one comes twice
    Image i;
    expect_none(i, {at(i, 0, 0), at(i, 1, 0), at(i, 0, 1), at(i, 0, 1)});
  }
  {  // of another image
    Image i;
    const TensorId other = i.act(i.x, ActivationKind::kTanh);
    expect_none(i, {at(i, 0, 0), at(i, 1, 0), at(i, 0, 1), phase(i.n, other, 1, 1)});
  }
  {  // in groups
    Image i;
    expect_none(i, {at(i, 0, 0), at(i, 1, 0), at(i, 0, 1), at(i, 1, 1)}, 3);
  }
}

// --- fold-scale: what BN looks like when it is spelled out, and scales before layers ---

TEST(FoldScale, SpelledOutBehindWeights) {
  using Kind = ElementwiseKind;
  for (const Kind kind : {Kind::kMul, Kind::kDiv, Kind::kSub}) {
    for (const bool left : {false, true}) {
      Image i;
      Tensor values = random_floats({6, 1, 1}, i.random);
      for (int c = 0; c < 6; ++c) values.as<float>()[c] += values.as<float>()[c] < 0 ? -0.5f : 0.5f;
      const TensorId c = i.n.constant(values), y = i.conv(i.x, 1);
      i.n.mark_output(left ? i.n.elementwise(c, y, kind) : i.n.elementwise(y, c, kind), "y");
      const bool folds = !(left && kind == Kind::kDiv);
      EXPECT_EQ(apply_pass(i.n, fold_scale) > 0, folds);
      EXPECT_EQ(count<Elementwise>(i.n), folds ? 0 : 1);
    }
  }
}

TEST(FoldScale, BeforeLayers) {
  for (const int64_t groups : {1, 3}) {
    Image i;
    TensorId t = i.n.scale(i.x, random_floats({3}, i.random), random_floats({3}, i.random), {});
    i.n.mark_output(i.conv(t, 0, groups), "y");
    EXPECT_GE(apply_pass(i.n, fold_scale), 1);
    EXPECT_EQ(count<Scale>(i.n), 0);
  }
  Image scaled;  // zeros stay zeros under a factor alone
  scaled.n.mark_output(scaled.conv(
      scaled.div(scaled.x, scaled.n.constant(Tensor::floats({3, 1, 1}, {2, 3, 4}))), 1));
  EXPECT_GE(apply_pass(scaled.n, fold_scale), 1);
  EXPECT_EQ(count<Elementwise>(scaled.n), 0);
  Image rows({4, 5});
  const TensorId mean = rows.n.constant(random_floats({5}, rows.random));
  rows.n.mark_output(rows.n.fully_connected(rows.n.elementwise(rows.x, mean, ElementwiseKind::kSub),
                                            random_floats({5, 7}, rows.random),
                                            random_floats({7}, rows.random)));
  EXPECT_GE(apply_pass(rows.n, fold_scale), 1);
  EXPECT_EQ(count<Elementwise>(rows.n), 0);
}

TEST(FoldScale, ShiftsBeforePaddingAndRepeatedReadsStay) {
  {
    Image i;
    i.n.mark_output(i.conv(i.add(i.x, i.number(1)), 1), "y");
    EXPECT_EQ(apply_pass(i.n, fold_scale), 0);
  }
  {
    Image i;
    const TensorId t = i.mul(i.x, i.number(2));
    i.n.mark_output(i.act(t, ActivationKind::kTanh), "other");
    i.n.mark_output(i.conv(t, 0), "y");
    EXPECT_EQ(apply_pass(i.n, fold_scale), 0);
  }
  {  // one number a column
    Image i({2, 3, 6, 3});
    i.n.mark_output(i.conv(i.mul(i.x, i.n.constant(random_floats({3}, i.random))), 0), "y");
    EXPECT_EQ(apply_pass(i.n, fold_scale), 0);
  }
}

}  // namespace
}  // namespace octile::test
