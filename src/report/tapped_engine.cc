// See tapped_engine.h.
#include "report/tapped_engine.h"

#include <algorithm>
#include <map>

#include "arithmetic/quantize.h"
#include "base/half.h"
#include "plan/keep_tensors.h"
#include "runtime/tensor_access.h"

namespace octile {
namespace {

bool is_byte(DataType type) { return type == DataType::kInt8 || type == DataType::kUInt8; }

std::vector<Tap> taps_of(const PlanData& plan) {
  std::vector<Tap> taps;
  std::map<std::string, size_t> at;
  const std::vector<int32_t> orders = byte_orders(plan);
  const auto see = [&](int32_t t, const std::string& layer) {
    const PlanTensor& tensor = plan.tensors[size_t(t)];
    const bool int8 = is_byte(tensor.type) && tensor.scale > 0.0f;
    if (tensor.blob >= 0 || (!is_real(tensor.type) && !int8)) return;
    const bool half = tensor.type == DataType::kFloat16;
    const bool output = std::count(plan.outputs.begin(), plan.outputs.end(), t) > 0;
    const auto [found, added] = at.emplace(tensor.name, taps.size());
    if (added) {
      taps.push_back({tensor.name, layer, t, orders[size_t(t)], int8, output, half});
      return;
    }
    Tap& tap = taps[found->second];
    if (output || (int8 && !tap.int8 && !tap.output)) {
      tap = {tensor.name, tap.layer, t, orders[size_t(t)], int8, output, half};
    }
  };
  for (int32_t t : plan.inputs) see(t, "");
  for (const PlanStep& step : plan.steps) {
    for (int32_t t : step.outputs) see(t, step.name);
  }
  return taps;
}

/// Channels-last values (N, spatial…, C) → (N, C, spatial…).
Tensor channels_first(const Tensor& values, const Shape& shape) {
  Tensor result(DataType::kFloat32, values.shape());
  const int64_t n = shape[0], channels = shape[1];
  const int64_t pixels = n * channels == 0 ? 0 : values.volume() / (n * channels);
  const float* from = values.as<float>();
  for (int64_t i = 0; i < n; ++i) {
    float* to = result.as<float>() + i * channels * pixels;
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t c = 0; c < channels; ++c) to[c * pixels + p] = *from++;
    }
  }
  return result;
}

}  // namespace

TappedEngine::TappedEngine(std::shared_ptr<const PlanData> plan, int threads,
                           const std::string& device)
    : engine_(
          Engine::load(Plan(std::move(plan)), EngineOptions{.device = device, .threads = threads})),
      context_(engine_.create_context()),
      taps_(taps_of(engine_.plan().data())),
      views_(engine_.plan().data().tensors.size()) {
  for (const Binding& b : engine_.bindings()) {
    if (!b.is_input) output_names_.push_back(b.name);
  }
}

void TappedEngine::run(const std::vector<Tensor>& inputs) {
  const auto& bindings = engine_.bindings();
  for (size_t i = 0; i < inputs.size(); ++i) context_.set_input(bindings[i].name, inputs[i]);
  context_.run();
  TensorAccess::visit(context_, [&](int32_t t, const Shape& shape, const void* data) {
    views_[size_t(t)] = {engine_.plan().data().tensors[size_t(t)].type, shape, data};
  });
}

Tensor TappedEngine::values(const Tap& tap) const {
  const PlanData& plan = engine_.plan().data();
  const PlanTensor& info = plan.tensors[size_t(tap.tensor)];
  const TensorView& view = views_[size_t(tap.tensor)];
  Tensor values(DataType::kFloat32, view.shape);
  for (int64_t i = 0; i < values.volume(); ++i) {
    float* to = values.as<float>() + i;
    if (info.type == DataType::kFloat16) {
      *to = half_to_float(view.as<uint16_t>()[i]);
    } else if (!tap.int8) {
      *to = view.as<float>()[i];
    } else {
      const int32_t q =
          info.type == DataType::kUInt8 ? view.as<uint8_t>()[i] : view.as<int8_t>()[i];
      *to = dequantize_value(q, info.scale, info.zero_point);
    }
  }
  const bool last = plan.tensors[size_t(tap.order)].layout == Layout::kChannelsLast;
  return last ? channels_first(values, views_[size_t(tap.order)].shape) : values;
}

std::vector<Tensor> TappedEngine::outputs() const {
  std::vector<Tensor> list;
  for (const std::string& name : output_names_) list.push_back(context_.output(name));
  return list;
}

}  // namespace octile
