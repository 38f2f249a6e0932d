// See backend.h.
#include "kernels/simulated/backend.h"

#include "backend/join_steps.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "kernels/host_tactic.h"
#include "kernels/simulated/accelerator.h"

namespace octile {
namespace {

/// A convolution and the pooling behind it, with a tensor of their own between them. (What either
/// throws is lost; they do not.)
class SimulatedChain final : public Chain {
 public:
  SimulatedChain(const ChosenStep& first, const ChosenStep& second, const Device& device)
      : between_(device.accelerator, bytes_between(*first.view)),
        first_(first.tactic->prepare(*first.view, first.packed, device)),
        second_(second.tactic->prepare(*second.view, second.packed, device)) {}
  void run(const void* input, void* output, Stream stream) override {
    const void* const made = between_.data();
    void* const place = between_.data();
    first_->run({&input, &place, nullptr, stream});
    second_->run({&made, &output, nullptr, stream});
  }

 private:
  static size_t bytes_between(const StepView& view) {
    return static_cast<size_t>(view.outputs[0].shape.volume()) * size_of(view.outputs[0].type);
  }
  Memory between_;
  std::unique_ptr<Prepared> first_, second_;
};

std::unique_ptr<Chain> simulated_chain(const ChosenStep& first, const ChosenStep& second,
                                       const Device& device) {
  for (const ChosenStep* s : {&first, &second}) {
    if (s->view->inputs.size() != 1 || s->view->outputs.size() != 1) return nullptr;
  }
  if (first.view->as<ConvStep>() == nullptr || second.view->as<PoolStep>() == nullptr) {
    return nullptr;
  }
  return std::make_unique<SimulatedChain>(first, second, device);
}

class SimulatedBackend final : public Backend {
 public:
  std::string_view name() const override { return "cuda"; }
  std::span<const Tactic* const> tactics() const override {
    static const Tactic* const table[] = {&host_tactic()};
    return table;
  }

  std::vector<FoundChain> find_chains(std::span<const ChosenStep> steps,
                                      const Device& device) const override {
    return join_steps(steps, [&](const ChosenStep& first, const ChosenStep& second) {
      return simulated_chain(first, second, device);
    });
  }

  std::vector<DeviceInfo> describe() const override {
    return {{.backend = "cuda",
             .name = simulated_accelerator().name(),
             .compiled = {std::string(name_of(kLevel))},
             .usable = {std::string(name_of(kLevel))},
             .refused = {},
             .cores = simulated_accelerator().multiprocessors(),
             .id = simulated_accelerator().id(),
             .memory_bytes = int64_t{1} << 30}};
  }

  std::string float_path(int) const override {
    return fmt::format("octile {}, simulated GPU, {}", version(), cpu_backend().float_path(0));
  }

  Device open(std::optional<Isa> isa, int threads, int ordinal) const override {
    check(threads >= 0, ErrorCode::kInvalidArgument,
          "threads must be 0 (all cores) or more, not {}", threads);
    check(ordinal == 0, ErrorCode::kDevice, "device cuda:{}: there are 1 GPUs, cuda:0 to cuda:0",
          ordinal);
    check(!isa || *isa == kLevel, ErrorCode::kUnsupported, "ISA {} on cuda:0: it has {} alone",
          isa ? name_of(*isa) : "", name_of(kLevel));
    return {.isa = kLevel,
            .threads = threads > 0 ? threads : thread_count(),
            .accelerator = &simulated_accelerator()};
  }

 private:
  static constexpr Isa kLevel = Isa::kDp4a;
};

}  // namespace

const Backend& simulated_backend() {
  static const SimulatedBackend backend;
  return backend;
}

}  // namespace octile
