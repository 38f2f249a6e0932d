// Signed activations that are multiplied are kept as x + 128, where kernels multiply unsigned
// bytes.
#pragma once

#include "plan/plan_data.h"

namespace octile {

/// Whether the CPU's instructions multiply unsigned by signed bytes without saturation.
constexpr bool multiplies_unsigned(Isa isa) {
  return isa == Isa::kAvxVnni || isa == Isa::kAvx512Vnni || isa == Isa::kAmx;
}

/// u8 × s8 instructions (VNNI, AMX) take signed bytes as x + 128. Instead of adding it whenever a
/// step reads them, tensors between steps become kUInt8 with a zero point 128 larger: the values
/// that they stand for, and so all outputs, stay the same bits. Inputs, outputs, constants and what
/// shares bytes with them stay. REQUIRES: annotate_minima(); which it calls again.
void store_unsigned(PlanData& plan);

}  // namespace octile
