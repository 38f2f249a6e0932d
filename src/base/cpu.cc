// CPUID by the compiler's builtins (ARM: the kernel's list of capabilities), plus what the
// operating system says.
#include "base/cpu.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace octile {
namespace {

constexpr Isa kCompiled[] = {
#if defined(__x86_64__)
    Isa::kAmx, Isa::kAvx512Vnni, Isa::kAvxVnni, Isa::kAvx2,
#elif defined(__aarch64__)
    Isa::kNeonDot, Isa::kNeon,
#endif
    Isa::kPortable};

bool is_arm(Isa isa) { return isa == Isa::kNeon || isa == Isa::kNeonDot; }

/// Levels of one family have an order.
int family_of(Isa isa) { return is_gpu_level(isa) ? 2 : is_arm(isa) ? 1 : 0; }

#if defined(__x86_64__)
// GCC 12's __builtin_cpu_supports knows no "avxvnni": CPUID leaf 7, subleaf 1, EAX bit 4.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         (a & (1u << 4)) != 0;
}

std::string avx512_vnni_refusal() {
  for (const auto& [ok, name] : {std::pair{__builtin_cpu_supports("avx512f"), "AVX512F"},
                                 std::pair{__builtin_cpu_supports("avx512bw"), "AVX512BW"},
                                 std::pair{__builtin_cpu_supports("avx512vl"), "AVX512VL"},
                                 std::pair{__builtin_cpu_supports("avx512dq"), "AVX512DQ"},
                                 std::pair{__builtin_cpu_supports("avx512vnni"), "AVX512_VNNI"}}) {
    if (!ok) return fmt::format("the CPU lacks {}", name);
  }
  return "";
}

// CPUID leaf 7, subleaf 0, EDX bits 24 and 25. Tiles are 8 KiB of state that Linux keeps for
// processes which asked alone: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
std::string ask_for_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (1u << 24)) == 0) {
    return "the CPU lacks AMX_TILE";
  }
  if ((d & (1u << 25)) == 0) return "the CPU lacks AMX_INT8";
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) {
    return fmt::format("Linux does not let this process use AMX tiles ({})", std::strerror(errno));
  }
  return "";
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
    case Isa::kAvx512Vnni: return avx512_vnni_refusal();
    case Isa::kAmx: {
      static const std::string answer = ask_for_amx();  // asked once a process
      const std::string below = avx512_vnni_refusal();
      return answer.empty() ? below : answer;
    }
    case Isa::kNeon:
    case Isa::kNeonDot:
    case Isa::kDp4a:
    case Isa::kMma:
    case Isa::kWgmma: break;
  }
#elif defined(__aarch64__)
  const unsigned long has = getauxval(AT_HWCAP);
  if (isa == Isa::kNeon) return (has & HWCAP_ASIMD) != 0 ? "" : "the CPU lacks NEON";
  if (isa == Isa::kNeonDot) {
    return (has & HWCAP_ASIMDDP) != 0 ? "" : "the CPU lacks NEON's dot products";
  }
#endif
  if (isa == Isa::kPortable) return "";
  if (is_gpu_level(isa)) return "this is a level of GPUs (--device cuda:0)";
  return is_arm(isa) ? "this is no AArch64 CPU" : "this is no x86-64 CPU";
}

bool cpu_supports(Isa isa) { return cpu_refusal(isa).empty(); }

std::optional<Isa> forced_isa() {
  const char* forced = std::getenv("OCTILE_FORCE_ISA");
  if (forced == nullptr || *forced == 0) return std::nullopt;
  return isa_from_name(forced);
}

Isa default_isa() {
  if (const auto forced = forced_isa(); forced && !is_gpu_level(*forced)) {
    check(cpu_supports(*forced), ErrorCode::kUnsupported,
          "OCTILE_FORCE_ISA={}: {}; choose a weaker one", name_of(*forced), cpu_refusal(*forced));
    return *forced;
  }
  return *std::find_if(std::begin(kCompiled), std::end(kCompiled), cpu_supports);
}

Isa resolve_isa(std::optional<Isa> isa) {
  if (!isa) return default_isa();
  check(cpu_supports(*isa), ErrorCode::kUnsupported, "ISA {}: {}; choose a weaker one",
        name_of(*isa), cpu_refusal(*isa));
  return *isa;
}

std::span<const Isa> compiled_isas() { return kCompiled; }

bool isa_includes(Isa level, Isa needed) {
  return needed == Isa::kPortable || (family_of(level) == family_of(needed) && needed <= level);
}

std::vector<Isa> isas_upto(Isa isa) {
  std::vector<Isa> result;
  for (Isa level : kCompiled) {
    if (isa_includes(isa, level) && cpu_supports(level)) result.push_back(level);
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
