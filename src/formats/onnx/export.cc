// Network → ONNX model. Start reading at write_model(): inputs, layers (the rules of
// export_rules.h), outputs, then the initializers that came up on the way.
//
// Operator set 17 is what all of ONNX Runtime, TensorRT 8.6 to 11 and OpenVINO read; a newer one is
// written only where some layer needs it (Gelu: 20).
#include <algorithm>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/onnx/export_rules.h"
#include "octile/onnx.h"

namespace octile {
namespace {

constexpr int64_t kExportedOpset = 17;
constexpr size_t kLargestFile = size_t{1} << 31;  // protobuf's limit

/// The IR version that came with an operator set.
int64_t ir_version_of(int64_t opset) { return opset < 19 ? 8 : 9; }

bool has_dynamic_batch(const Network& network) {
  return std::any_of(network.inputs().begin(), network.inputs().end(), [&](TensorId t) {
    return network.shape(t).rank() > 0 && network.shape(t)[0] == kDynamic;
  });
}

/// Unknown extents get names: "batch" on axis 0, else "<input>_axis<n>"; those of outputs have none
/// but the batch's.
void describe(const Network& network, TensorId tensor, bool input, onnx::ValueInfoProto& info) {
  info.set_name(network.name(tensor));
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx_type_of(network.type(tensor)));
  const Shape& shape = network.shape(tensor);
  auto& dims = *type.mutable_shape();
  for (int axis = 0; axis < shape.rank(); ++axis) {
    auto& dim = *dims.add_dim();
    if (shape[axis] != kDynamic) {
      dim.set_dim_value(shape[axis]);
    } else if (axis == 0 && has_dynamic_batch(network)) {
      dim.set_dim_param("batch");
    } else if (input) {
      dim.set_dim_param(fmt::format("{}_axis{}", network.name(tensor), axis));
    }
  }
}

/// "" or why the layer has no form in ONNX.
std::string try_write(LayerWriter& writer, const Op& op) {
  try {
    return std::visit(
        [&]<typename T>(const T& attributes) -> std::string {
          if constexpr (requires { write_layer(writer, attributes); }) {
            write_layer(writer, attributes);
            return "";
          } else {
            return "ONNX export has no form for this op";
          }
        },
        op);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    return error.what();
  }
}

void write_layers(const Network& network, ModelWriter& model) {
  std::string refused;
  int count = 0;
  for (const LayerId layer : network.layers()) {
    const Op& op = network.op(layer);
    if (std::holds_alternative<Constant>(op)) continue;
    LayerWriter writer(model, layer);
    const std::string reason = try_write(writer, op);
    if (reason.empty()) continue;
    ++count;
    refused += fmt::format("\n  {} ({}): {}", network.name(layer), name_of(op), reason);
  }
  check(count == 0, ErrorCode::kUnsupported, "{} layers cannot be written as ONNX:{}", count,
        refused);
}

onnx::ModelProto write_model(const Network& network) {
  check(!network.outputs().empty(), ErrorCode::kInvalidArgument,
        "network '{}' has no outputs; mark one", network.name());
  int64_t opset = kExportedOpset;
  for (const LayerId layer : network.layers()) {
    opset = std::max(opset, needed_opset(network, layer));
  }
  onnx::ModelProto proto;
  proto.set_ir_version(ir_version_of(opset));
  proto.set_producer_name("octile");
  proto.set_producer_version(std::string(version()));
  onnx::OperatorSetIdProto& operators = *proto.add_opset_import();
  operators.set_domain("");
  operators.set_version(opset);
  onnx::GraphProto& graph = *proto.mutable_graph();
  graph.set_name(network.name());
  ModelWriter model(network, opset, graph);
  for (const TensorId t : network.inputs()) describe(network, t, true, *graph.add_input());
  write_layers(network, model);
  for (const TensorId t : network.outputs()) {
    model.use(t);  // an initializer where it is a constant
    describe(network, t, false, *graph.add_output());
  }
  return proto;
}

}  // namespace

int64_t needed_opset(const Network& network, LayerId layer) {
  const Op& op = network.op(layer);
  if (const auto* activation = std::get_if<Activation>(&op)) {
    if (activation->kind == ActivationKind::kMish) return 18;
    const bool gelu = activation->kind == ActivationKind::kGeluErf ||
                      activation->kind == ActivationKind::kGeluTanh;
    return gelu ? 20 : kExportedOpset;
  }
  if (const auto* resize = std::get_if<Resize>(&op)) {
    return needs_new_resize(*resize) ? 19 : kExportedOpset;
  }
  if (const auto* pool = std::get_if<Pooling>(&op)) {
    const bool dilated = std::any_of(pool->window.dilation.begin(), pool->window.dilation.end(),
                                     [](int64_t d) { return d != 1; });
    return pool->kind == PoolingKind::kAverage && dilated ? 19 : kExportedOpset;
  }
  const auto has_extremes = [](ScatterReduction reduction) {
    return reduction == ScatterReduction::kMin || reduction == ScatterReduction::kMax;
  };
  if (const auto* scatter = std::get_if<ScatterElements>(&op)) {
    return has_extremes(scatter->reduction) ? 18 : kExportedOpset;
  }
  if (const auto* scatter = std::get_if<ScatterNd>(&op)) {
    return has_extremes(scatter->reduction) ? 18 : kExportedOpset;
  }
  const bool volumes =
      std::holds_alternative<GridSample>(op) && network.shape(network.inputs(layer)[0]).rank() > 4;
  return volumes ? 20 : kExportedOpset;
}

std::string export_onnx_bytes(const Network& network) {
  const onnx::ModelProto model = write_model(network);
  check(model.ByteSizeLong() < kLargestFile, ErrorCode::kUnsupported,
        "network '{}' is larger than 2 GiB, which no ONNX file can be", network.name());
  return model.SerializeAsString();
}

void export_onnx(const Network& network, const std::string& file) {
  write_file(file, export_onnx_bytes(network));
}

}  // namespace octile
