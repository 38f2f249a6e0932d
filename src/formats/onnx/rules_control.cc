// If with a constant condition, and Loop with a known number of iterations: the nodes of the branch
// or of every iteration come in the node's place. Anything else needs values at run time.
#include "formats/onnx/inline.h"

namespace octile {
namespace {

bool truth(const Node& node, const Tensor& value) {
  node.require(value.volume() == 1 && value.type() == DataType::kBool,
               "its condition must be one bool, not {} {}", name_of(value.type()),
               value.shape().to_string());
  return *value.as<uint8_t>() != 0;
}

Tensor boolean(bool value) {
  Tensor tensor(DataType::kBool, Shape{});
  *tensor.as<uint8_t>() = value ? 1 : 0;
  return tensor;
}

/// The value when it is known at import, else nullptr.
const Tensor* known_value(Node& node, const Value& value) {
  if (value.tensor) return node.network().constant_value(*value.tensor);
  return value.second == nullptr ? value.constant.get() : nullptr;
}

/// A loop's body and what goes from one iteration to the next.
struct Unrolled {
  std::vector<Value> carried;
  std::vector<std::vector<Value>> scanned;  // by scan output, one an iteration
};

Unrolled unroll(Node& node, const onnx::GraphProto& body) {
  const int carried = node.input_count() - 2, results = body.output_size() - 1;
  node.require(carried >= 0 && body.input_size() == carried + 2 && results >= carried,
               "its body has {} inputs and {} outputs, which do not fit {} inputs of the node",
               body.input_size(), body.output_size(), node.input_count());
  const int64_t trips = node.has(0) ? node.integer_input(0, "trip count") : INT64_MAX;
  const bool conditional = node.has(1);
  bool more = !conditional || truth(node, node.constant(1, "condition"));
  node.require(node.has(0) || conditional, "it never ends: it has no trip count, no condition");
  Unrolled state;
  for (int i = 0; i < carried; ++i) state.carried.push_back(node.value(2 + i));
  state.scanned.resize(static_cast<size_t>(results - carried));
  const std::string name = node.name();
  Inliner inliner(node, body);
  for (int64_t i = 0; i < trips && more; ++i) {
    std::vector<Value> inputs{Value::of(Tensor::int64s({i}).reshaped(Shape{})),
                              Value::of(boolean(true))};
    inputs.insert(inputs.end(), state.carried.begin(), state.carried.end());
    std::vector<Value> got;
    at_place(fmt::format("iteration {}", i),
             [&] { got = inliner.run(inputs, fmt::format("{}[{}]/", name, i)); });
    if (conditional) {
      const Tensor* condition = known_value(node, got[0]);
      if (condition == nullptr) {
        node.unsupported(
            "whether it goes on after iteration {} depends on values that are not known at import; "
            "Octile unrolls loops, so it needs to know how often they run",
            i);
      }
      more = truth(node, *condition);
    }
    const auto last = got.begin() + 1 + carried;
    state.carried.assign(got.begin() + 1, last);
    for (size_t s = 0; s < state.scanned.size(); ++s) {
      state.scanned[s].push_back(*(last + static_cast<std::ptrdiff_t>(s)));
    }
  }
  return state;
}

}  // namespace

void import_if(Node& node) {
  const bool condition = truth(node, node.constant(0, "condition"));
  const onnx::GraphProto& otherwise = subgraph(node, "else_branch");
  const onnx::GraphProto& then = subgraph(node, "then_branch");
  const onnx::GraphProto& branch = condition ? then : otherwise;
  node.require(branch.output_size() >= node.output_count(), "its branch has {} outputs, not {}",
               branch.output_size(), node.output_count());
  const int first_new = node.network().tensor_count();
  std::vector<Value> results;
  {
    const std::string label = node.state().scope.label;
    Inliner inliner(node, branch);
    at_place(condition ? "then" : "else", [&] { results = inliner.run({}, label); });
  }
  for (int i = 0; i < node.output_count(); ++i) {
    if (node.wants(i)) output_value(node, i, results[static_cast<size_t>(i)], first_new);
  }
}

void import_loop(Node& node) {
  const int first_new = node.network().tensor_count();
  const Unrolled state = unroll(node, subgraph(node, "body"));
  const auto carried = static_cast<int>(state.carried.size());
  node.require(node.output_count() <= carried + static_cast<int>(state.scanned.size()),
               "it has {} outputs, but its body fewer", node.output_count());
  for (int i = 0; i < node.output_count(); ++i) {
    if (!node.wants(i)) continue;
    if (i < carried) {
      output_value(node, i, state.carried[static_cast<size_t>(i)], first_new);
      continue;
    }
    const auto& values = state.scanned[static_cast<size_t>(i - carried)];
    if (values.empty()) {
      node.unsupported("it runs no iteration, so its output {} is empty", i);
    }
    output_value(node, i, stacked(node, values, 0), first_new);
  }
}

}  // namespace octile
