// One product of two run-time 8-bit operands, ready to run for one shape. Start reading at run().
#pragma once

#include <vector>

#include "backend/backend.h"
#include "kernels/cpu/gemm_code.h"

namespace octile {

class MatmulPrepared : public Prepared {
 public:
  MatmulPrepared(const StepView& view, const GemmKernels& kernels, const Device& device);
  void run(const Buffers& buffers) override;
  /// Scratch: left operands as the kernels read them, a packed column tile a thread.
  static size_t workspace_bytes(const StepView& view, const GemmKernels& kernels,
                                const Device& device);

 private:
  struct Routine {
    GemmShape shape;
    std::vector<int64_t> row_offset;
    GemmFunction function = nullptr;
    std::unique_ptr<GemmCode> code;
  };
  /// Where one thread packs.
  struct Scratch {
    int8_t* weights;
    int32_t* bias;
  };

  std::unique_ptr<Routine> make_routine(int64_t rows, int64_t n) const;
  void copy_left(const Buffers& buffers) const;
  void pack(const Buffers& buffers, int64_t matrix, int64_t tile, const Scratch& to) const;
  void run_item(const Buffers& buffers, int64_t item, const Scratch& scratch) const;

  const MatMulStep step_;
  const PlanTensor a_, b_, y_;
  const int64_t m_, n_, k_;
  const GemmKernel& kernel_;
  const GemmVariant& variant_;
  const int threads_;
  const bool bytes_, copies_;                           // of the left operand
  const int64_t left_row_, left_matrix_;                // bytes of what the kernels read
  std::vector<int64_t> left_, right_;                   // for each matrix of the output: which one
  int64_t tiles_, row_tiles_, larger_tiles_, smaller_;  // of columns; of rows, `larger_tiles_`
                                                        // of which have smaller_ + 1 rows
  int64_t row_parts_ = 1, items_ = 0;
  std::unique_ptr<Routine> routines_[2][2];  // [smaller_ or one more rows][full or cut columns]
  std::vector<float> multiplier_;            // nr times the same
  uint8_t* left_copy_ = nullptr;             // in the workspace of the current run
};

}  // namespace octile
