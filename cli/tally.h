// The end metric of two engines over a data set, batch by batch.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "metric_flags.h"

namespace octile::cli {

struct EndMetric {
  std::string name;
  double reference = 0.0, candidate = 0.0;  // shares, 0 … 1
};

/// Follows both engines' outputs (CompareOptions::outputs).
class Tally {
 public:
  /// Without a metric's name: top1 where there are labels, else none. A metric that needs labels
  /// and has none is a usage error.
  Tally(const MetricFlags& flags, const std::string& data, const DataOptions& options,
        const BatchSource& source);
  void add(std::span<const Tensor> reference, std::span<const Tensor> candidate, int64_t rows);
  std::optional<EndMetric> value() const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::vector<int64_t> labels_;
  std::optional<Ap50> reference_, candidate_;
  double hits_[2] = {};
  int64_t rows_ = 0;
};

}  // namespace octile::cli
