// Comparing two sets of outputs, and the metrics that the command line and the demo print.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octile/builder.h"
#include "octile/calibration.h"
#include "octile/data.h"
#include "octile/network.h"
#include "octile/plan.h"
#include "octile/tensor.h"

namespace octile {

/// Signal-to-quantization-noise ratio in dB: 10·log10(Σ r² / Σ (r − x)²); +infinity when equal.
double sqnr_db(std::span<const float> reference, std::span<const float> value);
/// Cosine of the angle between the two as vectors; 1 when both are zero.
double cosine(std::span<const float> reference, std::span<const float> value);
/// Share (0…1) of rows of `scores` (N, classes) whose label is among the k best; ties go to the
/// lower class. Throws kInvalidArgument when the counts differ.
double top_k_accuracy(const Tensor& scores, std::span<const int64_t> labels, int k);
/// Share of rows whose best class is the same in both.
double top1_agreement(const Tensor& a, const Tensor& b);

/// How far one tensor of an engine is from the float network's, over all samples.
struct TensorComparison {
  std::string tensor;     // its name in both
  std::string layer;      // the engine's step that makes it, "" for an input
  std::string precision;  // how the engine keeps it: "int8", "float16" or "float32"
  bool output = false;    // of the engine
  int64_t order = 0;      // in which the engine makes its tensors, inputs first
  double sqnr_db = 0.0;   // as sqnr_db(): +infinity when equal, −infinity for errors alone
  double cosine = 0.0;
  double max_abs_error = 0.0;
};

struct Comparison {
  int64_t samples = 0;
  std::vector<TensorComparison> tensors;  // worst SQNR first; then the outputs, worst first
  /// Tensors of one side that the other does not have by name and shape: fused or folded away, or
  /// made by rewriting.
  int64_t only_reference = 0, only_candidate = 0;

  /// Outputs that could not be compared in all samples, since their shapes hang on values and
  /// differed, and in how many not. Integers are not compared, and not counted here.
  std::map<std::string, int64_t> skipped_outputs;

  /// Of the worst output, over the samples in which it could be compared; +infinity where all are
  /// equal; nullopt where no output could be: all hold integers, or differed in shape throughout.
  std::optional<double> output_sqnr_db() const;
  /// That and the skipped outputs, as PrecisionGoal::evaluate tells it; without a metric.
  Accuracy accuracy() const;
};

struct CompareOptions {
  std::string device = "cpu";  // of the engine; the float network runs on the CPU
  int threads = 0;             // 0: all cores
  ProgressFunction progress;   // phase "compare", samples done
  LogCallback log;
  /// Sees the outputs of both after each batch, the candidate's in the reference's order; only
  /// their first `rows` samples count (a batch below a fixed extent is filled up).
  std::function<void(std::span<const Tensor> reference, std::span<const Tensor> candidate,
                     int64_t rows)>
      outputs;
};

/// What a precision report shows beside Plan::precision().
struct PrecisionReportOptions {
  std::string model, command;  // the file, and what repeats the build
  /// Distributions of the samples, by tensor, drawn with the thresholds of every method.
  const CalibrationData* histograms = nullptr;
  std::string method;         // by which the plan's ranges were found: "entropy"
  double percentile = 99.99;  // of method "percentile"
  int64_t evaluated = -1;     // samples that the metric was taken on
};
/// Why each layer of a plan has its precision, as JSON (docs/report_format.md) or as one HTML page
/// that needs nothing beside it. Throws kInvalidArgument for a plan that was built without
/// measuring (Plan::precision() is empty).
std::string precision_report_json(const Plan& plan, const PrecisionReportOptions& options = {});
std::string precision_report_html(const Plan& plan, const PrecisionReportOptions& options = {});

/// Runs the float network and an engine side by side on `source` and compares every tensor that
/// both have by name, int8 ones dequantized. Sums are kept in double, so memory does not grow with
/// the number of samples. Inputs are matched by name, or by position where each has one; outputs
/// by name, or by position where their number is equal. Throws kInvalidArgument naming what does
/// not fit, and when there are no samples.
Comparison compare(const Network& reference, const Plan& candidate, BatchSource& source,
                   const CompareOptions& options = {});

}  // namespace octile
