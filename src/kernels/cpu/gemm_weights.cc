// See gemm_weights.h.
#include "kernels/cpu/gemm_weights.h"

namespace octile {
namespace {

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Where byte i of a column's k (taps, then channels) lies in its tile.
int64_t packed_place(const GemmKernel& kernel, const GemmCut& cut, int64_t column, int64_t i) {
  if (kernel.depthwise) {
    const int64_t lane = column / 16, v = column % 16 / 4, lanes = kernel.nr / 16;
    return ((i / 4 * 4 + v) * lanes + lane) * 16 + column % 4 * 4 + i % 4;
  }
  const int64_t at = i / cut.run * cut.bytes + i % cut.run;
  return (at / 4 * kernel.nr + column) * 4 + at % 4;
}

}  // namespace

GemmCut gemm_cut(const ConvStep& step, const GemmKernel& kernel) {
  const int64_t channels = step.in_channels / step.groups;
  const int64_t taps = step.window.kernel[0] * step.window.kernel[1];
  if (kernel.depthwise) return {round_up(taps, 4), 1, 1, GemmCut::Rows::kDirect};
  if (channels % 4 == 0) return {taps, channels, channels, GemmCut::Rows::kDirect};
  if (!step.rows && step.groups == 1 && step.window.dilation[1] == 1) {
    const int64_t run = step.window.kernel[1] * channels;
    return {step.window.kernel[0], run, round_up(run, 4), GemmCut::Rows::kPadded};
  }
  return {1, taps * channels, round_up(taps * channels, 4), GemmCut::Rows::kGathered};
}

GemmInput gemm_input(const PlanTensor& x) {
  if (x.type == DataType::kUInt8) return GemmInput::kUnsigned;
  return x.q_min >= 0 ? GemmInput::kSevenBit : GemmInput::kSigned;
}

const GemmKernel& best_gemm_kernel(const GemmKernels& kernels, int64_t n) {
  const GemmKernel* best = &kernels.list[0];
  for (int i = 1; i < kernels.count; ++i) {
    if (round_up(n, kernels.list[i].nr) < round_up(n, best->nr)) best = &kernels.list[i];
  }
  return *best;
}

GemmWeights::GemmWeights(const StepView& view, const GemmKernel& kernel_in)
    : kernel(kernel_in),
      cut(gemm_cut(*view.as<ConvStep>(), kernel_in)),
      flips_copies(cut.rows == GemmCut::Rows::kPadded &&
                   gemm_input(view.inputs[0]) == GemmInput::kSigned &&
                   kernel_in.of(GemmInput::kSigned).shift == 128),
      variant(kernel_in.of(flips_copies ? GemmInput::kUnsigned : gemm_input(view.inputs[0]))),
      column_groups(gemm_column_groups(*view.as<ConvStep>(), kernel_in)) {
  if (flips_copies) variant.shift += 128;
  const ConvStep& step = *view.as<ConvStep>();
  const int64_t group_out = step.out_channels / column_groups;
  const int64_t taps = step.window.kernel[0] * step.window.kernel[1];
  const int64_t k = taps * (step.in_channels / step.groups);  // of one output channel
  const int64_t padded_k = cut.segments * cut.bytes;
  tiles_per_group = (group_out + kernel.nr - 1) / kernel.nr;
  tile_bytes = padded_k * kernel.nr;
  const auto tiles = static_cast<size_t>(tiles_per_group * column_groups);
  packed.assign(tiles * static_cast<size_t>(tile_bytes), 0);
  const size_t padded = tiles * static_cast<size_t>(kernel.nr);
  bias.assign(padded, 0);
  weight_sum.assign(padded, 0);
  multiplier.assign(padded, 0.0f);
  if (step.dynamic) addend.assign(padded, 0.0f);
  const auto* w = view.blob(step.weights).as<int8_t>();
  for (int64_t m = 0; m < step.out_channels; ++m) {
    const int64_t in_group = m % group_out;
    const int64_t tile = m / group_out * tiles_per_group + in_group / kernel.nr;
    const int64_t column = in_group % kernel.nr;
    int8_t* out = packed.data() + tile * tile_bytes;
    int32_t sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      const int8_t value = w[m * k + i];
      out[packed_place(kernel, cut, column, i)] = value;
      sum += value;
    }
    const auto at = static_cast<size_t>(tile * kernel.nr + column);
    weight_sum[at] = sum;
    multiplier[at] = view.blob(step.multiplier).as<float>()[m];
    const uint32_t shifted =
        static_cast<uint32_t>(variant.shift) * static_cast<uint32_t>(sum);  // wraps, as sums may
    uint32_t start = 0;
    if (step.dynamic) {
      addend[at] = view.blob(step.bias).as<float>()[m];
    } else {
      start = static_cast<uint32_t>(view.blob(step.bias).as<int32_t>()[m]);
    }
    bias[at] = static_cast<int32_t>(start - shifted);
  }
}

}  // namespace octile
