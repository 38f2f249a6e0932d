// See gemm_weights.h.
#include "kernels/cpu/gemm_weights.h"

#include <algorithm>
#include <cmath>

#include "base/round_up.h"
#include "kernels/cpu/gemm_chains.h"

namespace octile {
namespace {

/// Where byte i of a column's k (taps, then channels) lies in its tile.
int64_t packed_place(const GemmKernel& kernel, const GemmCut& cut, int64_t column, int64_t i) {
  const int64_t at = i / cut.run * cut.bytes + i % cut.run;
  return (at / 4 * kernel.nr + column) * 4 + at % 4;
}

/// A bound on |v| of docs/arithmetic.md over all inputs: |w| sums times the largest activation.
double largest_value(const StepView& view, int64_t k) {
  const ConvStep& step = *view.as<ConvStep>();
  if (step.dynamic) return 0.0;  // floats are never converted back
  const auto* w = view.blob(step.weights).as<int8_t>();
  const auto* bias = view.blob(step.bias).as<int32_t>();
  const auto* multiplier = view.blob(step.multiplier).as<float>();
  double largest = 0.0;
  for (int64_t m = 0; m < step.out_channels; ++m) {
    double sum = std::abs(double(bias[m]));
    for (int64_t i = 0; i < k; ++i) sum += 255.0 * std::abs(double(w[m * k + i]));
    largest = std::max(largest, sum * double(multiplier[m]));
  }
  return largest + (step.residual ? 511.0 * std::abs(double(step.residual_multiplier)) : 0.0);
}

}  // namespace

GemmInput gemm_input(const PlanTensor& x) {
  if (x.type == DataType::kUInt8) return GemmInput::kUnsigned;
  const bool positive = x.q_min >= 0 && x.zero_point >= 0;  // borders hold the zero point
  return positive ? GemmInput::kSevenBit : GemmInput::kSigned;
}

const GemmKernel& best_gemm_kernel(const GemmKernels& kernels, int64_t rows, int64_t k, int64_t n) {
  if (kernels.choose != nullptr) return kernels.list[kernels.choose(rows, k, n)];
  const GemmKernel* best = &kernels.list[0];
  for (int i = 1; i < kernels.count; ++i) {
    if (round_up(n, kernels.list[i].nr) < round_up(n, best->nr)) best = &kernels.list[i];
  }
  return *best;
}

GemmWeights::GemmWeights(const StepView& view, const GemmKernel& kernel_in)
    : kernel(kernel_in),
      variant(kernel.of(gemm_input(view.inputs[0]))),
      cut(gemm_cut(*view.as<ConvStep>())) {
  const ConvStep& step = *view.as<ConvStep>();
  const int64_t group_out = step.out_channels / step.groups;
  const int64_t taps = step.rows ? 1 : step.window.kernel[0] * step.window.kernel[1];
  const int64_t k = taps * (step.in_channels / step.groups);  // of one output channel
  tiles_per_group = (group_out + kernel.nr - 1) / kernel.nr;
  tile_bytes = cut.segments * cut.bytes * kernel.nr;
  may_leave_int32 = largest_value(view, k) > 2147480000.0;
  const auto tiles = static_cast<size_t>(tiles_per_group * step.groups);
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
  if (variant.chained) {
    for (int64_t tile = 0; tile < tiles_per_group * step.groups; ++tile) chain_tile(tile);
  }
}

void GemmWeights::chain_tile(int64_t tile) {
  const int nr = kernel.nr, group_bytes = 4 * nr;
  int8_t* w = packed.data() + tile * tile_bytes;
  const bool seven_bits = !variant.planes;
  const GemmChains found = chain_groups(w, tile_bytes / group_bytes, nr, seven_bits);
  order.insert(order.end(), found.order.begin(), found.order.end());
  chains.insert(chains.end(), found.count, found.count + kGemmChains);
  const std::vector<int8_t> before(w, w + tile_bytes);
  for (const int32_t group : found.order) {
    w = std::copy_n(before.data() + int64_t{group} * group_bytes, group_bytes, w);
  }
  // Groups with their sign moved read activations that are smaller by 128.
  for (size_t i = size_t(found.first_signed); i < found.order.size(); ++i) {
    const int8_t* group = before.data() + int64_t{found.order[i]} * group_bytes;
    for (int j = 0; j < group_bytes; ++j) {
      int32_t& start = bias[size_t(tile * nr + j / 4)];
      start = int32_t(uint32_t(start) + uint32_t(128 * group[j]));  // wraps, as sums may
    }
  }
}

}  // namespace octile
