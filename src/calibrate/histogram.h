// Filling histograms: one pass for the range of a tensor, one for the counts. Both work on blocks
// that compilers vectorize; both are exact, so that parts merge to the same bits in any order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// Range pass: min, max and the counts of finite, zero, NaN and infinite values; no bins.
void add_to_range(Histogram& range, std::span<const float> values);

/// Whether both tell of as many values of each kind: two passes over the same samples do.
bool same_counts(const Histogram& a, const Histogram& b);

/// What |x| is multiplied by, one after the other, to give its bin; the first is 1 but where
/// 2048 / max|x| would overflow.
struct BinScale {
  float prescale = 1.0f, bins_per_unit = 1.0f;
};
BinScale bin_scale(const Histogram& range);

/// A BinCounter is the counting pass of one tensor: values go to 2048 bins of |x| a sign, by
///   bin = min(int(|x| · (2048 / max|x|)), 2047)        one binary32 product, truncated
/// −0 counts as a positive zero. Not thread-safe: one a thread, then merge the histograms.
class BinCounter {
 public:
  /// `range` is the merged result of the range pass over all samples and threads.
  explicit BinCounter(const Histogram& range);
  /// A finite value outside the range is counted in the last bin.
  void add(std::span<const float> values);
  /// The values added since construction: bins, and their own counts of zeros, NaN, infinities;
  /// min and max are those of the range.
  Histogram finish();

 private:
  // Two sets of 32-bit bins take turns: equal neighbours (zeros!) would else wait for each other.
  static constexpr size_t kSets = 2, kSlots = 2 * Histogram::kBins;
  bool add_block(const float* values);
  void add_values(std::span<const float> values);
  void count(float value);
  void flush();

  Histogram result_;
  float prescale_ = 1.0f;  // more only where 2048 / max|x| would overflow
  float bins_per_unit_ = 1.0f;
  uint64_t pending_ = 0;        // values in bins_ since the last flush
  std::vector<uint32_t> bins_;  // (kSets, kSlots): positive bins, then negative ones
};

}  // namespace octile
