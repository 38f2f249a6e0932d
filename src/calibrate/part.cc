// Parts of a collection that several processes share: their merge, and the whole that they make.
#include <fmt/ranges.h>

#include "base/error.h"
#include "calibrate/histogram.h"
#include "calibrate/spool.h"
#include "octile/calibration.h"

namespace octile {
namespace {

/// "onednn" of "onednn: oneDNN 2.6.0 …"; several kinds are joined by '+'.
std::string kinds_of(const std::set<std::string>& paths) {
  std::set<std::string> kinds;
  for (const std::string& path : paths) kinds.insert(path.substr(0, path.find(':')));
  return fmt::format("{}", fmt::join(kinds, "+"));
}

void check_same_work(const CalibrationPart& a, const CalibrationPart& b) {
  check(a.counted == b.counted, ErrorCode::kInvalidArgument,
        "a part of the ranges cannot be merged with one of the counts");
  check(a.model_digest == b.model_digest, ErrorCode::kInvalidArgument,
        "parts of different models ({} and {}) cannot be merged", a.model_digest, b.model_digest);
  check(a.preprocess == b.preprocess, ErrorCode::kInvalidArgument,
        "parts of different preprocessing ('{}' and '{}') cannot be merged", a.preprocess,
        b.preprocess);
  bool same = a.histograms.size() == b.histograms.size();
  for (const auto& [name, histogram] : b.histograms) same = same && a.histograms.contains(name);
  check(same, ErrorCode::kInvalidArgument,
        "parts of models whose tensors have different names cannot be merged");
}

/// Both rounds ran each sample on one and the same float path, so the values must agree.
void check_same_values(const CalibrationPart& ranges, const CalibrationPart& counts) {
  for (const auto& [name, range] : ranges.histograms) {
    check(same_counts(range, counts.histograms.at(name)), ErrorCode::kInvalidArgument,
          "tensor '{}': the counting round gave other values than the range round, of the same "
          "samples; some machine computes other bits than its description says",
          name);
  }
}

}  // namespace

void CalibrationPart::merge(const CalibrationPart& other, bool mixed) {
  check_same_work(*this, other);
  check(mixed || paths == other.paths, ErrorCode::kInvalidArgument,
        "float paths differ: [{}] and [{}] give other bits, so the ranges would depend on which "
        "samples went where. Use machines of one kind or the reproducible path, or allow parts of "
        "both to be mixed",
        fmt::join(paths, "; "), fmt::join(other.paths, "; "));
  paths.insert(other.paths.begin(), other.paths.end());
  for (const auto& [name, histogram] : other.histograms) histograms[name].merge(histogram);
  samples += other.samples;
  sample_hashes += other.sample_hashes;
}

CalibrationData whole_collection(const CalibrationPart& ranges, const CalibrationPart& counts) {
  check(!ranges.counted && counts.counted, ErrorCode::kInvalidArgument,
        "a collection needs the merged ranges and the merged counts, in this order");
  check(ranges.samples > 0, ErrorCode::kInvalidArgument,
        "the calibration data holds no samples; give at least one");
  check(ranges.samples == counts.samples && ranges.sample_hashes == counts.sample_hashes,
        ErrorCode::kInvalidArgument,
        "the second round over the samples saw others than the first ({} and {} of them): the data "
        "must repeat itself. Leave out random augmentation, or materialize the data before",
        ranges.samples, counts.samples);
  CalibrationPart same_work = ranges;
  same_work.counted = true;
  check_same_work(same_work, counts);
  std::set<std::string> paths = ranges.paths;
  paths.insert(counts.paths.begin(), counts.paths.end());
  if (paths.size() == 1) check_same_values(ranges, counts);
  return {.histograms = counts.histograms,
          .path = kinds_of(paths),
          .model_digest = counts.model_digest,
          .data_digest = digest_of_samples(counts.sample_hashes, counts.samples),
          .preprocess = counts.preprocess,
          .samples = counts.samples};
}

}  // namespace octile
