// The table of tactics.h.
#include "kernels/cpu/tactics.h"

#include "kernels/cpu/misc_tactics.h"
#include "kernels/cpu/rows.h"

namespace octile {

std::span<const Tactic* const> cpu_tactics() {
  static const std::vector<const Tactic*> table = [] {
    std::vector<const Tactic*> rows{&gemm_avx512vnni_tactic(), &gemm_avxvnni_tactic(),
                                    &gemm_avx2_tactic(),       &matmul_avx512vnni_tactic(),
                                    &matmul_avxvnni_tactic(),  &matmul_avx2_tactic()};
    const auto misc = misc_tactics();
    rows.insert(rows.end(), misc.begin(), misc.end());
    return rows;
  }();
  return table;
}

}  // namespace octile
