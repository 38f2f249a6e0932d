// See chunks.h.
#include "calibrate/chunks.h"

#include <algorithm>
#include <cstring>

#include "base/convert.h"
#include "base/error.h"

namespace octile {
namespace {

/// The network's shape with the caller's extents filled in; `given` may leave out the batch axis.
Shape with_given_extents(const std::string& name, Shape shape, const Shape& given) {
  const int skip = given.rank() == shape.rank() ? 0 : 1;
  check(given.rank() + skip == shape.rank(), ErrorCode::kInvalidArgument,
        "input '{}': the shape {} given for calibration does not fit the network's {}", name,
        given.to_string(), shape.to_string());
  for (int axis = 1; axis < shape.rank(); ++axis) {
    const int64_t extent = given[axis - skip];
    if (extent == kDynamic) continue;
    check(shape[axis] == kDynamic || shape[axis] == extent, ErrorCode::kInvalidArgument,
          "input '{}': the shape {} given for calibration contradicts the network's {}", name,
          given.to_string(), shape.to_string());
    shape[axis] = extent;
  }
  return shape;
}

bool fits(const Shape& sample, const Shape& wanted) {
  if (sample.rank() != wanted.rank()) return false;
  for (int axis = 1; axis < wanted.rank(); ++axis) {
    if (wanted[axis] != kDynamic && wanted[axis] != sample[axis]) return false;
  }
  return true;
}

Shape with_rows(Shape shape, int64_t rows) {
  shape[0] = rows;
  return shape;
}

size_t bytes_per_row(const Tensor& tensor) {
  return tensor.shape()[0] == 0 ? 0 : tensor.bytes() / static_cast<size_t>(tensor.shape()[0]);
}

std::string keys_of(const Batch& batch) {
  std::string keys;
  for (const auto& [key, tensor] : batch) {
    keys += fmt::format("{}'{}'", keys.empty() ? "" : ", ", key);
  }
  return keys.empty() ? "nothing" : keys;
}

}  // namespace

ChunkReader::ChunkReader(const Network& network, BatchSource& source,
                         const CalibrationOptions& options)
    : source_(source) {
  check(!network.inputs().empty(), ErrorCode::kInvalidArgument,
        "network '{}' has no inputs: there is nothing to calibrate with samples", network.name());
  int64_t fixed = kDynamic;
  for (const TensorId id : network.inputs()) {
    Input input{network.name(id), network.type(id), network.shape(id), {}};
    check(input.shape.rank() > 0, ErrorCode::kInvalidArgument,
          "input '{}' is a scalar: calibration samples lie along axis 0 of every input",
          input.name);
    if (const auto given = options.input_shapes.find(input.name);
        given != options.input_shapes.end()) {
      input.shape = with_given_extents(input.name, input.shape, given->second);
    }
    const int64_t extent = input.shape[0];
    check(extent == kDynamic || fixed == kDynamic || extent == fixed, ErrorCode::kInvalidArgument,
          "input '{}' has batch {}, another input {}: give all inputs one batch, or -1", input.name,
          extent, fixed);
    if (extent != kDynamic) fixed = extent;
    inputs_.push_back(std::move(input));
  }
  check(fixed == kDynamic || fixed > 0, ErrorCode::kInvalidArgument,
        "network '{}' has an empty batch axis", network.name());
  batch_ = fixed == kDynamic ? 1 : fixed;
}

void ChunkReader::rewind() {
  source_.rewind();
  position_ = available_ = samples_ = 0;
}

Tensor ChunkReader::take(const Batch& batch, const Input& input) const {
  auto found = batch.find(input.name);
  if (found == batch.end() && inputs_.size() == 1) found = batch.find("");
  check(
      found != batch.end(), ErrorCode::kInvalidArgument,
      "calibration sample {}: the data has {}, but not the network's input '{}'; rename the array",
      samples_, keys_of(batch), input.name);
  const Tensor& given = found->second;
  check(fits(given.shape(), input.shape), ErrorCode::kInvalidArgument,
        "calibration sample {}: input '{}' needs shape {} (axis 0: any number of samples), the "
        "data has {}; reshape or preprocess it",
        samples_, input.name, with_rows(input.shape, kDynamic).to_string(),
        given.shape().to_string());
  return convert_exactly(given, input.type,
                         fmt::format("calibration sample {}: input '{}'", samples_, input.name));
}

bool ChunkReader::load_batch() {
  while (position_ == available_) {
    const std::optional<Batch> batch = source_.next();
    if (!batch) return false;
    for (Input& input : inputs_) input.current = take(*batch, input);
    available_ = inputs_.front().current.shape()[0];
    position_ = 0;
    for (const Input& input : inputs_) {
      check(input.current.shape()[0] == available_, ErrorCode::kInvalidArgument,
            "calibration sample {}: a batch has {} samples of '{}' but {} of '{}'", samples_,
            available_, inputs_.front().name, input.current.shape()[0], input.name);
    }
  }
  return true;
}

void ChunkReader::append(Chunk& chunk, int64_t rows) {
  for (const Input& input : inputs_) {
    Tensor& into = chunk.inputs[input.name];
    const Shape shape = with_rows(input.current.shape(), batch_);
    if (chunk.rows == 0) into = Tensor(input.type, shape);
    check(
        into.shape() == shape, ErrorCode::kInvalidArgument,
        "calibration sample {}: input '{}' changes its shape from {} to {} within one chunk of {} "
        "samples, the network's fixed batch",
        samples_, input.name, into.shape().to_string(), shape.to_string(), batch_);
    const size_t row = bytes_per_row(input.current);
    if (row == 0) continue;
    std::memcpy(into.as<std::byte>() + row * static_cast<size_t>(chunk.rows),
                input.current.as<std::byte>() + row * static_cast<size_t>(position_),
                row * static_cast<size_t>(rows));
  }
  chunk.rows += rows;
  position_ += rows;
  samples_ += rows;
}

std::optional<Chunk> ChunkReader::next() {
  Chunk chunk;
  chunk.first = samples_;
  while (chunk.rows < batch_ && load_batch()) {
    append(chunk, std::min(batch_ - chunk.rows, available_ - position_));
  }
  if (chunk.rows == 0) return std::nullopt;
  for (auto& [name, tensor] : chunk.inputs) {
    const size_t row = bytes_per_row(tensor);
    if (row == 0) continue;
    auto* bytes = tensor.as<std::byte>();
    const std::byte* last = bytes + row * static_cast<size_t>(chunk.rows - 1);
    for (int64_t r = chunk.rows; r < batch_; ++r) {
      std::memcpy(bytes + row * static_cast<size_t>(r), last, row);
    }
  }
  return chunk;
}

}  // namespace octile
