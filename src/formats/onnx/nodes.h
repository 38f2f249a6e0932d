// Lists of nodes, of the model, of a subgraph or of a function: which of them matter, which
// operators Octile lacks, and their import one after the other.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "formats/onnx/import_state.h"

namespace octile {

struct RuleRow;

/// Of ONNX's own operator set: what the rules know.
inline constexpr int64_t kOldestOpset = 7, kNewestOpset = 23;

using NodeList = std::vector<const onnx::NodeProto*>;
using NodeProtos = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

/// Runs f(); an Error comes out with the place in front, as an error of the file.
template <typename F>
void at_place(const std::string& place, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    const bool blame_file = error.code() == ErrorCode::kInvalidArgument;
    throw Error(blame_file ? ErrorCode::kInvalidFile : error.code(),
                fmt::format("{}: {}", place, error.what()));
  }
}

/// "" for both spellings of ONNX's own domain.
std::string domain_of(const std::string& domain);
/// The operator sets a model or a function imports.
std::map<std::string, int64_t> opsets_of(
    const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports);

/// Adds the names that a node reads, those of its subgraphs included.
void add_names_read(const onnx::NodeProto& node, std::unordered_set<std::string>& names);
/// Nodes that the wanted names depend on, in the file's order; the rest is never looked at.
/// `wanted` gains the names that they read.
NodeList live_nodes(const NodeProtos& nodes, std::unordered_set<std::string>& wanted);

/// One error that lists all of the nodes whose operators Octile lacks, those of loops' bodies and
/// of functions included. (Of an If, only the branch taken is looked at, when it is inlined.)
void refuse_unknown_operators(const NodeList& nodes, const ImportState& state);

/// Initializers of a graph whose names are wanted and not in `values` yet.
void import_initializers(const onnx::GraphProto& graph,
                         const std::unordered_set<std::string>& wanted, ImportState& state);
/// Does what one node says, by its rule or at once where all is known. Returns the attributes that
/// the rule does not know.
std::vector<std::string> import_by_rule(const RuleRow& row, const onnx::NodeProto& proto,
                                        int64_t opset, ImportState& state);
/// Imports the nodes in the order given; an error names the node.
void import_nodes(const NodeList& nodes, ImportState& state);

}  // namespace octile
