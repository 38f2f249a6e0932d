// ONNX in and out: a model file becomes a Network, a Network a model file.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
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
std::vector<OnnxNodeInfo> onnx_nodes(std::string_view bytes, const std::string& origin = "model");

/// Writes the network as an ONNX model (operator set 17, a newer one where a layer needs it): the
/// names of inputs, outputs, tensors and layers stay; Quantize and Dequantize layers become
/// QuantizeLinear and DequantizeLinear, quantized constants integers. Throws kUnsupported with one
/// message that lists *all* layers that have no form in ONNX (dynamic quantization, say), kIo when
/// the file cannot be written.
void export_onnx(const Network& network, const std::string& file);
std::string export_onnx_bytes(const Network& network);

/// The operator types that import_onnx knows, sorted.
std::vector<std::string> supported_onnx_operators();

}  // namespace octile
