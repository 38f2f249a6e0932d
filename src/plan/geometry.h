// A 2-d window resolved for one input extent: what kernels loop over.
#pragma once

#include <cstdint>

#include "plan/plan_data.h"

namespace octile {

/// Concrete extents of a convolution or pooling on images (N, C, H, W). For rows = true (matrix
/// products) n is the number of rows and h = w = out_h = out_w = kernel = 1.
struct Geometry {
  int64_t n = 1, c = 1, h = 1, w = 1;   // input
  int64_t pixel = 1;                    // elements from pixel to pixel of a channels-last input
  int64_t m = 1, out_h = 1, out_w = 1;  // output channels and extents
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t groups = 1;
};

/// REQUIRES: static shapes that infer_shapes() accepted. 3-d images (N, C, W) get h = 1.
Geometry geometry_of(const ConvStep& step, const Shape& input, const Shape& output);
/// The same for 8-bit inputs whose rows may lie apart (plan/places.h).
Geometry geometry_of(const ConvStep& step, const PlanTensor& input, const PlanTensor& output);
Geometry geometry_of(const PoolStep& step, const Shape& input, const Shape& output);

/// True when int32 holds the sum of every window of 8-bit values (a maximum sums nothing).
bool window_sums_fit(const PoolStep& step, const Shape& input, const Shape& output);

}  // namespace octile
