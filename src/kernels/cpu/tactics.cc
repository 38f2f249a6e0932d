// The table of tactics.h.
#include "kernels/cpu/tactics.h"

#include "kernels/cpu/misc_tactics.h"
#include "kernels/cpu/rows.h"

namespace octile {

std::span<const Tactic* const> cpu_tactics() {
  static const std::vector<const Tactic*> table = [] {
#if defined(__x86_64__)
    std::vector<const Tactic*> rows{
        &gemm_amx_tactic(),       &gemm_avx512vnni_tactic(), &gemm_tall_avx512vnni_tactic(),
        &gemm_avxvnni_tactic(),   &gemm_avx2_tactic(),       &matmul_avx512vnni_tactic(),
        &matmul_avxvnni_tactic(), &matmul_avx2_tactic()};
#elif defined(__aarch64__)
    std::vector<const Tactic*> rows{&gemm_neondot_tactic(), &gemm_neon_tactic()};
#else
    std::vector<const Tactic*> rows;
#endif
    for (const auto more : {depthwise_tactics(), misc_tactics()}) {
      rows.insert(rows.end(), more.begin(), more.end());
    }
    return rows;
  }();
  return table;
}

}  // namespace octile
