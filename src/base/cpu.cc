// CPUID by the compiler's builtins, plus what the operating system says.
#include "base/cpu.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace octile {
namespace {

#if defined(__x86_64__)
// GCC 12's __builtin_cpu_supports knows no "avxvnni": CPUID leaf 7, subleaf 1, EAX bit 4.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a & (1u << 4)) != 0;
}
#endif

}  // namespace

bool cpu_has_vbmi() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512vbmi") != 0;
#else
  return false;
#endif
}

std::string cpu_refusal(Isa isa) {
#if defined(__x86_64__)
  switch (isa) {
    case Isa::kPortable: return "";
    case Isa::kAvx2: return __builtin_cpu_supports("avx2") ? "" : "the CPU lacks AVX2";
    case Isa::kAvxVnni: return has_avx_vnni() ? "" : "the CPU lacks AVX_VNNI";
    case Isa::kAvx512Vnni: {
      for (const auto& [ok, name] :
           {std::pair{__builtin_cpu_supports("avx512f"), "AVX512F"},
            std::pair{__builtin_cpu_supports("avx512bw"), "AVX512BW"},
            std::pair{__builtin_cpu_supports("avx512vl"), "AVX512VL"},
            std::pair{__builtin_cpu_supports("avx512dq"), "AVX512DQ"},
            std::pair{__builtin_cpu_supports("avx512vnni"), "AVX512_VNNI"}}) {
        if (!ok) return fmt::format("the CPU lacks {}", name);
      }
      return "";
    }
  }
  return "unknown";
#else
  return isa == Isa::kPortable ? "" : "this is no x86-64 CPU";
#endif
}

bool cpu_supports(Isa isa) { return cpu_refusal(isa).empty(); }

Isa default_isa() {
  if (const char* forced = std::getenv("OCTILE_FORCE_ISA"); forced != nullptr && *forced != 0) {
    const Isa isa = isa_from_name(forced);
    check(cpu_supports(isa), ErrorCode::kUnsupported,
          "OCTILE_FORCE_ISA={}: {}; choose a weaker one", forced, cpu_refusal(isa));
    return isa;
  }
  for (Isa isa : {Isa::kAvx512Vnni, Isa::kAvxVnni, Isa::kAvx2}) {
    if (cpu_supports(isa)) return isa;
  }
  return Isa::kPortable;
}

Isa resolve_isa(std::optional<Isa> isa) {
  if (!isa) return default_isa();
  check(cpu_supports(*isa), ErrorCode::kUnsupported, "ISA {}: {}; choose a weaker one",
        name_of(*isa), cpu_refusal(*isa));
  return *isa;
}

std::vector<Isa> isas_upto(Isa isa) {
  std::vector<Isa> result;
  for (Isa level : {Isa::kAvx512Vnni, Isa::kAvxVnni, Isa::kAvx2, Isa::kPortable}) {
    if (level <= isa && cpu_supports(level)) result.push_back(level);
  }
  return result;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

size_t l2_bytes() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? static_cast<size_t>(bytes) : size_t{1} << 20;
}

}  // namespace octile
