// Writes the demo's network as an ONNX file: what a user with an exported model starts from.
//
//   octile_mnist_write_onnx WEIGHTS.npz OUTPUT.onnx
#include <fmt/format.h>
#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "octile/data.h"

namespace {

using octile::Tensor;

void add_ints(onnx::NodeProto& node, const char* name, std::initializer_list<int64_t> values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const int64_t v : values) attribute.add_ints(v);
}

void add_int(onnx::NodeProto& node, const char* name, int64_t value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(name);
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

onnx::NodeProto& add_node(onnx::GraphProto& graph, const char* type, const std::string& name,
                          std::initializer_list<std::string> inputs, const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(type);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

void add_value(onnx::ValueInfoProto& info, const char* name, std::initializer_list<int64_t> dims) {
  info.set_name(name);
  auto& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  for (const int64_t d : dims) {
    auto& dim = *type.mutable_shape()->add_dim();
    if (d < 0) {
      dim.set_dim_param("N");
    } else {
      dim.set_dim_value(d);
    }
  }
}

void add_weights(onnx::GraphProto& graph, const std::map<std::string, Tensor>& arrays) {
  for (const auto& [name, array] : arrays) {
    onnx::TensorProto& t = *graph.add_initializer();
    t.set_name(name);
    t.set_data_type(onnx::TensorProto::FLOAT);
    for (const int64_t extent : array.shape()) t.add_dims(extent);
    t.set_raw_data(array.data(), array.bytes());
  }
}

onnx::ModelProto make_model(const std::map<std::string, Tensor>& arrays) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("octile-mnist-example");
  model.add_opset_import()->set_version(13);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("mnist");
  add_value(*graph.add_input(), "data", {-1, 1, 28, 28});
  add_value(*graph.add_output(), "scores", {-1, 10});
  add_weights(graph, arrays);
  std::string x = "data";
  for (const std::string name : {"conv1", "conv2"}) {
    auto& conv = add_node(graph, "Conv", name, {x, name + ".weight", name + ".bias"}, name);
    add_ints(conv, "kernel_shape", {5, 5});
    add_ints(conv, "pads", {2, 2, 2, 2});
    add_node(graph, "Relu", name + ".relu", {name}, name + ".relu");
    auto& pool = add_node(graph, "MaxPool", name + ".pool", {name + ".relu"}, name + ".pool");
    add_ints(pool, "kernel_shape", {2, 2});
    add_ints(pool, "strides", {2, 2});
    x = name + ".pool";
  }
  add_int(add_node(graph, "Flatten", "flatten", {x}, "flatten"), "axis", 1);
  const auto gemm = [&](const std::string& name, const std::string& in, const std::string& out) {
    auto& node = add_node(graph, "Gemm", name, {in, name + ".weight", name + ".bias"}, out);
    add_int(node, "transB", 1);
  };
  gemm("fc1", "flatten", "fc1");
  add_node(graph, "Relu", "fc1.relu", {"fc1"}, "fc1.relu");
  gemm("fc2", "fc1.relu", "scores");
  return model;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: {} WEIGHTS.npz OUTPUT.onnx\n", argv[0]);
    return 2;
  }
  try {
    const std::string bytes = make_model(octile::load_npz(argv[1])).SerializeAsString();
    const std::string temporary = fmt::format("{}.tmp{}", argv[2], getpid());
    std::ofstream out(temporary, std::ios::binary);
    out << bytes;
    out.close();
    if (!out || std::rename(temporary.c_str(), argv[2]) != 0) {
      throw octile::Error(octile::ErrorCode::kIo, std::string(argv[2]) + ": cannot write");
    }
    fmt::print("{}: {} bytes\n", argv[2], bytes.size());
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
