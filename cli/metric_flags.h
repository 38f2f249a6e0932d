// Labels and the end metrics that run and compare share.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octile/detection.h"
#include "session.h"

namespace octile::cli {

struct MetricFlags {
  std::string metric;  // "": none asked for
  std::string labels;
  std::string decoder;
  double score_threshold = 0.01, nms = -1.0;
  void add(CLI::App& command);
  bool boxes() const { return metric == "ap50"; }
  /// Flags that do not fit each other are a usage error.
  void check() const;
  const CLI::App* command = nullptr;
};

/// The label of each sample that `source` delivers; empty where there are none. A file of labels
/// is for the whole data set: --first and --samples cut both alike.
std::vector<int64_t> labels_for(const MetricFlags& flags, const std::string& data,
                                DataOptions options, const BatchSource& source);

/// Collects the boxes that a network finds, against the labelled ones.
class Ap50 {
 public:
  /// Throws where the samples are no pictures or the labels cannot be read.
  Ap50(const MetricFlags& flags, const std::string& data, const BatchSource& source);
  /// Outputs of the next `rows` samples, in the engine's order.
  void add(std::span<const Tensor> outputs, int64_t rows);
  double value() const;

 private:
  DetectionOptions options_;
  std::vector<PictureInfo> pictures_;
  std::vector<std::vector<LabelledBox>> truth_;
  std::vector<std::vector<Detection>> found_;
};

}  // namespace octile::cli
