// A float network in which every group that can run in int8 stands twice: as it is, and beside it
// in int8 alone, reading the same float tensors. Nobody reads what the copies make.
#pragma once

#include <string>
#include <vector>

#include "compile/compile.h"

namespace octile {

struct Int8Copy {
  std::string group;   // name_of(group)
  std::string output;  // name of the tensor that the group makes
  std::string copy;    // of what its copy makes; "": int8 changes nothing, the model did it before
};

struct CopiedNetwork {
  Network network;
  std::vector<Int8Copy> copies;  // in running order of the groups
};

CopiedNetwork with_int8_copies(const LabelledGraph& graph);

}  // namespace octile
