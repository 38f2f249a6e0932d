// Descriptors for the tensor copy engine: see tensor_map.h.
#include <cuda_runtime_api.h>

#include <algorithm>

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

/// Boxes of a tensor, the innermost axis first, which is the swizzle too. strides: of all axes but
/// that one, in bytes. Outside the tensor: zeros.
template <size_t kRank>
CUtensorMap box_map(const ConvKernel& kernel, const void* data, const cuuint64_t (&extents)[kRank],
                    const cuuint64_t (&strides)[kRank - 1], const cuuint32_t (&box)[kRank]) {
  static const auto encode =
      driver_function<decltype(&cuTensorMapEncodeTiled)>(kernel, "cuTensorMapEncodeTiled");
  CUtensorMap map{};
  cuuint32_t steps[kRank];
  std::fill_n(steps, kRank, 1);
  check_map(kernel, encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, kRank, const_cast<void*>(data),
                           extents, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                           swizzle_of(static_cast<int>(box[0])), CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                           CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

/// Dense images, channels last.
struct Images {
  cuuint64_t extents[4], strides[3];
  explicit Images(const ConvProblem& p) {
    const auto c = static_cast<cuuint64_t>(p.in_c), w = static_cast<cuuint64_t>(p.in_w),
               h = static_cast<cuuint64_t>(p.in_h);
    extents[0] = c, extents[1] = w, extents[2] = h, extents[3] = static_cast<cuuint64_t>(p.batch);
    strides[0] = c, strides[1] = c * w, strides[2] = c * w * h;
  }
};

}  // namespace

CUtensorMap matrix_map(const ConvKernel& kernel, const void* data, int64_t rows, int64_t row_bytes,
                       int box_rows, int line_bytes) {
  return box_map<2>(kernel, data,
                    {static_cast<cuuint64_t>(row_bytes), static_cast<cuuint64_t>(rows)},
                    {static_cast<cuuint64_t>(row_bytes)},
                    {static_cast<cuuint32_t>(line_bytes), static_cast<cuuint32_t>(box_rows)});
}

CUtensorMap line_map(const ConvKernel& kernel, const void* x, const ConvProblem& p, int pixels) {
  const Images images(p);
  return box_map<4>(kernel, x, images.extents, images.strides,
                    {static_cast<cuuint32_t>(p.in_c), static_cast<cuuint32_t>(pixels), 1, 1});
}

CUtensorMap pixel_map(const ConvKernel& kernel, const void* x, const ConvProblem& p, int pixels,
                      int line_bytes, int upper_h, int upper_w) {
  static const auto encode =
      driver_function<decltype(&cuTensorMapEncodeIm2col)>(kernel, "cuTensorMapEncodeIm2col");
  CUtensorMap map{};
  const Images images(p);
  const int lower[2] = {-p.pad_left, -p.pad_top}, upper[2] = {upper_w, upper_h};
  const cuuint32_t steps[4] = {1, static_cast<cuuint32_t>(p.stride_w),
                               static_cast<cuuint32_t>(p.stride_h), 1};
  check_map(kernel, encode(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 4, const_cast<void*>(x),
                           images.extents, images.strides, lower, upper,
                           static_cast<cuuint32_t>(line_bytes), static_cast<cuuint32_t>(pixels),
                           steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(line_bytes),
                           CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

CUtensorMap float_map(const ConvKernel& kernel, const void* data,
                      const std::array<int64_t, 4>& extents, const std::array<int32_t, 4>& box) {
  static const auto encode =
      driver_function<decltype(&cuTensorMapEncodeTiled)>(kernel, "cuTensorMapEncodeTiled");
  CUtensorMap map{};
  cuuint64_t sizes[4], strides[3];
  cuuint32_t boxes[4];
  const cuuint32_t steps[4] = {1, 1, 1, 1};
  for (size_t i = 0; i < 4; ++i) {
    sizes[i] = static_cast<cuuint64_t>(extents[i]), boxes[i] = static_cast<cuuint32_t>(box[i]);
    if (i < 3) strides[i] = (i == 0 ? sizeof(float) : strides[i - 1]) * sizes[i];
  }
  check_map(kernel,
            encode(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4, const_cast<void*>(data), sizes,
                   strides, boxes, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                   CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

}  // namespace octile::cuda
