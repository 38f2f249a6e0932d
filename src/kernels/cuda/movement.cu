// Steps that move elements: concatenation, change of layout, and gathering by a list.
#include <cuda_runtime.h>

#include "kernels/cuda/grid.h"

namespace octile::cuda {
namespace {

/// blockIdx.y is the part; T is as wide as every part's rows allow.
template <typename T>
__global__ void concat(Parts parts, T* y) {
  wait_for_earlier_kernels();
  const int part = blockIdx.y;
  const T* from = static_cast<const T*>(parts.from[part]);
  const int64_t length = parts.bytes[part] / int64_t{sizeof(T)};
  const int64_t offset = parts.offset[part] / int64_t{sizeof(T)};
  const int64_t stride = parts.stride / int64_t{sizeof(T)};
  const int64_t count = length * parts.outer;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const int64_t row =
        count <= 0xffffffff ? static_cast<uint32_t>(i) / static_cast<uint32_t>(length) : i / length;
    y[row * stride + offset + (i - row * length)] = from[i];
  }
}

constexpr int kTile = 32, kTileRows = 8;

template <typename T>
__global__ void transpose(const T* x, T* y, int64_t rows, int64_t columns) {
  wait_for_earlier_kernels();
  __shared__ T s_tile[kTile][kTile + 1];
  const int64_t tiles_x = (columns + kTile - 1) / kTile;
  const int64_t base = int64_t{blockIdx.y} * rows * columns;
  const int64_t column0 = blockIdx.x % tiles_x * kTile, row0 = blockIdx.x / tiles_x * kTile;
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t row = row0 + i, column = column0 + threadIdx.x;
    if (row < rows && column < columns) s_tile[i][threadIdx.x] = x[base + row * columns + column];
  }
  __syncthreads();
  for (int i = threadIdx.y; i < kTile; i += kTileRows) {
    const int64_t row = column0 + i, column = row0 + threadIdx.x;
    if (row < columns && column < rows) y[base + row * rows + column] = s_tile[threadIdx.x][i];
  }
}

template <typename T>
__global__ void gather(Gathered step, const int32_t* from, const T* x, T* y) {
  wait_for_earlier_kernels();
  const auto constant = static_cast<T>(step.constant);
  const int64_t count = step.samples * step.out;
  for (int64_t i = first_item(); i < count; i += item_step()) {
    const int64_t sample = count <= 0xffffffff
                               ? static_cast<uint32_t>(i) / static_cast<uint32_t>(step.out)
                               : i / step.out;
    const int32_t at = from[i - sample * step.out];
    y[i] = at < 0 ? constant : x[sample * step.in + at];
  }
}

template <typename T>
void transpose_all(int64_t n, int64_t rows, int64_t columns, const void* x, void* y, void* stream) {
  constexpr int64_t kMost = 65535;  // gridDim.y
  const int64_t tiles = ((rows + kTile - 1) / kTile) * ((columns + kTile - 1) / kTile);
  for (int64_t first = 0; first < n; first += kMost) {
    const auto here = static_cast<unsigned>(n - first < kMost ? n - first : kMost);
    const int64_t at = first * rows * columns;
    start_kernel(
        transpose<T>,
        {dim3(static_cast<unsigned>(tiles), here), dim3(kTile, kTileRows), 0, stream_of(stream)},
        static_cast<const T*>(x) + at, static_cast<T*>(y) + at, rows, columns);
  }
}

}  // namespace

void launch_concat(const Parts& parts, void* y, void* stream) {
  uint64_t all = reinterpret_cast<uintptr_t>(y) | static_cast<uint64_t>(parts.stride);
  int64_t longest = 0;
  for (int i = 0; i < parts.count; ++i) {
    all |= reinterpret_cast<uintptr_t>(parts.from[i]);
    all |= static_cast<uint64_t>(parts.bytes[i]) | static_cast<uint64_t>(parts.offset[i]);
    longest = parts.bytes[i] > longest ? parts.bytes[i] : longest;
  }
  const auto run = [&](auto element) {
    using T = decltype(element);
    const int64_t items = longest * parts.outer / int64_t{sizeof(T)};
    start_kernel(
        concat<T>,
        {dim3(blocks_for(items), static_cast<unsigned>(parts.count)), kBlock, 0, stream_of(stream)},
        parts, static_cast<T*>(y));
  };
  if (all % 16 == 0) return run(uint4{});
  if (all % 8 == 0) return run(uint2{});
  if (all % 4 == 0) return run(uint32_t{});
  if (all % 2 == 0) return run(uint16_t{});
  run(uint8_t{});
}

void launch_transpose(int64_t n, int64_t rows, int64_t columns, int size, const void* x, void* y,
                      void* stream) {
  switch (size) {
    case 1: return transpose_all<uint8_t>(n, rows, columns, x, y, stream);
    case 2: return transpose_all<uint16_t>(n, rows, columns, x, y, stream);
    case 4: return transpose_all<uint32_t>(n, rows, columns, x, y, stream);
    default: return transpose_all<uint64_t>(n, rows, columns, x, y, stream);
  }
}

void launch_gather(const Gathered& step, const int32_t* from, const void* x, void* y,
                   void* stream) {
  const unsigned blocks = blocks_for(step.samples * step.out);
  const auto run = [&](auto element) {
    using T = decltype(element);
    start_kernel(gather<T>, {blocks, kBlock, 0, stream_of(stream)}, step, from,
                 static_cast<const T*>(x), static_cast<T*>(y));
  };
  switch (step.size) {
    case 1: return run(uint8_t{});
    case 2: return run(uint16_t{});
    case 4: return run(uint32_t{});
    default: return run(uint64_t{});
  }
}

}  // namespace octile::cuda
