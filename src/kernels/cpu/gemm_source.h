// Where the rows of an INT8 convolution lie: in the input itself, or in a copy with borders.
#pragma once

#include "backend/backend.h"
#include "kernels/cpu/gemm_kernel.h"
#include "plan/geometry.h"

namespace octile {

/// How the k axis of one output is cut.
struct GemmCut {
  int64_t segments = 1;
  int64_t run = 0;    // values of a segment
  int64_t bytes = 0;  // the same with zero weights behind: a multiple of 4
  int64_t pixel = 0;  // bytes from pixel to pixel: the channels, perhaps filled up to fours; those
                      // of an image that is read in place lie as far apart as they do
};

/// Kernel rows as one run of bytes where the window is dense in one group; else taps.
GemmCut gemm_cut(const ConvStep& step);

/// True when the columns of one group can be read in place or as a whole copy.
bool gemm_reads(const ConvStep& step);

class GemmSource {
 public:
  GemmSource(const ConvStep& step, const Geometry& geometry, const GemmVariant& variant);

  GemmCut cut;
  bool copies;           // borders, flipped bytes, channels filled up or brought together
  bool contiguous;       // output pixels read bytes that lie `cut.pixel` apart, over images too
  int64_t h = 1, w = 1;  // extents that are read, borders included
  int64_t image() const { return h * w * cut.pixel; }
  /// Bytes of one plane of copies of `images` images; kernels may read a few too many.
  int64_t plane_bytes(int64_t images) const { return (images * image() + 127) / 64 * 64; }
  size_t copy_bytes(int64_t images) const {
    return copies ? size_t(plane_bytes(images)) * (planes_ ? 3 : 1) : 0;
  }
  /// Copies line `line` (of n · h) of images at `x` to `to`, with `zero` around it. Flips both.
  /// `plane` bytes further lie the planes of GemmVariant::planes.
  void copy_line(const uint8_t* x, int64_t line, uint8_t zero, uint8_t* to, int64_t plane) const;
  int64_t segment_offset(int64_t segment) const;
  /// Of output pixel (oh, ow), in its image.
  int64_t row_offset(int64_t oh, int64_t ow) const {
    return (oh * g_.stride_h * w + ow * g_.stride_w) * cut.pixel;
  }

 private:
  void copy_one_plane(const uint8_t* x, int64_t line, uint8_t zero, uint8_t* to) const;

  Geometry g_;
  bool flips_, planes_, taps_;  // a segment is a tap
};

}  // namespace octile
