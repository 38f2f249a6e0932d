// Steps in float16: every case that has floats once more, with its float data rounded; and changes
// of the type alone. What follows from 8 bits stays exact.
#include <algorithm>

#include "base/half.h"
#include "conformance/case.h"

namespace octile {
namespace {

/// Which tensors of a step are float16 where it runs in float16 (compile/store_half.h).
bool takes_halves(const Case& c) {
  const PlanStep& step = c.plan.steps[0];
  if (const auto* conv = std::get_if<ConvStep>(&step.step)) return !conv->dynamic;
  if (const auto* eltwise = std::get_if<EltwiseStep>(&step.step)) {
    return eltwise->kind <= ElementwiseKind::kMod;
  }
  const auto* generic = std::get_if<GenericStep>(&step.step);
  if (generic == nullptr) return true;
  if (const auto* padding = std::get_if<Padding>(&generic->op)) return padding->value == 0.0f;
  const auto* unary = std::get_if<Unary>(&generic->op);
  const bool maps = unary != nullptr && unary->kind != UnaryKind::kIsInf &&
                    unary->kind != UnaryKind::kIsNan && unary->kind != UnaryKind::kNot;
  const auto* resize = std::get_if<Resize>(&generic->op);
  const bool nearest = resize != nullptr && resize->kind == ResizeKind::kNearest;
  return maps || nearest || std::holds_alternative<Slice>(generic->op) ||
         std::holds_alternative<Shuffle>(generic->op);
}

/// Scales of dynamic quantization stay float32.
bool is_scale(const PlanStep& step, int32_t t) {
  if (std::holds_alternative<QuantizeStep>(step.step)) return t != step.inputs[0];
  if (std::holds_alternative<DequantizeStep>(step.step)) return t != step.outputs[0];
  return false;
}

/// The same weights where they are rounded and where they are not.
void round_weights(PlanData& plan) {
  auto rounded = std::make_shared<std::vector<Tensor>>();
  rounded->reserve(plan.blobs.size());
  for (Blob& blob : plan.blobs) {
    if (blob.type != kF32) continue;
    Tensor& values = rounded->emplace_back(kF32, blob.shape, blob.bytes);
    for (int64_t i = 0; i < values.volume(); ++i) {
      float& v = values.as<float>()[i];
      v = half_to_float(float_to_half(v));
    }
    blob.bytes = {static_cast<const std::byte*>(values.data()), values.bytes()};
  }
  struct Both {
    std::shared_ptr<const void> before, rounded;
  };
  plan.storage = std::make_shared<const Both>(Both{plan.storage, rounded});
}

Case in_half(const Case& original) {
  Case c = original;
  c.name = "half/" + c.name;
  PlanStep& step = c.plan.steps[0];
  const bool from_bytes = is_8bit(c.plan.tensors[size_t(step.inputs[0])]);
  for (size_t t = 0; t < c.plan.tensors.size(); ++t) {
    PlanTensor& tensor = c.plan.tensors[t];
    if (is_float(tensor) && !is_scale(step, int32_t(t))) tensor.type = DataType::kFloat16;
  }
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const DataType type = c.plan.tensors[size_t(step.inputs[i])].type;
    if (type == DataType::kFloat16) c.inputs[i] = c.inputs[i].cast(type);
  }
  if (!from_bytes) round_weights(c.plan);  // multipliers of 8-bit steps are no weights
  return c;
}

Case cast(DataType from, DataType to, Layout x, Layout y, const Shape& shape, uint32_t seed) {
  CaseBuilder b(fmt::format("half/cast/{}/{}{}", name_of(to), shape.to_string(),
                            x == y       ? ""
                            : y == kLast ? "/to_last"
                                         : "/to_plain"),
                seed);
  b.input(kF32, x, shape);
  b.fill_floats(0, -70000.0f, 70000.0f);  // beyond the largest half: infinity
  b.output(to, y, shape);
  Case c = b.build(ReorderStep{});
  c.plan.tensors[size_t(c.plan.steps[0].inputs[0])].type = from;
  c.inputs[0] = c.inputs[0].cast(from);
  return c;
}

/// 8-bit steps end at 65504 where float ones go on to infinity.
Case saturating(uint32_t seed) {
  CaseBuilder b("half/dequantize/saturates", seed);
  b.input(kS8, kPlain, {3, 50}, 1000.0f, 0);
  b.fill_integers(0, Fill::kUniform, -128, 127);
  b.output(DataType::kFloat16, kPlain, {3, 50});
  return b.build(DequantizeStep{});
}

}  // namespace

std::vector<Case> half_cases(const std::vector<Case>& others) {
  constexpr DataType kF16 = DataType::kFloat16;
  std::vector<Case> cases;
  for (const Case& c : others) {
    const auto floats = [&](const std::vector<int32_t>& list) {
      return std::any_of(list.begin(), list.end(), [&](int32_t t) {
        return is_float(c.plan.tensors[size_t(t)]) && !is_scale(c.plan.steps[0], t);
      });
    };
    const PlanStep& step = c.plan.steps[0];
    if (takes_halves(c) && (floats(step.inputs) || floats(step.outputs))) {
      cases.push_back(in_half(c));
    }
  }
  uint32_t seed = 1;
  for (const auto& [from, to] : {std::pair{kF32, kF16}, std::pair{kF16, kF32}}) {
    cases.push_back(cast(from, to, kPlain, kPlain, {7, 33}, seed++));
    for (const auto& [x, y] : {std::pair{kPlain, kLast}, std::pair{kLast, kPlain}}) {
      cases.push_back(cast(from, to, x, y, {2, 3, 9, 11}, seed++));
      cases.push_back(cast(from, to, x, y, {2, 40, 5, 7}, seed++));
    }
  }
  cases.push_back(saturating(seed++));
  return cases;
}

}  // namespace octile
