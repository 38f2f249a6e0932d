// One INT8 convolution or product, ready to run for one shape. Start reading at run().
#pragma once

#include <vector>

#include "kernels/cpu/gemm_weights.h"
#include "plan/geometry.h"

namespace octile {

class GemmPrepared : public Prepared {
 public:
  GemmPrepared(const StepView& view, const GemmWeights& weights, const Device& device);
  void run(const Buffers& buffers) override;
  /// Scratch: per thread row pointers and gathered rows; dynamic steps' tables a sample.
  static size_t workspace_bytes(const StepView& view, const GemmKernel& kernel,
                                const Device& device);

 private:
  struct Scratch;
  void fill_offsets();
  void fill_samples(const Buffers& buffers);
  void fill_rows(const Buffers& buffers, int64_t first_row, int64_t count, Scratch& scratch) const;
  void fill_padded_rows(int64_t first_row, int64_t count, Scratch& scratch) const;
  void fill_image_rows(const Buffers& buffers, int64_t first_row, int64_t count,
                       Scratch& scratch) const;
  void gather_row(const Buffers& buffers, int64_t row, uint8_t* to) const;
  void pad_images(const Buffers& buffers) const;
  const uint8_t* padding_row(const Buffers& buffers, int64_t row) const;
  void run_tiles(const Buffers& buffers, int64_t first_row, int64_t count, int64_t first_tile,
                 int64_t last_tile, const Scratch& scratch) const;
  int64_t sample_of(int64_t row) const { return row / rows_per_sample_; }

  const ConvStep step_;
  const Geometry g_;
  const PlanTensor x_, y_;
  PlanTensor residual_;
  const GemmWeights& weights_;
  int threads_;
  int64_t pixels_, rows_, samples_, rows_per_sample_;
  int64_t tiles_, tiles_per_chunk_, chunks_, row_tiles_;
  std::vector<int32_t> offsets_;  // [tap][pixel] in bytes into one image; −1: padding
  std::vector<uint8_t> padding_;  // one pixel of z_x
  uint8_t* images_ = nullptr;     // padded copies, in the workspace of the current run
  // Tables of dynamic steps, in the workspace of the current run: [sample][column].
  int32_t* sample_bias_ = nullptr;
  float* sample_scale_ = nullptr;
  uint8_t* sample_padding_ = nullptr;  // [sample][channel]
};

}  // namespace octile
