// What this CPU can run.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/types.h"

namespace octile {

/// True when CPU and operating system support the level.
bool cpu_supports(Isa isa);
/// Empty, or why not: "the CPU lacks AVX512_VNNI".
std::string cpu_refusal(Isa isa);
/// True when CPU and operating system support AVX512_VBMI, which no level implies.
bool cpu_has_vbmi();
/// The strongest level that this process shall use: OCTILE_FORCE_ISA if set to one of CPUs (throws
/// kUnsupported for one the CPU lacks), else the machine's.
Isa default_isa();
/// `isa` if given and supported, else default_isa(); throws kUnsupported when not supported.
Isa resolve_isa(std::optional<Isa> isa);
/// The levels that this library was compiled with, strongest first; portable is the last.
std::span<const Isa> compiled_isas();
/// True when `level` is `needed` or stronger: levels of x86, ARM and GPUs have no order between
/// them, and portable is below all.
bool isa_includes(Isa level, Isa needed);
/// A level of GPUs, which no CPU has.
inline bool is_gpu_level(Isa isa) { return isa >= Isa::kDp4a; }
/// The level that OCTILE_FORCE_ISA names, if any; throws kInvalidArgument for an unknown name. It
/// binds devices of its kind alone: "mma" leaves the CPU as it is, "avx2" the GPU.
std::optional<Isa> forced_isa();
/// All levels at or below `isa` in strength that the machine supports, strongest first. AVX-VNNI
/// is below AVX-512 VNNI.
std::vector<Isa> isas_upto(Isa isa);
/// The model name that the operating system reports.
std::string cpu_name();
/// Bytes of this core's level-2 cache (1 MiB when not known).
size_t l2_bytes();

}  // namespace octile
