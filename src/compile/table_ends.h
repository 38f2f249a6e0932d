// Both ends of ranges from a table that knows |range| alone, as TensorRT's caches do.
#pragma once

#include "octile/calibration.h"

namespace octile {

/// The table with [0, T] for tensors that cannot be negative, by the ops that make them (ReLU,
/// Sigmoid, Softmax …, and what pools, moves, adds and multiplies such), and [−T, T] for the rest.
CalibrationTable with_both_ends(const Network& network, const CalibrationTable& table);

}  // namespace octile
