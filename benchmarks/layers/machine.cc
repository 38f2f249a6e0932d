// See machine.h.
#include "machine.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/parallel_for.h"
#include "peaks.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace octile::bench {
namespace {

#if defined(__x86_64__) && defined(__linux__)

/// True when the CPU has int8 tiles and Linux lets this process use them.
bool amx_is_usable() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTiles = (1u << 24) | (1u << 25);  // CPUID 7.0 EDX: AMX-TILE, AMX-INT8
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kTiles) != kTiles) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::vector<PeakLoops> usable_loops() {
  std::vector<PeakLoops> loops;
  if (cpu_supports(Isa::kAvx2) && __builtin_cpu_supports("fma")) loops.push_back(kPeaksAvx2);
  if (cpu_supports(Isa::kAvxVnni)) loops.push_back(kPeaksAvxVnni);
  if (cpu_supports(Isa::kAvx512Vnni)) loops.push_back(kPeaksAvx512Vnni);
  if (amx_is_usable()) loops.push_back(kPeaksAmx);
  return loops;
}

/// A chain of multiplications, three cycles each on every x86 of interest (additions may be fused).
void chain(int64_t iterations) {
  int64_t x = 1;
  for (int64_t i = 0; i < iterations; ++i) {
    asm volatile("imul %0, %0\n\timul %0, %0\n\timul %0, %0\n\timul %0, %0" : "+r"(x));
  }
}

#else
std::vector<PeakLoops> usable_loops() { return {}; }
void chain(int64_t) {}
#endif

constexpr int64_t kIterations = 20000;  // some 50 us

}  // namespace

double Machine::peak(const std::string& sequence, int threads) const {
  const auto found = peaks.find(sequence);
  if (found == peaks.end()) return 0;
  const auto at = found->second.find(threads);
  return at == found->second.end() ? 0 : at->second;
}

std::string Machine::float_sequence(std::string_view isa) const {
  const bool wide = isa.empty() || isa.starts_with("avx512") || isa.starts_with("amx");
  return wide && peaks.count("fp32_fma_zmm") != 0 ? "fp32_fma_zmm" : "fp32_fma_ymm";
}

std::string Machine::byte_sequence(std::string_view isa) const {
  const auto has = [&](const char* name) { return peaks.count(name) != 0; };
  const bool any = isa.empty(), amx = isa.find("amx") != std::string_view::npos;
  if ((any || amx) && has("tdpbusd")) return "tdpbusd";
  if ((any || amx || isa.starts_with("avx512")) && has("vpdpbusd_zmm")) return "vpdpbusd_zmm";
  if ((any || isa == "avxvnni") && has("vpdpbusd_ymm")) return "vpdpbusd_ymm";
  return "vpmaddubsw_ymm";
}

std::vector<Peak> peak_loops(int threads) {
  std::vector<Peak> peaks;
  for (const PeakLoops& loops : usable_loops()) {
    for (int i = 0; i < loops.count; ++i) {
      const PeakLoop& row = loops.list[i];
      const int64_t iterations = row.operations > 1e5 ? kIterations / 4 : kIterations;
      peaks.push_back({row.name, row.operations * double(iterations), [&row, iterations, threads] {
                         parallel_for(threads, 1,
                                      [&](int64_t, int64_t, int) { row.run(iterations); });
                       }});
    }
  }
  peaks.push_back({"", 12.0 * kIterations, [] { chain(kIterations); }});
  return peaks;
}

void note(Machine& machine, const Peak& peak, int threads, const Times& times) {
  const double rate = peak.operations / times.best_ms * 1e-6;
  if (peak.sequence.empty()) {
    machine.clock_ghz = std::max(machine.clock_ghz, rate);
  } else {
    double& best = machine.peaks[peak.sequence][threads];
    best = std::max(best, rate * threads);
  }
}

std::string sequence_of(std::string_view tactic, std::string_view isa, Activations activations) {
  const auto says = [&](std::string_view word) { return tactic.find(word) != tactic.npos; };
  if (says("amx") || isa.find("amx") != isa.npos) return "tdpbusd";
  if (says("avx512")) return "vpdpbusd_zmm";
  if (says("avxvnni") || says("avx2_vnni")) return "vpdpbusd_ymm";
  if (says("winograd")) return "vpmaddwd_ymm";
  if (says("twostep") || says("two_step")) return "two_step_ymm";
  if (says("avx2")) {
    const bool positive =
        activations == Activations::kSymmetric || activations == Activations::kAffine;
    return positive ? "vpmaddubsw_ymm" : "vpsignb_ymm";
  }
  return "";
}

double bound_ms(const Machine& machine, const Layer& layer, bool residual,
                const std::string& sequence, int threads) {
  const double peak = machine.peak(sequence, threads);
  if (peak == 0 || layer.groups > 1) return 0;
  const double dot_ms = layer.operations() / peak * 1e-6;
  const bool wide = sequence == "tdpbusd" || sequence.ends_with("zmm");
  const double vectors = double(layer.outputs()) / (wide ? 16 : 8);
  const double cycles = vectors * (residual ? 9 : 5) / 2;
  const double epilogue_ms = cycles / (machine.clock_ghz * 1e6) / threads;
  return sequence == "tdpbusd" ? std::max(dot_ms, epilogue_ms) : dot_ms + epilogue_ms;
}

}  // namespace octile::bench
