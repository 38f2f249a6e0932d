// Weights of a depthwise ConvStep packed for the kernels of one instruction set.
#pragma once

#include <new>
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
  /// Fewer channels than the narrowest kernel has (DepthwiseStage): 16 channels of the kernel are
  /// `pixels` of the image side by side, or one and unused ones. Else pixels = 1, staged = 0.
  int64_t pixels, staged;  // staged: bytes from column to column
  int64_t stride;          // columns from window to window of the kernel's pixels

  DepthwiseCut(const ConvStep& step, const DepthwiseKernels& kernels);
  int64_t groups() const { return static_cast<int64_t>(slots.size()) / 4; }
};

/// Allocates whole cache lines: a register's load from them never touches two.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <typename U>
  explicit LineAllocator(const LineAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* p, size_t) { ::operator delete(p, kLine); }
  bool operator==(const LineAllocator&) const = default;
};
template <typename T>
using LineVector = std::vector<T, LineAllocator<T>>;

class DepthwiseWeights : public PackedWeights {
 public:
  DepthwiseWeights(const StepView& view, const DepthwiseKernels& kernels);
  size_t bytes() const override { return packed.size() + bias.size() * 5 * sizeof(int32_t); }

  DepthwiseCut cut;
  DepthwiseInput input;
  int32_t shift;                          // what the kernels add to every activation
  bool bytes_fit, relu_fits, floats_fit;  // these of DepthwiseVariant may be called
  LineVector<int8_t> packed;              // chunk after chunk, as depthwise_kernel.h says
  LineVector<int32_t> bias;        // [chunk][v][register], straight for floats; shift taken off
  LineVector<int32_t> weight_sum;  // the same order: Σ w_q
  LineVector<float> multiplier;    // the same order
  LineVector<float> offset;        // the same order, of relu
  LineVector<float> addend;        // dynamic steps: the float bias; floats: or zeros; else empty

 private:
  void pack_channel(const StepView& view, int64_t channel, int64_t entry, int8_t* to);
};

}  // namespace octile
