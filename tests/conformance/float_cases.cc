// Float steps: what vendor tactics and the portable ones must agree on, within a tolerance.
#include <algorithm>

#include "conformance/case.h"

namespace octile {
namespace {

struct FloatExtents {
  const char* name;
  int64_t n, c, h, w, m, kernel, stride, dilation, pad, groups;
  int64_t out(int64_t in) const {
    return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  }
};

constexpr FloatExtents kConvolutions[] = {
    {"pointwise", 2, 17, 5, 6, 33, 1, 1, 1, 0, 1}, {"same", 1, 8, 9, 7, 40, 3, 1, 1, 1, 1},
    {"stem", 1, 3, 15, 15, 16, 7, 2, 1, 3, 1},     {"dilated", 1, 4, 9, 9, 6, 3, 1, 2, 2, 1},
    {"groups", 2, 12, 6, 6, 18, 3, 1, 1, 1, 3},    {"depthwise", 1, 37, 7, 7, 37, 3, 2, 1, 1, 37},
};

std::vector<float> random_floats(CaseBuilder& b, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = b.uniform(-1.0f, 1.0f);
  return values;
}

Window window_of(const FloatExtents& e) {
  return {{e.kernel, e.kernel}, {e.stride, e.stride}, {e.dilation, e.dilation},
          {e.pad, e.pad},       {e.pad, e.pad},       PaddingMode::kExplicit};
}

Case convolution(const FloatExtents& e, bool residual, bool bias, uint32_t seed) {
  CaseBuilder b(
      fmt::format("float_conv/{}{}{}", e.name, residual ? "/residual" : "", bias ? "" : "/no_bias"),
      seed);
  ConvStep step;
  step.window = window_of(e);
  step.groups = e.groups;
  step.in_channels = e.c;
  step.out_channels = e.m;
  step.residual = residual;
  const int64_t depth = e.c / e.groups * e.kernel * e.kernel;
  step.weights =
      b.blob(kF32, {e.m, e.kernel, e.kernel, e.c / e.groups}, random_floats(b, e.m * depth));
  if (bias) step.bias = b.blob(kF32, {e.m}, random_floats(b, e.m));
  if (seed % 2 == 0) step.clamp.lo = 0.0f, step.clamp.hi = 6.0f;
  const Shape y{e.n, e.m, e.out(e.h), e.out(e.w)};
  b.input(kF32, kLast, {e.n, e.c, e.h, e.w});
  b.fill_floats(0, -1.0f, 1.0f);
  if (residual) {
    b.input(kF32, kLast, y);
    b.fill_floats(1, -2.0f, 2.0f);
  }
  b.output(kF32, kLast, y);
  return b.build(step, false);
}

Case rows(int64_t n, int64_t k, int64_t m, bool clamp, uint32_t seed) {
  CaseBuilder b(fmt::format("float_rows/{}x{}x{}", n, k, m), seed);
  ConvStep step;
  step.window = {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, PaddingMode::kExplicit};
  step.in_channels = k;
  step.out_channels = m;
  step.rows = true;
  step.weights = b.blob(kF32, {m, 1, 1, k}, random_floats(b, m * k));
  step.bias = b.blob(kF32, {m}, random_floats(b, m));
  if (clamp) step.clamp.lo = 0.0f;
  b.input(kF32, kPlain, {n, k});
  b.fill_floats(0, -1.0f, 1.0f);
  b.output(kF32, kPlain, {n, m});
  return b.build(step, false);
}

Case deconvolution(int64_t groups, int64_t stride, int64_t pad, int64_t extra, uint32_t seed) {
  CaseBuilder b(fmt::format("float_deconv/groups{}/stride{}", groups, stride), seed);
  const int64_t c = 6, m = 10, kernel = 3, h = 4, w = 5;
  DeconvStep step;
  step.window = {{kernel, kernel}, {stride, stride}, {1, 1},
                 {pad, pad},       {pad, pad},       PaddingMode::kExplicit};
  step.groups = groups;
  step.in_channels = c;
  step.out_channels = m;
  step.output_padding = {extra, extra};
  step.weights = b.blob(kF32, {c, kernel, kernel, m / groups},
                        random_floats(b, c * kernel * kernel * m / groups));
  step.bias = b.blob(kF32, {m}, random_floats(b, m));
  if (seed % 2 == 0) step.clamp.lo = 0.0f;
  const auto out = [&](int64_t in) { return stride * (in - 1) + kernel - 2 * pad + extra; };
  b.input(kF32, kLast, {2, c, h, w});
  b.fill_floats(0, -1.0f, 1.0f);
  b.output(kF32, kLast, {2, m, out(h), out(w)});
  return b.build(step, false);
}

Case pool(PoolingKind kind, const FloatExtents& e, bool global, bool count_padding, uint32_t seed) {
  CaseBuilder b(fmt::format("float_pool/{}/{}{}", kind == PoolingKind::kMax ? "max" : "average",
                            e.name, global ? "/global" : ""),
                seed);
  b.input(kF32, kLast, {e.n, e.c, e.h, e.w});
  b.fill_floats(0, -1.0f, 1.0f);
  b.output(kF32, kLast, {e.n, e.c, global ? 1 : e.out(e.h), global ? 1 : e.out(e.w)});
  PoolStep step{.kind = kind, .window = {}, .global = global, .count_padding = count_padding};
  if (!global) step.window = window_of(e);
  return b.build(step, false);
}

Case eltwise(ElementwiseKind kind, const Shape& a, const Shape& other, const Shape& y,
             Layout layout, uint32_t seed) {
  CaseBuilder b(
      fmt::format("float_eltwise/{}/{}+{}", name_of(kind), a.to_string(), other.to_string()), seed);
  b.input(kF32, a.rank() < 3 ? kPlain : layout, a);
  b.fill_floats(0, 0.5f, 2.0f);
  b.input(kF32, other.rank() < 3 ? kPlain : layout, other);
  b.fill_floats(1, 0.5f, 2.0f);
  b.output(kF32, y.rank() < 3 ? kPlain : layout, y);
  EltwiseStep step{.kind = kind, .clamp = {}};
  if (seed % 2 == 0) step.clamp.hi = 2.5f;
  return b.build(step, false);
}

Case activation(ActivationKind kind, float alpha, float beta, Layout layout, uint32_t seed) {
  CaseBuilder b(fmt::format("float_activation/{}", name_of(kind)), seed);
  const Shape shape{2, 5, 3, 7};
  b.input(kF32, layout, shape);
  b.fill_floats(0, -4.0f, 4.0f);
  b.output(kF32, layout, shape);
  return b.build(ActivationStep{{kind, alpha, beta}}, false);
}

Case softmax(const Shape& shape, int64_t axis, uint32_t seed) {
  CaseBuilder b(fmt::format("float_softmax/{}/axis{}", shape.to_string(), axis), seed);
  b.input(kF32, kPlain, shape);
  b.fill_floats(0, -8.0f, 8.0f);
  b.output(kF32, kPlain, shape);
  return b.build(SoftmaxStep{{axis}, -1}, false);
}

Case matmul(const Shape& a, const Shape& other, const Shape& y, MatrixMultiply op, uint32_t seed) {
  CaseBuilder b(fmt::format("float_matmul/{}x{}", a.to_string(), other.to_string()), seed);
  b.input(kF32, kPlain, a);
  b.fill_floats(0, -1.0f, 1.0f);
  b.input(kF32, kPlain, other);
  b.fill_floats(1, -1.0f, 1.0f);
  b.output(kF32, kPlain, y);
  return b.build(MatMulStep{.op = op, .clamp = {}}, false);
}

/// Those that map float to float, on values where they have one.
Case unary(UnaryKind kind, uint32_t seed) {
  CaseBuilder b(fmt::format("float_unary/{}", name_of(kind)), seed);
  const Shape shape{3, 5, 77};
  b.input(kF32, kPlain, shape);
  const bool beyond_one = kind == UnaryKind::kAcosh;
  b.fill_floats(0, beyond_one ? 1.1f : 0.05f, beyond_one ? 3.0f : 0.9f);
  b.output(kF32, kPlain, shape);
  return b.build(GenericStep{Unary{kind}}, false);
}

Case normalize(const Shape& shape, int64_t axes, bool scale, bool shift, uint32_t seed) {
  CaseBuilder b(fmt::format("float_normalize/{}/{}{}{}", shape.to_string(), axes,
                            scale ? "/scale" : "", shift ? "/shift" : ""),
                seed);
  Shape group;
  for (int axis = shape.rank() - int(axes); axis < shape.rank(); ++axis) {
    group.push_back(shape[axis]);
  }
  NormalizeStep step{.axes = axes, .epsilon = 1e-5f};
  if (scale) step.scale = b.blob(kF32, group, random_floats(b, group.volume()));
  if (shift) step.shift = b.blob(kF32, group, random_floats(b, group.volume()));
  b.input(kF32, kPlain, shape);
  b.fill_floats(0, seed % 2 == 0 ? -1.0f : 20.0f, seed % 2 == 0 ? 1.0f : 30.0f);
  b.output(kF32, kPlain, shape);
  return b.build(step, false);
}

void add_small_steps(std::vector<Case>& cases, uint32_t seed) {
  for (const auto kind :
       {ElementwiseKind::kAdd, ElementwiseKind::kSub, ElementwiseKind::kMul, ElementwiseKind::kDiv,
        ElementwiseKind::kMin, ElementwiseKind::kMax, ElementwiseKind::kPow}) {
    for (const Layout layout : {kPlain, kLast}) {
      const Shape full{2, 9, 4, 3};
      cases.push_back(eltwise(kind, full, full, full, layout, seed++));
      cases.push_back(eltwise(kind, full, {1, 9, 1, 1}, full, layout, seed++));
      cases.push_back(eltwise(kind, {4, 1}, full, full, layout, seed++));
      cases.push_back(eltwise(kind, full, {2, 1, 4, 1}, full, layout, seed++));
    }
  }
  for (int kind = 0; kind <= static_cast<int>(ActivationKind::kAffine); ++kind) {
    for (const Layout layout : {kPlain, kLast}) {
      cases.push_back(activation(static_cast<ActivationKind>(kind), 0.3f, 0.8f, layout, seed++));
    }
  }
  for (int kind = 0; kind <= static_cast<int>(UnaryKind::kRound); ++kind) {
    if (kind == static_cast<int>(UnaryKind::kNot)) continue;
    cases.push_back(unary(static_cast<UnaryKind>(kind), seed++));
  }
  for (int64_t axis = 0; axis < 3; ++axis) cases.push_back(softmax({5, 17, 6}, axis, seed++));
  cases.push_back(softmax({2, 10}, 1, seed++));
  cases.push_back(softmax({2, 10}, -1, seed++));
  cases.push_back(softmax({3, 5, 131}, -1, seed++));
  cases.push_back(softmax({7, 64}, 1, seed++));
  for (const int64_t extent : {3, 8, 21, 64, 77, 768}) {
    cases.push_back(normalize({2, 5, extent}, 1, true, true, seed++));
    cases.push_back(normalize({2, 5, extent}, 1, false, extent % 2 == 0, seed++));
    cases.push_back(normalize({4, 3, extent}, 2, extent % 2 != 0, false, seed++));
  }
}

}  // namespace

std::vector<Case> float_cases() {
  std::vector<Case> cases;
  uint32_t seed = 7000;
  for (const FloatExtents& e : kConvolutions) {
    for (const bool residual : {false, true}) {
      for (const bool bias : {false, true}) {
        cases.push_back(convolution(e, residual, bias, seed++));
        cases.push_back(convolution(e, residual, bias, seed++));
      }
    }
    for (const auto kind : {PoolingKind::kMax, PoolingKind::kAverage}) {
      if (e.kernel > 2 * e.pad || e.pad == 0) cases.push_back(pool(kind, e, false, false, seed++));
      if (e.kernel > 2 * e.pad || e.pad == 0) cases.push_back(pool(kind, e, false, true, seed++));
      cases.push_back(pool(kind, e, true, false, seed++));
    }
  }
  cases.push_back(rows(1, 100, 10, false, seed++));
  cases.push_back(rows(9, 3136, 65, true, seed++));
  for (const int64_t groups : {int64_t{1}, int64_t{2}}) {
    cases.push_back(deconvolution(groups, 1, 1, 0, seed++));
    cases.push_back(deconvolution(groups, 2, 1, 1, seed++));
    cases.push_back(deconvolution(groups, 3, 0, 0, seed++));
  }
  cases.push_back(matmul({5, 7}, {7, 9}, {5, 9}, {}, seed++));
  cases.push_back(matmul({2, 3, 17, 6}, {2, 3, 33, 6}, {2, 3, 17, 33}, {false, true}, seed++));
  cases.push_back(matmul({2, 3, 6, 17}, {1, 3, 6, 8}, {2, 3, 17, 8}, {true, false}, seed++));
  add_small_steps(cases, seed);
  return cases;
}

}  // namespace octile
