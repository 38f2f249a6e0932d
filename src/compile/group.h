// Groups: layers that will run as one step, decided from the graph alone, whatever the precision.
#pragma once

#include <string>
#include <vector>

#include "octile/network.h"

namespace octile {

/// One group, in the order before ▸ core ▸ residual add ▸ clamp. Groups of one layer are the rule.
struct Group {
  LayerId core;       // what computes: convolution, product, pooling, add, …
  LayerId add;        // fused residual add (weighted cores only); invalid: none
  LayerId clamp;      // fused ReLU or Clip; invalid: none
  TensorId residual;  // the add's other operand
  std::vector<LayerId> before =
      {};  // a spelled-out layer normalization's layers but its last, the core
  std::vector<LayerId> layers() const;
  LayerId last() const { return clamp.valid() ? clamp : add.valid() ? add : core; }
};

/// What INT8 can do for a core.
enum class Int8Kind : uint8_t {
  kNone,        // float only
  kWeighted,    // convolution, product with constant weights
  kArithmetic,  // add, multiply, average, unary functions: int8 between int8 neighbours
  kMovement,    // values move or are picked: exact, range of the input = range of the output
};
Int8Kind int8_kind(const Network& network, const Group& group);
/// False where a value comes in that no grid need hold.
bool is_zero_padding(const Padding& op);
inline bool is_dynamic_capable(Int8Kind kind) { return kind == Int8Kind::kWeighted; }

/// All groups in running order (by their last layer). `fuse` false: one layer each; `residuals`
/// false: adds stay alone. Constants are in no group.
std::vector<Group> make_groups(const Network& network, bool fuse, bool residuals = true);

/// The group's output tensor (of its last layer); TopK and dynamic Quantize have more.
TensorId output_of(const Network& network, const Group& group);
/// Run-time operands of the group: the core's that are no weights, then the residual; of a
/// normalization what it normalizes.
std::vector<TensorId> operands_of(const Network& network, const Group& group);
/// Layer names joined by " + "; a normalization goes by its first layer's.
std::string name_of(const Network& network, const Group& group);

/// Steps, times and labels go by the names of groups, so no two may share one: where "a + b" is a
/// layer as well as two fused ones, the later group's first layer gets a number.
void make_names_distinct(Network& network, const std::vector<Group>& groups);

/// Bounds that a ReLU or Clip layer imposes.
struct ClampBounds {
  float lo, hi;
};
ClampBounds clamp_bounds(const Activation& op);

}  // namespace octile
