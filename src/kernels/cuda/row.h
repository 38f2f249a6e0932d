// A Tactic of this room made of plain functions (as kernels/function_tactic.h, with the device),
// and what its rows share: weights in device memory, how tensors are seen by kernels.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/half.h"
#include "kernels/cuda/launchers.h"
#include "kernels/function_tactic.h"
#include "kernels/step_forms.h"

namespace octile::cuda {

/// Weights on the device, in parts that a row numbers as it likes.
class DeviceWeights final : public PackedWeights {
 public:
  std::vector<Memory> parts;
  size_t bytes() const override {
    size_t bytes = 0;
    for (const Memory& part : parts) bytes += part.bytes();
    return bytes;
  }
  template <typename T>
  const T* as(size_t part) const {
    return parts[part].as<const T>();
  }
  template <typename T>
  void add(const Device& device, const std::vector<T>& values) {
    parts.push_back(upload(device.accelerator, std::as_bytes(std::span(values))));
  }
  /// A part of no bytes (null) for −1.
  void add_blob(const Device& device, const StepView& view, int32_t blob) {
    parts.push_back(blob < 0 ? Memory() : upload(device.accelerator, view.blob(blob).bytes));
  }
  /// The blob's floats, rounded to half for kHalf; no bytes for −1.
  void add_reals(const Device& device, const StepView& view, int32_t blob, Real type) {
    if (blob < 0 || type == Real::kFloat) return add_blob(device, view, blob);
    const Blob& floats = view.blob(blob);
    std::vector<uint16_t> halves(static_cast<size_t>(floats.shape.volume()));
    for (size_t i = 0; i < halves.size(); ++i) halves[i] = float_to_half(floats.as<float>()[i]);
    add(device, halves);
  }
};

/// What a row does; see Tactic for the contracts. pack and workspace may be null.
struct RowFunctions {
  std::string (*refuse)(const StepView& view);
  std::unique_ptr<Prepared> (*prepare)(const StepView& view, const DeviceWeights* weights,
                                       const Device& device);
  std::unique_ptr<DeviceWeights> (*pack)(const StepView& view, const Device& device) = nullptr;
  size_t (*workspace)(const StepView& view) = nullptr;
};

class Row final : public Tactic {
 public:
  constexpr Row(std::string_view name, RowFunctions functions)
      : name_(name), functions_(functions) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override { return Isa::kDp4a; }  // any GPU
  std::string refuse(const StepView& view, const Device&) const override {
    return functions_.refuse(view);
  }
  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    if (functions_.pack == nullptr) return nullptr;
    return functions_.pack(view, device);
  }
  size_t workspace_bytes(const StepView& view, const Device&) const override {
    return functions_.workspace != nullptr ? functions_.workspace(view) : 0;
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    return functions_.prepare(view, static_cast<const DeviceWeights*>(packed), device);
  }

 private:
  std::string_view name_;
  RowFunctions functions_;
};

/// The input's bytes as the output; nothing to do where the arena lets both share them.
inline std::unique_ptr<Prepared> prepare_copy(const StepView& view, const DeviceWeights*,
                                              const Device& device) {
  const PlanTensor& x = view.inputs[0];
  const size_t bytes = static_cast<size_t>(x.shape.volume()) * size_of(x.type);
  return make_prepared([bytes, accelerator = device.accelerator](const Buffers& b) {
    if (bytes == 0 || b.inputs[0] == b.outputs[0]) return;
    accelerator->copy(b.outputs[0], b.inputs[0], bytes, b.stream);
  });
}

inline ByteType byte_type(const PlanTensor& t) {
  return {t.type == DataType::kUInt8, t.zero_point};
}
inline Real real_type(const PlanTensor& t) {
  return forms::is_half(t) ? Real::kHalf : Real::kFloat;
}
/// A question of step_forms.h for rows that take float16 as they take float32.
template <std::string (*kRefuse)(const StepView&)>
std::string refuse_real(const StepView& view) {
  return forms::has_halves(view) ? kRefuse(forms::as_floats(view)) : kRefuse(view);
}
using forms::is_image;
using forms::is_plain;

}  // namespace octile::cuda
