// Computing a node at import when all its inputs are known: its rule runs on a network of its own,
// which the interpreter evaluates. So folding has no arithmetic of its own.
#pragma once

#include "formats/onnx/rules.h"

namespace octile {

/// True when every input is known (perhaps in terms of unknown extents) and there is one.
bool is_foldable(const RuleRow& row, const Node& node);

/// Sets the outputs of a foldable node, and `ignored` to the attributes that its rule did not ask
/// for. False, with nothing done, where only running can tell them: extents decide their shapes or
/// which of two values is larger. Throws like the rule.
bool fold(const RuleRow& row, const onnx::NodeProto& proto, int64_t opset, ImportState& state,
          std::vector<std::string>& ignored);

}  // namespace octile
