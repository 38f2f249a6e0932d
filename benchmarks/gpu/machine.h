// The GPU that is measured, with the memory that all engines share.
#pragma once

#include <string>

#include "kernels/cuda/conv_kernel.h"

namespace octile::benchmark {

inline constexpr size_t kArena = size_t{4} << 30, kWorkspace = size_t{256} << 20;

/// Rounded up to what buffers are aligned to.
constexpr int64_t aligned(int64_t bytes) { return (bytes + 1023) / 1024 * 1024; }

/// Everything is filled with random bits that are small numbers as int8, fp16 and fp32 alike: how
/// many bits toggle changes what a multiplication costs.
struct Machine {
  Machine();

  std::string name;
  cuda::ConvDevice device;
  uint8_t* arena = nullptr;      // (kArena) inputs and outputs, in operand sets
  uint8_t* weights = nullptr;    // of the peers
  uint8_t* packed = nullptr;     // ours
  uint8_t* workspace = nullptr;  // (kWorkspace)
  uint32_t* counters = nullptr;
  double copy = 0, multiply = 0;  // ceilings.h
};

/// How many sets of so many bytes are used in turn: together they are larger than the L2 cache.
int operand_sets(int64_t bytes);

}  // namespace octile::benchmark
