// See half_tactic.h. The float32 copies lie in the workspace; the row that computes has one of its
// own, since which row that is depends on the shape.
#include "kernels/half_tactic.h"

#include <algorithm>

#include "backend/step_threads.h"
#include "base/half.h"
#include "base/parallel_for.h"
#include "base/round_up.h"
#include "kernels/function_tactic.h"
#include "kernels/step_forms.h"

namespace octile {
namespace {

constexpr int64_t kHalfGrain = 1 << 14;

void widen(const void* halves, float* floats, int64_t count) {
  const auto* from = static_cast<const uint16_t*>(halves);
  parallel_for(count, kHalfGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) floats[i] = half_to_float(from[i]);
  });
}

/// `most`: 65504 for what 8-bit steps write (docs/arithmetic.md), infinity elsewhere.
void narrow(const float* floats, void* halves, int64_t count, float most) {
  auto* to = static_cast<uint16_t*>(halves);
  parallel_for(count, kHalfGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      to[i] = float_to_half(std::clamp(floats[i], -most, most));  // NaN stays
    }
  });
}

size_t copy_bytes(const PlanTensor& t) {
  if (!forms::is_half(t)) return 0;
  return static_cast<size_t>(aligned(t.shape.volume() * int64_t{sizeof(float)}));
}

size_t copies_bytes(const StepView& view) {
  size_t bytes = 0;
  for (const PlanTensor& t : view.inputs) bytes += copy_bytes(t);
  for (const PlanTensor& t : view.outputs) bytes += copy_bytes(t);
  return bytes;
}

/// The row that runs the step in float32, with its weights.
struct FloatRow final : PackedWeights {
  const Tactic* row = nullptr;
  std::unique_ptr<PackedWeights> packed;
  FloatRow(const StepView& floats, const Device& device)
      : row(&first_accepting(cpu_backend(), floats, device)), packed(row->pack(floats, device)) {}
  size_t bytes() const override { return packed != nullptr ? packed->bytes() : 0; }
};

class HalfStep final : public Prepared, public HasStepThreads {
 public:
  /// `own`: a row for this shape alone, or null; `own_workspace`: what the row wants, of bytes.
  HalfStep(const StepView& view, std::unique_ptr<FloatRow> own, size_t own_workspace,
           std::unique_ptr<Prepared> prepared)
      : HasStepThreads(threads_of(*prepared)),
        own_(std::move(own)),
        own_workspace_(nullptr, own_workspace),
        prepared_(std::move(prepared)) {
    size_t at = 0;
    const auto copies_of = [&](const std::vector<PlanTensor>& tensors) {
      std::vector<Copy> copies;
      for (const PlanTensor& t : tensors) {
        copies.push_back({forms::is_half(t), t.shape.volume(), at});
        at += copy_bytes(t);
      }
      return copies;
    };
    inputs_ = copies_of(view.inputs);
    outputs_ = copies_of(view.outputs);
    if (is_8bit(view.inputs[0])) most_ = 65504.0f;
    input_data_.resize(inputs_.size());
    output_data_.resize(outputs_.size());
  }

  void run(const Buffers& buffers) override {
    auto* scratch = static_cast<std::byte*>(buffers.workspace);
    const auto floats_at = [&](const Copy& copy) {
      return reinterpret_cast<float*>(scratch + copy.at);
    };
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Copy& copy = inputs_[i];
      input_data_[i] = copy.made ? floats_at(copy) : buffers.inputs[i];
      if (copy.made) widen(buffers.inputs[i], floats_at(copy), copy.count);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      output_data_[i] = outputs_[i].made ? floats_at(outputs_[i]) : buffers.outputs[i];
    }
    prepared_->run({input_data_.data(), output_data_.data(), own_workspace_.data()});
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const Copy& copy = outputs_[i];
      if (copy.made) narrow(floats_at(copy), buffers.outputs[i], copy.count, most_);
    }
  }

 private:
  struct Copy {
    bool made = false;
    int64_t count = 0;
    size_t at = 0;  // in the workspace
  };
  std::unique_ptr<FloatRow> own_;
  Memory own_workspace_;
  std::unique_ptr<Prepared> prepared_;
  std::vector<Copy> inputs_, outputs_;
  float most_ = kInfinity;
  std::vector<const void*> input_data_;
  std::vector<void*> output_data_;
};

class HalfTactic final : public Tactic {
 public:
  std::string_view name() const override { return "float16.by.float32"; }
  Isa isa() const override { return Isa::kPortable; }
  std::string refuse(const StepView& view, const Device& device) const override {
    if (!forms::has_halves(view)) return "no float16";
    if (view.as<GenericStep>() != nullptr) return "generic";
    const bool kept = view.inputs[0].type == view.outputs[0].type;
    const bool moves = view.as<ConcatStep>() != nullptr || view.as<ViewStep>() != nullptr ||
                       view.as<ReorderStep>() != nullptr;
    if (moves && kept) return "it moves bytes";
    const StepView floats = forms::as_floats(view);
    for (const Tactic* row : cpu_backend().tactics()) {
      if (row != this && refusal(*row, floats, device).empty()) return "";
    }
    return "no row accepts it in float32";
  }
  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    return std::make_unique<FloatRow>(forms::as_floats(view), device);
  }
  size_t workspace_bytes(const StepView& view, const Device&) const override {
    return copies_bytes(view);  // the row that computes has its own
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    const StepView floats = forms::as_floats(view);
    const auto* row = static_cast<const FloatRow*>(packed);
    std::unique_ptr<FloatRow> own;
    if (!refusal(*row->row, floats, device).empty()) {  // it took the profile's max shapes only
      own = std::make_unique<FloatRow>(floats, device);
      row = own.get();
    }
    auto prepared = row->row->prepare(floats, row->packed.get(), device);
    const size_t workspace = row->row->workspace_bytes(floats, device);
    return std::make_unique<HalfStep>(view, std::move(own), workspace, std::move(prepared));
  }
};

}  // namespace

const Tactic& half_tactic() {
  static const HalfTactic tactic;
  return tactic;
}

}  // namespace octile
