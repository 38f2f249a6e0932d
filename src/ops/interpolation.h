// Keys' cubic convolution kernel, which Resize and GridSample share.
#pragma once

#include <array>
#include <cmath>

namespace octile {

/// The weight of a tap at that distance; `a` is the kernel's coefficient (−0.75 as a rule).
inline double cubic_kernel(double distance, double a) {
  const double x = std::fabs(distance);
  if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((x - 5.0) * x + 8.0) * x * a - 4.0 * a;
  return 0.0;
}

/// Weights of the taps −1, 0, 1, 2 for a point `fraction` behind tap 0.
inline std::array<double, 4> cubic_weights(double fraction, double a) {
  return {cubic_kernel(fraction + 1.0, a), cubic_kernel(fraction, a),
          cubic_kernel(fraction - 1.0, a), cubic_kernel(fraction - 2.0, a)};
}

}  // namespace octile
