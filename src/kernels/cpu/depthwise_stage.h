// Images with fewer channels than the narrowest depthwise kernel: rows are copied so that its
// registers are full, and its results copied back. Start reading at DepthwiseCut (pixels, staged).
#pragma once

#include "kernels/cpu/depthwise_weights.h"
#include "plan/geometry.h"

namespace octile {

/// Copied rows of one call. Those of the input have their padding; a pixel takes cut.staged bytes.
class DepthwiseStage {
 public:
  DepthwiseStage(const Geometry& g, const DepthwiseCut& cut, int64_t out_element);

  int64_t in_line() const { return in_line_; }  // bytes of a copied row
  int64_t in_bytes() const { return in_line_ * in_rows_; }
  int64_t out_columns() const { return columns_; }  // the kernel's pixels: 16 values each
  int64_t out_line() const { return columns_ * kValues * element_; }
  int64_t out_bytes() const { return out_line() * out_rows_; }
  int64_t residual_line() const { return columns_ * kValues; }
  int64_t residual_bytes() const { return residual_line() * out_rows_; }

  /// The input rows under the output rows from `first` on.
  void copy_in(const uint8_t* image, int64_t first, uint8_t padding, uint8_t* to) const;
  /// One output row, and one of a residual.
  void copy_out(const uint8_t* from, uint8_t* row) const;
  void copy_residual(const uint8_t* row, uint8_t* to) const;

 private:
  static constexpr int64_t kValues = 16;  // of a lane
  const Geometry g_;
  const int64_t staged_, pixels_, element_, out_rows_, in_rows_;
  const int64_t columns_, slots_;  // the kernel's pixels of an output row; input pixels of a row
  const int64_t in_line_;
};

}  // namespace octile
