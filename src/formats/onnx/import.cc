// ONNX model → Network. Start reading at import_model(): inputs, initializers, nodes, outputs; the
// operators are in rules.cc. Everything in the file is hostile until checked.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <unordered_set>

#include "base/bytes.h"
#include "formats/onnx/fold.h"
#include "formats/onnx/given.h"
#include "formats/onnx/tensor_proto.h"
#include "octile/onnx.h"

namespace octile {
namespace {

constexpr int64_t kOldestOpset = 7, kNewestOpset = 23;
constexpr int64_t kMostExtent = int64_t{1} << 31;

/// Runs f(); an Error comes out with the model and the place in front, as an error of the file.
template <typename F>
void at_place(const std::string& origin, const std::string& place, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    const bool blame_file = error.code() == ErrorCode::kInvalidArgument;
    throw Error(blame_file ? ErrorCode::kInvalidFile : error.code(),
                fmt::format("{}: {}: {}", origin, place, error.what()));
  }
}

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
  }

  Network import_model() {
    read_opsets();
    find_live_nodes();
    refuse_unknown_operators();
    check_given_names(options_.constants, graph_, origin_);
    state_.declared = declared_types(graph_);
    read_initializers();
    read_inputs();
    for (const onnx::NodeProto* node : live_) import_node(*node);
    mark_outputs();
    return std::move(state_.network);
  }

 private:
  void warn(const std::string& message) const {
    if (options_.log) options_.log(LogLevel::kWarning, fmt::format("{}: {}", origin_, message));
  }

  void read_opsets() {
    for (const auto& import : model_.opset_import()) {
      const std::string domain = import.domain() == "ai.onnx" ? "" : import.domain();
      opsets_[domain] = import.version();
    }
    if (!opsets_.contains("")) opsets_[""] = 1;  // ONNX's rule for files without
    const int64_t version = opsets_[""];
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

  int64_t opset_of(const onnx::NodeProto& node) const {
    const auto found = opsets_.find(node.domain() == "ai.onnx" ? "" : node.domain());
    return found != opsets_.end() ? found->second : 1;
  }

  /// Nodes that outputs depend on, in the file's order; the rest is never looked at.
  void find_live_nodes() {
    std::unordered_set<std::string> wanted;
    check(graph_.output_size() > 0, ErrorCode::kInvalidFile, "{}: the model has no outputs",
          origin_);
    for (const auto& output : graph_.output()) wanted.insert(output.name());
    for (int i = graph_.node_size() - 1; i >= 0; --i) {
      const onnx::NodeProto& node = graph_.node(i);
      const bool live = std::any_of(node.output().begin(), node.output().end(), [&](const auto& o) {
        return !o.empty() && wanted.contains(o);
      });
      if (!live) continue;
      live_.push_back(&node);
      wanted.insert(node.input().begin(), node.input().end());
    }
    std::reverse(live_.begin(), live_.end());
  }

  void refuse_unknown_operators() const {
    std::string list;
    int count = 0;
    for (const onnx::NodeProto* node : live_) {
      if (find_rule(node->domain(), node->op_type()) != nullptr) continue;
      const std::string domain = node->domain().empty() ? "" : node->domain() + ".";
      const std::string name = !node->name().empty()     ? node->name()
                               : node->output_size() > 0 ? node->output(0)
                                                         : "";
      list += fmt::format("{}'{}' ({}{})", count++ == 0 ? "" : ", ", name, domain, node->op_type());
    }
    check(count == 0, ErrorCode::kUnsupported,
          "{}: Octile lacks the operators of {} node{}: {}; replace them in the model, or cut the "
          "model before them",
          origin_, count, count == 1 ? "" : "s", list);
  }

  void define(const std::string& name, Value value) {
    check(state_.values.emplace(name, std::move(value)).second, ErrorCode::kInvalidFile,
          "{}: '{}' is defined twice", origin_, name);
  }

  /// Those that a live node or an output reads.
  void read_initializers() {
    check(graph_.sparse_initializer_size() == 0, ErrorCode::kUnsupported,
          "{}: the model has sparse initializers; store them densely", origin_);
    std::unordered_set<std::string> read;
    for (const onnx::NodeProto* node : live_) {
      read.insert(node->input().begin(), node->input().end());
    }
    for (const auto& output : graph_.output()) read.insert(output.name());
    for (const onnx::TensorProto& proto : graph_.initializer()) {
      const bool given = options_.constants.contains(proto.name());  // a default overridden
      if (given || !read.contains(proto.name())) continue;
      at_place(origin_, fmt::format("initializer '{}'", proto.name()),
               [&] { define(proto.name(), Value::of(read_tensor(proto, state_.folder))); });
    }
  }

  void read_inputs() {
    std::unordered_set<std::string> initializers;
    for (const auto& proto : graph_.initializer()) initializers.insert(proto.name());
    for (const onnx::ValueInfoProto& info : graph_.input()) {
      if (const auto given = options_.constants.find(info.name());
          given != options_.constants.end()) {
        define(info.name(), Value::of(as_declared(given->second, info, origin_)));
        continue;
      }
      if (initializers.contains(info.name())) continue;  // a default nobody overrides
      at_place(origin_, fmt::format("input '{}'", info.name()), [&] { read_input(info); });
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
      const int64_t extent =
          dim.has_dim_value() && dim.dim_value() > 0 ? dim.dim_value() : kDynamic;
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

  void import_node(const onnx::NodeProto& proto) {
    Node node(proto, opset_of(proto), state_);
    at_place(origin_, fmt::format("node '{}' ({})", node.name(), proto.op_type()), [&] {
      for (const std::string& output : proto.output()) {
        check(output.empty() || !state_.values.contains(output), ErrorCode::kInvalidFile,
              "its output '{}' is defined already", output);
      }
      const RuleRow* row = find_rule(proto.domain(), proto.op_type());
      if (is_foldable(*row, node)) return fold(*row, proto, opset_of(proto), state_);
      row->rule(node);
      for (const std::string& name : node.ignored_attributes()) {
        warn(fmt::format("node '{}' ({}): attribute '{}' is not known and ignored", node.name(),
                         proto.op_type(), name));
      }
    });
  }

  void mark_outputs() {
    for (const auto& output : graph_.output()) {
      at_place(origin_, fmt::format("output '{}'", output.name()),
               [&] { mark_output(output.name()); });
    }
  }

  void mark_output(const std::string& name) {
    const auto found = state_.values.find(name);
    check(found != state_.values.end(), ErrorCode::kInvalidFile, "no node makes it");
    Value& value = found->second;
    Network& network = state_.network;
    if (value.tensor && network.producer(*value.tensor).valid() &&
        network.constant_value(*value.tensor) == nullptr) {
      return network.mark_output(*value.tensor);
    }
    // An input or a constant goes out through a layer of its own, which takes the name; an input
    // cannot give its name away.
    check(value.second == nullptr, ErrorCode::kUnsupported,
          "it is computed from extents that are not known at import");
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
  std::unordered_map<std::string, int64_t> opsets_;
  std::vector<const onnx::NodeProto*> live_;
};

}  // namespace

Network import_onnx(const std::string& file, const OnnxOptions& options) {
  const std::filesystem::path parent = std::filesystem::path(file).parent_path();
  const onnx::ModelProto model = parse(read_file(file), file);
  return Importer(model, options, file, parent.empty() ? "." : parent.string()).import_model();
}

Network import_onnx_bytes(std::string_view bytes, const OnnxOptions& options,
                          const std::string& origin) {
  const onnx::ModelProto model = parse(bytes, origin);
  return Importer(model, options, origin, "").import_model();
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
