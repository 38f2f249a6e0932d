// One INT8 convolution or product by AMX, ready to run for one shape. Start reading at run().
#pragma once

#include <vector>

#include "kernels/cpu/amx_image.h"

namespace octile {

class AmxPrepared : public Prepared {
 public:
  AmxPrepared(const StepView& view, const AmxWeights& weights, const Device& device);
  void run(const Buffers& buffers) override;
  /// Scratch: sums of two blocks a thread, copied images or the last rows, tables of dynamic steps.
  static size_t workspace_bytes(const StepView& view, const Device& device);

 private:
  struct Regions;
  static Regions regions_of(const StepView& view, const Device& device);
  void set_rows();
  void set_chunks();
  void set_ahead(int64_t column_blocks, int64_t block_bytes);
  AmxRowBlock row_block(int64_t first, int64_t count, int64_t stop) const;
  void copy_input(const Buffers& buffers, uint8_t* images, uint8_t* last);
  void fill_samples(const Buffers& buffers, int32_t* bias, float* scale) const;

  const ConvStep step_;
  const Geometry g_;
  const PlanTensor x_, y_;
  const int64_t out_row_;  // outputs from row to row
  const AmxWeights& weights_;
  const AmxLayout layout_;
  const int threads_;
  const std::vector<int32_t> offsets_;  // of the steps of k
  std::vector<AmxRowBlock> row_blocks_;
  AmxRowBlock last_rows_{};
  int64_t last_count_ = 0;  // rows of the last block, where it is copied
  int64_t tasks_ = 0, grain_ = 1;
  AmxFunction function_;
  AmxJob job_{};  // all but the addresses of a run
};

}  // namespace octile
