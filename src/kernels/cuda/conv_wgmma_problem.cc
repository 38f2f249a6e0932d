// The host side of the rows that wgmma multiplies and the tensor copy engine feeds: which problems
// they take, how their weights lie, and the descriptors of what is copied.
#include "kernels/cuda/conv_wgmma_problem.h"

#include <cstring>

#include "kernels/cuda/tensor_map.h"

namespace octile::cuda {
namespace {

/// The last window's start relative to the image's last pixel: what im2col calls the upper corner.
int32_t upper_corner(int32_t out, int32_t stride, int32_t pad, int32_t in) {
  return (out - 1) * stride + 1 - pad - in;
}

bool has_padding(const ConvProblem& p) {
  return p.pad_top > 0 || p.pad_left > 0 ||
         upper_corner(p.out_h, p.stride_h, p.pad_top, p.in_h) + (p.kernel_h - 1) * p.dilation_h >
             0 ||
         upper_corner(p.out_w, p.stride_w, p.pad_left, p.in_w) + (p.kernel_w - 1) * p.dilation_w >
             0;
}

}  // namespace

bool is_product(const ConvProblem& p) {
  return p.kernel_h == 1 && p.kernel_w == 1 && p.stride_h == 1 && p.stride_w == 1 &&
         p.pad_top == 0 && p.pad_left == 0 && p.out_h == p.in_h && p.out_w == p.in_w;
}

int32_t wgmma_line_bytes(const ConvProblem& p) {
  int32_t best = 128, least = 0;
  for (const int32_t line : {128, 64}) {
    const int32_t cost = (p.in_c + line - 1) / line * (line + 32);
    if (least == 0 || cost < least) best = line, least = cost;
  }
  return best;
}

int32_t wgmma_channel_blocks(const ConvProblem& p) {
  return (p.in_c + wgmma_line_bytes(p) - 1) / wgmma_line_bytes(p);
}

PackedLayout wgmma_layout(const ConvProblem& p) {
  return {(p.out_c + 63) / 64 * 64,
          int64_t{p.kernel_h} * p.kernel_w * wgmma_channel_blocks(p) * wgmma_line_bytes(p)};
}

std::string refuse_wgmma(const ConvKernel& kernel, const ConvProblem& p, const ConvDevice& device,
                         int columns, bool fills_borders) {
  if (auto reason = refuse_common(kernel, p, device); !reason.empty()) return reason;
  if (p.x_type == ConvType::kFloat) return "reads 8-bit inputs alone";
  if (p.groups != 1) return "takes one group";
  if (p.in_c % 16 != 0) return "wants channels in sixteens";
  if (columns > 64 && p.out_c <= columns / 2) return "the tile is wider than the output";
  if (is_product(p)) return "";
  if (p.x_zero_point != 0 && !fills_borders && has_padding(p)) {
    return "the copy engine pads with zeros";
  }
  if (p.stride_h > 8 || p.stride_w > 8) return "strides beyond 8";
  if ((p.kernel_h - 1) * p.dilation_h > 255 || (p.kernel_w - 1) * p.dilation_w > 255 ||
      p.pad_top > 127 || p.pad_left > 127) {
    return "the window is too large";
  }
  const int32_t upper_h = upper_corner(p.out_h, p.stride_h, p.pad_top, p.in_h);
  const int32_t upper_w = upper_corner(p.out_w, p.stride_w, p.pad_left, p.in_w);
  if (upper_h < -128 || upper_w < -128 || upper_h > 127 || upper_w > 127) {
    return "the windows leave too much of the image out";
  }
  return "";
}

size_t wgmma_packed_bytes(const ConvKernel&, const ConvProblem& p) {
  return wgmma_layout(p).bytes();
}

void pack_wgmma(const ConvKernel&, const ConvProblem& p, const ConvWeights& weights,
                uint8_t* packed) {
  const PackedLayout layout = wgmma_layout(p);
  uint8_t* target = begin_packing(p, weights, layout, packed);
  const int64_t taps = int64_t{p.kernel_h} * p.kernel_w,
                run = wgmma_channel_blocks(p) * wgmma_line_bytes(p);
  for (int column = 0; column < layout.columns; ++column) {
    const int channel = channel_of_column(column);
    if (channel >= p.out_c) continue;
    for (int64_t tap = 0; tap < taps; ++tap) {
      std::memcpy(target + column * layout.k_bytes + tap * run,
                  weights.weights + (channel * taps + tap) * p.in_c, static_cast<size_t>(p.in_c));
    }
  }
}

CUtensorMap wgmma_pixels(const ConvKernel& kernel, const ConvProblem& p, const void* x,
                         int pixels) {
  const int line = wgmma_line_bytes(p);
  if (is_product(p)) {
    return matrix_map(kernel, x, p.batch * p.out_h * p.out_w, p.in_c, pixels, line);
  }
  return pixel_map(kernel, x, p, pixels, line, upper_corner(p.out_h, p.stride_h, p.pad_top, p.in_h),
                   upper_corner(p.out_w, p.stride_w, p.pad_left, p.in_w));
}

}  // namespace octile::cuda
