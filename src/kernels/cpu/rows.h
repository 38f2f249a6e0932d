// The weighted tactics of this room, one function a row.
#pragma once

#include "backend/backend.h"

namespace octile {

const Tactic& gemm_avx512vnni_tactic();
const Tactic& gemm_avxvnni_tactic();
const Tactic& gemm_avx2_tactic();
const Tactic& matmul_avx512vnni_tactic();
const Tactic& matmul_avxvnni_tactic();
const Tactic& matmul_avx2_tactic();

}  // namespace octile
