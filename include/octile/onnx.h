// ONNX in: a model file becomes a Network.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/network.h"

namespace octile {

struct OnnxOptions {
  /// Makes axis 0 of every input dynamic when the file fixed it at 1 (off by default).
  bool dynamic_batch = false;
  std::function<void(LogLevel, std::string_view)> log;
};

/// Imports a model. Throws kInvalidFile for what is no valid model, kUnsupported with one message
/// that lists *all* unsupported nodes by name, kIo when the file cannot be read.
Network import_onnx(const std::string& file, const OnnxOptions& options = {});
Network import_onnx_bytes(std::string_view bytes, const OnnxOptions& options = {},
                          const std::string& origin = "model");

/// The operator types that import_onnx knows, sorted.
std::vector<std::string> supported_onnx_operators();

}  // namespace octile
