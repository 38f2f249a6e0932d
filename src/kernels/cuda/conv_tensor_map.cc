// Descriptors for the tensor copy engine: see tensor_map.h.
#include <cuda_runtime_api.h>

#include "base/error.h"
#include "kernels/cuda/tensor_map.h"

namespace octile::cuda {
namespace {

template <typename Function>
Function driver_function(const ConvKernel& kernel, const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found);
  check(error == cudaSuccess && found == cudaDriverEntryPointSuccess, ErrorCode::kUnsupported,
        "{}: the NVIDIA driver lacks {}; install one for CUDA 12 or later", kernel.name, name);
  return reinterpret_cast<Function>(function);
}

CUtensorMapSwizzle swizzle_of(int line_bytes) {
  return line_bytes == 128  ? CU_TENSOR_MAP_SWIZZLE_128B
         : line_bytes == 64 ? CU_TENSOR_MAP_SWIZZLE_64B
                            : CU_TENSOR_MAP_SWIZZLE_32B;
}

void check_map(const ConvKernel& kernel, CUresult result) {
  check(result == CUDA_SUCCESS, ErrorCode::kInternal,
        "{}: the driver refused a tensor map (error {})", kernel.name, static_cast<int>(result));
}

}  // namespace

CUtensorMap matrix_map(const ConvKernel& kernel, const void* data, int64_t rows, int64_t row_bytes,
                       int box_rows, int line_bytes) {
  static const auto encode =
      driver_function<decltype(&cuTensorMapEncodeTiled)>(kernel, "cuTensorMapEncodeTiled");
  CUtensorMap map{};
  const cuuint64_t extents[2] = {static_cast<cuuint64_t>(row_bytes), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(row_bytes)};
  const cuuint32_t box[2] = {static_cast<cuuint32_t>(line_bytes),
                             static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  check_map(kernel,
            encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, const_cast<void*>(data), extents,
                   strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(line_bytes),
                   CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

CUtensorMap pixel_map(const ConvKernel& kernel, const void* x, const ConvProblem& p, int pixels,
                      int line_bytes, int upper_h, int upper_w) {
  static const auto encode =
      driver_function<decltype(&cuTensorMapEncodeIm2col)>(kernel, "cuTensorMapEncodeIm2col");
  CUtensorMap map{};
  const auto c = static_cast<cuuint64_t>(p.in_c), w = static_cast<cuuint64_t>(p.in_w),
             h = static_cast<cuuint64_t>(p.in_h);
  const cuuint64_t extents[4] = {c, w, h, static_cast<cuuint64_t>(p.batch)};
  const cuuint64_t strides[3] = {c, c * w, c * w * h};
  const int lower[2] = {-p.pad_left, -p.pad_top}, upper[2] = {upper_w, upper_h};
  const cuuint32_t steps[4] = {1, static_cast<cuuint32_t>(p.stride_w),
                               static_cast<cuuint32_t>(p.stride_h), 1};
  check_map(kernel, encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 4, const_cast<void*>(x), extents,
                           strides, lower, upper, static_cast<cuuint32_t>(line_bytes),
                           static_cast<cuuint32_t>(pixels), steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                           swizzle_of(line_bytes), CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                           CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

CUtensorMap line_map(const ConvKernel& kernel, const void* x, const ConvProblem& p, int pixels) {
  static const auto encode =
      driver_function<decltype(&cuTensorMapEncodeTiled)>(kernel, "cuTensorMapEncodeTiled");
  CUtensorMap map{};
  const auto c = static_cast<cuuint64_t>(p.in_c), w = static_cast<cuuint64_t>(p.in_w),
             h = static_cast<cuuint64_t>(p.in_h);
  const cuuint64_t extents[4] = {c, w, h, static_cast<cuuint64_t>(p.batch)};
  const cuuint64_t strides[3] = {c, c * w, c * w * h};
  const cuuint32_t box[4] = {static_cast<cuuint32_t>(p.in_c), static_cast<cuuint32_t>(pixels), 1,
                             1};
  const cuuint32_t steps[4] = {1, 1, 1, 1};
  check_map(kernel, encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 4, const_cast<void*>(x), extents,
                           strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(p.in_c),
                           CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

}  // namespace octile::cuda
