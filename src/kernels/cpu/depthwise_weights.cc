// See depthwise_weights.h.
#include "kernels/cpu/depthwise_weights.h"

#include <algorithm>
#include <cstdlib>
#include <set>

namespace octile {
namespace {

DepthwiseInput input_of(const PlanTensor& x) {
  if (x.type == DataType::kUInt8) return DepthwiseInput::kUnsigned;
  return x.q_min >= 0 ? DepthwiseInput::kSevenBit : DepthwiseInput::kSigned;
}

/// Input rows that `rows` adjacent output rows read, from the first window's first row on.
std::vector<int64_t> slots_of(const Window& window, int64_t rows) {
  std::set<int64_t> slots;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < window.kernel[0]; ++k) {
      slots.insert(r * window.stride[0] + k * window.dilation[0]);
    }
  }
  std::vector<int64_t> list(slots.begin(), slots.end());
  list.resize((list.size() + 3) / 4 * 4, -1);
  return list;
}

/// The widest kernel that `rest` channels fill, up to the narrowest one's grain.
const DepthwiseKernel& kernel_for(const DepthwiseKernels& kernels, int64_t rest, int64_t channels) {
  const int64_t grain = kernels.list[kernels.count - 1].channels;
  const int64_t rounded = std::min(channels, (rest + grain - 1) / grain * grain);
  int i = 0;
  while (i + 1 < kernels.count && kernels.list[i].channels > rounded) ++i;
  return kernels.list[i];
}

/// The largest |sum| and |sum · multiplier| of any channel, whatever the activations.
struct Bounds {
  double sum = 0.0, value = 0.0;
};

Bounds bounds_of(const StepView& view) {
  const ConvStep& step = *view.as<ConvStep>();
  const int64_t depth = step.window.kernel[0] * step.window.kernel[1];
  const auto* w = view.blob(step.weights).as<int8_t>();
  Bounds bounds;
  for (int64_t c = 0; c < step.out_channels; ++c) {
    double weights = 0.0;
    for (int64_t k = 0; k < depth; ++k) weights += std::abs(int{w[c * depth + k]});
    const double start = view.blob(step.bias).as<int32_t>()[c];
    const double sum = std::abs(start) + weights * 255.0;
    bounds.sum = std::max(bounds.sum, sum);
    bounds.value = std::max(bounds.value,
                            sum * static_cast<double>(view.blob(step.multiplier).as<float>()[c]));
  }
  return bounds;
}

}  // namespace

DepthwiseCut::DepthwiseCut(const ConvStep& step, const DepthwiseKernels& kernels)
    : register_bytes(kernels.list[0].bytes()),
      weight_bytes(0),
      entries(0),
      pixels(1),
      staged(0),
      stride(step.window.stride[1]) {
  // Two output rows at once where that interleaves no more groups of rows than one does.
  const std::vector<int64_t> one = slots_of(step.window, 1), two = slots_of(step.window, 2);
  out_rows = two.size() == one.size() ? 2 : 1;
  slots = out_rows == 2 ? two : one;
  const int64_t taps = step.window.kernel[1] * static_cast<int64_t>(slots.size());
  const int64_t grain = kernels.list[kernels.count - 1].channels;
  if (step.out_channels < grain) {
    const bool packs = stride == 1 && grain % step.out_channels == 0;
    if (packs) pixels = stride = grain / step.out_channels;
    staged = packs ? step.out_channels : grain;
  }
  const int64_t channels = std::max(step.out_channels, grain);
  for (int64_t done = 0; done < channels;) {
    const DepthwiseKernel& kernel = kernel_for(kernels, channels - done, channels);
    const int64_t n = kernel.channels, first = std::min(done, channels - n);
    chunks.push_back({&kernel, first, n, weight_bytes, entries});
    done = first + n;
    weight_bytes += taps * out_rows * register_bytes;
    entries += register_bytes;
  }
}

DepthwiseWeights::DepthwiseWeights(const StepView& view, const DepthwiseKernels& kernels)
    : cut(*view.as<ConvStep>(), kernels),
      input(input_of(view.inputs[0])),
      shift(kernels.list[0].of(input).shift) {
  const ConvStep& step = *view.as<ConvStep>();
  const PlanTensor& y = view.outputs[0];
  const bool bytes = y.type != DataType::kFloat32 && !step.residual && !step.dynamic;
  floats_fit = y.type == DataType::kFloat32 && !step.residual;
  const Bounds bounds = bytes ? bounds_of(view) : Bounds{};
  bytes_fit = bytes && bounds.value < 0x1p30;
  relu_fits = bytes_fit && bounds.sum < 0x1p23 && y.zero_point == 0 && step.clamp.q_lo == 0 &&
              kernels.list[0].of(input).relu != nullptr;
  const auto entries = static_cast<size_t>(cut.entries);
  packed.assign(static_cast<size_t>(cut.weight_bytes), 0);
  bias.assign(entries, 0);
  weight_sum.assign(entries, 0);
  multiplier.assign(entries, 0.0f);
  if (step.dynamic || floats_fit) addend.assign(entries, 0.0f);
  if (relu_fits) offset.assign(entries, 0.0f);
  for (const DepthwiseChunk& chunk : cut.chunks) {
    const int64_t dwords = cut.register_bytes / 4;
    const int64_t of_v = step.window.kernel[1] * cut.groups() * cut.out_rows * cut.register_bytes;
    for (int64_t i = 0; i < 4 * dwords; ++i) {
      const int64_t v = i / dwords, dword = i % dwords;
      const int64_t place = bytes_fit ? dword / 4 * 16 + 4 * v + dword % 4 : i;
      const int64_t of_kernel = place % chunk.kernel->channels;
      const int64_t channel = cut.pixels > 1 ? of_kernel % step.out_channels : of_kernel;
      if (channel >= step.out_channels) continue;
      pack_channel(view, chunk.channel + channel, chunk.table + i,
                   packed.data() + chunk.weights + v * of_v + dword * 4);
    }
  }
}

void DepthwiseWeights::pack_channel(const StepView& view, int64_t channel, int64_t entry,
                                    int8_t* to) {
  const ConvStep& step = *view.as<ConvStep>();
  const Window& window = step.window;
  const int64_t kh = window.kernel[0], kw = window.kernel[1];
  const int8_t* taps = view.blob(step.weights).as<int8_t>() + channel * kh * kw;
  for (int64_t k = 0; k < kw; ++k) {
    for (int64_t slot = 0; slot < cut.groups() * 4; ++slot) {
      for (int64_t r = 0; r < cut.out_rows; ++r) {
        const int64_t from = cut.slots[static_cast<size_t>(slot)] - r * window.stride[0];
        if (from < 0 || from % window.dilation[0] != 0 || from / window.dilation[0] >= kh) continue;
        const int64_t place = (k * cut.groups() + slot / 4) * cut.out_rows + r;
        to[place * cut.register_bytes + slot % 4] = taps[from / window.dilation[0] * kw + k];
      }
    }
  }
  const auto at = static_cast<size_t>(entry);
  for (int64_t k = 0; k < kh * kw; ++k) weight_sum[at] += taps[k];
  multiplier[at] = view.blob(step.multiplier).as<float>()[channel];
  if (relu_fits) offset[at] = 0x1p23f * multiplier[at];
  if (step.dynamic) addend[at] = view.blob(step.bias).as<float>()[channel];
  const int32_t start = step.dynamic ? 0 : view.blob(step.bias).as<int32_t>()[channel];
  bias[at] = static_cast<int32_t>(
      static_cast<uint32_t>(start) + static_cast<uint32_t>(relu_fits ? kReluStart : 0) -
      static_cast<uint32_t>(shift) * static_cast<uint32_t>(weight_sum[at]));  // wraps, as sums may
}

}  // namespace octile
