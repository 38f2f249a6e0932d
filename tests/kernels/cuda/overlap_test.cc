// Kernels that begin before the one in front of them has ended (kernels/cuda/launch.h) keep the
// order of the stream: chains of steps over two buffers, each written while it may still be read,
// with copies, fills and calls of the host in between, step by step and as a graph.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "kernels/cuda/launchers.h"

namespace octile::cuda::testing {
namespace {

constexpr size_t kBytes = size_t{3} << 20;  // several waves of blocks, within the L2 cache
constexpr int kRounds = 24;

class Overlap : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) GTEST_SKIP() << "no CUDA device";
    ASSERT_EQ(cudaMalloc(reinterpret_cast<void**>(&memory_), 3 * kBytes + 256), cudaSuccess);
    std::vector<uint8_t> next(256);
    for (int i = 0; i < 256; ++i) next[size_t(i)] = static_cast<uint8_t>(i + 1);
    table_ = memory_ + 3 * kBytes;
    cudaMemcpy(table_, next.data(), next.size(), cudaMemcpyHostToDevice);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
  }
  void TearDown() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    cudaFree(memory_);
  }

  uint8_t* buffer(int i) const { return memory_ + size_t(i) * kBytes; }

  /// y = x + 1, byte by byte; a short one leaves the end alone.
  void add_one(const uint8_t* x, uint8_t* y, size_t bytes = kBytes) {
    launch_lookup(table_, x, y, static_cast<int64_t>(bytes), stream_);
  }

  /// Adds 8 to every byte of buffer 0 in a round.
  void enqueue() {
    for (int round = 0; round < kRounds; ++round) {
      add_one(buffer(0), buffer(1));
      add_one(buffer(1), buffer(0));
      add_one(buffer(0), buffer(2));  // buffer 0 is written next, by who does not read buffer 2
      add_one(buffer(1), buffer(0), 64);
      add_one(buffer(2), buffer(1));
      cudaMemcpyAsync(buffer(0), buffer(1), kBytes, cudaMemcpyDeviceToDevice, stream_);
      add_one(buffer(0), buffer(1));
      cudaMemsetAsync(buffer(2), round, kBytes, stream_);
      add_one(buffer(1), buffer(2));
      add_one(buffer(2), buffer(0));
      cudaLaunchHostFunc(
          stream_, [](void* calls) { ++*static_cast<int*>(calls); }, &calls_);
      add_one(buffer(0), buffer(0));
    }
  }

  void expect_sum(int runs) {
    ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    std::vector<uint8_t> bytes(kBytes);
    cudaMemcpy(bytes.data(), buffer(0), kBytes, cudaMemcpyDeviceToHost);
    EXPECT_EQ(bytes, std::vector<uint8_t>(kBytes, static_cast<uint8_t>(8 * kRounds * runs)));
    EXPECT_EQ(calls_, kRounds * runs);
  }

  uint8_t *memory_ = nullptr, *table_ = nullptr;
  cudaStream_t stream_ = nullptr;
  int calls_ = 0;
};

TEST_F(Overlap, StepsOfAStreamKeepTheirOrder) {
  cudaMemset(memory_, 0, 3 * kBytes);
  for (int run = 1; run <= 3; ++run) {
    enqueue();
    expect_sum(run);
  }
}

TEST_F(Overlap, GraphsKeepTheirOrder) {
  cudaMemset(memory_, 0, 3 * kBytes);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  enqueue();
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&ready, graph, 0), cudaSuccess);
  for (int run = 0; run < 10; ++run) cudaGraphLaunch(ready, stream_);
  expect_sum(10);
  cudaGraphExecDestroy(ready), cudaGraphDestroy(graph);
}

}  // namespace
}  // namespace octile::cuda::testing
