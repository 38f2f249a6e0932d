// A Tactic of this room made of plain functions (as kernels/function_tactic.h, with the device),
// and what its rows share: weights in device memory, how tensors are seen by kernels.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "kernels/cuda/launchers.h"

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

template <typename Function>
class PreparedLaunch final : public Prepared {
 public:
  explicit PreparedLaunch(Function function) : function_(std::move(function)) {}
  void run(const Buffers& buffers) override { function_(buffers); }

 private:
  Function function_;
};

/// `function` is called with the Buffers of each run; it enqueues and does not allocate.
template <typename Function>
std::unique_ptr<Prepared> make_launch(Function function) {
  return std::make_unique<PreparedLaunch<Function>>(std::move(function));
}

inline ByteType byte_type(const PlanTensor& t) {
  return {t.type == DataType::kUInt8, t.zero_point};
}
inline bool is_plain(const PlanTensor& t) { return t.layout == Layout::kPlain; }
/// A (N, C, W) or (N, C, H, W) tensor stored channels-last.
inline bool is_image(const PlanTensor& t) {
  return t.layout == Layout::kChannelsLast && (t.shape.rank() == 3 || t.shape.rank() == 4);
}

}  // namespace octile::cuda
