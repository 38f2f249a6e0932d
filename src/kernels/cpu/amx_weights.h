// Weights of a ConvStep in the tiles of amx_kernel.h, and the tables of its columns.
#pragma once

#include "backend/backend.h"
#include "kernels/cpu/amx_kernel.h"
#include "octile/tensor.h"

namespace octile {

/// How the k axis is cut: `segments` of `run` values, each padded to whole steps. Hangs on the step
/// alone, so that one packing serves all shapes.
struct AmxCut {
  int64_t segments, run, segment_steps;
  int64_t steps() const { return segments * segment_steps; }
};

/// A segment is a kernel row of all channels, or a tap where there are groups. (The whole window as
/// one segment spares few channels half of the steps, but the copy that it needs costs more.)
AmxCut amx_cut(const ConvStep& step);

class AmxWeights : public PackedWeights {
 public:
  explicit AmxWeights(const StepView& view);
  size_t bytes() const override { return packed.bytes() + bias.bytes() + 2 * scale.bytes(); }

  AmxCut cut;
  int64_t group_blocks;  // column blocks of a group
  int64_t group_bytes;   // of packed weights
  int64_t columns;       // of all blocks, padding included
  Tensor packed;         // int8, [group][block][step][tile]
  Tensor bias;           // int32, a column (dynamic steps: 0)
  Tensor weight_sum;     // int32, Σ w_q (dynamic steps alone)
  Tensor scale;          // float, multipliers
  Tensor addend;         // float, the bias of dynamic steps
};

inline int64_t amx_group_blocks(const ConvStep& step) {
  return (step.out_channels / step.groups + kAmxColumns - 1) / kAmxColumns;
}

}  // namespace octile
