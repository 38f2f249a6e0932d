// See amx_weights.h.
#include "kernels/cpu/amx_weights.h"

#include <algorithm>

namespace octile {
namespace {

int64_t steps_of(int64_t run) { return (run + kAmxStep - 1) / kAmxStep; }

Tensor zeros(DataType type, int64_t count) {
  Tensor tensor(type, Shape{count});
  std::fill_n(tensor.as<uint8_t>(), tensor.bytes(), uint8_t{0});
  return tensor;
}

}  // namespace

AmxCut amx_cut(const ConvStep& step) {
  const int64_t h = step.window.kernel[0], w = step.window.kernel[1];
  const int64_t channels = step.in_channels / step.groups;
  if (step.groups > 1) return {h * w, channels, steps_of(channels)};
  return {h, w * channels, steps_of(w * channels)};
}

AmxWeights::AmxWeights(const StepView& view)
    : cut(amx_cut(*view.as<ConvStep>())), group_blocks(amx_group_blocks(*view.as<ConvStep>())) {
  const ConvStep& step = *view.as<ConvStep>();
  const int64_t group_out = step.out_channels / step.groups, steps = cut.steps();
  const int64_t tiles = (group_out + kAmxTileColumns - 1) / kAmxTileColumns;
  group_bytes = tiles * steps * kAmxTileBytes;
  columns = step.groups * group_blocks * kAmxColumns;
  packed = zeros(DataType::kInt8, step.groups * group_bytes);
  bias = zeros(DataType::kInt32, columns);
  scale = zeros(DataType::kFloat32, columns);
  if (step.dynamic) {
    addend = zeros(DataType::kFloat32, columns);
    weight_sum = zeros(DataType::kInt32, columns);
  }
  const auto* w = view.blob(step.weights).as<int8_t>();
  const int64_t k = cut.segments * cut.run;
  for (int64_t m = 0; m < step.out_channels; ++m, w += k) {
    const int64_t group = m / group_out, block = m % group_out / kAmxColumns;
    const int64_t in_block = m % group_out % kAmxColumns, column = in_block % kAmxTileColumns;
    const int64_t block_tiles = std::min<int64_t>(2, tiles - 2 * block);
    int8_t* out = packed.as<int8_t>() + group * group_bytes + block * 2 * steps * kAmxTileBytes +
                  in_block / kAmxTileColumns * kAmxTileBytes;
    int32_t sum = 0;
    for (int64_t i = 0; i < k; ++i) {
      const int64_t in_segment = i % cut.run, at = in_segment % kAmxStep;
      const int64_t s = i / cut.run * cut.segment_steps + in_segment / kAmxStep;
      out[s * block_tiles * kAmxTileBytes + at / 4 * kAmxStep + 4 * column + at % 4] = w[i];
      sum += w[i];
    }
    const int64_t at = (group * group_blocks + block) * kAmxColumns + in_block;
    scale.as<float>()[at] = view.blob(step.multiplier).as<float>()[m];
    if (step.dynamic) {
      addend.as<float>()[at] = view.blob(step.bias).as<float>()[m];
      weight_sum.as<int32_t>()[at] = sum;
    } else {
      bias.as<int32_t>()[at] = view.blob(step.bias).as<int32_t>()[m];
    }
  }
}

}  // namespace octile
