// Lowering of element-wise, unary, pooling, softmax and run-time products.
#include <algorithm>

#include "base/error.h"
#include "compile/lowerer.h"
#include "compile/normalization.h"
#include "ops/ops.h"

namespace octile {
namespace {

constexpr const char* kNoMultiplier = "a multiplier leaves float32's range";

bool is_arithmetic(ElementwiseKind kind) {
  return kind == ElementwiseKind::kAdd || kind == ElementwiseKind::kSub ||
         kind == ElementwiseKind::kMul || kind == ElementwiseKind::kDiv ||
         kind == ElementwiseKind::kMin || kind == ElementwiseKind::kMax;
}

/// The function of a one-input float layer, or nothing.
bool unary_value(const Op& op, float x, float* y) {
  if (const auto* activation = std::get_if<Activation>(&op)) {
    *y = activate(*activation, x);
  } else if (const auto* unary = std::get_if<Unary>(&op)) {
    *y = apply(unary->kind, x);
  } else if (std::holds_alternative<Identity>(op)) {
    *y = x;
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool Lowerer::try_elementwise(const Group& group) {
  const auto* op = std::get_if<Elementwise>(&network_.op(group.core));
  if (op == nullptr || !is_arithmetic(op->kind)) return false;
  const TensorId a = network_.inputs(group.core)[0], b = network_.inputs(group.core)[1];
  if (!is_float(a) || !is_float(b)) return false;
  EltwiseStep step{.kind = op->kind, .clamp = {}};
  if (try_int8_elementwise(group, step)) return true;
  step.clamp = clamp_of(group, std::nullopt);
  const TensorId y = output_of(network_, group);
  const bool same = network_.shape(a) == network_.shape(b);
  const bool images =
      same && (output_layout(y) == Layout::kChannelsLast || has_form(a, Layout::kChannelsLast));
  const Layout layout =
      images && network_.shape(a).rank() >= 3 ? Layout::kChannelsLast : Layout::kPlain;
  const int32_t left = form(a, layout), right = form(b, layout);
  emit(step, {left, right}, {define(y, layout)});
  return true;
}

bool Lowerer::try_int8_elementwise(const Group& group, EltwiseStep step) {
  if (step.kind != ElementwiseKind::kAdd && step.kind != ElementwiseKind::kMul) return false;
  const TensorId a = network_.inputs(group.core)[0], b = network_.inputs(group.core)[1];
  const TensorId y = output_of(network_, group);
  const auto qa = dequantized_from(a), qb = dequantized_from(b);
  const auto out = quantized_into(y);
  if (!qa || !qb || !out || network_.shape(a) != network_.shape(b)) return false;
  if (step.kind == ElementwiseKind::kAdd) {
    step.m_a = static_cast<float>(double(qa->scale) / double(out->scale));
    step.m_b = static_cast<float>(double(qb->scale) / double(out->scale));
  } else {
    step.m_a = output_multiplier(qa->scale, qb->scale, out->scale);
  }
  const float second = step.kind == ElementwiseKind::kAdd ? step.m_b : step.m_a;
  if (!is_usable_multiplier(step.m_a) || !is_usable_multiplier(second)) {
    step_note_ = kNoMultiplier;
    return false;
  }
  step.clamp = clamp_of(group, out);
  const int32_t left = any_form(qa->q);
  const Layout layout = plan_->tensors[size_t(left)].layout;
  const int32_t right = form(qb->q, layout);
  emit(step, {left, right}, {define_quantized(y, *out, layout)});
  return true;
}

/// Emits y = to(op(from(x))) as a table of 256 bytes; the result stands for `shown`.
int32_t Lowerer::lookup(int32_t input, const Quantized& from, const Quantized& to, TensorId shown,
                        Layout layout, const Op& op) {
  std::vector<uint8_t> table(256);
  for (int byte = 0; byte < 256; ++byte) {
    const int32_t q = from.type == DataType::kUInt8 ? byte : static_cast<int8_t>(byte);
    float y = 0.0f;
    unary_value(op, dequantize_value(q, from.scale, from.zero_point), &y);
    table[size_t(byte)] =
        static_cast<uint8_t>(quantize_value(y, to.scale, to.zero_point, to.lo, to.hi));
  }
  const int32_t output = define_quantized(shown, to, layout);
  const int32_t blob = add_blob(DataType::kUInt8, Shape{256}, table);
  emit(LookupStep{blob}, {input}, {output});
  return output;
}

bool Lowerer::try_lookup(const Group& group) {
  const Op& op = network_.op(group.core);
  if (!std::holds_alternative<Activation>(op) && !std::holds_alternative<Unary>(op)) return false;
  const TensorId y = output_of(network_, group);
  const auto from = dequantized_from(network_.inputs(group.core)[0]);
  const auto to = quantized_into(y);
  if (!from || !to || !is_float(y)) return false;
  const int32_t input = any_form(from->q);
  lookup(input, *from, *to, y, plan_->tensors[size_t(input)].layout, op);
  return true;
}

bool Lowerer::try_activation(const Group& group) {
  const auto* op = std::get_if<Activation>(&network_.op(group.core));
  if (op == nullptr) return false;
  const int32_t input = any_form(network_.inputs(group.core)[0]);
  const Layout layout = plan_->tensors[size_t(input)].layout;
  emit(ActivationStep{*op}, {input}, {define(output_of(network_, group), layout)});
  return true;
}

/// False where the int32 sum of a window could overflow, or its multiplier leave float32. Extents
/// that are not known yet are judged by the tactics, at the profile's max.
bool Lowerer::average_fits(const PoolStep& step, TensorId x, const Quantized& from,
                           const Quantized& to) {
  const Shape& shape = network_.shape(x);
  int64_t count = 1;
  for (int axis = 2; axis < shape.rank(); ++axis) {
    count *= step.global ? std::max<int64_t>(1, shape[axis]) : 1;
  }
  if (!step.global) count = step.window.kernel[0] * step.window.kernel[1];
  const bool usable = is_usable_multiplier(average_multiplier(from.scale, to.scale, 1)) &&
                      is_usable_multiplier(average_multiplier(from.scale, to.scale, count));
  if (usable && sum_fits(count, 255)) return true;
  step_note_ = usable ? "the int32 sum of a window could overflow" : kNoMultiplier;
  return false;
}

bool Lowerer::try_pooling(const Group& group) {
  const auto* op = std::get_if<Pooling>(&network_.op(group.core));
  if (op == nullptr) return false;
  const TensorId x = network_.inputs(group.core)[0], y = output_of(network_, group);
  const int rank = network_.shape(x).rank();
  if ((rank != 3 && rank != 4) || !is_float(x)) return false;
  PoolStep step{
      .kind = op->kind, .window = {}, .global = op->global, .count_padding = op->count_padding};
  if (!op->global) {
    step.window = normalized(op->window, rank - 2);
    if (rank == 3) {
      for (auto* list : {&step.window.kernel, &step.window.stride, &step.window.dilation}) {
        list->insert(list->begin(), 1);
      }
      step.window.pad_before.insert(step.window.pad_before.begin(), 0);
      step.window.pad_after.insert(step.window.pad_after.begin(), 0);
    }
  }
  const auto from = dequantized_from(x);
  const auto to = quantized_into(y);
  const bool max = op->kind == PoolingKind::kMax;
  if (from && to && (max ? from->fits_into(*to) : average_fits(step, x, *from, *to))) {
    const int32_t input = form(from->q, Layout::kChannelsLast);
    emit(step, {input}, {define_quantized(y, *to, Layout::kChannelsLast)});
    return true;
  }
  const int32_t input = form(x, Layout::kChannelsLast);
  emit(step, {input}, {define(y, Layout::kChannelsLast)});
  return true;
}

bool Lowerer::try_softmax(const Group& group) {
  const auto* op = std::get_if<Softmax>(&network_.op(group.core));
  if (op == nullptr) return false;
  const TensorId x = network_.inputs(group.core)[0], y = output_of(network_, group);
  SoftmaxStep step{.axes = op->axes, .table = -1};
  const auto from = dequantized_from(x);
  const TensorId source = from ? from->q : x;
  if (from) {
    std::vector<int32_t> table(256);
    for (int d = 0; d < 256; ++d) table[size_t(d)] = int32_t(softmax_entry(from->scale, d));
    step.table = add_blob(DataType::kInt32, Shape{256}, table);
  }
  const int rank = network_.shape(x).rank();
  const bool over_channels = step.axes == std::vector<int64_t>{1} && (rank == 3 || rank == 4);
  if (over_channels && layout_of(source) == Layout::kChannelsLast) {
    step.axes = {rank - 1};
    const int32_t image = form(source, Layout::kChannelsLast);
    emit_on_last_channels(std::move(step), image, define(y, Layout::kChannelsLast));
    return true;
  }
  emit(std::move(step), {form(source, Layout::kPlain)}, {define(y, Layout::kPlain)});
  return true;
}

bool Lowerer::try_normalization(const Group& group) {
  if (group.before.empty()) return false;
  const auto found = normalization_from(network_, group.before[0], group.core);
  check(found.has_value() && found->layers == group.layers(), ErrorCode::kInternal,
        "group '{}' is no normalization any more", step_name_);
  const auto values = [&](const Tensor* t) {
    return t == nullptr
               ? -1
               : add_blob_bytes(DataType::kFloat32, t->shape(), std::as_bytes(t->span<float>()));
  };
  const NormalizeStep step{.axes = found->axes,
                           .epsilon = found->epsilon,
                           .scale = values(found->scale),
                           .shift = values(found->shift)};
  const int32_t input = form(found->x, Layout::kPlain);
  emit(step, {input}, {define(output_of(network_, group), Layout::kPlain)});
  return true;
}

/// The same for a sum along K of a run-time product.
bool Lowerer::product_fits(const MatrixMultiply& op, TensorId left, const Quantized& a) {
  const Shape& shape = network_.shape(left);
  const int64_t k = std::max<int64_t>(1, shape[shape.rank() - (op.transpose_a ? 2 : 1)]);
  if (sum_fits(k, int64_t{a.largest()} * 127)) return true;
  step_note_ = "the int32 sums could overflow";
  return false;
}

bool Lowerer::try_matmul(const Group& group) {
  const auto* op = std::get_if<MatrixMultiply>(&network_.op(group.core));
  const auto& inputs = network_.inputs(group.core);
  if (op == nullptr || inputs.size() != 2 || !is_float(inputs[0]) || !is_float(inputs[1])) {
    return false;
  }
  if (network_.shape(inputs[0]).rank() < 2 || network_.shape(inputs[1]).rank() < 2) return false;
  const TensorId y = output_of(network_, group);
  MatMulStep step{.op = *op, .multiplier = 0.0f, .clamp = {}};
  const auto a = dequantized_from(inputs[0]), b = dequantized_from(inputs[1]);
  const auto out = quantized_into(y);
  if (a && b) {
    step.multiplier =
        out ? output_multiplier(a->scale, b->scale, out->scale) : product_scale(a->scale, b->scale);
    if (!is_usable_multiplier(step.multiplier)) step_note_ = kNoMultiplier;
  }
  if (is_usable_multiplier(step.multiplier) && b->type == DataType::kInt8 && b->lo >= -127 &&
      product_fits(*op, inputs[0], *a)) {
    step.clamp = clamp_of(group, out);
    const int32_t left = form(a->q, Layout::kPlain), right = form(b->q, Layout::kPlain);
    emit(step, {left, right},
         {out ? define_quantized(y, *out, Layout::kPlain) : define(y, Layout::kPlain)});
    return true;
  }
  step.multiplier = 0.0f;
  const int32_t left = form(inputs[0], Layout::kPlain), right = form(inputs[1], Layout::kPlain);
  emit(step, {left, right}, {define(y, Layout::kPlain)});
  return true;
}

}  // namespace octile
