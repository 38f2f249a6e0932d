// Names of layers and tensors: TensorRT's default names, uniqueness, renaming.
#include <array>

#include "base/error.h"
#include "octile/network.h"

namespace octile {
namespace {

/// TensorRT's names of layer types, in the order of Op.
constexpr std::array<std::string_view, std::variant_size_v<Op>> kTypeNames{
    "Convolution",     "Deconvolution", "Activation",    "Pooling",
    "Scale",           "ElementWise",   "Unary",         "Reduce",
    "Matrix Multiply", "Constant",      "Shuffle",       "Concatenation",
    "Slice",           "Padding",       "Softmax",       "TopK",
    "Gather",          "Resize",        "Select",        "Cast",
    "Identity",        "Quantize",      "Dequantize",    "Gather",
    "Gather",          "Scatter",       "Scatter",       "PoolingIndices",
    "GridSample",      "RoiAlign",      "CumulativeSum", "Determinant",
    "Recurrent",       "Fourier",       "NonZero",       "Compress",
    "Unique",          "NMS",           "Shape",         "Fill",
    "Expand",          "Shuffle",       "Slice",         "TopK"};
static_assert(!kTypeNames.back().empty());

std::string free_name(const std::unordered_map<std::string, int32_t>& taken,
                      const std::string& base) {
  std::string name = base;
  for (int copy = 2; taken.contains(name); ++copy) name = fmt::format("{}#{}", base, copy);
  return name;
}

}  // namespace

std::string Network::free_layer_name(const std::string& base) const {
  return free_name(layer_names_, base);
}

std::string Network::free_tensor_name(const std::string& base) const {
  return free_name(tensor_names_, base);
}

std::string Network::new_layer_name(const std::string& wanted, const Op& op) const {
  if (wanted.empty()) {
    return free_layer_name(
        fmt::format("(Unnamed Layer* {}) [{}]", numbered_, kTypeNames[op.index()]));
  }
  check(!layer_names_.contains(wanted), ErrorCode::kInvalidArgument,
        "network '{}' already has a layer named '{}'; choose another name", name_, wanted);
  return wanted;
}

/// A named constant's tensor carries the same name; others are "<layer>_output[_<number>]".
std::string Network::output_name(const LayerRecord& record, size_t index) const {
  const bool named_constant =
      std::holds_alternative<Constant>(record.op) && !record.name.starts_with("(Unnamed Layer* ");
  if (named_constant) return free_tensor_name(record.name);
  return free_tensor_name(index == 0 ? record.name + "_output"
                                     : fmt::format("{}_output_{}", record.name, index + 1));
}

void Network::rename(LayerId layer, const std::string& name) {
  LayerRecord& record = at(layer);
  if (record.name == name) return;
  check(!name.empty(), ErrorCode::kInvalidArgument, "layer '{}' cannot be renamed to nothing",
        record.name);
  check(!layer_names_.contains(name), ErrorCode::kInvalidArgument,
        "layer '{}' cannot be renamed: network '{}' already has a layer named '{}'", record.name,
        name_, name);
  layer_names_.emplace(name, layer.index);
  layer_names_.erase(record.name);
  record.name = name;
}

void Network::rename(TensorId tensor, const std::string& name) {
  TensorRecord& record = at(tensor);
  if (record.name == name) return;
  check(!name.empty(), ErrorCode::kInvalidArgument, "tensor '{}' cannot be renamed to nothing",
        record.name);
  check(!tensor_names_.contains(name), ErrorCode::kInvalidArgument,
        "tensor '{}' cannot be renamed: network '{}' already has a tensor named '{}'", record.name,
        name_, name);
  tensor_names_.emplace(name, tensor.index);
  tensor_names_.erase(record.name);
  record.name = name;
}

}  // namespace octile
