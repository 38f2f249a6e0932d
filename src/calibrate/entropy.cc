// Entropy calibration: the threshold whose 128 levels lose least information (Kullback-Leibler
// divergence between the histogram clipped there and the same after merging into 128 levels).
#include <algorithm>
#include <array>
#include <cfloat>
#include <limits>

#include "calibrate/algorithms.h"
#include "calibrate/portable_log.h"

namespace octile {
namespace {

constexpr int kLevels = 128;
constexpr int kBins = Histogram::kBins;
constexpr int kMostBinsPerLevel = kBins / kLevels;

// More than one in so many is no outlier: such a candidate cuts the distribution, and where it
// keeps but the first occupied bins P and Q are the same spike (docs/calibration.md).
constexpr double kLeastValuesPerOutlier = 20.0;

double times_log(double count) { return count > 0.0 ? count * portable_log(count) : 0.0; }

/// ln 1 … ln 16: a level never spans more bins than 2048 / 128.
const std::array<double, kMostBinsPerLevel + 1>& small_logs() {
  static const auto table = [] {
    std::array<double, kMostBinsPerLevel + 1> logs{};
    for (int n = 1; n <= kMostBinsPerLevel; ++n) logs[static_cast<size_t>(n)] = portable_log(n);
    return logs;
  }();
  return table;
}

// Bin b of `candidate` bins belongs to level floor(b · 128 / candidate); the first one of `level`:
int first_bin(int level, int candidate) { return (level * candidate + kLevels - 1) / kLevels; }

}  // namespace

EntropySearch::EntropySearch(const std::vector<uint64_t>& bins)
    : counts_(kBins + 1), logs_(kBins + 1), occupied_(kBins + 1) {
  for (size_t b = 0; b < kBins; ++b) {
    const auto count = static_cast<double>(bins[b]);
    counts_[b + 1] = counts_[b] + count;
    logs_[b + 1] = logs_[b] + times_log(count);
    occupied_[b + 1] = occupied_[b] + (bins[b] > 0 ? 1 : 0);
  }
}

// With c the counts, K = Σ c over the kept bins, N over all, S and n a level's count and occupied
// bins: P = c / N and Q = (S / n) / K, so for the kept counts alone
//   N · Σ P ln(P / Q) = Σ c ln c − Σ S ln(S / n) + K (ln K − ln N)
// and the outliers N − K, which P adds to the last kept bin, correct that bin's term.
double EntropySearch::divergence(int candidate) const {
  const auto end = static_cast<size_t>(candidate);
  const double all = counts_[kBins], kept = counts_[end], outliers = all - kept;
  const double last = kept - counts_[end - 1];
  if (kept <= 0.0 || (outliers > 0.0 && last <= 0.0)) {
    return std::numeric_limits<double>::infinity();  // Q would be 0 where P is not
  }
  if (outliers * kLeastValuesPerOutlier > all) return std::numeric_limits<double>::infinity();
  const auto& logs = small_logs();
  double levels = 0.0, log_density = 0.0;  // ln(S / n) of the last level
  for (int level = 0, begin = 0; level < kLevels; ++level) {
    const int next = first_bin(level + 1, candidate);
    const double count = counts_[static_cast<size_t>(next)] - counts_[static_cast<size_t>(begin)];
    const int occupied =
        occupied_[static_cast<size_t>(next)] - occupied_[static_cast<size_t>(begin)];
    begin = next;
    if (occupied == 0) continue;
    log_density = portable_log(count) - logs[static_cast<size_t>(occupied)];
    levels += count * log_density;
  }
  const double log_ratio = portable_log(kept) - portable_log(all);
  double sum = logs_[end] - levels + kept * log_ratio;
  if (outliers > 0.0) {
    sum += times_log(last + outliers) - times_log(last) + outliers * (log_ratio - log_density);
  }
  return sum / all;
}

int EntropySearch::best() const {
  int best = kBins;
  double least = std::numeric_limits<double>::infinity();
  for (int candidate = kFirstCandidate; candidate <= kBins; ++candidate) {
    const double divergence_here = divergence(candidate);
    if (divergence_here < least) {
      least = divergence_here;
      best = candidate;
    }
  }
  return best;
}

CalibrationTable::Entry entropy_entry(const Histogram& histogram, double) {
  const int kept = EntropySearch(magnitudes(histogram)).best();
  const double bin_width = static_cast<double>(histogram.abs_max()) / kBins;
  const double wanted = (kept + 0.5) * bin_width;
  const auto threshold = static_cast<float>(std::min(wanted, static_cast<double>(FLT_MAX)));
  const Range clipped{std::clamp(histogram.min, -threshold, threshold),
                      std::clamp(histogram.max, -threshold, threshold)};
  return {clipped, threshold};
}

}  // namespace octile
