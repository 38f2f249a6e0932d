// Lowering of layers that move values, and of everything that has no step of its own.
#include <algorithm>

#include "base/error.h"
#include "compile/lowerer.h"

namespace octile {

bool Lowerer::try_concatenation(const Group& group) {
  const auto* op = std::get_if<Concatenation>(&network_.op(group.core));
  if (op == nullptr) return false;
  const auto& xs = network_.inputs(group.core);
  const TensorId y = output_of(network_, group);
  const int rank = network_.shape(y).rank();
  const ConcatStep step{op->axis < 0 ? op->axis + rank : op->axis};
  const auto out = quantized_into(y);
  std::vector<Quantized> parts;
  for (TensorId x : xs) {
    if (const auto from = dequantized_from(x)) parts.push_back(*from);
  }
  const bool int8 = out && parts.size() == xs.size();
  const Layout layout = output_layout(int8 ? out->q : y);
  std::vector<int32_t> inputs;
  for (size_t i = 0; i < xs.size(); ++i) {
    if (!int8) {
      inputs.push_back(form(xs[i], layout));
    } else if (parts[i].fits_into(*out)) {
      inputs.push_back(form(parts[i].q, layout));
    } else {  // inputs that disagree on scale are requantized first
      const int32_t from = form(parts[i].q, layout);
      const auto saved = forms_.find(out->q.index);
      const bool had = saved != forms_.end();
      inputs.push_back(lookup(from, parts[i], *out, xs[i], layout, Identity{}));
      plan_->tensors[size_t(inputs.back())].shape = network_.shape(xs[i]);
      if (!had) forms_.erase(out->q.index);
    }
  }
  emit(step, std::move(inputs), {int8 ? define_quantized(y, *out, layout) : define(y, layout)});
  return true;
}

/// Reshapes without transposes are views. Flattening a channels-last image for products alone
/// keeps the bytes where they are: the weights' rows are permuted instead.
bool Lowerer::try_shuffle(const Group& group) {
  const auto* op = std::get_if<Shuffle>(&network_.op(group.core));
  if (op == nullptr || !op->first.empty() || !op->second.empty()) return false;
  const TensorId x = network_.inputs(group.core)[0], y = output_of(network_, group);
  const auto from = dequantized_from(x);
  const auto to = quantized_into(y);
  const bool int8 = from && to && from->fits_into(*to);
  const TensorId source = int8 ? from->q : x, target = int8 ? to->q : y;
  const Shape& in = network_.shape(x);
  const Shape& out = network_.shape(y);
  const bool image = in.rank() == 4 && in[1] > 0 && in[2] > 0 && in[3] > 0;
  const bool flattens = image && out.rank() == 2 && out[1] == in[1] * in[2] * in[3];
  int32_t input = -1;
  if (flattens && any_form(source) >= 0 && layout_of(source) == Layout::kChannelsLast &&
      in[1] > 1 && in[2] * in[3] > 1 && read_by_rows_only(target)) {
    input = form(source, Layout::kChannelsLast);
    flattened_[y.index] = in[1];
  } else {
    input = form(source, Layout::kPlain);
  }
  const int32_t output =
      int8 ? define_quantized(y, *to, Layout::kPlain) : define(y, Layout::kPlain);
  emit(ViewStep{*op}, {input}, {output});
  return true;
}

bool Lowerer::try_view(const Group& group) {
  if (!std::holds_alternative<Identity>(network_.op(group.core))) return false;
  const TensorId x = network_.inputs(group.core)[0], y = output_of(network_, group);
  const auto from = dequantized_from(x);
  const auto to = quantized_into(y);
  const bool int8 = from && to && from->fits_into(*to);
  const int32_t input = any_form(int8 ? from->q : x);
  const Layout layout = plan_->tensors[size_t(input)].layout;
  emit(ViewStep{}, {input}, {int8 ? define_quantized(y, *to, layout) : define(y, layout)});
  return true;
}

/// Slices, gathers, transposes, paddings, nearest resizes: bytes move as they are.
bool Lowerer::try_int8_movement(const Group& group) {
  if (int8_kind(network_, group) != Int8Kind::kMovement) return false;
  const auto& inputs = network_.inputs(group.core);
  const TensorId y = output_of(network_, group);
  const auto from = dequantized_from(inputs[0]);
  const auto to = quantized_into(y);
  if (!from || !to || !from->fits_into(*to)) return false;
  Op op = network_.op(group.core);
  if (auto* padding = std::get_if<Padding>(&op)) padding->value = float(from->zero_point);
  std::vector<int32_t> sources{form(from->q, Layout::kPlain)};
  for (size_t i = 1; i < inputs.size(); ++i) sources.push_back(form(inputs[i], Layout::kPlain));
  emit(GenericStep{std::move(op)}, std::move(sources), {define_quantized(y, *to, Layout::kPlain)});
  return true;
}

void Lowerer::generic(const Group& group) {
  check(!group.add.valid() && !group.clamp.valid(), ErrorCode::kInternal,
        "group '{}' has fused layers but no step", step_name_);
  std::vector<int32_t> inputs, outputs;
  for (TensorId t : network_.inputs(group.core)) inputs.push_back(form(t, Layout::kPlain));
  for (TensorId t : network_.outputs(group.core)) outputs.push_back(define(t, Layout::kPlain));
  emit(GenericStep{network_.op(group.core)}, std::move(inputs), std::move(outputs));
}

}  // namespace octile
