// One INT8 convolution or product, ready to run for one shape. Start reading at run().
#pragma once

#include <vector>

#include "kernels/cpu/gemm_code.h"
#include "kernels/cpu/gemm_weights.h"

namespace octile {

class GemmPrepared : public Prepared {
 public:
  GemmPrepared(const StepView& view, const GemmWeights& weights, const Device& device);
  void run(const Buffers& buffers) override;
  /// Scratch: copies of images; dynamic steps' tables a sample.
  static size_t workspace_bytes(const StepView& view, const GemmKernel& kernel,
                                const Device& device);

 private:
  /// Equal tiles that one call makes, in a line.
  struct Part {
    int64_t first_row = 0, tiles = 0;
    int rows = 0;        // of a tile
    size_t routine = 0;  // of full column tiles; the next one is that of the group's last
  };
  /// Output rows that are made without a look at the image between them.
  struct Line {
    int64_t rows = 0;
    std::vector<Part> parts;
  };
  struct Routine {
    GemmShape shape;
    std::vector<int64_t> row_offset;
    GemmFunction function = nullptr;
    std::unique_ptr<GemmCode> code;
  };
  /// What one thread makes: lines × column tiles.
  struct Share {
    int64_t first_line, last_line, first_tile, last_tile;
  };

  /// Else a sample is a row.
  bool sample_is_image() const { return g_.n == samples_; }
  void plan_lines();
  Line make_line(int64_t rows, int64_t unit);
  size_t make_routines(int rows);
  std::unique_ptr<Routine> make_routine(int rows, int64_t n) const;
  GemmShape make_shape(int rows, int n) const;
  void split(int64_t lines);
  Share share_of(int64_t part, int64_t lines) const;
  void fill_samples(const Buffers& buffers);
  void plan_steps();
  void copy_images(const Buffers& buffers, int64_t first_image, int64_t images) const;
  void run_tile(const Buffers& buffers, int64_t first_image, int64_t tile, int64_t first_line,
                int64_t last_line) const;

  const ConvStep step_;
  Geometry g_;  // contiguous images (or matrices) are one image of one row
  const PlanTensor x_, y_;
  PlanTensor residual_;
  const GemmWeights& weights_;
  const int threads_;
  const bool bytes_;
  const int64_t out_stride_;     // bytes from output row to output row
  int64_t residual_stride_ = 0;  // likewise
  const GemmSource source_;
  std::vector<int64_t> segment_offset_;
  std::vector<int32_t> steps_;  // chained kernels: [tile][group], GemmCall::steps
  int64_t samples_ = 1, tiles_ = 0;
  int64_t images_at_once_ = 1, lines_an_image_ = 1, rows_a_line_ = 1, block_lines_ = 1;
  Line line_, last_line_;
  std::vector<std::unique_ptr<Routine>> routines_;  // pairs: full column tiles, a cut last one
  int64_t row_parts_ = 1, column_parts_ = 1;
  uint8_t* copies_ = nullptr;  // in the workspace of the current run
  // Tables of dynamic steps, in the workspace of the current run: [sample][column].
  int32_t* sample_bias_ = nullptr;
  float* sample_scale_ = nullptr;
  std::vector<uint8_t> sample_zero_;  // what borders hold
};

}  // namespace octile
