// See host_tactic.h. Inputs go to pinned memory, a call of the CPU's row to a thread of the
// driver's, outputs back. Nothing waits, so a graph can hold it.
#include "kernels/host_tactic.h"

#include <utility>

#include "base/error.h"
#include "base/parallel_for.h"

namespace octile {
namespace {

Device cpu_device(const Device& device) { return cpu_backend().open(std::nullopt, device.threads); }

size_t bytes_of(const PlanTensor& t) {
  return static_cast<size_t>(t.shape.volume()) * size_of(t.type);
}

class HostWeights final : public PackedWeights {
 public:
  const Tactic* row = nullptr;
  std::unique_ptr<PackedWeights> packed;
  size_t bytes() const override { return packed != nullptr ? packed->bytes() : 0; }
};

class HostStep final : public Prepared, public RunsOnHost {
 public:
  HostStep(const StepView& view, const HostWeights& weights, const Device& device)
      : accelerator_(*device.accelerator), threads_(device.threads) {
    const Device cpu = cpu_device(device);
    const Tactic* row = weights.row;
    const PackedWeights* packed = weights.packed.get();
    if (!refusal(*row, view, cpu).empty()) {  // operands stand otherwise to each other than at max
      row = &first_accepting(cpu_backend(), view, cpu);
      own_ = row->pack(view, cpu);
      packed = own_.get();
    }
    prepared_ = row->prepare(view, packed, cpu);
    workspace_ = Memory(nullptr, row->workspace_bytes(view, cpu));
    for (const PlanTensor& t : view.inputs) inputs_.push_back(pinned(t));
    for (const PlanTensor& t : view.outputs) outputs_.push_back(pinned(t));
    for (const Memory& m : inputs_) input_data_.push_back(m.data());
    for (const Memory& m : outputs_) output_data_.push_back(m.data());
  }

  void run(const Buffers& buffers) override {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i].bytes() == 0) continue;
      accelerator_.copy(inputs_[i].data(), buffers.inputs[i], inputs_[i].bytes(), buffers.stream);
    }
    accelerator_.call_on_host(
        buffers.stream, [](void* self) { static_cast<HostStep*>(self)->compute(); }, this);
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (outputs_[i].bytes() == 0) continue;
      accelerator_.copy(buffers.outputs[i], outputs_[i].data(), outputs_[i].bytes(),
                        buffers.stream);
    }
  }

  std::exception_ptr take_failure() override { return std::exchange(failure_, nullptr); }

 private:
  Memory pinned(const PlanTensor& t) const {
    return {&accelerator_, bytes_of(t), Memory::Kind::kPinned};
  }

  void compute() noexcept {
    try {
      const ThreadCountScope threads(threads_);
      prepared_->run({input_data_.data(), output_data_.data(), workspace_.data()});
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  const Accelerator& accelerator_;
  int threads_;
  std::unique_ptr<PackedWeights> own_;
  std::unique_ptr<Prepared> prepared_;
  Memory workspace_;
  std::vector<Memory> inputs_, outputs_;
  std::vector<const void*> input_data_;
  std::vector<void*> output_data_;
  std::exception_ptr failure_;
};

class HostTactic final : public Tactic {
 public:
  std::string_view name() const override { return "cuda.host"; }
  Isa isa() const override { return Isa::kPortable; }
  std::string refuse(const StepView& view, const Device& device) const override {
    const Device cpu = cpu_device(device);
    for (const Tactic* row : cpu_backend().tactics()) {
      if (refusal(*row, view, cpu).empty()) return "";
    }
    return "no row of the CPU accepts it";
  }
  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const Device cpu = cpu_device(device);
    auto weights = std::make_unique<HostWeights>();
    weights->row = &first_accepting(cpu_backend(), view, cpu);
    weights->packed = weights->row->pack(view, cpu);
    return weights;
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    return std::make_unique<HostStep>(view, static_cast<const HostWeights&>(*packed), device);
  }
};

}  // namespace

const Tactic& host_tactic() {
  static const HostTactic tactic;
  return tactic;
}

}  // namespace octile
