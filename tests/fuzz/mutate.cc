// See mutate.h.
#include "fuzz/mutate.h"

#include <cstdint>

#include "octile/onnx.h"
#include "support/onnx_messages.h"

namespace octile::fuzz {
namespace {

constexpr int64_t kNumbers[] = {0,         1,         -1,       2,        3,         -2,
                                4,         7,         17,       -100,     1000,      65537,
                                INT32_MAX, INT32_MIN, 1L << 31, 1L << 40, INT64_MAX, INT64_MIN};
constexpr float kFloats[] = {0, 1, -1, 0.5f, 1e30f, -1e30f, 1e-30f, 3e38f};

int64_t below(Generator& random, int64_t count) {
  return static_cast<int64_t>(random() % static_cast<uint64_t>(count));
}

template <typename T, size_t N>
T any(const T (&list)[N], Generator& random) {
  return list[static_cast<size_t>(below(random, N))];
}

/// All graphs of the model, subgraphs included.
void collect(onnx::GraphProto* graph, std::vector<onnx::GraphProto*>& graphs) {
  graphs.push_back(graph);
  for (auto& node : *graph->mutable_node()) {
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) collect(attribute.mutable_g(), graphs);
    }
  }
}

std::string any_name(const onnx::GraphProto& graph, Generator& random) {
  std::vector<std::string> names{""};
  for (const auto& input : graph.input()) names.push_back(input.name());
  for (const auto& tensor : graph.initializer()) names.push_back(tensor.name());
  for (const auto& node : graph.node()) {
    names.insert(names.end(), node.output().begin(), node.output().end());
  }
  return names[static_cast<size_t>(below(random, static_cast<int64_t>(names.size())))];
}

template <typename Field, typename T>
void change_list(Field* field, const T& value, Generator& random) {
  const int64_t size = field->size(), kind = below(random, 3);
  if (kind == 0 || size == 0)
    field->Add(value);
  else if (kind == 1)
    field->RemoveLast();
  else
    field->Set(static_cast<int>(below(random, size)), value);
}

void change_tensor(onnx::TensorProto& tensor, Generator& random) {
  switch (below(random, 4)) {
    case 0: return change_list(tensor.mutable_dims(), any(kNumbers, random), random);
    case 1: return tensor.set_data_type(static_cast<int>(below(random, 18)));
    case 2: return change_list(tensor.mutable_int64_data(), any(kNumbers, random), random);
    default: {
      std::string* raw = tensor.mutable_raw_data();
      const int64_t number = any(kNumbers, random);
      if (raw->size() >= 8) {
        const auto words = static_cast<int64_t>(raw->size() / 8);
        raw->replace(static_cast<size_t>(below(random, words)) * 8, 8,
                     reinterpret_cast<const char*>(&number), 8);
      }
    }
  }
}

void change_attribute(onnx::AttributeProto& attribute, Generator& random) {
  if (attribute.has_t() && below(random, 8) != 0)
    return change_tensor(*attribute.mutable_t(), random);
  switch (attribute.type()) {
    case onnx::AttributeProto::INT: return attribute.set_i(any(kNumbers, random));
    case onnx::AttributeProto::FLOAT: return attribute.set_f(any(kFloats, random));
    case onnx::AttributeProto::INTS:
      return change_list(attribute.mutable_ints(), any(kNumbers, random), random);
    case onnx::AttributeProto::FLOATS:
      return change_list(attribute.mutable_floats(), any(kFloats, random), random);
    default: return attribute.set_type(onnx::AttributeProto::INT);
  }
}

void change_node(onnx::GraphProto& graph, onnx::NodeProto& node, Generator& random) {
  static const std::vector<std::string> operators = supported_onnx_operators();
  const int64_t inputs = node.input_size(), attributes = node.attribute_size();
  switch (below(random, 6)) {
    case 0:
      node.set_op_type(
          operators[static_cast<size_t>(below(random, static_cast<int64_t>(operators.size())))]);
      return;
    case 1: *node.add_input() = any_name(graph, random); return;
    case 2:
      if (inputs > 0)
        node.set_input(static_cast<int>(below(random, inputs)), any_name(graph, random));
      return;
    case 3:
      if (inputs > 0) node.mutable_input()->RemoveLast();
      return;
    default:
      if (attributes == 0) return;
      change_attribute(*node.mutable_attribute(static_cast<int>(below(random, attributes))),
                       random);
  }
}

void change_input(onnx::ValueInfoProto& info, Generator& random) {
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  auto* shape = tensor->mutable_shape();
  switch (below(random, 4)) {
    case 0: return tensor->set_elem_type(static_cast<int>(below(random, 18)));
    case 1: shape->add_dim()->set_dim_value(any(kNumbers, random)); return;
    case 2:
      if (shape->dim_size() > 0) shape->mutable_dim()->RemoveLast();
      return;
    default:
      if (shape->dim_size() > 0) {
        auto* dim = shape->mutable_dim(static_cast<int>(below(random, shape->dim_size())));
        if (below(random, 2) == 0)
          dim->set_dim_param("n");
        else
          dim->set_dim_value(any(kNumbers, random));
      }
  }
}

/// An input of the graph becomes an initializer: most rules want constants.
void make_constant(onnx::GraphProto& graph, Generator& random) {
  if (graph.input_size() == 0) return;
  const auto at = static_cast<int>(below(random, graph.input_size()));
  const auto& info = graph.input(at);
  auto* tensor = graph.add_initializer();
  tensor->set_name(info.name());
  tensor->set_data_type(info.type().tensor_type().elem_type());
  int64_t volume = 1;
  for (const auto& dim : info.type().tensor_type().shape().dim()) {
    const int64_t extent = dim.dim_value() > 0 && dim.dim_value() < 64 ? dim.dim_value() : 1;
    tensor->add_dims(extent);
    volume = volume < 4096 ? volume * extent : volume;
  }
  for (int64_t i = 0; i < volume; ++i) {
    tensor->add_float_data(any(kFloats, random));
    tensor->add_int64_data(any(kNumbers, random));
    tensor->add_int32_data(static_cast<int>(any(kNumbers, random)));
  }
  if (tensor->data_type() == onnx::TensorProto::FLOAT) tensor->clear_int64_data();
}

void change(onnx::ModelProto& model, Generator& random) {
  std::vector<onnx::GraphProto*> graphs;
  collect(model.mutable_graph(), graphs);
  auto& graph = *graphs[static_cast<size_t>(below(random, static_cast<int64_t>(graphs.size())))];
  const int nodes = graph.node_size();
  const auto node = nodes > 0 ? static_cast<int>(below(random, nodes)) : 0;
  switch (below(random, 10)) {
    case 0:
      if (graph.initializer_size() > 0) {
        change_tensor(
            *graph.mutable_initializer(static_cast<int>(below(random, graph.initializer_size()))),
            random);
      }
      return;
    case 1:
      if (graph.input_size() > 0) {
        change_input(*graph.mutable_input(static_cast<int>(below(random, graph.input_size()))),
                     random);
      }
      return;
    case 2: return make_constant(graph, random);
    case 3:
      if (nodes > 1)
        graph.mutable_node()->SwapElements(node, static_cast<int>(below(random, nodes)));
      return;
    case 4:
      if (model.opset_import_size() > 0) {
        model.mutable_opset_import(0)->set_version(below(random, 24));
      }
      return;
    default:
      if (nodes > 0) change_node(graph, *graph.mutable_node(node), random);
  }
}

}  // namespace

std::string mutate_bytes(std::string bytes, Generator& random) {
  for (int64_t count = 1 + below(random, 4); count > 0 && !bytes.empty(); --count) {
    const auto at = static_cast<size_t>(below(random, static_cast<int64_t>(bytes.size())));
    const auto length = static_cast<size_t>(1 + below(random, 8));
    switch (below(random, 4)) {
      case 0: bytes[at] = static_cast<char>(random()); break;
      case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(random, 8))); break;
      case 2: bytes.erase(at, length); break;
      default: bytes.insert(at, bytes.substr(at, length)); break;
    }
  }
  return bytes;
}

std::string mutate_model(const std::string& bytes, Generator& random) {
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) return mutate_bytes(bytes, random);
  for (int64_t count = 1 + below(random, 4); count > 0; --count) change(model, random);
  return model.SerializeAsString();
}

std::string cross(const std::string& bytes, const std::string& other, Generator& random) {
  onnx::ModelProto model, more;
  if (!model.ParseFromString(bytes) || !more.ParseFromString(other)) return bytes;
  model.mutable_graph()->MergeFrom(more.graph());
  for (int64_t count = below(random, 4); count > 0; --count) change(model, random);
  return model.SerializeAsString();
}

}  // namespace octile::fuzz
