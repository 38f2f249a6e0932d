// The pass raise-transposes (pass_raise.cc); passes.h has the others and what a pass is.
#pragma once

#include "octile/network.h"

namespace octile {

int raise_transposes(Network& network);

}  // namespace octile
