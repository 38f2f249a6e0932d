// Batches that can be read once only (a Calibrator's) kept in an unlinked temporary file, so that
// the counting pass can read them again. Memory holds one batch at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "octile/calibration.h"

namespace octile {

/// Hash of sample `row`: names, types, shapes and bytes of its part of every array.
uint64_t sample_hash(const Batch& batch, int64_t row);
/// Digest of a set of samples, of the sum of their hashes: the same for any order and any cut.
std::string digest_of_samples(uint64_t hash_sum, int64_t samples);

/// A SpoolingSource is a BatchSource over a function that delivers each batch once: the first pass
/// draws from it and writes, later passes read back. The file has no name and vanishes with it; it
/// lies in the system's temporary directory (TMPDIR). Not thread-safe.
class SpoolingSource : public BatchSource {
 public:
  /// Throws kIo when no temporary file can be made.
  explicit SpoolingSource(std::function<std::optional<Batch>()> draw);
  ~SpoolingSource() override;
  SpoolingSource(const SpoolingSource&) = delete;
  SpoolingSource& operator=(const SpoolingSource&) = delete;

  std::optional<Batch> next() override;
  /// A first pass that is not over is drawn to its end.
  void rewind() override;
  int64_t size() const override { return drained_ ? samples_ : -1; }
  /// Over names, types, shapes and bytes of the samples drawn so far; the same for any order and
  /// any cut into batches.
  std::string digest() override;

 private:
  std::optional<Batch> draw();
  void append(const Batch& batch);
  std::optional<Batch> read_back();
  void write(const void* data, size_t size);
  void read(void* data, size_t size);

  std::function<std::optional<Batch>()> draw_;
  std::string directory_;
  int fd_ = -1;
  int64_t written_ = 0, position_ = 0;  // bytes
  bool drained_ = false, started_ = false;
  int64_t samples_ = 0;
  uint64_t hash_sum_ = 0;
};

}  // namespace octile
