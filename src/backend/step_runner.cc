// See step_runner.h.
#include "backend/step_runner.h"

#include <chrono>

#include "backend/step_threads.h"
#include "base/error.h"
#include "base/half.h"
#include "base/with_team.h"

namespace octile {

void fill_varied(Tensor& tensor) {
  uint32_t state = 12345;
  const auto next = [&state] { return state = state * 1664525u + 1013904223u; };
  const int64_t count = tensor.volume();
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t r = next() >> 24;
    switch (tensor.type()) {
      case DataType::kFloat32: tensor.as<float>()[i] = float(r) * (2.0f / 255.0f) - 1.0f; break;
      case DataType::kFloat16:
        tensor.as<uint16_t>()[i] = float_to_half(float(r) * (2.0f / 255.0f) - 1.0f);
        break;
      case DataType::kInt8: tensor.as<int8_t>()[i] = int8_t(r); break;
      case DataType::kUInt8: tensor.as<uint8_t>()[i] = uint8_t(r); break;
      default: break;  // indices, zero points: zeros are always valid
    }
  }
}

StepRunner::StepRunner(const PlanData& plan, const PlanStep& step, std::span<const Shape> shapes,
                       const Tactic& tactic, const Device& device)
    : accelerator_(device.accelerator), name_(step.name) {
  const StepView view = make_view(plan, step, shapes);
  for (const PlanTensor& t : view.inputs) {
    if (t.blob >= 0) {
      const Blob& blob = plan.blobs[size_t(t.blob)];
      input_tensors_.emplace_back(blob.type, blob.shape, blob.bytes);
    } else {
      fill_varied(input_tensors_.emplace_back(t.type, t.shape));
    }
  }
  for (const PlanTensor& t : view.outputs) output_tensors_.emplace_back(t.type, t.shape);
  if (accelerator_ != nullptr) {
    accelerator_->make_current();
    stream_ = std::make_unique<OwnedStream>(*accelerator_);
    for (const Tensor& t : input_tensors_) {
      memory_.push_back(
          upload(accelerator_, std::as_bytes(std::span(t.as<std::byte>(), t.bytes()))));
      inputs_.push_back(memory_.back().data());
    }
    for (const Tensor& t : output_tensors_) {
      memory_.emplace_back(accelerator_, t.bytes());
      outputs_.push_back(memory_.back().data());
    }
  } else {
    for (const Tensor& t : input_tensors_) inputs_.push_back(t.data());
    for (Tensor& t : output_tensors_) outputs_.push_back(t.data());
  }
  workspace_ = Memory(accelerator_, tactic.workspace_bytes(view, device));
  packed_ = tactic.pack(view, device);
  prepared_ = tactic.prepare(view, packed_.get(), device);
}

void StepRunner::enqueue(int times) {
  for (int i = 0; i < times; ++i) {
    prepared_->run({inputs_.data(), outputs_.data(), workspace_.data(), stream_->get()});
  }
}

void StepRunner::wait() const {
  const std::string failure = accelerator_->wait(stream_->get());
  check(failure.empty(), ErrorCode::kDevice, "{}: step '{}' failed: {}", accelerator_->id(), name_,
        failure);
}

double StepRunner::time(int times) {
  if (accelerator_ == nullptr) {
    const auto start = std::chrono::steady_clock::now();
    run(times);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    return took.count() / times;
  }
  accelerator_->make_current();
  if (clock_ == nullptr || clock_->times() != times) {
    run();  // what is done once a process is done now
    clock_ = std::make_unique<RepeatClock>(
        *accelerator_, stream_->get(), [this] { enqueue(1); }, times);
    wait();
  }
  clock_->start();
  wait();
  return clock_->nanoseconds();
}

void StepRunner::run(int times) {
  if (accelerator_ != nullptr) {
    accelerator_->make_current();
    enqueue(times);
    return wait();
  }
  const auto run_all = [&] {
    for (int i = 0; i < times; ++i) {
      prepared_->run({inputs_.data(), outputs_.data(), workspace_.data()});
    }
  };
  if (threads_of(*prepared_) == StepThreads::kTeam) return with_team(run_all);
  run_all();
}

}  // namespace octile
