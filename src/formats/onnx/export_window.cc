// Export of what looks through windows: convolutions and poolings.
#include <algorithm>

#include "formats/onnx/export_rules.h"
#include "ops/ops.h"

namespace octile {
namespace {

int spatial_axes(const LayerWriter& writer) { return writer.shape(0).rank() - 2; }

bool is_same(PaddingMode mode) {
  return mode == PaddingMode::kSameUpper || mode == PaddingMode::kSameLower;
}

/// Conv knows no rounding up: padding behind the image that makes room for the last window.
void round_up_by_padding(const LayerWriter& writer, Window& window) {
  const Shape& x = writer.shape(0);
  const Shape spatial(std::vector<int64_t>(x.begin() + 2, x.end()));
  if (!spatial.is_static()) {
    writer.refuse("its output extents are rounded up, for which Conv needs known input extents");
  }
  const Shape out = window_output(window, spatial);
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    const int axis = static_cast<int>(i);
    const int64_t span = window.dilation[i] * (window.kernel[i] - 1) + 1;
    const int64_t needed = (out[axis] - 1) * window.stride[i] + span;
    window.pad_after[i] =
        std::max(window.pad_after[i], needed - spatial[axis] - window.pad_before[i]);
  }
}

void set_window(onnx::NodeProto& node, const Window& window, bool dilations = true) {
  set(node, "kernel_shape", window.kernel);
  set(node, "strides", window.stride);
  const auto plain = [](int64_t d) { return d == 1; };
  if (dilations && !std::all_of(window.dilation.begin(), window.dilation.end(), plain)) {
    set(node, "dilations", window.dilation);
  }
  if (is_same(window.mode)) {
    set(node, "auto_pad", window.mode == PaddingMode::kSameUpper ? "SAME_UPPER" : "SAME_LOWER");
    return;
  }
  std::vector<int64_t> pads = window.pad_before;
  pads.insert(pads.end(), window.pad_after.begin(), window.pad_after.end());
  set(node, "pads", pads);
}

Window window_of(const LayerWriter& writer, Window window, const Shape& weights) {
  if (window.kernel.empty()) window.kernel.assign(weights.begin() + 2, weights.end());
  return normalized(window, spatial_axes(writer));
}

void require_float(const LayerWriter& writer) {
  if (writer.type(0) == DataType::kFloat32) return;
  writer.refuse(fmt::format("Conv takes no {}", name_of(writer.type(0))));
}

}  // namespace

void write_layer(LayerWriter& writer, const Convolution& op) {
  require_float(writer);
  Window window = window_of(writer, op.window, writer.shape(1));
  if (window.mode == PaddingMode::kCeil) round_up_by_padding(writer, window);
  onnx::NodeProto& node = writer.node("Conv");
  set_window(node, window);
  set(node, "group", op.groups);
}

void write_layer(LayerWriter& writer, const Deconvolution& op) {
  require_float(writer);
  onnx::NodeProto& node = writer.node("ConvTranspose");
  set_window(node, window_of(writer, op.window, writer.shape(1)));
  set(node, "group", op.groups);
  if (!op.output_padding.empty()) set(node, "output_padding", op.output_padding);
}

void write_layer(LayerWriter& writer, const Pooling& op) {
  const bool max = op.kind == PoolingKind::kMax;
  if (op.global) {
    writer.node(max ? "GlobalMaxPool" : "GlobalAveragePool");
    return;
  }
  onnx::NodeProto& node = writer.node(max ? "MaxPool" : "AveragePool");
  set_window(node, normalized(op.window, spatial_axes(writer)));
  if (op.window.mode == PaddingMode::kCeil) set(node, "ceil_mode", int64_t{1});
  if (!max && op.count_padding) set(node, "count_include_pad", int64_t{1});
}

/// MaxPool's second output; nobody reads the first.
void write_layer(LayerWriter& writer, const PoolingIndices& op) {
  onnx::NodeProto& node = writer.beside("MaxPool", writer.ins(), "values");
  node.add_output(writer.out());
  set_window(node, normalized(op.window, spatial_axes(writer)));
  if (op.window.mode == PaddingMode::kCeil) set(node, "ceil_mode", int64_t{1});
  if (op.column_major) set(node, "storage_order", int64_t{1});
}

}  // namespace octile
