// Sources over arrays: .npy, .npz, IDX files, and arrays in memory.
#include <cstring>

#include "base/bytes.h"
#include "base/convert.h"
#include "base/error.h"
#include "formats/data/fit_array.h"
#include "formats/data/idx.h"
#include "formats/data/preprocess.h"
#include "formats/data/selection.h"
#include "formats/data/sources.h"

namespace octile {
namespace {

/// Rows `indices[begin, begin + count)` of an array, in its own type.
Tensor gather_rows(const Tensor& array, const std::vector<int64_t>& indices, size_t begin,
                   size_t count) {
  Shape shape = array.shape();
  const size_t row = array.shape()[0] > 0 ? array.bytes() / size_t(array.shape()[0]) : 0;
  shape[0] = int64_t(count);
  Tensor result(array.type(), shape);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(static_cast<std::byte*>(result.data()) + i * row,
                static_cast<const std::byte*>(array.data()) + size_t(indices[begin + i]) * row,
                row);
  }
  return result;
}

class ArraySource : public BatchSource {
 public:
  ArraySource(Batch arrays, std::vector<int64_t> labels, const DataOptions& options,
              const std::string& origin)
      : arrays_(std::move(arrays)), labels_(std::move(labels)), options_(options), origin_(origin) {
    check(!arrays_.empty(), ErrorCode::kInvalidFile, "{}: holds no samples", origin);
    const int64_t total = samples_in(arrays_.begin()->second);
    for (const auto& [name, array] : arrays_) {
      check(samples_in(array) == total, ErrorCode::kInvalidFile,
            "{}: array '{}' holds {} samples, another {}", origin, name, samples_in(array), total);
    }
    check(labels_.empty() || int64_t(labels_.size()) == total, ErrorCode::kInvalidFile,
          "{}: {} labels for {} samples", origin, labels_.size(), total);
    indices_ = select_samples(total, options, origin);
  }

  std::optional<Batch> next() override {
    if (at_ >= indices_.size()) return std::nullopt;
    const size_t count = std::min(size_t(options_.batch), indices_.size() - at_);
    Batch batch;
    for (const auto& [name, array] : arrays_) {
      Tensor rows = gather_rows(array, indices_, at_, count);
      batch.emplace(name, prepare(std::move(rows), name));
    }
    at_ += count;
    return batch;
  }

  void rewind() override { at_ = 0; }
  int64_t size() const override { return int64_t(indices_.size()); }

  std::vector<int64_t> labels() const override {
    std::vector<int64_t> chosen;
    if (labels_.empty()) return chosen;
    for (int64_t i : indices_) chosen.push_back(labels_[size_t(i)]);
    return chosen;
  }

  std::string digest() override {
    Hash hash;
    for (const auto& [name, array] : arrays_) {
      hash.add(name).add(name_of(array.type())).add(array.shape().to_string());
      for (size_t i = 0; i < indices_.size(); ++i) {
        const Tensor row = gather_rows(array, indices_, i, 1);
        hash.add(row.data(), row.bytes());
      }
    }
    return hash.add(options_.preprocess.to_json()).hex();
  }

 private:
  int64_t samples_in(const Tensor& array) const {
    check(array.shape().rank() >= 1, ErrorCode::kInvalidFile,
          "{}: an array without axes holds no samples", origin_);
    return array.shape()[0];
  }

  /// The entry of a table by input; the only input need not be named.
  template <typename T>
  static auto of_input(const std::map<std::string, T>& table, const std::string& name) {
    const bool only = name.empty() && table.size() == 1;
    return only ? table.begin() : table.find(name);
  }

  /// In the input's type where it is known; else integers and masks go in as they are, and bytes
  /// and other floats become float32.
  Tensor in_input_type(Tensor rows, const std::string& name) const {
    const auto found = of_input(options_.input_types, name);
    if (found != options_.input_types.end()) {
      return convert_exactly(std::move(rows), found->second,
                             fmt::format("{}: input '{}'", origin_, found->first));
    }
    const DataType type = rows.type();
    const bool index =
        type == DataType::kInt32 || type == DataType::kInt64 || type == DataType::kBool;
    return index ? std::move(rows) : rows.cast(DataType::kFloat32);
  }

  Tensor prepare(Tensor rows, const std::string& name) const {
    const auto found = of_input(options_.input_shapes, name);
    const Shape input = found == options_.input_shapes.end() ? Shape{} : found->second;
    const bool nhwc = options_.preprocess.layout == Preprocess::Layout::kNhwc;
    const bool images = rows.shape().rank() == 3 && (input.rank() == 4 || input.empty()) &&
                        rows.type() == DataType::kUInt8;
    rows = in_input_type(std::move(rows), name);
    if (images) {  // bytes without channels, as in IDX files
      const Shape& s = rows.shape();
      rows = rows.reshaped(nhwc ? Shape{s[0], s[1], s[2], 1} : Shape{s[0], 1, s[1], s[2]});
    }
    const bool kept = fit_array(rows, input, nhwc, origin_);
    if (rows.type() != DataType::kFloat32) return rows;  // nothing is scaled but numbers
    prepare_array(rows, options_.preprocess, nhwc && kept ? rows.shape().rank() - 1 : 1, origin_);
    return rows;
  }

  Batch arrays_;
  std::vector<int64_t> labels_;
  DataOptions options_;
  std::string origin_;
  std::vector<int64_t> indices_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<BatchSource> open_arrays(Batch arrays, std::vector<int64_t> labels,
                                         const DataOptions& options, const std::string& origin) {
  return std::make_unique<ArraySource>(std::move(arrays), std::move(labels), options, origin);
}

std::unique_ptr<BatchSource> memory_data(Batch samples, int64_t batch) {
  DataOptions options;
  options.batch = batch;
  return open_arrays(std::move(samples), {}, options, "samples in memory");
}

}  // namespace octile
