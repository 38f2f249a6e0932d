// See gemm_source.h.
#include "kernels/cpu/gemm_source.h"

#include <algorithm>
#include <cstring>

#include "base/round_up.h"

namespace octile {
namespace {

int64_t fours(int64_t n) { return round_up(n, 4); }

}  // namespace

bool gemm_reads(const ConvStep& step) {
  return step.groups == 1 || step.in_channels / step.groups % 4 == 0;
}

GemmCut gemm_cut(const ConvStep& step) {
  const int64_t channels = step.in_channels / step.groups;
  if (step.rows) return {1, channels, fours(channels), fours(channels)};
  const int64_t kernel_h = step.window.kernel[0], kernel_w = step.window.kernel[1];
  const int64_t pixel = step.groups > 1 ? step.in_channels : fours(channels);
  const GemmCut taps{kernel_h * kernel_w, channels, fours(channels), pixel};
  if (step.groups > 1 || step.window.dilation[1] > 1) return taps;
  const int64_t run = kernel_w * channels;
  const GemmCut rows{kernel_h, run, fours(run), channels};
  return rows.segments * rows.bytes <= taps.segments * taps.bytes ? rows : taps;
}

GemmSource::GemmSource(const ConvStep& step, const Geometry& g, const GemmVariant& variant)
    : cut(gemm_cut(step)), g_(g), flips_(variant.flip), planes_(variant.planes) {
  taps_ = !step.rows && cut.segments == g.kernel_h * g.kernel_w && cut.segments > g.kernel_h;
  h = std::max(g.pad_top + g.h, (g.out_h - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1);
  w = std::max(g.pad_left + g.w, (g.out_w - 1) * g.stride_w + (g.kernel_w - 1) * g.dilation_w + 1);
  const bool windows = g.kernel_h * g.kernel_w > 1;
  copies = flips_ || planes_ || h != g.h || w != g.w || cut.pixel != g.c || cut.bytes != cut.run ||
           (windows && g.pixel != g.c);
  if (!copies) cut.pixel = g.pixel;
  contiguous = h == g.out_h && w == g.out_w;  // no borders and single steps
}

int64_t GemmSource::segment_offset(int64_t segment) const {
  if (!taps_) return segment * g_.dilation_h * w * cut.pixel;
  const int64_t kh = segment / g_.kernel_w, kw = segment % g_.kernel_w;
  return (kh * g_.dilation_h * w + kw * g_.dilation_w) * cut.pixel;
}

void GemmSource::copy_line(const uint8_t* x, int64_t line, uint8_t zero, uint8_t* to,
                           int64_t plane) const {
  const int64_t bytes = w * cut.pixel;
  to += line * bytes;
  copy_one_plane(x, line, zero, to);
  if (!planes_) return;
  uint8_t *value = to + plane, *magnitude = value + plane;
  for (int64_t i = 0; i < bytes; ++i) {
    value[i] = to[i] ^ 0x80;
    magnitude[i] = uint8_t(to[i] < 128 ? 128 - to[i] : to[i] - 128);
  }
}

void GemmSource::copy_one_plane(const uint8_t* x, int64_t line, uint8_t zero, uint8_t* to) const {
  const uint8_t flip = flips_ ? 0x80 : 0;
  const int border = zero ^ flip;
  const int64_t image_index = line / h, row = line % h - g_.pad_top;
  if (row < 0 || row >= g_.h) {
    std::memset(to, border, size_t(w * cut.pixel));
    return;
  }
  const uint8_t* from = x + (image_index * g_.h + row) * g_.w * g_.pixel;
  const int64_t left = g_.pad_left * cut.pixel, own = std::min(g_.w, w - g_.pad_left);
  std::memset(to, border, size_t(left));
  uint8_t* at = to + left;
  if (cut.pixel == g_.c && g_.pixel == g_.c) {
    const int64_t bytes = own * g_.c;
    if (flips_) {
      for (int64_t i = 0; i < bytes; ++i) at[i] = from[i] ^ 0x80;
    } else {
      std::memcpy(at, from, size_t(bytes));
    }
  } else {  // the bytes behind the channels meet zero weights
    for (int64_t p = 0; p < own; ++p) {
      for (int64_t c = 0; c < g_.c; ++c) at[p * cut.pixel + c] = from[p * g_.pixel + c] ^ flip;
      for (int64_t c = g_.c; c < cut.pixel; ++c) at[p * cut.pixel + c] = 0;
    }
  }
  at += own * cut.pixel;
  std::memset(at, border, size_t(to + w * cut.pixel - at));
}

}  // namespace octile
