// The host side that all convolution kernels share: parameters, the packed head, refusals.
#include "kernels/cuda/conv_params.h"

#include <cuda_runtime_api.h>

#include <cstring>

#include "base/error.h"

namespace octile::cuda {

namespace {

int32_t widest_store(const ConvProblem& p) {
  for (const int32_t bytes : {16, 8, 4}) {
    if (p.out_c % bytes == 0) return bytes;
  }
  return 1;
}

ConvTail tail_of(const ConvProblem& p, const ConvOperands& operands, const PackedLayout& layout) {
  const auto* packed = static_cast<const uint8_t*>(operands.packed);
  ConvTail tail;
  tail.bias = reinterpret_cast<const int32_t*>(packed);
  tail.multiplier = reinterpret_cast<const float*>(packed + layout.multiplier());
  tail.residual = p.residual ? static_cast<const uint8_t*>(operands.residual) : nullptr;
  tail.y = operands.y;
  tail.out_c = p.out_c;
  tail.y_type = p.y_type;
  if (is_real(p.y_type)) {
    tail.lo = p.lo, tail.hi = p.hi;
  } else {
    tail.y_zero_point = p.y_zero_point;
    tail.lo = static_cast<float>(p.q_lo - p.y_zero_point);
    tail.hi = static_cast<float>(p.q_hi - p.y_zero_point);
    const bool is_unsigned = p.y_type == ConvType::kU8;
    tail.saturating = p.y_zero_point == 0 && p.q_lo == (is_unsigned ? 0 : -128) &&
                      p.q_hi == (is_unsigned ? 255 : 127);
  }
  const bool is_signed = p.residual_type == ConvType::kS8;
  tail.residual_multiplier = p.residual_multiplier;
  tail.residual_offset =
      8388608.0f + static_cast<float>(p.residual_zero_point) + (is_signed ? 128.0f : 0.0f);
  tail.residual_flip = is_signed ? 0x80808080u : 0u;
  tail.store_bytes = widest_store(p);
  return tail;
}

}  // namespace

ConvParams conv_params(const ConvProblem& p, const ConvOperands& operands,
                       const PackedLayout& layout) {
  const auto* packed = static_cast<const uint8_t*>(operands.packed);
  ConvParams params;
  params.x = static_cast<const uint8_t*>(operands.x);
  params.weights = reinterpret_cast<const int8_t*>(packed + layout.weights());
  params.border = packed + layout.border();
  params.in_h = p.in_h, params.in_w = p.in_w, params.in_c = p.in_c;
  params.out_h = p.out_h, params.out_w = p.out_w;
  params.kernel_h = p.kernel_h, params.kernel_w = p.kernel_w;
  params.stride_h = p.stride_h, params.stride_w = p.stride_w;
  params.dilation_h = p.dilation_h, params.dilation_w = p.dilation_w;
  params.pad_top = p.pad_top, params.pad_left = p.pad_left;
  params.columns = static_cast<int32_t>(layout.columns);
  params.k_bytes = static_cast<int32_t>(layout.k_bytes);
  params.counters = operands.counters;
  const int32_t side = p.pools ? 2 : 1, windows = (p.out_h / side) * (p.out_w / side);
  params.pools = side - 1;
  params.image = FastDivide(static_cast<uint32_t>(windows));
  params.line = FastDivide(static_cast<uint32_t>(p.out_w / side));
  params.tail = tail_of(p, operands, layout);
  params.tail.rows = static_cast<int32_t>(p.batch * windows * side * side);
  return params;
}

uint8_t* begin_packing(const ConvProblem& p, const ConvWeights& weights, const PackedLayout& layout,
                       uint8_t* packed) {
  std::memset(packed, 0, layout.bytes());
  const auto channels = static_cast<size_t>(p.out_c);
  std::memcpy(packed, weights.bias, channels * sizeof(int32_t));
  std::memcpy(packed + layout.multiplier(), weights.multiplier, channels * sizeof(float));
  std::memset(packed + layout.border(), p.x_zero_point & 255, kBorderBytes);
  return packed + layout.weights();
}

size_t no_workspace(const ConvKernel&, const ConvProblem&, const ConvDevice&) { return 0; }

std::string refuse_common(const ConvKernel& kernel, const ConvProblem& p,
                          const ConvDevice& device) {
  const bool fits =
      kernel.exact_level ? device.level == kernel.level : device.level >= kernel.level;
  if (!fits) {
    return "needs compute capability " + std::to_string(kernel.level / 10) + "." +
           std::to_string(kernel.level % 10) + (kernel.exact_level ? "" : " or later");
  }
  constexpr int64_t kMost = 2147483647 - 1024;
  if (p.batch * p.out_h * p.out_w > kMost) return "the output has too many rows";
  if (static_cast<int64_t>(p.in_h) * p.in_w * p.in_c > kMost) return "an image is too large";
  if (p.batch < 1 || p.out_h < 1 || p.out_w < 1) return "the output is empty";
  if (p.residual && is_real(p.y_type)) return "a residual needs an 8-bit output";
  if (p.pools && !kernel.pools) return "does not pool what it makes";
  if (p.pools && (p.residual || is_real(p.y_type) || p.out_h < 2 || p.out_w < 2)) {
    return "pools 8-bit outputs without a residual alone";
  }
  return "";
}

ConvDevice current_conv_device() {
  int device = 0;
  cudaDeviceProp properties{};
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, device);
  check(error == cudaSuccess, ErrorCode::kUnsupported,
        "no CUDA device: {}; run on the CPU, or install NVIDIA's driver",
        cudaGetErrorString(error));
  return {properties.major * 10 + properties.minor, properties.multiProcessorCount,
          static_cast<int>(properties.sharedMemPerBlockOptin)};
}

void check_launch(const ConvKernel& kernel) {
  const cudaError_t error = cudaGetLastError();
  check(error == cudaSuccess, ErrorCode::kInternal, "{}: the launch failed: {}", kernel.name,
        cudaGetErrorString(error));
}

}  // namespace octile::cuda
