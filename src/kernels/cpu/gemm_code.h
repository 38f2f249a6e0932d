// Code that was made for one GemmShape, for as long as it may be called.
#pragma once

#include <memory>
#include <string>

#include "kernels/cpu/gemm_kernel.h"

namespace octile {

class GemmCode {
 public:
  virtual ~GemmCode() = default;
  virtual GemmFunction function() const = 0;
};

/// 512-bit tiles with vpdpbusd. REQUIRES: avx512_code_refusal() is empty.
std::unique_ptr<GemmCode> make_avx512vnni_code(const GemmShape& shape, int nr);
/// "" or why this process may not run code that it writes.
const std::string& avx512_code_refusal();

extern const GemmKernels kGemmAvx512Vnni;

}  // namespace octile
