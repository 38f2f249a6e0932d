// The calibration methods: one visible table, one function a row. Adding a method is a function
// from a histogram to an entry, a row in algorithms.cc, and its enumerator in calibration.h.
// Start reading here; docs/calibration.md derives each rule.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// Entropy and least squares look at thresholds of this many bins and more: with fewer, a step of
/// 127 or 128 levels would be finer than a bin.
inline constexpr int kFirstCandidate = 128;

struct CalibrationAlgorithm {
  CalibrationMethod method;
  std::string_view name;
  /// REQUIRES: the histogram is counted and holds values of at least two magnitudes.
  CalibrationTable::Entry (*find)(const Histogram& histogram, double percentile);
};
std::span<const CalibrationAlgorithm> calibration_algorithms();

CalibrationTable::Entry entropy_entry(const Histogram& histogram, double percentile);
CalibrationTable::Entry min_max_entry(const Histogram& histogram, double percentile);
CalibrationTable::Entry percentile_entry(const Histogram& histogram, double percentile);
CalibrationTable::Entry least_squares_entry(const Histogram& histogram, double percentile);

/// KL(P‖Q) of keeping bins [0, candidate), by prefix sums: 128 logarithms a candidate instead of
/// one a bin. Infinity where the candidate cannot stand for the tensor (docs/calibration.md).
class EntropySearch {
 public:
  /// Bins of |x| without the exact zeros.
  explicit EntropySearch(const std::vector<uint64_t>& bins);
  double divergence(int candidate) const;
  /// The candidate in [128, 2048] of least divergence, the first of equals.
  int best() const;

 private:
  std::vector<double> counts_, logs_;  // prefix sums of c and of c·ln c
  std::vector<int> occupied_;          // prefix sums of "c > 0"
};

/// Squared error of rounding one sign of a tensor's values to multiples of a step, values spread
/// evenly over their bin; a closed form by prefix moments, one evaluation a level.
class RoundingError {
 public:
  explicit RoundingError(const std::vector<uint64_t>& bins);
  /// Sum of (x − q(x))², in bins², for q in {0, step, …, levels·step}; step in bins.
  double at(double step, int levels) const;

 private:
  struct Moments {
    double m0 = 0, m1 = 0, m2 = 0;
  };
  Moments upto(double x) const;
  std::vector<double> counts_;
  std::vector<Moments> sums_;
};

/// Bins of |x| without the exact zeros: every scale represents those without error, so they
/// tell nothing about where to clip.
std::vector<uint64_t> magnitudes(const Histogram& histogram);

}  // namespace octile
