// What the model declares about names, and values that the caller gives for graph inputs
// (OnnxOptions::constants): those become constants.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "octile/tensor.h"

namespace octile {

/// Throws kInvalidArgument for a name that is no input of the graph.
void check_given_names(const std::map<std::string, Tensor>& given, const onnx::GraphProto& graph,
                       const std::string& origin);

/// The given value in the type and shape that the input declares. It is converted only where every
/// element survives (a command line knows neither int32 nor bool), and a list takes the declared
/// shape where its length fits. Throws kInvalidArgument naming the input otherwise.
Tensor as_declared(const Tensor& value, const onnx::ValueInfoProto& input,
                   const std::string& origin);

/// Element types by name: of initializers, graph inputs and whatever has a value_info.
std::shared_ptr<const std::unordered_map<std::string, int>> declared_types(
    const onnx::GraphProto& graph);

}  // namespace octile
