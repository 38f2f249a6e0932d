// lower(): the driver, and the bookkeeping of tensor forms. Start reading at run().
#include "compile/lower.h"

#include "base/error.h"
#include "compile/lowerer.h"
#include "ops/ops.h"

namespace octile {

std::shared_ptr<PlanData> lower(const Network& network, const std::vector<Group>& groups,
                                const std::vector<std::string>& notes) {
  return Lowerer(network, groups, notes).run();
}

Lowerer::Lowerer(const Network& network, const std::vector<Group>& groups,
                 const std::vector<std::string>& notes)
    : network_(network), groups_(groups), notes_(notes) {}

std::shared_ptr<PlanData> Lowerer::run() {
  plan_->name = network_.name();
  for (TensorId t : network_.inputs()) {
    plan_->inputs.push_back(define(t, Layout::kPlain));
    const DataType type = network_.type(t);
    if ((type != DataType::kInt8 && type != DataType::kUInt8) || !input_has_grid(network_, t))
      continue;
    const auto& op = std::get<Dequantize>(network_.op(network_.consumers(t)[0]));
    plan_->tensors.back().scale = op.scale[0];
    plan_->tensors.back().zero_point = op.zero_point;
  }
  std::unordered_map<int32_t, size_t> group_at, inner;  // by last layer; by other layers
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (LayerId layer : groups_[g].layers()) inner[layer.index] = g;
    group_at[groups_[g].last().index] = g;
  }
  for (LayerId layer : network_.layers()) {
    const Op& op = network_.op(layer);
    if (std::holds_alternative<Constant>(op) || std::holds_alternative<Dequantize>(op)) continue;
    if (std::holds_alternative<Quantize>(op)) {
      lower_quantize(layer);
    } else if (const auto found = group_at.find(layer.index); found != group_at.end()) {
      step_name_ = name_of(network_, groups_[found->second]);
      step_note_ = found->second < notes_.size() ? notes_[found->second] : "";
      lower_group(groups_[found->second]);
    } else {
      check(inner.count(layer.index) != 0, ErrorCode::kInternal, "layer '{}' is in no group",
            network_.name(layer));
    }
  }
  finish_outputs();
  plan_->storage = storage_;
  return plan_;
}

void Lowerer::lower_group(const Group& group) {
  const bool done = try_normalization(group) || try_weighted(group) || try_deconvolution(group) ||
                    try_pooling(group) || try_elementwise(group) || try_lookup(group) ||
                    try_activation(group) || try_softmax(group) || try_matmul(group) ||
                    try_concatenation(group) || try_transpose(group) || try_channels_last(group) ||
                    try_shuffle(group) || try_view(group) || try_int8_movement(group);
  if (!done) generic(group);
}

// --- forms ---

bool Lowerer::has_form(TensorId t, Layout layout) const {
  const auto found = forms_.find(t.index);
  return found != forms_.end() && found->second[static_cast<size_t>(layout)] >= 0;
}

void Lowerer::remember(TensorId t, Layout layout, int32_t index) {
  forms_.try_emplace(t.index, std::array<int32_t, 2>{-1, -1})
      .first->second[static_cast<size_t>(layout)] = index;
}

int32_t Lowerer::form(TensorId t, Layout layout) {
  if (has_form(t, layout)) return forms_.at(t.index)[static_cast<size_t>(layout)];
  const Layout other = layout == Layout::kPlain ? Layout::kChannelsLast : Layout::kPlain;
  if (has_form(t, other)) {
    return convert_layout(t, forms_.at(t.index)[static_cast<size_t>(other)], layout);
  }
  const int32_t made = materialize(t, layout);
  return plan_->tensors[static_cast<size_t>(made)].layout == layout
             ? made
             : convert_layout(t, made, layout);
}

int32_t Lowerer::any_form(TensorId t) {
  if (has_form(t, Layout::kChannelsLast)) return form(t, Layout::kChannelsLast);
  if (has_form(t, Layout::kPlain)) return form(t, Layout::kPlain);
  return materialize(t, output_layout(t));
}

Layout Lowerer::layout_of(TensorId t) {
  return plan_->tensors[static_cast<size_t>(any_form(t))].layout;
}

/// Makes a tensor that no step has made: a constant, or the float copy of a quantized one.
int32_t Lowerer::materialize(TensorId t, Layout wanted) {
  if (const Tensor* value = network_.constant_value(t)) return add_constant(t, *value);
  if (const auto value = constant_float(network_, t)) return add_constant(t, *value);
  const LayerId producer = network_.producer(t);
  check(producer.valid(), ErrorCode::kInternal, "tensor '{}' is not made", network_.name(t));
  const std::string saved = std::exchange(step_name_, network_.name(producer));
  int32_t result = -1;
  if (const auto* quantize = std::get_if<Quantize>(&network_.op(producer))) {  // of a constant
    const Tensor* value = network_.constant_value(network_.inputs(producer)[0]);
    check(value != nullptr, ErrorCode::kInternal, "tensor '{}' is not made", network_.name(t));
    result = add_constant(t, evaluate(*quantize, std::vector{value->view()})[0]);
    PlanTensor& tensor = plan_->tensors[static_cast<size_t>(result)];
    tensor.scale = quantize->scale.size() == 1 ? quantize->scale[0] : 0.0f;
    tensor.zero_point = quantize->zero_point;
  } else if (const auto from = dequantized_from(t)) {
    const int32_t input = any_form(from->q);
    result = define(t, wanted);
    emit(DequantizeStep{}, {input}, {result});
  } else if (const LayerId dynamic = dynamic_dequantize(t); dynamic.valid()) {
    const auto& inputs = network_.inputs(dynamic);
    std::vector<int32_t> sources{any_form(inputs[0]), form(inputs[1], Layout::kPlain)};
    if (network_.type(inputs[0]) == DataType::kUInt8) {
      sources.push_back(form(inputs[2], Layout::kPlain));
    }
    result = define(t, wanted);
    emit(DequantizeStep{.dynamic = true}, sources, {result});
  } else {  // per-axis or otherwise unusual: by its meaning
    std::vector<int32_t> sources;
    for (TensorId input : network_.inputs(producer)) sources.push_back(form(input, Layout::kPlain));
    result = define(t, Layout::kPlain);
    emit(GenericStep{network_.op(producer)}, sources, {result});
  }
  step_name_ = saved;
  return result;
}

/// Bytes lie the same in both layouts when there is one channel or one pixel.
static bool same_bytes(const Shape& shape) {
  int64_t pixels = 1;
  for (int axis = 2; axis < shape.rank(); ++axis) {
    pixels = shape[axis] == kDynamic ? kDynamic : pixels * shape[axis];
    if (pixels < 0) break;
  }
  return shape[1] == 1 || pixels == 1;
}

int32_t Lowerer::convert_layout(TensorId t, int32_t from, Layout wanted) {
  PlanTensor copy = plan_->tensors[static_cast<size_t>(from)];
  copy.layout = wanted;
  copy.blob = -1;
  const bool view = same_bytes(copy.shape);
  const int32_t to = add_tensor(std::move(copy));
  remember(t, wanted, to);
  if (view) {
    emit(ViewStep{}, {from}, {to});
  } else {
    emit(ReorderStep{}, {from}, {to});
  }
  return to;
}

int32_t Lowerer::add_tensor(PlanTensor tensor) {
  plan_->tensors.push_back(std::move(tensor));
  return static_cast<int32_t>(plan_->tensors.size()) - 1;
}

int32_t Lowerer::define(TensorId t, Layout layout) {
  const int32_t index = add_tensor({.name = network_.name(t),
                                    .type = network_.type(t),
                                    .layout = layout,
                                    .shape = network_.shape(t)});
  remember(t, layout, index);
  return index;
}

/// The 8-bit tensor grid.q, under the name of the float tensor that it stands for.
int32_t Lowerer::define_quantized(TensorId shown, const Quantized& grid, Layout layout) {
  const int32_t index = add_tensor({.name = network_.name(shown),
                                    .type = grid.type,
                                    .layout = layout,
                                    .shape = network_.shape(grid.q),
                                    .scale = grid.scale,
                                    .zero_point = grid.zero_point});
  remember(grid.q, layout, index);
  return index;
}

int32_t Lowerer::add_constant(TensorId t, const Tensor& value) {
  const int32_t blob = add_blob_bytes(value.type(), value.shape(),
                                      {static_cast<const std::byte*>(value.data()), value.bytes()});
  const int32_t index = add_tensor({.name = network_.name(t),
                                    .type = value.type(),
                                    .layout = Layout::kPlain,
                                    .shape = value.shape(),
                                    .blob = blob});
  remember(t, Layout::kPlain, index);
  return index;
}

int32_t Lowerer::add_blob_bytes(DataType type, const Shape& shape,
                                std::span<const std::byte> bytes) {
  storage_->emplace_back(type, shape, bytes);
  const Tensor& kept = storage_->back();  // heap bytes stay put when the vector grows
  plan_->blobs.push_back({type, shape, {static_cast<const std::byte*>(kept.data()), kept.bytes()}});
  return static_cast<int32_t>(plan_->blobs.size()) - 1;
}

void Lowerer::emit(Step step, std::vector<int32_t> inputs, std::vector<int32_t> outputs) {
  plan_->steps.push_back({.name = step_name_,
                          .step = std::move(step),
                          .inputs = std::move(inputs),
                          .outputs = std::move(outputs),
                          .tactics = {},
                          .note = step_note_});
}

// --- quantize layers ---

void Lowerer::lower_quantize(LayerId layer) {
  const auto& op = std::get<Quantize>(network_.op(layer));
  const TensorId x = network_.inputs(layer)[0], q = network_.output(layer);
  step_name_ = network_.name(layer);
  step_note_.clear();
  if (forms_.count(q.index) != 0 || network_.constant_value(x) != nullptr) return;  // absorbed
  if (op.dynamic) return lower_dynamic_quantize(layer, op);
  const bool bytes = op.type == DataType::kInt8 || op.type == DataType::kUInt8;
  if (op.axis >= 0 || op.scale.size() != 1 || !bytes) {
    const int32_t input = form(x, Layout::kPlain);
    emit(GenericStep{op}, {input}, {define(q, Layout::kPlain)});
    return;
  }
  const Quantized to{q, op.type, op.scale[0], op.zero_point, op.lo, op.hi};
  const auto from = dequantized_from(x);
  if (from && !has_form(x, Layout::kPlain) && !has_form(x, Layout::kChannelsLast)) {
    const int32_t input = any_form(from->q);
    lookup(input, *from, to, x, layout_of(from->q), Identity{});
    return;
  }
  const int32_t input = any_form(x);
  const int32_t output = define_quantized(x, to, output_layout(q));
  emit(QuantizeStep{.q_lo = op.lo, .q_hi = op.hi, .dynamic = false}, {input}, {output});
}

void Lowerer::lower_dynamic_quantize(LayerId layer, const Quantize& op) {
  const TensorId x = network_.inputs(layer)[0];
  const auto& outputs = network_.outputs(layer);
  const int32_t input = any_form(x);
  std::vector<int32_t> made{define(outputs[0], output_layout(outputs[0])),
                            define(outputs[1], Layout::kPlain)};
  if (op.type == DataType::kUInt8) made.push_back(define(outputs[2], Layout::kPlain));
  emit(QuantizeStep{.q_lo = op.lo, .q_hi = op.hi, .dynamic = true}, {input}, made);
}

/// Outputs are plain, distinct, made by a step and carry the network's names.
void Lowerer::finish_outputs() {
  std::vector<bool> taken(plan_->tensors.size(), false);
  for (TensorId t : network_.outputs()) {
    int32_t index = form(t, Layout::kPlain);
    taken.resize(plan_->tensors.size(), false);
    const bool constant = plan_->tensors[size_t(index)].blob >= 0;
    const bool input = !network_.producer(t).valid();
    if (constant || input || taken[size_t(index)]) {
      step_name_ = network_.name(t);
      step_note_.clear();
      PlanTensor copy = plan_->tensors[size_t(index)];
      copy.blob = -1;
      copy.name = network_.name(t);
      const int32_t to = add_tensor(std::move(copy));
      emit(ViewStep{}, {index}, {to});
      index = to;
      taken.resize(plan_->tensors.size(), false);
    }
    plan_->tensors[size_t(index)].name = network_.name(t);
    taken[size_t(index)] = true;
    plan_->outputs.push_back(index);
  }
}

}  // namespace octile
