// See backend.h.
#pragma once

#include "backend/accelerator.h"

namespace octile {

const Accelerator& simulated_accelerator();

}  // namespace octile
