// See backend.h.
#include "kernels/simulated/backend.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "kernels/host_tactic.h"
#include "kernels/simulated/accelerator.h"

namespace octile {
namespace {

class SimulatedBackend final : public Backend {
 public:
  std::string_view name() const override { return "cuda"; }
  std::span<const Tactic* const> tactics() const override {
    static const Tactic* const table[] = {&host_tactic()};
    return table;
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
