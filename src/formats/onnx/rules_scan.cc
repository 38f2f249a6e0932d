// Scan over axes of known extent: unrolled, as Loop. Before opset 9 every input has a batch in
// front.
#include "formats/onnx/inline.h"

namespace octile {
namespace {

/// What runs over which axes; all lists have one entry a scan input or scan output.
struct Plan {
  int first = 0;  // the node's first state
  int states = 0, scans = 0, results = 0;
  std::vector<int64_t> input_axes, output_axes, input_reversed, output_reversed;
};

/// An attribute with one entry each; absent: all 0.
std::vector<int64_t> list_of(Node& node, std::string_view name, int count) {
  std::vector<int64_t> list = node.integers(name);
  if (list.empty()) list.assign(static_cast<size_t>(count), 0);
  node.require(static_cast<int>(list.size()) == count, "attribute '{}' has {} entries, not {}",
               name, list.size(), count);
  return list;
}

Plan plan_of(Node& node, const onnx::GraphProto& body) {
  Plan plan;
  plan.first = node.opset() < 9 ? 1 : 0;
  const int given = node.input_count() - plan.first;
  const int64_t scans = node.integer("num_scan_inputs");
  node.require(scans >= 1 && scans <= given && body.input_size() == given,
               "it has {} scan inputs of {} inputs, and its body has {}", scans, given,
               body.input_size());
  plan.scans = static_cast<int>(scans);
  plan.states = given - plan.scans;
  plan.results = body.output_size() - plan.states;
  node.require(plan.results >= 0 && node.output_count() <= body.output_size(),
               "its body has {} outputs, but it {} states and {} outputs", body.output_size(),
               plan.states, node.output_count());
  if (node.opset() < 9) {
    if (node.has(0)) node.unsupported("its sequences have lengths of their own");
    plan.input_reversed = list_of(node, "directions", plan.scans);
    plan.input_axes.assign(static_cast<size_t>(plan.scans), 0);
    plan.output_axes.assign(static_cast<size_t>(plan.results), 0);
    plan.output_reversed = plan.output_axes;
    return plan;
  }
  plan.input_axes = list_of(node, "scan_input_axes", plan.scans);
  plan.input_reversed = list_of(node, "scan_input_directions", plan.scans);
  plan.output_axes = list_of(node, "scan_output_axes", plan.results);
  plan.output_reversed = list_of(node, "scan_output_directions", plan.results);
  return plan;
}

/// x at one index of an axis, without the axis.
TensorId element(Node& node, TensorId x, int64_t axis, int64_t index) {
  const TensorId at = node.add_constant(Tensor::int64s({index}).reshaped(Shape{}), "index");
  return node.add(Gather{axis}, {x, at});
}

int64_t known_extent(Node& node, TensorId x, int64_t axis) {
  const int64_t extent = node.network().shape(x)[static_cast<int>(axis)];
  if (extent == kDynamic) {
    node.unsupported(
        "it runs over an axis of unknown extent; Octile unrolls loops, so give the model's inputs "
        "fixed shapes");
  }
  return extent;
}

/// Final states, then scan outputs.
std::vector<Value> scan(Node& node, Inliner& inliner, const Plan& plan, std::vector<Value> states,
                        const std::vector<TensorId>& inputs, const std::string& label) {
  std::vector<int64_t> axes;
  int64_t steps = -1;
  for (int i = 0; i < plan.scans; ++i) {
    const auto at = static_cast<size_t>(i);
    axes.push_back(node.axis(plan.input_axes[at], node.network().shape(inputs[at]).rank()));
    const int64_t extent = known_extent(node, inputs[at], axes[at]);
    node.require(steps < 0 || steps == extent, "its inputs have {} and {} steps", steps, extent);
    steps = extent;
  }
  node.require(steps > 0, "it runs over an empty axis");
  std::vector<std::vector<Value>> scanned(static_cast<size_t>(plan.results));
  for (int64_t t = 0; t < steps; ++t) {
    std::vector<Value> given = states;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const int64_t index = plan.input_reversed[i] != 0 ? steps - 1 - t : t;
      given.push_back(Value::of(element(node, inputs[i], axes[i], index)));
    }
    std::vector<Value> got;
    at_place(fmt::format("step {}", t),
             [&] { got = inliner.run(given, fmt::format("{}[{}]/", label, t)); });
    const auto last = got.begin() + plan.states;
    states.assign(got.begin(), last);
    for (size_t i = 0; i < scanned.size(); ++i) {
      const auto place = plan.output_reversed[i] != 0 ? scanned[i].begin() : scanned[i].end();
      scanned[i].insert(place, *(last + static_cast<std::ptrdiff_t>(i)));
    }
  }
  for (size_t i = 0; i < scanned.size(); ++i) {
    states.push_back(stacked(node, scanned[i], plan.output_axes[i]));
  }
  return states;
}

/// Opset 8: every sample of the batch by itself.
std::vector<Value> scan_batch(Node& node, Inliner& inliner, const Plan& plan,
                              const std::vector<TensorId>& inputs) {
  const int64_t batch = known_extent(node, inputs[0], 0);
  std::vector<std::vector<Value>> results(static_cast<size_t>(plan.states + plan.results));
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<Value> states;
    std::vector<TensorId> sequences;
    for (int i = 0; i < plan.states + plan.scans; ++i) {
      const TensorId sample = element(node, inputs[static_cast<size_t>(i)], 0, b);
      if (i < plan.states)
        states.push_back(Value::of(sample));
      else
        sequences.push_back(sample);
    }
    const std::string label = fmt::format("{}[{}]", node.name(), b);
    const auto got = scan(node, inliner, plan, std::move(states), sequences, label);
    for (size_t i = 0; i < results.size(); ++i) results[i].push_back(got[i]);
  }
  std::vector<Value> all;
  for (const auto& samples : results) all.push_back(stacked(node, samples, 0));
  return all;
}

}  // namespace

void import_scan(Node& node) {
  const onnx::GraphProto& body = subgraph(node, "body");
  const Plan plan = plan_of(node, body);
  std::vector<TensorId> inputs;
  std::vector<Value> states;
  for (int i = 0; i < plan.states + plan.scans; ++i) {
    if (i < plan.states && plan.first == 0)
      states.push_back(node.value(i));
    else
      inputs.push_back(node.in(plan.first + i));
  }
  for (const TensorId id : inputs) {
    node.require(node.network().shape(id).rank() > plan.first, "an input has too few axes");
  }
  const int first_new = node.network().tensor_count();
  std::vector<Value> results;
  {
    Inliner inliner(node, body);
    results = plan.first == 1 ? scan_batch(node, inliner, plan, inputs)
                              : scan(node, inliner, plan, std::move(states), inputs, node.name());
  }
  for (int i = 0; i < node.output_count(); ++i) {
    if (node.wants(i)) output_value(node, i, results[static_cast<size_t>(i)], first_new);
  }
}

}  // namespace octile
