// Convolutions and poolings: ONNX's window attributes become one Window.
#include <algorithm>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// kernel_shape, strides, dilations, pads and auto_pad. `spatial` is the number of spatial axes.
Window read_window(Node& node, int spatial) {
  Window window;
  window.kernel = node.integers("kernel_shape");
  window.stride = node.integers("strides");
  window.dilation = node.integers("dilations");
  const std::vector<int64_t> pads = node.integers("pads");
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  if (auto_pad == "SAME_UPPER") {
    window.mode = PaddingMode::kSameUpper;
  } else if (auto_pad == "SAME_LOWER") {
    window.mode = PaddingMode::kSameLower;
  } else if (auto_pad == "NOTSET" || auto_pad.empty()) {
    const auto n = static_cast<size_t>(spatial);
    node.require(pads.empty() || pads.size() == 2 * n,
                 "attribute 'pads' has {} entries, but {} spatial axes need {}", pads.size(),
                 spatial, 2 * spatial);
    if (!pads.empty()) {
      window.pad_before.assign(pads.begin(), pads.begin() + spatial);
      window.pad_after.assign(pads.begin() + spatial, pads.end());
    }
  } else {
    node.require(auto_pad == "VALID",
                 "attribute 'auto_pad' is '{}'; ONNX knows NOTSET, "
                 "SAME_UPPER, SAME_LOWER and VALID",
                 auto_pad);
  }
  return window;
}

int spatial_axes(Node& node) {
  const int rank = node.rank(0);
  if (rank < 3 || rank > 5) {
    node.unsupported("its input has shape {}; Octile knows images of one to three spatial axes",
                     node.shape(0).to_string());
  }
  return rank - 2;
}

/// The kernel from the weights when the attribute is absent; they must agree.
void fill_kernel(Node& node, Window& window, int input = 1) {
  const Shape weights = node.shape(input);
  node.require(weights.rank() == node.rank(0), "its input {} and weights {} differ in rank",
               node.shape(0).to_string(), weights.to_string());
  const std::vector<int64_t> kernel(weights.begin() + 2, weights.end());
  if (window.kernel.empty()) window.kernel = kernel;
  node.require(window.kernel == kernel, "attribute 'kernel_shape' does not fit the weights {}",
               weights.to_string());
}

std::vector<TensorId> weighted_inputs(Node& node) {
  std::vector<TensorId> inputs{node.in(0), node.in(1)};
  if (node.has(2)) inputs.push_back(node.in(2));
  return inputs;
}

int64_t entry(const std::vector<int64_t>& list, size_t index, int64_t otherwise) {
  return index < list.size() ? list[index] : otherwise;
}

/// ConvTranspose's `output_shape`: paddings (or output padding) that give these extents.
void fit_output_shape(Node& node, const std::vector<int64_t>& wanted, Deconvolution& op) {
  const Shape x = node.shape(0);
  const auto spatial = static_cast<size_t>(x.rank() - 2);
  const std::vector<int64_t> extents(
      wanted.end() - static_cast<int64_t>(std::min(wanted.size(), spatial)), wanted.end());
  node.require(extents.size() == spatial, "attribute 'output_shape' has {} entries for {} axes",
               wanted.size(), spatial);
  const bool upper = op.window.mode == PaddingMode::kSameUpper;
  op.window.mode = PaddingMode::kExplicit;
  op.window.pad_before.assign(spatial, 0);
  op.window.pad_after.assign(spatial, 0);
  op.output_padding.resize(spatial, 0);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t in = x[static_cast<int>(i) + 2];
    if (in == kDynamic) node.unsupported("'output_shape' needs an input of fixed size");
    for (const int64_t v : {in, extents[i], op.window.kernel[i], op.output_padding[i]}) {
      node.require(v >= 0 && v <= INT32_MAX, "an extent of {} is out of range", v);
    }
    const int64_t stride = entry(op.window.stride, i, 1),
                  dilation = entry(op.window.dilation, i, 1);
    node.require(stride > 0 && dilation > 0 && stride <= INT32_MAX && dilation <= INT32_MAX,
                 "strides and dilations must be positive");
    const int64_t full =
        stride * (in - 1) + op.output_padding[i] + (op.window.kernel[i] - 1) * dilation + 1;
    const int64_t total = full - extents[i];
    if (total < 0) {
      op.output_padding[i] -= total;
    } else {
      op.window.pad_before[i] = upper ? total / 2 : total - total / 2;
      op.window.pad_after[i] = total - op.window.pad_before[i];
    }
  }
}

}  // namespace

Convolution read_convolution(Node& node, int weights) {
  Convolution op;
  op.window = read_window(node, spatial_axes(node));
  fill_kernel(node, op.window, weights);
  op.groups = node.integer("group", 1);
  return op;
}

void import_conv(Node& node) {
  node.output(node.add(read_convolution(node, 1), weighted_inputs(node)));
}

void import_conv_transpose(Node& node) {
  Deconvolution op;
  op.window = read_window(node, spatial_axes(node));
  fill_kernel(node, op.window);
  op.groups = node.integer("group", 1);
  op.output_padding = node.integers("output_padding");
  const std::vector<int64_t> wanted = node.integers("output_shape");
  if (!wanted.empty()) fit_output_shape(node, wanted, op);
  node.output(node.add(std::move(op), weighted_inputs(node)));
}

Pooling read_pooling(Node& node) {
  Pooling op;
  op.kind = node.op_type() == "MaxPool" ? PoolingKind::kMax : PoolingKind::kAverage;
  op.window = read_window(node, spatial_axes(node));
  node.require(!op.window.kernel.empty(), "attribute 'kernel_shape' is missing");
  op.count_padding = node.integer("count_include_pad", 0) != 0;
  const bool ceil = node.integer("ceil_mode", 0) != 0;
  if (ceil && op.window.mode == PaddingMode::kExplicit) op.window.mode = PaddingMode::kCeil;
  return op;
}

void import_pool(Node& node) {
  Pooling op = read_pooling(node);
  const bool column_major = node.integer("storage_order", 0) != 0;
  if (op.kind == PoolingKind::kAverage) node.only_outputs(1, "an average stands nowhere");
  if (node.wants(1)) {
    node.output(1, node.add(PoolingIndices{op.window, column_major}, {node.in(0)}));
  }
  if (node.wants(0)) node.output(node.add(std::move(op), {node.in(0)}));
}

void import_global_pool(Node& node) {
  spatial_axes(node);
  Pooling op;
  op.kind = node.op_type() == "GlobalMaxPool" ? PoolingKind::kMax : PoolingKind::kAverage;
  op.global = true;
  node.output(node.add(std::move(op), {node.in(0)}));
}

}  // namespace octile
