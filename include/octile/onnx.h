// ONNX in and out: a model file becomes a Network, a Network a model file, one ONNX operator layers
// of a Network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "octile/network.h"

namespace octile {

struct OnnxOptions {
  /// Makes axis 0 of every input dynamic when the file fixed it at 1 (off by default).
  bool dynamic_batch = false;
  /// Values for graph inputs that only carry shapes or parameters (Reshape's shape, Slice's starts,
  /// Pad's pads …): they become constants, and the network has no such inputs. Type and shape must
  /// be the declared ones; a value is converted where nothing is lost, a list takes a fixed shape
  /// of its length. kInvalidArgument for a name that is no input, or a value that does not fit.
  std::map<std::string, Tensor> constants;
  /// Bytes that take the place of initializers' own, by name; as long as theirs.
  std::map<std::string, std::string> initializers;
  /// Where external data of a model from memory lies; "": it must not have any.
  std::string folder;
  std::function<void(LogLevel, std::string_view)> log;
};

/// Imports a model. Throws kInvalidFile for what is no valid model, kUnsupported with one message
/// that lists *all* unsupported nodes by name, kIo when the file cannot be read.
Network import_onnx(const std::string& file, const OnnxOptions& options = {});
Network import_onnx_bytes(std::string_view bytes, const OnnxOptions& options = {},
                          const std::string& origin = "model");

/// A node of a model's main graph.
struct OnnxNodeInfo {
  std::string name, op_type, domain;
  std::vector<std::string> inputs, outputs;
  /// Octile knows the operator, or the model brings it as a function; of an If, Loop or Scan, that
  /// those inside are known is not looked at.
  bool supported = false;
};
/// The nodes of a model, in the file's order, without importing it. Throws kInvalidFile.
std::vector<OnnxNodeInfo> list_onnx_nodes(std::string_view bytes,
                                          const std::string& origin = "model");

/// Writes the network as an ONNX model (operator set 17, a newer one where a layer needs it): the
/// names of inputs, outputs, tensors and layers stay; Quantize and Dequantize layers become
/// QuantizeLinear and DequantizeLinear, quantized constants integers. Throws kUnsupported with one
/// message that lists *all* layers that have no form in ONNX (dynamic quantization, say), kIo when
/// the file cannot be written.
void export_onnx(const Network& network, const std::string& file);
std::string export_onnx_bytes(const Network& network);

/// An input of an ONNX operator: left out, a tensor of the network, or a constant value.
using OnnxInput = std::variant<std::monostate, TensorId, Tensor>;
/// Attributes by name. Whole numbers may stand for floats (not the other way round).
using OnnxAttributes =
    std::map<std::string, std::variant<int64_t, float, std::string, std::vector<int64_t>,
                                       std::vector<float>, std::vector<std::string>, Tensor>>;

/// Adds the layers that one ONNX operator means, by the rules of import_onnx, and returns its first
/// `outputs` outputs: new tensors, named "<name>_output", "<name>_output_2", ….
/// `op_type` may carry a domain ("com.microsoft.QLinearAdd"); `opset`, 7 to 23, is the version of
/// ONNX's own operator set that inputs and attributes are those of. `name` is the name of the layer
/// that makes the first output (default: the operator's, made free); others that the operator needs
/// are called "<name>.<what>" or "<name>#2", ….
/// A tensor that a Constant layer makes counts as a known value, as a constant given as a Tensor
/// does: it can be the shape of a Reshape, and an operator whose inputs are all known becomes one
/// Constant layer. Constants of other real types are taken as float32, as in a file.
/// Extents that are unknown (−1) can be told to be equal only where one comes from the other
/// through layers: those of two inputs of the network never are.
/// Throws kUnsupported for an operator that Octile lacks (If, Loop and Scan, whose attributes are
/// graphs, come only with a file) and what the importer throws about a node, with kInvalidArgument
/// for wrong inputs and attributes (an unknown one is wrong here); then the network is unchanged.
std::vector<TensorId> add_onnx_node(Network& network, const std::string& op_type,
                                    std::vector<OnnxInput> inputs,
                                    const OnnxAttributes& attributes = {}, int outputs = 1,
                                    int64_t opset = 18, const std::string& name = "");

/// The operator types that import_onnx knows, sorted.
std::vector<std::string> supported_onnx_operators();

}  // namespace octile
