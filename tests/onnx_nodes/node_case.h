// One of ONNX's published node tests on disk: model.onnx and test_data_set_N/{input,output}_K.pb.
// Values are decoded here by the letter of onnx.proto, with nothing of the importer: it is judged.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "octile/tensor.h"
#include "support/onnx_messages.h"

namespace octile::onnx_nodes {

/// Graph inputs and outputs in the model's order. Trailing optional inputs may be left out.
struct DataSet {
  std::vector<Tensor> inputs, outputs;
  std::vector<bool> loose;  // for each output: kLooseRelative of compare.h applies
};

struct NodeCase {
  std::string name;  // "test_abs"
  std::string model_file;
  onnx::ModelProto model;
  std::vector<std::filesystem::path> data_sets;
};

NodeCase load_case(const std::filesystem::path& folder);

/// Throws Error{kUnsupported} for what is no tensor of numbers (strings, sequences, optionals).
DataSet load_data(const NodeCase& test, const std::filesystem::path& folder);

/// A TensorProto in the type that Octile documents for it: double, float16 and bfloat16 are
/// float32; uint16 is int32; uint32 and uint64 are int64 (values above its range are refused).
/// `declared` is the model's element type: NumPy lacks bfloat16, so files hold its bits as uint16.
Tensor decode(const onnx::TensorProto& proto, int declared);

}  // namespace octile::onnx_nodes
