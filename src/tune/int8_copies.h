// Groups of a float network once more, in int8: a copy stands beside its group and reads the same
// float tensors. What it makes of them is what INT8 in that group alone makes.
#pragma once

#include <string>
#include <vector>

#include "compile/compile.h"

namespace octile {

/// Copies the group's layers. insert_qdq() makes them int8 as `label` says, so that a float engine
/// runs the very steps that a build with this group alone in int8 has. Nobody reads the copy yet.
Group add_int8_copy(Network& network, const Group& group, GroupLabel label,
                    const TensorRanges& ranges);

/// One of them, by names: those of tensors stay when the network is lowered.
struct Int8Copy {
  std::string group;   // name_of(group)
  std::string output;  // name of the tensor that the group makes
  std::string copy;    // of what its copy makes; "": int8 changes nothing, the model did it before
};

/// The network with a copy of every group that can run in int8.
struct CopiedNetwork {
  Network network;
  std::vector<Int8Copy> copies;  // in running order of the groups
};

CopiedNetwork with_int8_copies(const LabelledGraph& graph);

}  // namespace octile
