// See backend.h: which GPUs there are, what level each has, and the table of tactics.
#include "kernels/cuda/backend.h"

#include "base/cpu.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "kernels/cuda/accelerator.h"
#include "kernels/cuda/chains.h"
#include "kernels/cuda/rows.h"

namespace octile {
namespace {

constexpr Isa kLevels[] = {Isa::kWgmma, Isa::kMma, Isa::kDp4a};  // strongest first

/// Empty, or why a GPU of that compute capability lacks the level.
std::string level_refusal(Isa isa, int level) {
  const std::string has =
      fmt::format("the GPU has compute capability {}.{}", level / 10, level % 10);
  switch (isa) {
    case Isa::kDp4a: return level >= 61 ? "" : has + "; dp4a needs 6.1";
    case Isa::kMma: return level >= 80 ? "" : has + "; mma needs 8.0";
    case Isa::kWgmma: return level / 10 == 9 ? "" : has + "; wgmma needs 9.0 exactly";
    default: return "it is no level of GPUs; use dp4a, mma or wgmma";
  }
}

/// "" or why the GPU cannot be used at all.
std::string refusal_of(int ordinal) {
  const cuda::Gpus& gpus = cuda::gpus();
  if (!gpus.refusal.empty()) return gpus.refusal;
  if (ordinal < 0 || ordinal >= static_cast<int>(gpus.list.size())) {
    return fmt::format("there are {} GPUs, cuda:0 to cuda:{}", gpus.list.size(),
                       gpus.list.size() - 1);
  }
  const int level = gpus.list[static_cast<size_t>(ordinal)].level;
  if (std::string reason = level_refusal(Isa::kDp4a, level); !reason.empty()) return reason;
  return cuda::code_refusal(ordinal);
}

class CudaBackend final : public Backend {
 public:
  std::string_view name() const override { return "cuda"; }
  std::span<const Tactic* const> tactics() const override { return cuda::tactics(); }
  std::vector<FoundChain> find_chains(std::span<const ChosenStep> steps,
                                      const Device& device) const override {
    return cuda::find_chains(steps, device);
  }

  std::vector<DeviceInfo> describe() const override {
    const cuda::Gpus& gpus = cuda::gpus();
    std::vector<DeviceInfo> list;
    for (int i = 0; i < static_cast<int>(gpus.list.size()); ++i) list.push_back(describe(i));
    if (list.empty()) {
      DeviceInfo none{.backend = "cuda", .name = "no GPU", .refused = {gpus.refusal}, .id = ""};
      for (const Isa isa : kLevels) none.compiled.emplace_back(name_of(isa));
      list.push_back(std::move(none));
    }
    return list;
  }

  std::string float_path(int ordinal) const override {
    const std::string refusal = refusal_of(ordinal);
    check(refusal.empty(), ErrorCode::kDevice, "device cuda:{}: {}", ordinal, refusal);
    return fmt::format("octile {}, {}, {}", version(), name_of(open({}, 0, ordinal).isa),
                       describe(ordinal).name);
  }

  Device open(std::optional<Isa> isa, int threads, int ordinal) const override {
    check(threads >= 0, ErrorCode::kInvalidArgument,
          "threads must be 0 (all cores) or more, not {}", threads);
    const std::string refusal = refusal_of(ordinal);
    check(refusal.empty(), ErrorCode::kDevice, "device cuda:{}: {}", ordinal, refusal);
    if (!isa) isa = forced_isa();
    if (isa && !is_gpu_level(*isa) && forced_isa() == isa) isa.reset();  // binds the CPU alone
    const int level = cuda::gpus().list[static_cast<size_t>(ordinal)].level;
    Isa chosen = Isa::kDp4a;
    if (isa) {
      const std::string reason = level_refusal(*isa, level);
      check(reason.empty(), ErrorCode::kUnsupported, "ISA {} on cuda:{}: {}", name_of(*isa),
            ordinal, reason);
      chosen = *isa;
    } else {
      for (const Isa candidate : kLevels) {
        if (!level_refusal(candidate, level).empty()) continue;
        chosen = candidate;
        break;
      }
    }
    return {.isa = chosen,
            .threads = threads > 0 ? threads : thread_count(),
            .accelerator = &cuda::accelerator(ordinal)};
  }

 private:
  static DeviceInfo describe(int ordinal) {
    const cuda::GpuInfo& gpu = cuda::gpus().list[static_cast<size_t>(ordinal)];
    DeviceInfo info{.backend = "cuda",
                    .name = fmt::format("{} (compute capability {}.{})", gpu.name, gpu.level / 10,
                                        gpu.level % 10),
                    .cores = gpu.multiprocessors,
                    .id = fmt::format("cuda:{}", ordinal),
                    .memory_bytes = static_cast<int64_t>(gpu.memory_bytes)};
    const std::string whole = refusal_of(ordinal);
    for (const Isa isa : kLevels) {
      info.compiled.emplace_back(name_of(isa));
      const std::string reason = whole.empty() ? level_refusal(isa, gpu.level) : whole;
      if (reason.empty()) {
        info.usable.emplace_back(name_of(isa));
      } else {
        info.refused.push_back(fmt::format("{}: {}", name_of(isa), reason));
      }
    }
    return info;
  }
};

}  // namespace

const Backend& cuda_backend() {
  static const CudaBackend backend;
  return backend;
}

}  // namespace octile
