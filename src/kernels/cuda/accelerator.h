// The GPUs of this machine, through the CUDA runtime, which is linked statically: without a driver
// the program starts all the same, and asking for a GPU says what is missing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/accelerator.h"

namespace octile::cuda {

/// What is known of a GPU before it is used.
struct GpuInfo {
  std::string name;
  int level = 0;  // compute capability: 10 · major + minor
  int multiprocessors = 0;
  size_t memory_bytes = 0;
  int shared_bytes = 0;  // a block's limit, opt-in
};

/// All GPUs, or why there is none ("no NVIDIA driver …"); asked once a process.
struct Gpus {
  std::vector<GpuInfo> list;
  std::string refusal;
};
const Gpus& gpus();

/// Empty, or why this build has no code for that GPU. Touches the GPU.
std::string code_refusal(int ordinal);

/// REQUIRES: 0 ≤ ordinal < gpus().list.size().
const Accelerator& accelerator(int ordinal);

/// REQUIRES: one of accelerator().
const GpuInfo& gpu_info(const Accelerator& accelerator);

/// cudaError_t of asking for a kernel's attributes (probe.cu).
int probe_current_device();

}  // namespace octile::cuda
