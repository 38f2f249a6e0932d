// The tactics of this room, one function a row.
#pragma once

#include "backend/backend.h"

namespace octile::onednn {

const Tactic& convolution_tactic();
const Tactic& deconvolution_tactic();
const Tactic& rows_tactic();    // products with constant right operand
const Tactic& matmul_tactic();  // two run-time operands
const Tactic& pooling_tactic();
const Tactic& eltwise_tactic();
const Tactic& activation_tactic();
const Tactic& softmax_tactic();

}  // namespace octile::onednn
