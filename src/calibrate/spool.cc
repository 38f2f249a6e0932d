// See spool.h. A record is: number of arrays, then for each its name, type, shape and bytes.
#include "calibrate/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"

namespace octile {
namespace {

int open_unlinked(const std::string& directory) {
  std::string name = directory + "/octile-calibration-XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  check(fd >= 0, ErrorCode::kIo,
        "{}: cannot create a temporary file for calibration batches: {}; set TMPDIR to a writable "
        "directory",
        directory, std::strerror(errno));
  unlink(name.c_str());
  return fd;
}

int64_t samples_of(const Batch& batch) {
  int64_t samples = -1;
  for (const auto& [name, tensor] : batch) {
    check(tensor.shape().rank() > 0, ErrorCode::kInvalidArgument,
          "calibration batch: array '{}' is a scalar; samples lie along axis 0", name);
    check(samples < 0 || tensor.shape()[0] == samples, ErrorCode::kInvalidArgument,
          "calibration batch: array '{}' has {} samples, another {}", name, tensor.shape()[0],
          samples);
    samples = tensor.shape()[0];
  }
  check(samples >= 0, ErrorCode::kInvalidArgument,
        "calibration batch: it holds no arrays; return nullopt at the end of the data");
  return samples;
}

}  // namespace

uint64_t sample_hash(const Batch& batch, int64_t row) {
  Hash hash;
  for (const auto& [name, tensor] : batch) {
    const Shape& shape = tensor.shape();
    hash.add(name).add_number(static_cast<uint64_t>(tensor.type()));
    for (int axis = 1; axis < shape.rank(); ++axis) {
      hash.add_number(static_cast<uint64_t>(shape[axis]));
    }
    const size_t bytes = tensor.bytes() / static_cast<size_t>(shape[0]);
    hash.add(tensor.as<std::byte>() + bytes * static_cast<size_t>(row), bytes);
  }
  return hash.value();
}

std::string digest_of_samples(uint64_t hash_sum, int64_t samples) {
  return Hash().add_number(hash_sum).add_number(static_cast<uint64_t>(samples)).hex();
}

SpoolingSource::SpoolingSource(std::function<std::optional<Batch>()> draw)
    : draw_(std::move(draw)) {
  std::error_code error;
  directory_ = std::filesystem::temp_directory_path(error).string();
  check(!error, ErrorCode::kIo, "no temporary directory for calibration batches: {}; set TMPDIR",
        error.message());
  fd_ = open_unlinked(directory_);
}

SpoolingSource::~SpoolingSource() { close(fd_); }

void SpoolingSource::write(const void* data, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  while (size > 0) {
    const ssize_t n = pwrite(fd_, bytes, size, written_);
    if (n < 0 && errno == EINTR) continue;
    check(n > 0, ErrorCode::kIo,
          "{}: cannot write calibration batches after {} bytes: {}; set TMPDIR to a larger disk",
          directory_, written_, std::strerror(errno));
    bytes += n;
    size -= static_cast<size_t>(n);
    written_ += n;
  }
}

void SpoolingSource::read(void* data, size_t size) {
  auto* bytes = static_cast<std::byte*>(data);
  while (size > 0) {
    const ssize_t n = pread(fd_, bytes, size, position_);
    if (n < 0 && errno == EINTR) continue;
    check(n > 0, ErrorCode::kIo, "{}: cannot read calibration batches back: {}", directory_,
          n == 0 ? "the file is too short" : std::strerror(errno));
    bytes += n;
    size -= static_cast<size_t>(n);
    position_ += n;
  }
}

void SpoolingSource::append(const Batch& batch) {
  const int64_t samples = samples_of(batch);
  for (int64_t row = 0; row < samples; ++row) hash_sum_ += sample_hash(batch, row);
  samples_ += samples;
  const uint64_t arrays = batch.size();
  write(&arrays, sizeof arrays);
  for (const auto& [name, tensor] : batch) {
    const uint64_t length = name.size();
    const DataType type = tensor.type();
    const Shape shape = tensor.shape();
    write(&length, sizeof length);
    write(name.data(), name.size());
    write(&type, sizeof type);
    write(&shape, sizeof shape);
    write(tensor.data(), tensor.bytes());
  }
}

std::optional<Batch> SpoolingSource::read_back() {
  if (position_ == written_) return std::nullopt;
  Batch batch;
  uint64_t arrays = 0;
  read(&arrays, sizeof arrays);
  for (; arrays > 0; --arrays) {
    uint64_t length = 0;
    read(&length, sizeof length);
    std::string name(length, '\0');
    read(name.data(), length);
    DataType type{};
    Shape shape;
    read(&type, sizeof type);
    read(&shape, sizeof shape);
    Tensor tensor(type, shape);
    read(tensor.data(), tensor.bytes());
    batch.emplace(std::move(name), std::move(tensor));
  }
  return batch;
}

std::optional<Batch> SpoolingSource::draw() {
  std::optional<Batch> batch = draw_();
  if (batch) {
    append(*batch);
  } else {
    drained_ = true;
    position_ = written_;
  }
  return batch;
}

std::optional<Batch> SpoolingSource::next() {
  started_ = true;
  return drained_ ? read_back() : draw();
}

void SpoolingSource::rewind() {
  while (started_ && !drained_) draw();
  position_ = 0;
}

std::string SpoolingSource::digest() { return digest_of_samples(hash_sum_, samples_); }

}  // namespace octile
