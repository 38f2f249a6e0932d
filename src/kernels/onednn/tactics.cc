// The table of oneDNN tactics.
#include "kernels/onednn/tactics.h"

#include <fmt/format.h>

#include "kernels/onednn/common.h"
#include "kernels/onednn/onednn_compat.h"
#include "kernels/onednn/rows.h"

namespace octile {

std::span<const Tactic* const> onednn_tactics() {
  static const Tactic* const kRows[] = {
      &onednn::convolution_tactic(), &onednn::rows_tactic(),    &onednn::deconvolution_tactic(),
      &onednn::pooling_tactic(),     &onednn::matmul_tactic(),  &onednn::eltwise_tactic(),
      &onednn::activation_tactic(),  &onednn::softmax_tactic(),
  };
  return kRows;
}

std::string onednn_path() {
  (void)onednn::cpu_engine();  // OCTILE_FORCE_ISA has been heeded once there is one
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("oneDNN {}.{}.{} up to isa {:#x}", v->major, v->minor, v->patch,
                     static_cast<unsigned>(dnnl::get_effective_cpu_isa()));
}

}  // namespace octile
