// Lowering of layers that move values, and of everything that has no step of its own.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "compile/lowerer.h"

namespace octile {
namespace {

/// Behind the name of a tensor whose shape is not the network's: who asks by name must not find it.
constexpr const char* kChannelsAtEnd = ".channels_at_end";

/// The inverse of channels_to_end().
std::vector<int64_t> channels_to_front(int rank) {
  std::vector<int64_t> order{0, rank - 1};
  for (int64_t axis = 1; axis + 1 < rank; ++axis) order.push_back(axis);
  return order;
}

Shuffle transpose_by(std::vector<int64_t> order) {
  Shuffle op;
  op.first = std::move(order);
  return op;
}

bool is_transpose_by(const Shuffle& op, const std::vector<int64_t>& order) {
  return op.first == order && !op.has_reshape && op.second.empty();
}

template <typename T>
void permute(std::vector<T>& list, const std::vector<int64_t>& order) {
  if (list.empty()) return;
  const std::vector<T> old = list;
  for (size_t i = 0; i < order.size(); ++i) list[i] = old[static_cast<size_t>(order[i])];
}

/// The op on an image whose channels are its last axis; nullopt where that is not worth it.
std::optional<Op> on_last_channels(const Op& op, int rank) {
  const std::vector<int64_t> order = channels_to_end(rank);
  if (const auto* slice = std::get_if<Slice>(&op)) {
    Slice moved = *slice;
    moved.axes.resize(moved.start.size());
    for (size_t i = 0; i < moved.start.size(); ++i) {
      int64_t axis = slice->axes.empty() ? static_cast<int64_t>(i) : slice->axes[i];
      axis = axis < 0 ? axis + rank : axis;
      moved.axes[i] = std::find(order.begin(), order.end(), axis) - order.begin();
    }
    return moved;
  }
  if (const auto* padding = std::get_if<Padding>(&op)) {
    Padding moved = *padding;
    permute(moved.before, order);
    permute(moved.after, order);
    return moved;
  }
  const auto* resize = std::get_if<Resize>(&op);
  if (resize == nullptr || resize->kind != ResizeKind::kNearest || !resize->roi.empty()) {
    return std::nullopt;
  }
  Resize moved = *resize;
  permute(moved.sizes, order);
  permute(moved.scales, order);
  return moved;
}

}  // namespace

std::vector<int64_t> channels_to_end(int rank) {
  std::vector<int64_t> order{0};
  for (int64_t axis = 2; axis < rank; ++axis) order.push_back(axis);
  order.push_back(1);
  return order;
}

bool moves_channels_last(const Op& op, int rank) { return on_last_channels(op, rank).has_value(); }

/// The same bytes, whose channels a transpose takes from the end or to it.
int32_t Lowerer::transposed_view(int32_t from, std::vector<int64_t> order, Layout layout) {
  PlanTensor copy = plan_->tensors[size_t(from)];
  for (size_t i = 0; i < order.size(); ++i) {
    copy.shape[static_cast<int>(i)] =
        plan_->tensors[size_t(from)].shape[static_cast<int>(order[i])];
  }
  copy.name += kChannelsAtEnd;
  copy.layout = layout;
  copy.blob = -1;
  const int32_t to = add_tensor(std::move(copy));
  emit(ViewStep{transpose_by(std::move(order))}, {from}, {to});
  return to;
}

/// A step on channels-last images whose bytes it sees as (N, spatial…, C).
void Lowerer::emit_on_last_channels(Step step, int32_t image, int32_t output) {
  const int rank = plan_->tensors[size_t(image)].shape.rank();
  const std::vector<int64_t> order = channels_to_end(rank);
  const int32_t input = transposed_view(image, order, Layout::kPlain);
  PlanTensor made = plan_->tensors[size_t(output)];
  for (int i = 0; i < rank; ++i) {
    made.shape[i] = plan_->tensors[size_t(output)].shape[static_cast<int>(order[size_t(i)])];
  }
  made.name += kChannelsAtEnd;
  made.layout = Layout::kPlain;
  const int32_t seen = add_tensor(std::move(made));
  emit(std::move(step), {input}, {seen});
  emit(ViewStep{transpose_by(channels_to_front(rank))}, {seen}, {output});
}

/// Slices, paddings and nearest resizes of a channels-last image stay in that layout: they run on
/// the same bytes as (N, H, W, C).
bool Lowerer::try_channels_last(const Group& group) {
  const auto& inputs = network_.inputs(group.core);
  if (inputs.size() != 1 || network_.outputs(group.core).size() != 1) return false;
  const TensorId x = inputs[0], y = output_of(network_, group);
  const int rank = network_.shape(x).rank();
  if (rank != 3 && rank != 4) return false;
  auto op = on_last_channels(network_.op(group.core), rank);
  const auto from = dequantized_from(x);
  const auto to = quantized_into(y);
  const bool int8 = from && to && from->fits_into(*to);
  const TensorId source = int8 ? from->q : x;
  if (!op || layout_of(source) != Layout::kChannelsLast) return false;
  if (auto* padding = std::get_if<Padding>(&*op); padding != nullptr && int8) {
    if (!is_zero_padding(*padding)) return false;
    padding->value = static_cast<float>(from->zero_point);
  }
  const int32_t image = form(source, Layout::kChannelsLast);
  const int32_t output =
      int8 ? define_quantized(y, *to, Layout::kChannelsLast) : define(y, Layout::kChannelsLast);
  emit_on_last_channels(GenericStep{std::move(*op)}, image, output);
  return true;
}

/// A transpose between (N, C, H, W) and (N, H, W, C) moves nothing where the image lies channels
/// last, or is to. A reshape may follow the one that brings channels to the end.
bool Lowerer::try_transpose(const Group& group) {
  const auto* op = std::get_if<Shuffle>(&network_.op(group.core));
  if (op == nullptr) return false;
  const TensorId x = network_.inputs(group.core)[0], y = output_of(network_, group);
  const int rank = network_.shape(x).rank();
  if (rank != 3 && rank != 4) return false;
  const auto from = dequantized_from(x);
  const auto to = quantized_into(y);
  const bool int8 = from && to && from->fits_into(*to);
  const TensorId source = int8 ? from->q : x, target = int8 ? to->q : y;
  const Layout lies = layout_of(source);
  const bool reshaped = op->has_reshape && op->first == channels_to_end(rank) && op->second.empty();
  const bool to_end =
      (reshaped || is_transpose_by(*op, channels_to_end(rank))) && lies == Layout::kChannelsLast;
  const bool to_front = is_transpose_by(*op, channels_to_front(rank)) && lies == Layout::kPlain &&
                        output_layout(target) == Layout::kChannelsLast;
  if (!to_end && !to_front) return false;
  const Layout layout = to_end ? Layout::kPlain : Layout::kChannelsLast;
  int32_t input = form(source, lies);
  Shuffle view = *op;
  if (reshaped) {
    input = transposed_view(input, std::exchange(view.first, {}), Layout::kPlain);
  }
  emit(ViewStep{view}, {input}, {int8 ? define_quantized(y, *to, layout) : define(y, layout)});
  return true;
}

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
