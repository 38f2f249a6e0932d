// See step_runner.h.
#include "backend/step_runner.h"

#include "backend/step_threads.h"
#include "base/error.h"
#include "base/with_team.h"

namespace octile {
namespace {

/// Varied, small, finite: realistic enough for timing, harmless for every step.
void fill(Tensor& tensor) {
  uint32_t state = 12345;
  const auto next = [&state] { return state = state * 1664525u + 1013904223u; };
  const int64_t count = tensor.volume();
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t r = next() >> 24;
    switch (tensor.type()) {
      case DataType::kFloat32: tensor.as<float>()[i] = float(r) * (2.0f / 255.0f) - 1.0f; break;
      case DataType::kInt8: tensor.as<int8_t>()[i] = int8_t(r); break;
      case DataType::kUInt8: tensor.as<uint8_t>()[i] = uint8_t(r); break;
      default: break;  // indices, zero points: zeros are always valid
    }
  }
}

}  // namespace

StepRunner::StepRunner(const PlanData& plan, const PlanStep& step, std::span<const Shape> shapes,
                       const Tactic& tactic, const Device& device) {
  const StepView view = make_view(plan, step, shapes);
  for (const PlanTensor& t : view.inputs) {
    if (t.blob >= 0) {
      const Blob& blob = plan.blobs[size_t(t.blob)];
      input_tensors_.emplace_back(blob.type, blob.shape, blob.bytes);
    } else {
      fill(input_tensors_.emplace_back(t.type, t.shape));
    }
  }
  for (const PlanTensor& t : view.outputs) output_tensors_.emplace_back(t.type, t.shape);
  for (const Tensor& t : input_tensors_) inputs_.push_back(t.data());
  for (Tensor& t : output_tensors_) outputs_.push_back(t.data());
  workspace_ = Tensor(DataType::kUInt8, Shape{int64_t(tactic.workspace_bytes(view, device))});
  packed_ = tactic.pack(view, device);
  prepared_ = tactic.prepare(view, packed_.get(), device);
}

void StepRunner::run(int times) {
  const auto run_all = [&] {
    for (int i = 0; i < times; ++i) {
      prepared_->run({inputs_.data(), outputs_.data(), workspace_.data()});
    }
  };
  if (threads_of(*prepared_) == StepThreads::kTeam) return with_team(run_all);
  run_all();
}

}  // namespace octile
