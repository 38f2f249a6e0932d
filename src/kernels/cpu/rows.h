// The weighted tactics of this room.
#pragma once

#include <span>

#include "backend/backend.h"

namespace octile {

/// True when the drivers of static convolutions reach all rows of a step's tensors, wherever they
/// lie: offsets inside an image are 32 bits wide.
bool conv_rows_fit(const StepView& view);

const Tactic& gemm_amx_tactic();
const Tactic& gemm_avx512vnni_tactic();
const Tactic& gemm_tall_avx512vnni_tactic();
const Tactic& gemm_avxvnni_tactic();
const Tactic& gemm_avx2_tactic();
const Tactic& matmul_avx512vnni_tactic();
const Tactic& matmul_avxvnni_tactic();
const Tactic& matmul_avx2_tactic();
const Tactic& gemm_neondot_tactic();
const Tactic& gemm_neon_tactic();
std::span<const Tactic* const> depthwise_tactics();  // best first

}  // namespace octile
