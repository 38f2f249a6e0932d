// The backend "cuda": NVIDIA GPUs.
#pragma once

#include "backend/backend.h"

namespace octile {

const Backend& cuda_backend();

}  // namespace octile
