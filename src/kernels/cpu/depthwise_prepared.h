// One INT8 depthwise convolution, ready to run for one shape. Start reading at run().
#pragma once

#include <optional>
#include <vector>

#include "kernels/cpu/depthwise_stage.h"

namespace octile {

class DepthwisePrepared : public Prepared {
 public:
  DepthwisePrepared(const StepView& view, const DepthwiseWeights& weights, const Device& device);
  void run(const Buffers& buffers) override;
  /// Scratch: a thread's interleaved columns, row pointers and copied rows; dynamic steps' tables a
  /// sample.
  static size_t workspace_bytes(const StepView& view, const DepthwiseCut& cut,
                                const Device& device);

 private:
  struct Rows;
  DepthwiseBlock block_of(const StepView& view) const;
  void fill_samples(const Buffers& buffers);
  void fill_rows(const Buffers& buffers, int64_t image, int64_t first, int lanes, Rows& rows) const;
  void point_at_stage(Rows& rows) const;
  void run_staged(const Buffers& buffers, DepthwiseFunction function, const DepthwiseBlock& b,
                  int64_t image, int64_t first, const Rows& rows) const;
  void run_chunk(const Buffers& buffers, const DepthwiseChunk& chunk, int64_t image, int64_t first,
                 Rows& rows) const;

  const ConvStep step_;
  const Geometry g_;
  const PlanTensor x_;
  const DepthwiseWeights& weights_;
  int threads_;
  std::optional<DepthwiseStage> stage_;  // few channels: rows are copied
  DepthwiseBlock block_;                 // what all calls share
  std::vector<size_t> units_;     // first chunk of each set of overlapping chunks; then the end
  int64_t band_;                  // output rows of a task: a multiple of every call's
  std::vector<uint8_t> padding_;  // a row of z_x
  // Tables of dynamic steps, in the workspace of the current run: [sample][…].
  int32_t* sample_bias_ = nullptr;
  float* sample_scale_ = nullptr;
  uint8_t* sample_padding_ = nullptr;
};

}  // namespace octile
