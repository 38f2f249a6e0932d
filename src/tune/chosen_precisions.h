// Taking over what an earlier build chose: labels of groups by their names.
#pragma once

#include "compile/compile.h"

namespace octile {

/// BuildOptions::group_precision as labels of the network's groups; REQUIRES that it is not empty.
/// One warning names what does not fit: groups of the choice that the network does not have, groups
/// of the network that the choice does not name, and those that cannot run in int8 here. Throws
/// kInvalidArgument where no group fits, or int8 or float16 is not allowed.
Labelling given_labelling(const Network& network, const CalibrationTable* table,
                          const CompileOptions& options, QdqStyle style = QdqStyle::kTensorRt);

}  // namespace octile
