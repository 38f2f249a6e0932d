// Re-chunking: whatever batches a source delivers, the network runs on chunks of one fixed size, so
// that a sample's values cannot depend on its batch mates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "octile/calibration.h"

namespace octile {

/// Inputs of one run of the network. The last chunk of a network with a fixed batch repeats its
/// last sample to fill up; only `rows` of them are real.
struct Chunk {
  Batch inputs;  // by the network's names
  int64_t rows = 0;
  int64_t first = 0;  // index of its first sample
};

/// A ChunkReader turns a source's batches into chunks: one sample each where the network's batch
/// axis is dynamic or 1, else as many as the network's fixed batch. Checks every array against the
/// network's inputs. Not thread-safe.
class ChunkReader {
 public:
  /// Throws kInvalidArgument when the network's inputs have no batch axis in common.
  ChunkReader(const Network& network, BatchSource& source, const CalibrationOptions& options);
  std::optional<Chunk> next();
  void rewind();
  /// Rows of a full chunk.
  int64_t batch() const { return batch_; }
  int64_t samples_read() const { return samples_; }

 private:
  struct Input {
    std::string name;
    DataType type;
    Shape shape;     // axis 0 is the batch; kDynamic where unknown
    Tensor current;  // of the batch being cut up
  };
  bool load_batch();
  Tensor take(const Batch& batch, const Input& input) const;
  void append(Chunk& chunk, int64_t rows);

  BatchSource& source_;
  std::vector<Input> inputs_;
  int64_t batch_ = 1;
  int64_t position_ = 0, available_ = 0;  // rows of the current batch
  int64_t samples_ = 0;
};

}  // namespace octile
