// Weights of a depthwise ConvStep packed for the kernels of one instruction set.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "kernels/cpu/depthwise_kernel.h"

namespace octile {

/// Channels that one call makes. The last ones of an image are shifted back so that they fill their
/// kernel: some channels are then made twice, equally.
struct DepthwiseChunk {
  const DepthwiseKernel* kernel;
  int64_t channel, n;  // first channel, valid ones
  int64_t weights;     // where its weights start in `packed`
  int64_t table;       // where its entries start in bias, scale …
};

/// Which input rows are interleaved, which kernel makes which channels.
struct DepthwiseCut {
  int64_t out_rows;            // of one lane
  std::vector<int64_t> slots;  // input rows of a lane, from the first window's first; −1: unused
  std::vector<DepthwiseChunk> chunks;
  int64_t register_bytes, weight_bytes, entries;  // of all chunks

  DepthwiseCut(const ConvStep& step, const DepthwiseKernels& kernels);
  int64_t groups() const { return static_cast<int64_t>(slots.size()) / 4; }
};

class DepthwiseWeights : public PackedWeights {
 public:
  DepthwiseWeights(const StepView& view, const DepthwiseKernels& kernels);
  size_t bytes() const override { return packed.size() + bias.size() * 4 * sizeof(int32_t); }

  DepthwiseCut cut;
  DepthwiseInput input;
  int32_t shift;                    // what the kernels add to every activation
  bool plain;                       // DepthwiseVariant::bytes may be called
  std::vector<int8_t> packed;       // chunk after chunk, as depthwise_kernel.h says
  std::vector<int32_t> bias;        // [chunk][v][register]; shift taken off
  std::vector<int32_t> weight_sum;  // the same order: Σ w_q
  std::vector<float> multiplier;    // the same order
  std::vector<float> addend;        // dynamic steps: the float bias, the same order

 private:
  void pack_channel(const StepView& view, int64_t channel, int64_t entry, int8_t* to);
};

}  // namespace octile
