// A natural logarithm in plain arithmetic: libm's differs in the last bit between machines (FMA
// or not), and calibration tables shall not.
#pragma once

#include <bit>
#include <cstdint>

namespace octile {

/// ln x for finite x >= 1, to within 2 units in the last place: x = m·2^e with m in [√½, √2),
/// ln m = 2·artanh((m − 1) / (m + 1)) by its series (the terms left out are below 2^-56).
inline double portable_log(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  auto exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  double sum = 1.0 / 23.0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
  return exponent * 0.6931471805599453 + 2.0 * s * sum;
}

}  // namespace octile
