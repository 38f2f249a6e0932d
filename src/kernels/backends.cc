// The list of compiled-in backends, and the CPU's: its table of tactics, best first.
#include "backend/backend.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "kernels/cpu/tactics.h"
#include "kernels/half_tactic.h"
#include "kernels/portable/tactics.h"

#ifdef OCTILE_HAVE_ONEDNN
#include "kernels/onednn/tactics.h"
#endif
#ifdef OCTILE_HAVE_CUDA
#include "kernels/cuda/backend.h"
#elif defined(OCTILE_SIMULATED_GPU)
#include "kernels/simulated/backend.h"
#endif

namespace octile {
namespace {

std::vector<const Tactic*> cpu_table() {
  std::vector<const Tactic*> table;
  const auto append = [&](std::span<const Tactic* const> rows) {
    table.insert(table.end(), rows.begin(), rows.end());
  };
  table.push_back(&half_tactic());  // first: rows of float32 alone need not look for float16
  append(cpu_tactics());
#ifdef OCTILE_HAVE_ONEDNN
  append(onednn_tactics());
#endif
  append(portable_tactics());
  return table;
}

class CpuBackend : public Backend {
 public:
  std::string_view name() const override { return "cpu"; }

  std::span<const Tactic* const> tactics() const override {
    static const std::vector<const Tactic*> table = cpu_table();
    return table;
  }

  std::vector<DeviceInfo> describe() const override {
    DeviceInfo info{.backend = "cpu",
                    .name = cpu_name(),
                    .compiled = {},
                    .usable = {},
                    .refused = {},
                    .cores = thread_count()};
    for (Isa isa : compiled_isas()) {
      info.compiled.emplace_back(name_of(isa));
      const std::string reason = cpu_refusal(isa);
      if (reason.empty()) {
        info.usable.emplace_back(name_of(isa));
      } else {
        info.refused.push_back(fmt::format("{}: {}", name_of(isa), reason));
      }
    }
    return {info};
  }

  // oneDNN's blocking, and so its order of sums, follows the size of the caches.
  std::string float_path(int) const override {
    std::string library = "octile " + std::string(version());
#ifdef OCTILE_HAVE_ONEDNN
    library += ", " + onednn_path();
#endif
    return fmt::format("{}, {}, {}, {} KiB level 2", library, name_of(default_isa()), cpu_name(),
                       l2_bytes() / 1024);
  }

  Device open(std::optional<Isa> isa, int threads, int) const override {
    check(threads >= 0, ErrorCode::kInvalidArgument,
          "threads must be 0 (all cores) or more, not {}", threads);
    return {.isa = resolve_isa(isa), .threads = threads > 0 ? threads : thread_count()};
  }
};

const CpuBackend kCpu;

}  // namespace

std::span<const Backend* const> backends() {
#ifdef OCTILE_HAVE_CUDA
  static const Backend* const list[] = {&kCpu, &cuda_backend()};
#elif defined(OCTILE_SIMULATED_GPU)
  static const Backend* const list[] = {&kCpu, &simulated_backend()};
#else
  static const Backend* const list[] = {&kCpu};
#endif
  return list;
}
const Backend& cpu_backend() { return kCpu; }

}  // namespace octile
