// Calibration: from samples to a range for every tensor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "octile/data.h"
#include "octile/network.h"
#include "octile/types.h"

namespace octile {

/// Rows of one table (src/calibrate/algorithms.h); docs/calibration.md derives each.
enum class CalibrationMethod : uint8_t { kEntropy, kMinMax, kPercentile, kMse };
/// "entropy", "minmax", "percentile", "mse".
std::string_view name_of(CalibrationMethod method);
CalibrationMethod calibration_method_from_name(std::string_view name);

/// Everything one tensor's values left behind: what all methods need, exact under merge.
/// Counts are of bins of |x| of width `bin_width` = max|x| / kBins; a value of exactly max|x|
/// belongs to the last bin. positive[0] holds the zeros. Not finite values are counted apart.
struct Histogram {
  static constexpr int kBins = 2048;
  float min = 0.0f, max = 0.0f;              // over the finite values; both 0 when there are none
  std::vector<uint64_t> positive, negative;  // kBins each (empty before the counting pass)
  uint64_t finite = 0, nan = 0, infinite = 0, zeros = 0;
  float abs_max() const;
  float bin_width() const { return abs_max() / static_cast<float>(kBins); }
  /// Adds another part of the same tensor's values. REQUIRES: equal abs_max() once counted.
  void merge(const Histogram& other);
  bool operator==(const Histogram&) const = default;
};

/// Named ranges plus where they came from. TensorRT's caches carry |range| = 127·scale alone.
class CalibrationTable {
 public:
  struct Entry {
    Range range;             // affine schemes use both ends; symmetric ones symmetric_threshold
    float threshold = 0.0f;  // T of the symmetric schemes (range / 127 is TensorRT's scale)
    std::optional<Range> seen =
        std::nullopt;  // least and largest value of the samples, where it is known
    bool operator==(const Entry&) const = default;
  };
  std::map<std::string, Entry> entries;  // by tensor name
  std::string method;                    // "entropy", …; TensorRT's token for caches read from it
  double percentile = 0.0;               // of method "percentile"; 0 otherwise
  std::string path;  // which float path made it: "onednn", "cuda", "reproducible", "cache"
  std::string model_digest, data_digest;  // empty: not known (TensorRT caches)
  std::string preprocess;                 // Preprocess::to_json(), empty for none
  int64_t samples = 0;
  std::vector<std::string> warnings;  // constant, NaN, clipped … tensors: one message each

  const Entry* find(const std::string& tensor) const;

  /// Octile's own cache (JSON, docs/calibration.md), written through a temporary file.
  void save(const std::string& file) const;
  static CalibrationTable load(const std::string& file);
  std::string to_json() const;
  static CalibrationTable from_json(std::string_view json, const std::string& origin);
  /// TensorRT's text form "TRT-<version>-<algorithm>"; scale = threshold / 127 as hex float bits.
  std::string to_tensorrt(const std::string& version = "8601") const;
  static CalibrationTable from_tensorrt(std::string_view text, const std::string& origin);
  /// Reads either form, by its first bytes.
  static CalibrationTable parse(std::string_view bytes, const std::string& origin);
  static CalibrationTable load_any(const std::string& file);
};

/// ncnn's calibration table of a network that quantize() made (style kTensorRt, static-symmetric):
/// the scales of the weights and inputs of its int8 convolutions and products, by layer name, in
/// the text form of ncnn2table (docs/export.md).
std::string to_ncnn_table(const Network& quantized);

/// Progress of long work: done of total units (total −1: unknown) of the named phase.
using ProgressFunction = std::function<void(std::string_view phase, int64_t done, int64_t total)>;
using LogCallback = std::function<void(LogLevel, std::string_view message)>;

struct CalibrationOptions {
  CalibrationMethod method = CalibrationMethod::kEntropy;
  double percentile = 99.99;  // of |x| (symmetric); both tails share the rest (affine)
  bool reproducible = false;  // plain fixed-order float path: the same bits on any machine
  /// Where the float network runs and values are counted: "cpu" or a GPU, "cuda:0". A GPU's float
  /// arithmetic is another path, recorded as "cuda".
  std::string device = "cpu";
  int threads = 0;  // 0: all cores
  /// Shapes of inputs whose extents are dynamic (batch excluded: the driver re-chunks).
  std::map<std::string, Shape> input_shapes;
  std::string preprocess;  // Preprocess::to_json() of the samples: kept in the table
  /// File for the counts so far, written every second or so and removed at the end: a collection
  /// that was interrupted goes on from it, with the result it would have had. One that was made for
  /// another model, other samples or preprocessing is warned about and begun anew. Empty: none.
  /// (A Calibrator's batches can be read once only: with one there are no checkpoints.)
  std::string checkpoint;
  double checkpoint_seconds = 1.0;  // the least time between two writes
  ProgressFunction progress;        // called by the thread that called collect()
  LogCallback log;
};

/// The histograms of every float tensor of the network over all samples: one collection serves
/// every method. Deterministic: any batch size, batch order and thread count gives the same.
struct CalibrationData {
  std::map<std::string, Histogram> histograms;
  std::string path, model_digest, data_digest, preprocess;
  int64_t samples = 0;
};
CalibrationData collect(const Network& network, BatchSource& source,
                        const CalibrationOptions& options = {});

/// What one process made of some of the samples, where several share a collection: histograms that
/// merge exactly, in any order and grouping (docs/scale.md). There are two rounds, as in
/// collect(): the ranges of all parts, merged; then their counts, which those ranges are needed
/// for.
struct CalibrationPart {
  bool counted = false;
  std::map<std::string, Histogram> histograms;  // by tensor
  /// The float paths that made it, a text each: "reproducible", or kind, library, instruction set
  /// and chip ("onednn: oneDNN 2.6.0 …"). Equal texts, equal bits. Several where parts were mixed.
  std::set<std::string> paths;
  std::string model_digest, preprocess;
  int64_t samples = 0;
  uint64_t sample_hashes = 0;  // their sum: shows that each sample is in, and is in once

  /// Adds another part. Throws kInvalidArgument for one of another round, model or preprocessing
  /// and, unless `mixed`, for one of another float path, naming both.
  void merge(const CalibrationPart& other, bool mixed = false);
  /// The same bytes on any machine; about 6 KB a tensor once counted.
  std::string to_bytes() const;
  static CalibrationPart from_bytes(std::string_view bytes, const std::string& origin);
  bool operator==(const CalibrationPart&) const = default;
};

/// A PartCollector makes parts, one after the other; its float engine stays compiled. Not
/// thread-safe.
class PartCollector {
 public:
  /// Throws kInvalidArgument for a network with a fixed batch above 1, where samples share runs:
  /// the result would depend on how they are shared out. options.checkpoint is not used.
  PartCollector(const Network& network, const CalibrationOptions& options);
  ~PartCollector();
  PartCollector(PartCollector&&) noexcept;
  /// One pass over the source each. `ranges` is merged over all samples.
  CalibrationPart ranges(BatchSource& source, const ProgressFunction& progress = {});
  CalibrationPart counts(BatchSource& source, const CalibrationPart& ranges,
                         const ProgressFunction& progress = {});
  /// The one text of its parts' `paths`.
  const std::string& path() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The collection that the merged ranges and the merged counts are; its digest of the samples is
/// that of the same samples drawn from a Calibrator. Throws kInvalidArgument when there are no
/// samples or the two rounds did not see the same ones.
CalibrationData whole_collection(const CalibrationPart& ranges, const CalibrationPart& counts);

/// Ranges by one method, all tensors in parallel.
CalibrationTable compute_table(const CalibrationData& data, const CalibrationOptions& options = {});
/// collect() then compute_table().
CalibrationTable calibrate(const Network& network, BatchSource& source,
                           const CalibrationOptions& options = {});
/// The range of one histogram by one method (docs/calibration.md).
CalibrationTable::Entry threshold(const Histogram& histogram, CalibrationMethod method,
                                  double percentile = 99.99);

/// What a calibration cache must have been made for. What is left empty is not compared.
struct CacheRequirements {
  std::optional<CalibrationMethod> method;
  std::optional<double> percentile;
  std::optional<std::string> preprocess;  // Preprocess::to_json(), "" for none
  std::string data_digest;
  bool reproducible = false;  // refuses a cache of another float path
};
/// Throws kInvalidArgument, beginning with `origin`, when `table` was made for another network or
/// for something else than `wanted`. A TensorRT cache carries nothing to compare but the tensors'
/// names: where they are not the network's, one message goes to table.warnings.
void check_cache(CalibrationTable& table, const Network& network, const CacheRequirements& wanted,
                 const std::string& origin);

/// A Calibrator is the interface that TensorRT's users know. Order of calls: read_cache; if it
/// gives nothing, next_batch until nullopt, then write_cache.
class Calibrator {
 public:
  virtual ~Calibrator() = default;
  virtual CalibrationMethod method() const { return CalibrationMethod::kEntropy; }
  virtual int64_t batch_size() const = 0;
  virtual std::optional<Batch> next_batch() = 0;
  /// Digest of the samples if it is known without next_batch(), to check a cache against; else "".
  virtual std::string data_digest() { return ""; }
  /// Bytes of a cache in either form, or nullopt.
  virtual std::optional<std::string> read_cache() { return std::nullopt; }
  virtual void write_cache(const std::string& /*bytes*/) {}
};

/// A ready-made Calibrator over any BatchSource, with a cache file: written in TensorRT's form when
/// `tensorrt_form`, else in Octile's; read in either. An empty `cache_file` means none.
class SourceCalibrator : public Calibrator {
 public:
  SourceCalibrator(std::unique_ptr<BatchSource> source, CalibrationMethod method,
                   std::string cache_file = "", int64_t batch = 1, bool tensorrt_form = false);
  CalibrationMethod method() const override { return method_; }
  int64_t batch_size() const override { return batch_; }
  std::optional<Batch> next_batch() override { return source_->next(); }
  std::string data_digest() override { return source_->digest(); }
  /// Also starts the source again from its first batch.
  std::optional<std::string> read_cache() override;
  void write_cache(const std::string& bytes) override;

 private:
  std::unique_ptr<BatchSource> source_;
  CalibrationMethod method_;
  std::string cache_file_;
  int64_t batch_;
  bool tensorrt_form_;
};

/// Runs the life cycle. Batches are spooled to an unlinked temporary file, since the range pass
/// comes first: memory does not grow with the number of samples. A cache whose digests do not
/// match model or data is refused with kInvalidArgument; TensorRT caches have none and warn about
/// names that the network lacks, or that the cache lacks, once.
CalibrationTable calibrate(const Network& network, Calibrator& calibrator,
                           const CalibrationOptions& options = {});

}  // namespace octile
