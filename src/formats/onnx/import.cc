// ONNX model → Network. Start reading at import_model(): inputs, initializers, nodes, outputs; the
// operators are in rules.cc. Everything in the file is hostile until checked.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <unordered_set>

#include "base/bytes.h"
#include "formats/onnx/given.h"
#include "formats/onnx/nodes.h"
#include "formats/onnx/rules.h"
#include "formats/onnx/tensor_proto.h"
#include "octile/onnx.h"

namespace octile {
namespace {

onnx::ModelProto parse(std::string_view bytes, const std::string& origin) {
  check(bytes.size() <= static_cast<size_t>(std::numeric_limits<int>::max()),
        ErrorCode::kUnsupported,
        "{}: the file is larger than 2 GiB, which no ONNX file is; store its weights externally",
        origin);
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  onnx::ModelProto model;
  const bool parsed =
      !bytes.empty() && model.ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
  check(parsed && model.has_graph() && model.graph().node_size() > 0, ErrorCode::kInvalidFile,
        "{}: this is no ONNX model, or it is truncated", origin);
  return model;
}

/// Puts bytes that the caller gives in the place of initializers' own.
void give_initializers(onnx::ModelProto& model, const std::map<std::string, std::string>& given,
                       const std::string& origin) {
  for (const auto& entry : given) {
    const std::string& name = entry.first;
    auto& list = *model.mutable_graph()->mutable_initializer();
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const auto& t) { return t.name() == name; });
    check(found != list.end(), ErrorCode::kInvalidArgument, "{}: it has no initializer '{}'",
          origin, name);
    onnx::TensorProto tensor;
    tensor.set_name(name);
    tensor.set_data_type(found->data_type());
    *tensor.mutable_dims() = found->dims();
    tensor.set_raw_data(entry.second);
    *found = std::move(tensor);
  }
}

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const OnnxOptions& options, const std::string& origin,
           const std::string& folder)
      : model_(model),
        graph_(model.graph()),
        options_(options),
        origin_(origin),
        state_(graph_.name().empty() ? "model" : graph_.name()) {
    state_.folder = folder;
    state_.warn = [this](const std::string& message) { warn(message); };
  }

  Network import_model() {
    std::unordered_set<std::string> wanted;
    NodeList live;
    at_place(origin_, [&] {
      read_opsets();
      read_functions();
      check(graph_.output_size() > 0, ErrorCode::kInvalidFile, "the model has no outputs");
      for (const auto& output : graph_.output()) wanted.insert(output.name());
      live = live_nodes(graph_.node(), wanted);
      refuse_unknown_operators(live, state_);
    });
    check_given_names(options_.constants, graph_, origin_);
    read_given();
    for (const auto& given : options_.constants) wanted.erase(given.first);  // defaults overridden
    at_place(origin_, [&] {
      state_.declared = declared_types(graph_);
      import_initializers(graph_, wanted, state_);
      read_inputs();
      import_nodes(live, state_);
      mark_outputs();
    });
    return std::move(state_.network);
  }

 private:
  void warn(const std::string& message) const {
    if (options_.log) options_.log(LogLevel::kWarning, fmt::format("{}: {}", origin_, message));
  }

  void read_opsets() {
    state_.scope.opsets = opsets_of(model_.opset_import());
    const int64_t version = state_.scope.opsets.try_emplace("", 1).first->second;  // ONNX's rule
    if (version < kOldestOpset) {
      warn(
          fmt::format("operator set {} is older than {}, the oldest Octile knows; operators are "
                      "taken to mean what they did then",
                      version, kOldestOpset));
    }
    if (version > kNewestOpset) {
      warn(
          fmt::format("operator set {} is newer than {}, the newest Octile knows; operators are "
                      "taken to mean what they did",
                      version, kNewestOpset));
    }
  }

  void read_functions() {
    for (const onnx::FunctionProto& function : model_.functions()) {
      state_.functions[{domain_of(function.domain()), function.name()}] = &function;
    }
  }

  void define(const std::string& name, Value value) {
    check(state_.values.emplace(name, std::move(value)).second, ErrorCode::kInvalidFile,
          "'{}' is defined twice", name);
  }

  void read_given() {
    for (const onnx::ValueInfoProto& info : graph_.input()) {
      const auto given = options_.constants.find(info.name());
      if (given == options_.constants.end()) continue;
      Tensor value = as_declared(given->second, info, origin_);
      at_place(origin_, [&] { define(info.name(), Value::of(std::move(value))); });
    }
  }

  void read_inputs() {
    std::unordered_set<std::string> initializers;
    for (const auto& proto : graph_.initializer()) initializers.insert(proto.name());
    for (const onnx::ValueInfoProto& info : graph_.input()) {
      if (options_.constants.contains(info.name())) continue;
      if (initializers.contains(info.name())) continue;  // a default nobody overrides
      at_place(fmt::format("input '{}'", info.name()), [&] { read_input(info); });
    }
  }

  void read_input(const onnx::ValueInfoProto& info) {
    check(info.type().has_tensor_type(), ErrorCode::kUnsupported, "it is no tensor");
    const auto& tensor = info.type().tensor_type();
    const auto type = network_type(tensor.elem_type());
    check(type.has_value(), ErrorCode::kUnsupported, "its type is {}, which Octile lacks",
          onnx_type_name(tensor.elem_type()));
    check(tensor.has_shape(), ErrorCode::kUnsupported,
          "it has no shape; give it one in the model (extents may be unknown)");
    check(tensor.shape().dim_size() <= kMaxRank, ErrorCode::kUnsupported,
          "it has {} axes, but Octile handles at most {}", tensor.shape().dim_size(), kMaxRank);
    Shape shape;
    std::vector<Symbol> symbols;
    for (const auto& dim : tensor.shape().dim()) {
      const bool first = shape.empty();
      // Old exporters wrote 0 for a batch that is not known.
      const int64_t extent =
          dim.has_dim_value() && dim.dim_value() > (first ? 0 : -1) ? dim.dim_value() : kDynamic;
      check(extent <= kMostExtent, ErrorCode::kInvalidFile, "its extent {} is too large", extent);
      const bool forced = first && extent == 1 && options_.dynamic_batch;
      if (forced && state_.forced_batch == kNoSymbol) state_.forced_batch = state_.extents.symbol();
      shape.push_back(forced ? kDynamic : extent);
      symbols.push_back(forced               ? state_.forced_batch
                        : extent == kDynamic ? state_.extents.symbol(dim.dim_param())
                                             : kNoSymbol);
    }
    const std::string named = onnx_type_name(tensor.elem_type());
    if (named != name_of(*type) && named != "float") {
      warn(fmt::format("input '{}' is {}, but Octile takes it as {}", info.name(), named,
                       name_of(*type)));
    }
    const TensorId id = state_.network.add_input(info.name(), *type, shape);
    state_.extents.set(id, std::move(symbols));
    define(info.name(), Value::of(id));
  }

  void mark_outputs() {
    for (const auto& output : graph_.output()) {
      at_place(fmt::format("output '{}'", output.name()), [&] { mark_output(output.name()); });
    }
  }

  void mark_output(const std::string& name) {
    const auto found = state_.values.find(name);
    check(found != state_.values.end(), ErrorCode::kInvalidFile, "no node makes it");
    Value& value = found->second;
    Network& network = state_.network;
    if (value.tensor && value.second == nullptr && network.producer(*value.tensor).valid() &&
        network.constant_value(*value.tensor) == nullptr) {
      return network.mark_output(*value.tensor);
    }
    // An input or a constant goes out through a layer of its own, which takes the name; an input
    // cannot give its name away.
    if (value.second != nullptr) {
      const TensorId made = state_.computed(value, name);
      const TensorId out = network.identity(made, state_.free_layer_name(name));
      state_.name_tensor(out, name);
      return network.mark_output(out);
    }
    const bool constant = !value.tensor;
    const TensorId from =
        constant ? network.constant(*value.constant, state_.free_layer_name(name + ".value"))
                 : *value.tensor;
    const TensorId to = network.identity(from, state_.free_layer_name(name));
    if (constant || network.producer(from).valid()) state_.name_tensor(to, name);
    network.mark_output(to);
  }

  const onnx::ModelProto& model_;
  const onnx::GraphProto& graph_;
  const OnnxOptions& options_;
  const std::string& origin_;
  ImportState state_;
};

}  // namespace

Network import_onnx(const std::string& file, const OnnxOptions& options) {
  const std::filesystem::path parent = std::filesystem::path(file).parent_path();
  onnx::ModelProto model = parse(read_file(file), file);
  give_initializers(model, options.initializers, file);
  return Importer(model, options, file, parent.empty() ? "." : parent.string()).import_model();
}

Network import_onnx_bytes(std::string_view bytes, const OnnxOptions& options,
                          const std::string& origin) {
  onnx::ModelProto model = parse(bytes, origin);
  give_initializers(model, options.initializers, origin);
  return Importer(model, options, origin, options.folder).import_model();
}

std::vector<OnnxNodeInfo> list_onnx_nodes(std::string_view bytes, const std::string& origin) {
  const onnx::ModelProto model = parse(bytes, origin);
  std::unordered_set<std::string> functions;
  for (const onnx::FunctionProto& function : model.functions()) {
    functions.insert(domain_of(function.domain()) + "." + function.name());
  }
  std::vector<OnnxNodeInfo> nodes;
  for (const onnx::NodeProto& node : model.graph().node()) {
    nodes.push_back(
        {.name = node.name(),
         .op_type = node.op_type(),
         .domain = domain_of(node.domain()),
         .inputs = {node.input().begin(), node.input().end()},
         .outputs = {node.output().begin(), node.output().end()},
         .supported = find_rule(node.domain(), node.op_type()) != nullptr ||
                      functions.contains(domain_of(node.domain()) + "." + node.op_type())});
  }
  return nodes;
}

std::vector<std::string> supported_onnx_operators() {
  std::vector<std::string> names;
  for (const RuleRow& row : onnx_rules()) {
    names.push_back(row.domain.empty() ? std::string(row.op_type)
                                       : fmt::format("{}.{}", row.domain, row.op_type));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace octile
