// See machine.h.
#include "machine.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "ceilings.h"

namespace octile::benchmark {
namespace {

constexpr size_t kWeights = size_t{288} << 20;

uint8_t* device_bytes(size_t size) {
  void* data = nullptr;
  if (cudaMalloc(&data, size) != cudaSuccess) {
    std::fprintf(stderr, "cannot allocate %zu bytes on the device\n", size);
    std::exit(1);
  }
  return static_cast<uint8_t*>(data);
}

void fill(uint8_t* data, size_t size) {
  std::vector<uint32_t> block(size_t{8} << 20);
  std::mt19937 random(5);
  for (auto& word : block) word = random() & 0xbfffbfffu;  // below 2 as fp16 and fp32
  for (size_t at = 0; at < size; at += block.size() * 4) {
    cudaMemcpy(data + at, block.data(), std::min(size - at, block.size() * 4),
               cudaMemcpyHostToDevice);
  }
}

}  // namespace

Machine::Machine() : device(cuda::current_conv_device()) {
  cudaDeviceProp properties{};
  cudaGetDeviceProperties(&properties, 0);
  name = properties.name;
  arena = device_bytes(kArena), weights = device_bytes(kWeights), packed = device_bytes(kWeights);
  workspace = device_bytes(kWorkspace);
  counters = reinterpret_cast<uint32_t*>(device_bytes(cuda::kConvCounters * 4));
  fill(arena, kArena), fill(weights, kWeights);
  cudaMemset(counters, 0, cuda::kConvCounters * 4);
  copy = copy_bytes_per_second(arena, arena + kArena / 2, size_t{1} << 30);
  multiply = multiply_operations_per_second(workspace);
}

int operand_sets(int64_t bytes) {
  constexpr int64_t kTogether = int64_t{300} << 20, kMost = 16;
  return static_cast<int>(std::clamp<int64_t>(
      kTogether / bytes + 1, 2, std::min(kMost, static_cast<int64_t>(kArena) / bytes)));
}

}  // namespace octile::benchmark
