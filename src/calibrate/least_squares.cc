// Least mean squared error: clip where rounding error and clipping error add up to least.
// Values count as spread evenly over their bin, exact zeros as what they are (error 0).
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "arithmetic/quantize.h"
#include "calibrate/algorithms.h"

namespace octile {
namespace {

constexpr int kCoarseStep = 16;

/// One end of an affine range: candidates are end · i / 2048.
float shrunk(float end, int candidate) {
  return static_cast<float>(static_cast<double>(end) * candidate / Histogram::kBins);
}

/// Walks all, or coarse then fine, candidates in [128, 2048] from the widest; the widest of equals.
template <typename Cost>
int least_candidate(Cost cost, int step) {
  int best = Histogram::kBins;
  double least = std::numeric_limits<double>::infinity();
  const auto walk = [&](int high, int low, int by) {
    for (int candidate = high; candidate >= low; candidate -= by) {
      const double here = cost(candidate);
      if (here < least) {
        least = here;
        best = candidate;
      }
    }
  };
  walk(Histogram::kBins, kFirstCandidate, step);
  if (step > 1) {
    const int centre = best;
    walk(std::min(Histogram::kBins, centre + step - 1),
         std::max(kFirstCandidate, centre - step + 1), 1);
  }
  return best;
}

/// Both signs of one tensor's values against a quantization grid.
class TensorError {
 public:
  explicit TensorError(const Histogram& histogram)
      : bin_width_(static_cast<double>(histogram.abs_max()) / Histogram::kBins),
        positive_(without_zeros(histogram)),
        negative_(histogram.negative) {}
  double symmetric(int candidate) const {  // T = candidate bins; q in [−128, 127]
    const double step = candidate / 127.0;
    return positive_.at(step, 127) + negative_.at(step, 128);
  }
  double affine(Range range) const {
    const QuantParams params = affine_params(range.min, range.max);
    const double step = static_cast<double>(params.scale) / bin_width_;
    return positive_.at(step, 255 - params.zero_point) + negative_.at(step, params.zero_point);
  }

 private:
  static std::vector<uint64_t> without_zeros(const Histogram& histogram) {
    std::vector<uint64_t> bins = histogram.positive;
    bins[0] -= std::min(bins[0], histogram.zeros);
    return bins;
  }
  double bin_width_;
  RoundingError positive_, negative_;
};

/// Shrinks one end, then the other, then each again: two rounds of coordinate descent.
Range best_affine(const TensorError& error, Range full) {
  Range best = full;
  for (int round = 0; round < 2; ++round) {
    if (full.max > 0.0f) {
      best.max = shrunk(full.max, least_candidate(
                                      [&](int i) {
                                        return error.affine({best.min, shrunk(full.max, i)});
                                      },
                                      kCoarseStep));
    }
    if (full.min < 0.0f) {
      best.min = shrunk(full.min, least_candidate(
                                      [&](int i) {
                                        return error.affine({shrunk(full.min, i), best.max});
                                      },
                                      kCoarseStep));
    }
  }
  best.min = std::min(best.min, best.max);  // a tensor of one sign: zero is held anyway
  return best;
}

}  // namespace

RoundingError::RoundingError(const std::vector<uint64_t>& bins)
    : counts_(Histogram::kBins), sums_(Histogram::kBins + 1) {
  for (size_t b = 0; b < Histogram::kBins; ++b) {
    const auto count = static_cast<double>(bins[b]), low = static_cast<double>(b);
    counts_[b] = count;
    sums_[b + 1] = {sums_[b].m0 + count, sums_[b].m1 + count * (low + 0.5),
                    sums_[b].m2 + count * (low * low + low + 1.0 / 3.0)};
  }
}

// ∫₀ˣ f, ∫₀ˣ t·f, ∫₀ˣ t²·f dt for the density f that is constant on each bin [b, b + 1).
RoundingError::Moments RoundingError::upto(double x) const {
  if (x >= Histogram::kBins) return sums_[Histogram::kBins];
  const auto bin = static_cast<size_t>(x);
  const auto low = static_cast<double>(bin);
  const Moments& sum = sums_[bin];
  const double count = counts_[bin];
  return {sum.m0 + count * (x - low), sum.m1 + count * (x * x - low * low) / 2,
          sum.m2 + count * (x * x * x - low * low * low) / 3};
}

// Level k owns [(k − ½)·step, (k + ½)·step), the last one all that lies above; its error is
// ∫ f·(t − k·step)² = m2 − 2·k·step·m1 + (k·step)²·m0 over that interval.
double RoundingError::at(double step, int levels) const {
  double error = 0.0;
  Moments below;
  for (int level = 0; level <= levels; ++level) {
    const double centre = level * step, high = centre + step / 2;
    const bool last = level == levels || high >= Histogram::kBins;
    const Moments here = last ? sums_[Histogram::kBins] : upto(high);
    error += (here.m2 - below.m2) - 2 * centre * (here.m1 - below.m1) +
             centre * centre * (here.m0 - below.m0);
    if (last) break;
    below = here;
  }
  return error;
}

CalibrationTable::Entry least_squares_entry(const Histogram& histogram, double) {
  const TensorError error(histogram);
  const int kept = least_candidate([&](int i) { return error.symmetric(i); }, 1);
  return {best_affine(error, {histogram.min, histogram.max}), shrunk(histogram.abs_max(), kept)};
}

}  // namespace octile
