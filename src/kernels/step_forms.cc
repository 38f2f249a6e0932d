// See step_forms.h.
#include "kernels/step_forms.h"

#include <algorithm>

#include "arithmetic/quantize.h"
#include "plan/geometry.h"

namespace octile::forms {
namespace {

std::string refuse_product(const StepView& view) {
  if (view.as<MatMulStep>() == nullptr) return "not a product";
  for (const PlanTensor* t : {&view.inputs[0], &view.inputs[1], &view.outputs[0]}) {
    if (!is_plain(*t)) return "not a plain layout";
  }
  return "";
}

std::string refuse_pool(const StepView& view, bool (*wanted)(const PlanTensor&)) {
  const auto* step = view.as<PoolStep>();
  if (step == nullptr) return "not a pooling";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!wanted(x) || !wanted(y)) return "input or output has another type";
  if (step->kind == PoolingKind::kMax && x.type != y.type) return "a maximum keeps its type";
  if (!is_image(x) || !is_image(y)) return "not a channels-last image";
  return "";
}

std::string refuse_softmax(const StepView& view, bool (*wanted)(const PlanTensor&)) {
  if (view.as<SoftmaxStep>() == nullptr) return "not a softmax";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!wanted(x)) return "the input has another type";
  if (!is_float(y)) return "the output is not float";
  if (!is_plain(x) || !is_plain(y)) return "not a plain layout";
  return "";
}

}  // namespace

bool has_halves(const StepView& view) {
  return std::any_of(view.inputs.begin(), view.inputs.end(), is_half) ||
         std::any_of(view.outputs.begin(), view.outputs.end(), is_half);
}

StepView as_floats(const StepView& view) {
  StepView floats = view;
  for (auto* list : {&floats.inputs, &floats.outputs}) {
    for (PlanTensor& t : *list) {
      if (is_half(t)) t.type = DataType::kFloat32;
    }
  }
  return floats;
}

std::string refuse_activation(const StepView& view) {
  if (view.as<ActivationStep>() == nullptr) return "not an activation";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_float(x) || !is_float(y)) return "input or output is not float";
  if (x.layout != y.layout) return "input and output differ in layout";
  return "";
}

std::string refuse_concat(const StepView& view) {
  if (view.as<ConcatStep>() == nullptr) return "not a concatenation";
  const PlanTensor& y = view.outputs[0];
  for (const PlanTensor& x : view.inputs) {
    if (x.type != y.type || x.layout != y.layout) return "types or layouts differ";
  }
  return "";
}

std::string refuse_conv_bytes(const StepView& view) {
  const auto* step = view.as<ConvStep>();
  if (step == nullptr) return "not a convolution";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_8bit(x)) return "the input is not 8-bit";
  if (!is_8bit(y) && !is_float(y)) return "the output is neither 8-bit nor float";
  if (step->dynamic && !is_float(y)) return "a dynamic step writes float";
  if (step->residual && !(is_8bit(y) && is_8bit(view.inputs[1]))) {
    return "a residual needs 8-bit operands";
  }
  for (const PlanTensor* t : {&x, &y}) {
    if (step->rows ? !is_plain(*t) : !is_image(*t)) return "the layout is not the step's";
  }
  return "";
}

std::string refuse_deconv(const StepView& view) {
  if (view.as<DeconvStep>() == nullptr) return "not a deconvolution";
  for (const PlanTensor* t : {&view.inputs[0], &view.outputs[0]}) {
    if (!is_float(*t)) return "input or output is not float";
    if (!is_image(*t) || t->shape.rank() != 4) return "not a channels-last image";
  }
  return "";
}

std::string refuse_dequantize(const StepView& view) {
  if (view.as<DequantizeStep>() == nullptr) return "not a dequantization";
  if (!is_8bit(view.inputs[0])) return "the input is not 8-bit";
  if (!is_float(view.outputs[0])) return "the output is not float";
  return "";
}

std::string refuse_eltwise_bytes(const StepView& view) {
  const auto* step = view.as<EltwiseStep>();
  if (step == nullptr) return "not an element-wise step";
  if (!is_8bit(view.inputs[0]) || !is_8bit(view.inputs[1]) || !is_8bit(view.outputs[0])) {
    return "an operand is not 8-bit";
  }
  if (step->kind != ElementwiseKind::kAdd && step->kind != ElementwiseKind::kMul) {
    return "8-bit arithmetic has add and mul alone";
  }
  return "";
}

std::string refuse_eltwise_floats(const StepView& view) {
  const auto* step = view.as<EltwiseStep>();
  if (step == nullptr) return "not an element-wise step";
  if (!is_float(view.inputs[0]) || !is_float(view.inputs[1]) || !is_float(view.outputs[0])) {
    return "an operand is not float";
  }
  if (step->kind > ElementwiseKind::kMod) return "comparisons and logic give no float";
  return "";
}

std::string refuse_lookup(const StepView& view) {
  if (view.as<LookupStep>() == nullptr) return "not a table";
  if (!is_8bit(view.inputs[0]) || !is_8bit(view.outputs[0])) return "not 8-bit";
  if (view.inputs[0].layout != view.outputs[0].layout) return "input and output differ in layout";
  return "";
}

std::string refuse_matmul_bytes(const StepView& view) {
  if (std::string reason = refuse_product(view); !reason.empty()) return reason;
  const PlanTensor &a = view.inputs[0], &b = view.inputs[1], &y = view.outputs[0];
  if (!is_8bit(a) || !is_8bit(b)) return "an operand is not 8-bit";
  if (!is_8bit(y) && !is_float(y)) return "the output is neither 8-bit nor float";
  if (a.shape.rank() < 2 || b.shape.rank() < 2) return "an operand is a vector";
  const bool transposed = view.as<MatMulStep>()->op.transpose_a;
  const int64_t k = a.shape[a.shape.rank() - (transposed ? 2 : 1)];
  const int64_t z = a.zero_point;
  const int64_t largest = std::max(z - lowest(a.type), highest(a.type) - z);
  if (!sum_fits(k, largest * 127)) return "the int32 sums could overflow";
  return "";
}

std::string refuse_matmul_floats(const StepView& view) {
  if (std::string reason = refuse_product(view); !reason.empty()) return reason;
  for (const PlanTensor* t : {&view.inputs[0], &view.inputs[1], &view.outputs[0]}) {
    if (!is_float(*t)) return "an operand is not float";
  }
  return "";
}

std::string refuse_normalize(const StepView& view) {
  if (view.as<NormalizeStep>() == nullptr) return "not a normalization";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_float(x) || !is_float(y)) return "not float";
  if (!is_plain(x) || !is_plain(y)) return "not a plain layout";
  return "";
}

std::string refuse_pool_bytes(const StepView& view) {
  if (std::string reason = refuse_pool(view, is_8bit); !reason.empty()) return reason;
  const auto& step = *view.as<PoolStep>();
  const bool fit = window_sums_fit(step, view.inputs[0].shape, view.outputs[0].shape);
  return fit ? "" : "the int32 sum of a window could overflow";
}

std::string refuse_pool_floats(const StepView& view) { return refuse_pool(view, is_float); }

std::string refuse_quantize(const StepView& view) {
  if (view.as<QuantizeStep>() == nullptr) return "not a quantization";
  if (!is_float(view.inputs[0])) return "the input is not float";
  if (!is_8bit(view.outputs[0])) return "the output is not 8-bit";
  return "";
}

std::string refuse_reorder(const StepView& view) {
  if (view.as<ReorderStep>() == nullptr) return "not a reorder";
  if (view.inputs[0].type != view.outputs[0].type) return "types differ";
  return "";
}

std::string refuse_softmax_bytes(const StepView& view) { return refuse_softmax(view, is_8bit); }

std::string refuse_softmax_floats(const StepView& view) { return refuse_softmax(view, is_float); }

}  // namespace octile::forms
