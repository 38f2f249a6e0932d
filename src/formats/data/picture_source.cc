// A source over picture files: decoded and prepared one by one, so that memory does not grow.
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/data/decode.h"
#include "formats/data/selection.h"
#include "formats/data/sources.h"

namespace octile {
namespace {

class PictureSource : public BatchSource {
 public:
  PictureSource(std::vector<std::string> files, std::vector<int64_t> labels,
                const DataOptions& options, const std::string& origin)
      : files_(std::move(files)),
        labels_(std::move(labels)),
        options_(options),
        indices_(select_samples(int64_t(files_.size()), options, origin)) {
    if (options.input_shapes.empty()) return;
    check(options.input_shapes.size() == 1, ErrorCode::kInvalidArgument,
          "{}: pictures feed one input, but the model has {}; give the samples as .npz with one "
          "array an input",
          origin, options.input_shapes.size());
    input_name_ = options.input_shapes.begin()->first;
    input_ = options.input_shapes.begin()->second;
  }

  std::optional<Batch> next() override {
    if (at_ >= indices_.size()) return std::nullopt;
    const size_t count = std::min(size_t(options_.batch), indices_.size() - at_);
    Tensor stacked;
    for (size_t i = 0; i < count; ++i) {
      const std::string& file = files_[size_t(indices_[at_ + i])];
      const Tensor sample =
          prepare_picture(decode_picture(file), options_.preprocess, input_, file);
      Shape shape = sample.shape();
      shape[0] = int64_t(count);
      if (i == 0) stacked = Tensor(DataType::kFloat32, shape);
      check(shape == stacked.shape(), ErrorCode::kInvalidArgument,
            "{}: its size differs from the others' in the batch: {}, they are {}; use --preprocess "
            "size=HxW,fit=…, or batch 1",
            file, shape.to_string(), stacked.shape().to_string());
      std::memcpy(static_cast<std::byte*>(stacked.data()) + i * sample.bytes(), sample.data(),
                  sample.bytes());
    }
    at_ += count;
    Batch batch;
    batch.emplace(input_name_, std::move(stacked));
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

  std::vector<PictureInfo> pictures() const override {
    std::vector<PictureInfo> list;
    for (int64_t i : indices_) {
      const std::string& file = files_[size_t(i)];
      const auto [height, width] = picture_extents(file);
      list.push_back(
          {file, height, width, place_picture(height, width, options_.preprocess, input_, file)});
    }
    return list;
  }

  std::string digest() override {
    Hash hash;
    for (int64_t i : indices_) hash.add(read_file(files_[size_t(i)]));
    return hash.add(options_.preprocess.to_json()).hex();
  }

 private:
  std::vector<std::string> files_;
  std::vector<int64_t> labels_;
  DataOptions options_;
  std::string input_name_;
  Shape input_;
  std::vector<int64_t> indices_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<BatchSource> open_pictures(std::vector<std::string> files,
                                           std::vector<int64_t> labels, const DataOptions& options,
                                           const std::string& origin) {
  return std::make_unique<PictureSource>(std::move(files), std::move(labels), options, origin);
}

}  // namespace octile
