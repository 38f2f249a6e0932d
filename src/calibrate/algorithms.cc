// The table of methods, the two short ones, and what degenerate tensors get.
#include "calibrate/algorithms.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octile {
namespace {

constexpr CalibrationAlgorithm kAlgorithms[] = {
    {CalibrationMethod::kEntropy, "entropy", entropy_entry},
    {CalibrationMethod::kMinMax, "minmax", min_max_entry},
    {CalibrationMethod::kPercentile, "percentile", percentile_entry},
    {CalibrationMethod::kMse, "mse", least_squares_entry},
};

/// A histogram seen as bins in ascending order of the value, for reading off quantiles.
struct OrderedBin {
  uint64_t count;
  double low, high;  // equal for the exact zeros
};

/// The value below which `rank` values lie; within a bin, values are spread evenly.
double value_at_rank(const std::vector<OrderedBin>& bins, double rank) {
  double below = 0.0, last = 0.0;
  for (const OrderedBin& bin : bins) {
    if (bin.count == 0) continue;
    const auto count = static_cast<double>(bin.count);
    if (below + count >= rank) {
      return bin.low + (bin.high - bin.low) * std::max(0.0, rank - below) / count;
    }
    below += count;
    last = bin.high;
  }
  return last;
}

std::vector<OrderedBin> by_value(const Histogram& h) {
  const double width = static_cast<double>(h.abs_max()) / Histogram::kBins;
  std::vector<OrderedBin> bins;
  bins.reserve(2 * Histogram::kBins + 1);
  for (size_t b = Histogram::kBins; b-- > 0;) {
    const auto low = static_cast<double>(b);
    bins.push_back({h.negative[b], -(low + 1) * width, -low * width});
  }
  bins.push_back({h.zeros, 0.0, 0.0});
  for (size_t b = 0; b < Histogram::kBins; ++b) {
    const auto low = static_cast<double>(b);
    const uint64_t zeros = b == 0 ? h.zeros : 0;
    bins.push_back({h.positive[b] - zeros, low * width, (low + 1) * width});
  }
  return bins;
}

std::vector<OrderedBin> by_magnitude(const Histogram& h) {
  const double width = static_cast<double>(h.abs_max()) / Histogram::kBins;
  const std::vector<uint64_t> counts = magnitudes(h);
  std::vector<OrderedBin> bins = {{h.zeros, 0.0, 0.0}};
  for (size_t b = 0; b < counts.size(); ++b) {
    const auto low = static_cast<double>(b);
    bins.push_back({counts[b], low * width, (low + 1) * width});
  }
  return bins;
}

void check_histogram(const Histogram& h) {
  check(h.positive.size() == Histogram::kBins && h.negative.size() == Histogram::kBins,
        ErrorCode::kInvalidArgument,
        "a threshold needs a counted histogram of {} bins a sign; run the counting pass first",
        Histogram::kBins);
  check(h.positive[0] >= h.zeros && std::isfinite(h.min) && std::isfinite(h.max) && h.min <= h.max,
        ErrorCode::kInvalidArgument,
        "a histogram contradicts itself: {} zeros of {} in bin 0, "
        "range {} to {}",
        h.zeros, h.positive[0], h.min, h.max);
}

}  // namespace

std::span<const CalibrationAlgorithm> calibration_algorithms() { return kAlgorithms; }

std::string_view name_of(CalibrationMethod method) {
  for (const CalibrationAlgorithm& row : kAlgorithms) {
    if (row.method == method) return row.name;
  }
  return "?";
}

CalibrationMethod calibration_method_from_name(std::string_view name) {
  std::string known;
  for (const CalibrationAlgorithm& row : kAlgorithms) {
    if (row.name == name) return row.method;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
  }
  fail(ErrorCode::kInvalidArgument, "unknown calibration method '{}': use one of {}", name, known);
}

std::vector<uint64_t> magnitudes(const Histogram& histogram) {
  std::vector<uint64_t> bins = histogram.positive;
  for (size_t b = 0; b < bins.size(); ++b) bins[b] += histogram.negative[b];
  bins[0] -= histogram.zeros;
  return bins;
}

CalibrationTable::Entry min_max_entry(const Histogram& histogram, double) {
  return {{histogram.min, histogram.max}, histogram.abs_max()};
}

CalibrationTable::Entry percentile_entry(const Histogram& histogram, double percentile) {
  const double kept = percentile / 100.0, values = static_cast<double>(histogram.finite);
  const double tail = (1.0 - kept) / 2.0;
  // One bin at least: with almost only zeros the rank falls on them.
  const double width = static_cast<double>(histogram.abs_max()) / Histogram::kBins;
  const double threshold = std::max(width, value_at_rank(by_magnitude(histogram), kept * values));
  const std::vector<OrderedBin> ordered = by_value(histogram);
  Range range{static_cast<float>(value_at_rank(ordered, tail * values)),
              static_cast<float>(value_at_rank(ordered, (1.0 - tail) * values))};
  range.min = std::clamp(range.min + 0.0f, histogram.min, histogram.max);  // + 0: no −0
  range.max = std::clamp(range.max + 0.0f, range.min, histogram.max);
  if (range.min == 0.0f && range.max == 0.0f) {  // both ranks among the zeros
    range.min = std::max(histogram.min, static_cast<float>(-width));
    range.max = std::min(histogram.max, static_cast<float>(width));
  }
  return {range, std::min(static_cast<float>(threshold), histogram.abs_max())};
}

CalibrationTable::Entry threshold(const Histogram& histogram, CalibrationMethod method,
                                  double percentile) {
  check(percentile > 0.0 && percentile <= 100.0, ErrorCode::kInvalidArgument,
        "percentile {} must be above 0 and at most 100", percentile);
  if (histogram.finite == 0 || histogram.abs_max() == 0.0f) return {};  // all zero: scale 1 later
  check_histogram(histogram);
  if (histogram.min == histogram.max) return min_max_entry(histogram, percentile);  // constant
  for (const CalibrationAlgorithm& row : kAlgorithms) {
    if (row.method == method) return row.find(histogram, percentile);
  }
  fail(ErrorCode::kInternal, "calibration method {} has no row", static_cast<int>(method));
}

}  // namespace octile
