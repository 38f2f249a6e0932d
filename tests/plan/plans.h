// Plans built by hand for the plan room's tests: a builder, and one plan that holds every kind of
// step.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "octile/tensor.h"
#include "plan/plan_data.h"
#include "support/tensors.h"

namespace octile::test {

inline constexpr DataType kF32 = DataType::kFloat32, kS8 = DataType::kInt8, kU8 = DataType::kUInt8,
                          kS32 = DataType::kInt32;
inline constexpr Layout kPlain = Layout::kPlain, kLast = Layout::kChannelsLast;

/// A PlanBuilder adds tensors, blobs and steps one by one; finish() gives the plan with a profile.
class PlanBuilder {
 public:
  int32_t tensor(const std::string& name, DataType type, Layout layout, const Shape& shape,
                 float scale = 0.0f, int32_t zero_point = 0) {
    plan.tensors.push_back({.name = name,
                            .type = type,
                            .layout = layout,
                            .shape = shape,
                            .scale = scale,
                            .zero_point = zero_point});
    return int32_t(plan.tensors.size()) - 1;
  }
  int32_t input(const std::string& name, const Shape& shape, DataType type = kF32) {
    plan.inputs.push_back(tensor(name, type, kPlain, shape));
    return plan.inputs.back();
  }
  int32_t blob(DataType type, const Shape& shape) {
    storage_->push_back(random_bits(type, shape, random_));
    Tensor& kept = storage_->back();
    if (type == kF32) kept = random_floats(shape, random_);
    plan.blobs.push_back({type, shape, {static_cast<const std::byte*>(kept.data()), kept.bytes()}});
    return int32_t(plan.blobs.size()) - 1;
  }
  /// What a step multiplies sums by: positive.
  int32_t multipliers(int64_t channels) {
    const int32_t index = blob(kF32, {channels});
    auto* m = storage_->back().as<float>();
    for (int64_t c = 0; c < channels; ++c) m[c] = std::fabs(m[c]) + 0x1p-10f;
    return index;
  }
  int32_t constant(const std::string& name, DataType type, const Shape& shape) {
    const int32_t t = tensor(name, type, kPlain, shape);
    plan.tensors[size_t(t)].blob = blob(type, shape);
    return t;
  }
  void step(Step step, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
    const std::string name = "step " + std::to_string(plan.steps.size());
    plan.steps.push_back({.name = name,
                          .step = std::move(step),
                          .inputs = std::move(inputs),
                          .outputs = std::move(outputs),
                          .tactics = {},
                          .note = ""});
  }
  /// One profile that goes from `low` to `high` in every dynamic extent of the inputs.
  void profile(int64_t low, int64_t high) {
    PlanProfile p;
    for (int32_t t : plan.inputs) {
      PlanProfile::Bounds b{plan.tensors[size_t(t)].shape, plan.tensors[size_t(t)].shape,
                            plan.tensors[size_t(t)].shape};
      for (int axis = 0; axis < b.min.rank(); ++axis) {
        if (b.min[axis] != kDynamic) continue;
        b.min[axis] = low;
        b.opt[axis] = b.max[axis] = high;
      }
      p.inputs.push_back(b);
    }
    plan.profiles.push_back(p);
  }
  PlanData finish(int64_t low = 1, int64_t high = 3) {
    plan.storage = storage_;
    if (plan.profiles.empty()) profile(low, high);
    for (PlanStep& s : plan.steps) s.tactics.assign(plan.profiles.size(), "portable");
    annotate_minima(plan);
    for (PlanProfile& p : plan.profiles) plan_memory(plan, p);
    return plan;
  }

  PlanData plan;

 private:
  std::shared_ptr<std::vector<Tensor>> storage_ = std::make_shared<std::vector<Tensor>>();
  Random random_{7};
};

inline Window window2(int64_t kernel, int64_t stride, int64_t pad) {
  return {.kernel = {kernel, kernel},
          .stride = {stride, stride},
          .dilation = {1, 1},
          .pad_before = {pad, pad},
          .pad_after = {pad, pad}};
}

/// int8 3×3 convolution of 4 channels to 4.
inline ConvStep small_conv(PlanBuilder& b) {
  ConvStep s;
  s.window = window2(3, 1, 1);
  s.in_channels = s.out_channels = 4;
  s.weights = b.blob(kS8, {4, 3, 3, 4});
  s.bias = b.blob(kS32, {4});
  s.multiplier = b.multipliers(4);
  return s;
}

/// Input (N, 4, 6, 6); every alternative of Step at least once, dynamic batch.
inline PlanData every_step_plan() {
  PlanBuilder b;
  b.plan.name = "every step";
  b.plan.built_on = "portable, first";
  b.plan.preprocess = "{\"scale\":0.5}";
  const Shape image{kDynamic, 4, 6, 6}, pooled{kDynamic, 4, 3, 3}, joined{kDynamic, 8, 3, 3};
  const int32_t x = b.input("x", image);
  const int32_t xl = b.tensor("x last", kF32, kLast, image);
  b.step(ReorderStep{}, {x}, {xl});
  const int32_t q = b.tensor("q", kS8, kLast, image, 0.5f);
  b.step(QuantizeStep{.q_lo = -100, .q_hi = 99, .dynamic = false}, {xl}, {q});
  const int32_t c = b.tensor("c", kS8, kLast, image, 0.25f, -3);
  b.step(small_conv(b), {q}, {c});
  const int32_t r = b.tensor("r", kS8, kLast, image, 0.125f);
  ConvStep residual = small_conv(b);
  residual.residual = true;
  residual.residual_multiplier = 0.5f;
  residual.clamp = {.lo = 0.0f, .hi = 6.0f, .q_lo = 0, .q_hi = 48};
  b.step(residual, {q, c}, {r});
  const int32_t p = b.tensor("p", kS8, kLast, pooled, 0.125f);
  b.step(PoolStep{.kind = PoolingKind::kMax, .window = window2(2, 2, 0)}, {r}, {p});
  const int32_t l = b.tensor("l", kS8, kLast, pooled, 0.0625f, 1);
  b.step(LookupStep{b.blob(kU8, {256})}, {p}, {l});
  const int32_t e = b.tensor("e", kS8, kLast, pooled, 0.0625f, 1);
  b.step(EltwiseStep{.kind = ElementwiseKind::kAdd, .m_a = 2.0f, .m_b = 1.0f, .clamp = {}}, {p, l},
         {e});
  const int32_t k = b.tensor("k", kS8, kLast, joined, 0.0625f, 1);
  b.step(ConcatStep{1}, {l, e}, {k});
  const int32_t kf = b.tensor("kf", kF32, kLast, joined);
  b.step(DequantizeStep{}, {k}, {kf});
  DeconvStep deconv{.window = window2(2, 2, 0),
                    .groups = 2,
                    .in_channels = 8,
                    .out_channels = 2,
                    .output_padding = {0, 0},
                    .weights = b.blob(kF32, {8, 2, 2, 1}),
                    .bias = b.blob(kF32, {2}),
                    .clamp = {}};
  const int32_t d = b.tensor("d", kF32, kLast, {kDynamic, 2, 6, 6});
  b.step(deconv, {kf}, {d});
  const int32_t a = b.tensor("a", kF32, kLast, {kDynamic, 2, 6, 6});
  b.step(ActivationStep{{ActivationKind::kElu, 0.75f, 0.0f}}, {d}, {a});
  const int32_t ap = b.tensor("a plain", kF32, kPlain, {kDynamic, 2, 6, 6});
  b.step(ReorderStep{}, {a}, {ap});
  const int32_t flat = b.tensor("flat", kF32, kPlain, {kDynamic, 72});
  Shuffle flatten;
  flatten.has_reshape = true;
  flatten.dims = {0, 72};
  b.step(ViewStep{flatten}, {ap}, {flat});
  const int32_t dq = b.tensor("dq", kU8, kPlain, {kDynamic, 72});
  const int32_t scales = b.tensor("scales", kF32, kPlain, {kDynamic});
  const int32_t zeros = b.tensor("zeros", kS32, kPlain, {kDynamic});
  b.step(QuantizeStep{.q_lo = 0, .q_hi = 255, .dynamic = true}, {flat}, {dq, scales, zeros});
  ConvStep rows;
  rows.window = window2(1, 1, 0);
  rows.rows = rows.dynamic = true;
  rows.in_channels = 72;
  rows.out_channels = 5;
  rows.weights = b.blob(kS8, {5, 1, 1, 72});
  rows.bias = b.blob(kF32, {5});
  rows.multiplier = b.multipliers(5);
  const int32_t y = b.tensor("y", kF32, kPlain, {kDynamic, 5});
  b.step(rows, {dq, scales, zeros}, {y});
  const int32_t back = b.tensor("back", kF32, kPlain, {kDynamic, 72});
  b.step(DequantizeStep{.dynamic = true}, {dq, scales, zeros}, {back});
  const int32_t soft = b.tensor("soft", kF32, kPlain, {kDynamic, 5});
  b.step(SoftmaxStep{{-1}, -1}, {y}, {soft});
  const int32_t normal = b.tensor("normal", kF32, kPlain, {kDynamic, 5});
  b.step(NormalizeStep{.axes = 1, .epsilon = 1e-5f, .scale = b.blob(kF32, {5}), .shift = -1},
         {soft}, {normal});
  const int32_t gram = b.tensor("gram", kF32, kPlain, {kDynamic, kDynamic});
  b.step(MatMulStep{.op = {.transpose_a = false, .transpose_b = true},
                    .multiplier = 0.0f,
                    .clamp = {.lo = -1.0f, .hi = 1.0f}},
         {normal, y}, {gram});
  const int32_t top = b.tensor("top", kF32, kPlain, {kDynamic, 2});
  const int32_t index = b.tensor("index", kS32, kPlain, {kDynamic, 2});
  b.step(GenericStep{TopK{.k = 2, .axis = -1, .largest = false}}, {back}, {top, index});
  b.plan.outputs = {gram, top, index};
  PlanData plan = b.finish();
  plan.steps[2].note = "a note";
  return plan;
}

/// Reads bytes as a plan called "small.plan".
inline std::shared_ptr<const PlanData> read(std::string_view bytes) {
  auto copy =
      std::make_shared<Tensor>(kU8, Shape{int64_t(bytes.size())}, std::as_bytes(std::span(bytes)));
  const std::span<const std::byte> view(static_cast<const std::byte*>(copy->data()), bytes.size());
  return deserialize(view, copy, "small.plan");
}

}  // namespace octile::test
