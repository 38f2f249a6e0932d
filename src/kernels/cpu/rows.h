// The weighted tactics of this room, one function a row.
#pragma once

#include "backend/backend.h"

namespace octile {

const Tactic& gemm_avx512vnni_tactic();
const Tactic& gemm_avxvnni_tactic();
const Tactic& gemm_avx2_tactic();
const Tactic& gemm_neondot_tactic();
const Tactic& gemm_neon_tactic();

}  // namespace octile
