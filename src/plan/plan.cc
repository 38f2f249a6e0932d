// The public Plan: a handle on immutable PlanData, with files and the layer table.
#include "octile/plan.h"

#include "base/bytes.h"
#include "base/error.h"
#include "plan/plan_data.h"

namespace octile {
namespace {

std::string precision_of(const PlanData& plan, const PlanStep& step) {
  const auto name = [&](const std::vector<int32_t>& list) -> std::string {
    if (list.empty()) return "";
    const DataType type = plan.tensors[size_t(list[0])].type;
    return type == DataType::kUInt8 ? "int8" : std::string(name_of(type));
  };
  const std::string from = name(step.inputs), to = name(step.outputs);
  return from == to || from.empty() ? to : from + " -> " + to;
}

int64_t weight_bytes_of(const PlanData& plan, const PlanStep& step) {
  int64_t bytes = 0;
  const auto add = [&](int32_t blob) {
    if (blob >= 0) bytes += int64_t(plan.blobs[size_t(blob)].bytes.size());
  };
  if (const auto* conv = std::get_if<ConvStep>(&step.step)) {
    for (int32_t blob : {conv->weights, conv->bias, conv->multiplier}) add(blob);
  } else if (const auto* deconv = std::get_if<DeconvStep>(&step.step)) {
    for (int32_t blob : {deconv->weights, deconv->bias}) add(blob);
  } else if (const auto* lookup = std::get_if<LookupStep>(&step.step)) {
    add(lookup->table);
  } else if (const auto* softmax = std::get_if<SoftmaxStep>(&step.step)) {
    add(softmax->table);
  } else if (const auto* normalize = std::get_if<NormalizeStep>(&step.step)) {
    for (int32_t blob : {normalize->scale, normalize->shift}) add(blob);
  }
  for (int32_t t : step.inputs) add(plan.tensors[size_t(t)].blob);
  return bytes;
}

std::string step_name(const PlanStep& step) {
  if (const auto* generic = std::get_if<GenericStep>(&step.step)) {
    return std::string(name_of(generic->op));
  }
  return std::string(name_of(step.step));
}

}  // namespace

Plan::Plan(std::shared_ptr<const PlanData> data) : data_(std::move(data)) {
  check(data_ != nullptr, ErrorCode::kInvalidArgument, "a plan needs data");
}

Plan Plan::load(const std::string& file) {
  auto mapped = std::make_shared<MappedFile>(file);
  const auto bytes = mapped->bytes();
  return Plan(deserialize(bytes, std::move(mapped), file));
}

Plan Plan::parse(std::string_view bytes) {
  // Through a Tensor, whose bytes are aligned as the kernels expect of weights.
  auto copy = std::make_shared<Tensor>(DataType::kUInt8, Shape{int64_t(bytes.size())},
                                       std::as_bytes(std::span(bytes)));
  const std::span<const std::byte> view(static_cast<const std::byte*>(copy->data()), bytes.size());
  return Plan(deserialize(view, std::move(copy), "plan in memory"));
}

void Plan::save(const std::string& file) const { write_file(file, octile::serialize(*data_)); }

std::string Plan::serialize() const { return octile::serialize(*data_); }

std::vector<LayerInfo> Plan::layers() const {
  std::vector<LayerInfo> rows;
  for (const PlanStep& step : data_->steps) {
    const PlanTensor& out = data_->tensors[size_t(step.outputs[0])];
    rows.push_back({.name = step.name,
                    .step = step_name(step),
                    .precision = precision_of(*data_, step),
                    .tactic = step.tactics.empty() ? "" : step.tactics[0],
                    .output = out.name,
                    .shape = out.shape,
                    .scale = out.scale,
                    .zero_point = out.zero_point,
                    .weight_bytes = weight_bytes_of(*data_, step),
                    .note = step.note});
  }
  return rows;
}

const Metadata& Plan::metadata() const { return data_->metadata; }
const std::string& Plan::preprocess() const { return data_->preprocess; }
const std::string& Plan::precision() const { return data_->precision; }
const std::string& Plan::name() const { return data_->name; }
const std::string& Plan::built_on() const { return data_->built_on; }
int Plan::profile_count() const { return int(data_->profiles.size()); }

}  // namespace octile
