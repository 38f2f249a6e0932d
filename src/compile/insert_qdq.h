// INT8 above the watershed: Quantize / Dequantize layers around int8 groups.
#pragma once

#include <vector>

#include "compile/assign_precision.h"

namespace octile {

/// Inserts Quantize → Dequantize on every tensor that an int8 group reads (once a tensor, however
/// many read it) and on the weights of int8 groups (per output channel). Groups stay valid. Where
/// an int8 group made the tensor, its float readers read the dequantized copy too: the tensor
/// exists once; network outputs keep the float one.
void insert_qdq(Network& network, const std::vector<Group>& groups,
                const std::vector<GroupLabel>& labels, const TensorRanges& ranges);

}  // namespace octile
