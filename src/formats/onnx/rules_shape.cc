// Operators that only rearrange: reshapes, transposes, and those that pass their input through.
// The hard part is a Reshape whose target was computed from, or fixed for, extents not known now.
#include <algorithm>

#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// Where one extent of a reshape's result comes from.
struct Target {
  int64_t extent = 0;         // when known
  Symbol symbol = kNoSymbol;  // else
  bool known = true;
};

/// Shuffle's dims for these extents: known ones as they are, an unknown one as 0 when it stays on
/// its axis, one other as −1. `inferred`: a −1 is among the targets already.
Shuffle reshape_op(Node& node, const std::vector<Target>& targets, bool inferred) {
  Shuffle op;
  op.has_reshape = true;
  const Shape x = node.shape(0);
  bool copies = false, empty = false;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& t = targets[i];
    const int axis = static_cast<int>(i);
    if (t.known) {
      op.dims.push_back(t.extent);
      empty = empty || t.extent == 0;
    } else if (axis < x.rank() && t.symbol != kNoSymbol && node.symbol(0, axis) == t.symbol) {
      op.dims.push_back(0);
      copies = true;
    } else {
      if (inferred) {
        node.unsupported(
            "its target shape has more than one extent that is not known at import; "
            "give the model's inputs fixed shapes");
      }
      op.dims.push_back(-1);
      inferred = true;
    }
  }
  if (empty && copies) node.unsupported("it reshapes an empty tensor of unknown extents");
  op.zero_is_placeholder = !empty;
  return op;
}

std::vector<Target> targets_of(Node& node, const Shape& x) {
  std::vector<Target> targets;
  for (int axis = 0; axis < x.rank(); ++axis) {
    targets.push_back({x[axis], node.symbol(0, axis), x[axis] != kDynamic});
  }
  return targets;
}

/// A Shuffle can say it: at most one extent is inferred.
bool expressible(Node& node, const std::vector<Target>& targets, bool inferred) {
  const Shape x = node.shape(0);
  int open = inferred ? 1 : 0;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& t = targets[i];
    const int axis = static_cast<int>(i);
    const bool copied =
        axis < x.rank() && t.symbol != kNoSymbol && node.symbol(0, axis) == t.symbol;
    open += !t.known && !copied ? 1 : 0;
  }
  return open <= 1;
}

/// Several axes of unknown extent change their place: the target is put together at run time.
bool output_rearranged(Node& node, const std::vector<Target>& targets) {
  const Shape x = node.shape(0);
  const TensorId all = node.add_beside(ShapeOf{}, {node.in(0)}, "extents");
  std::vector<TensorId> parts;
  for (const Target& t : targets) {
    if (t.known) {
      parts.push_back(node.add_constant(Tensor::int64s({t.extent}), "extent"));
      continue;
    }
    int axis = 0;
    while (axis < x.rank() && (t.symbol == kNoSymbol || node.symbol(0, axis) != t.symbol)) ++axis;
    if (axis == x.rank()) return false;
    parts.push_back(node.add_beside(Slice{{0}, {axis}, {1}, {}}, {all}, "extent"));
  }
  const TensorId extents = node.add_beside(Concatenation{0}, parts, "target");
  node.output(node.add(ReshapeTo{false}, {node.in(0), extents}));
  return true;
}

void output_reshaped(Node& node, const std::vector<Target>& targets) {
  if (!expressible(node, targets, false) && output_rearranged(node, targets)) return;
  Shuffle op = reshape_op(node, targets, false);
  node.output(node.add(std::move(op), {node.in(0)}));
}

/// An entry of Reshape's shape input as a Target: 0 copies, −1 is inferred.
Target reshape_target(Node& node, const Node::Extent& entry, int axis, bool allow_zero) {
  if (!entry.known) return {0, entry.symbol, false};
  node.require(entry.value >= -1, "its target shape has the entry {}", entry.value);
  if (entry.value != 0 || allow_zero) return {entry.value, kNoSymbol, true};
  const Shape x = node.shape(0);
  node.require(axis < x.rank(), "its target shape has a 0 at position {}, where {} has no axis",
               axis, x.to_string());
  return {x[axis], node.symbol(0, axis), x[axis] != kDynamic};
}

/// With OnnxOptions::dynamic_batch, a target fixed for batch 1 (1, …) becomes (batch, …).
void free_batch(Node& node, std::vector<Target>& targets) {
  const Symbol batch = node.state().forced_batch;
  const Shape x = node.shape(0);
  bool has_batch = false;
  for (int axis = 0; batch != kNoSymbol && axis < x.rank(); ++axis) {
    has_batch = has_batch || node.symbol(0, axis) == batch;
  }
  if (!has_batch) return;
  const bool leads = node.symbol(0, 0) == batch;
  if (leads && !targets.empty() && targets[0].known && targets[0].extent == 1) {
    targets[0] = {0, batch, false};
    return;
  }
  const bool open = std::any_of(targets.begin(), targets.end(),
                                [](const Target& t) { return !t.known || t.extent == -1; });
  if (!open) {
    node.unsupported(
        "its target shape was fixed for batch 1 and does not begin with it, so the "
        "batch cannot be made dynamic; import the model as it is");
  }
}

}  // namespace

void import_reshape(Node& node) {
  const bool allow_zero = node.integer("allowzero", 0) != 0;
  std::vector<Node::Extent> entries;
  if (node.opset() < 5) {
    for (const int64_t v : node.integers("shape")) entries.push_back({v, kNoSymbol, true});
  } else {
    node.require(node.has(1), "its target shape is missing");
    if (node.value(1).second == nullptr && node.known(1) == nullptr && node.at_run_time(1)) {
      return node.output(node.add(ReshapeTo{!allow_zero}, {node.in(0), node.run_time_list(1)}));
    }
    entries = node.extents(1, "target shape");
  }
  std::vector<Target> targets;
  for (const Node::Extent& e : entries) {
    targets.push_back(reshape_target(node, e, static_cast<int>(targets.size()), allow_zero));
  }
  free_batch(node, targets);
  const bool inferred = std::any_of(targets.begin(), targets.end(),
                                    [](const Target& t) { return t.known && t.extent == -1; });
  if (node.opset() >= 5 && node.value(1).second != nullptr &&
      !expressible(node, targets, inferred)) {
    return node.output(node.add(ReshapeTo{!allow_zero}, {node.in(0), node.run_time_list(1)}));
  }
  Shuffle op = reshape_op(node, targets, inferred);
  node.output(node.add(std::move(op), {node.in(0)}));
}

/// (d0 … d(axis−1), d(axis) …) → (product, product).
void import_flatten(Node& node) {
  const Shape x = node.shape(0);
  const int64_t given = node.integer("axis", 1);
  const int axis = given == x.rank() ? x.rank() : node.axis(given, x.rank());
  std::vector<Target> targets(2, Target{1, kNoSymbol, true});
  for (int a = 0; a < x.rank(); ++a) {
    Target& t = targets[a < axis ? 0 : 1];
    if (x[a] == kDynamic) {
      t = {0, t.known && t.extent == 1 ? node.symbol(0, a) : kNoSymbol, false};
    } else if (t.known) {
      node.require(!__builtin_mul_overflow(t.extent, x[a], &t.extent), "{} is too large",
                   x.to_string());
    } else if (x[a] != 1) {
      t.symbol = kNoSymbol;
    }
  }
  output_reshaped(node, targets);
}

void import_squeeze(Node& node) {
  const Shape x = node.shape(0);
  const std::vector<int64_t> axes = node.integers("axes", 1, 13);
  std::vector<bool> gone(static_cast<size_t>(x.rank()), false);
  for (const int64_t given : axes) {
    const int axis = node.axis(given, x.rank());
    node.require(x[axis] == 1 || x[axis] == kDynamic, "it squeezes axis {} of {}, which is not 1",
                 axis, x.to_string());
    gone[static_cast<size_t>(axis)] = true;
  }
  const std::vector<Target> all = targets_of(node, x);
  std::vector<Target> targets;
  for (size_t a = 0; a < all.size(); ++a) {
    const bool drop = axes.empty() ? all[a].known && all[a].extent == 1 : gone[a];
    if (!drop) targets.push_back(all[a]);
  }
  output_reshaped(node, targets);
}

void import_unsqueeze(Node& node) {
  const Shape x = node.shape(0);
  const std::vector<int64_t> axes = node.integers("axes", 1, 13);
  const int rank = x.rank() + static_cast<int>(std::min<size_t>(axes.size(), kMaxRank));
  if (rank > kMaxRank) node.unsupported("its result has more than {} axes", kMaxRank);
  std::vector<bool> fresh(static_cast<size_t>(rank), false);
  for (const int64_t given : axes) {
    const auto axis = static_cast<size_t>(node.axis(given, rank));
    node.require(!fresh[axis], "axis {} is listed twice", given);
    fresh[axis] = true;
  }
  const std::vector<Target> all = targets_of(node, x);
  std::vector<Target> targets;
  size_t next = 0;
  for (const bool one : fresh) targets.push_back(one ? Target{1, kNoSymbol, true} : all[next++]);
  output_reshaped(node, targets);
}

void import_transpose(Node& node) {
  Shuffle op;
  op.first = node.integers("perm");
  if (op.first.empty()) {
    for (int64_t axis = node.rank(0) - 1; axis >= 0; --axis) op.first.push_back(axis);
  }
  for (int64_t& axis : op.first) axis = node.axis(axis, node.rank(0));
  node.output(node.add(std::move(op), {node.in(0)}));
}

void import_identity(Node& node) { node.output(node.add(Identity{}, {node.in(0)})); }

/// Inference, or a ratio of 0: x goes through, and the mask (bool since opset 10) is all true.
void import_dropout(Node& node) {
  node.attribute("ratio");
  node.attribute("seed");
  node.attribute("is_test");
  const bool training = node.has(2) && node.number_input(2, "training_mode") != 0.0f;
  if (training && (!node.has(1) || node.number_input(1, "ratio") != 0.0f)) {
    node.unsupported("it is in training mode; export the model for inference");
  }
  node.output(0, node.add(Identity{}, {node.in(0)}));
  if (!node.wants(1)) return;
  const Shape x = node.shape(0);
  if (!x.is_static()) node.unsupported("its mask needs an input of fixed shape");
  node.require(x.volume() <= kMostMadeElements, "its mask {} is too large", x.to_string());
  Tensor mask(DataType::kBool, x);
  std::fill_n(mask.as<uint8_t>(), mask.volume(), uint8_t{1});
  node.output(1, Value::of(node.opset() < 10 ? mask.cast(node.type(0)) : mask));
}

namespace {

/// (N, C, H, W) with C, H and W known.
Shape fixed_image(Node& node) {
  const Shape x = node.shape(0);
  node.require(x.rank() == 4, "its input {} must be (N, C, H, W)", x.to_string());
  for (int axis = 1; axis < 4; ++axis) {
    if (x[axis] == kDynamic) {
      node.unsupported("it needs fixed channels, height and width, but x is {}", x.to_string());
    }
  }
  return x;
}

/// reshape to `middle` → transpose → reshape to `last` (0 is the batch).
void two_reshapes(Node& node, std::vector<int64_t> middle, std::vector<int64_t> permutation,
                  std::vector<int64_t> last) {
  Shuffle first, second;
  first.has_reshape = second.has_reshape = true;
  first.dims = std::move(middle);
  first.second = std::move(permutation);
  second.dims = std::move(last);
  node.output(node.add(std::move(second), {node.add(std::move(first), {node.in(0)})}));
}

int64_t block_size(Node& node) {
  const int64_t block = node.integer("blocksize");
  node.require(block >= 1 && block <= 1 << 15, "attribute 'blocksize' is {}", block);
  return block;
}

}  // namespace

void import_depth_to_space(Node& node) {
  const Shape x = fixed_image(node);
  const int64_t b = block_size(node);
  const std::string mode = node.text("mode", "DCR");
  node.require(mode == "DCR" || mode == "CRD", "attribute 'mode' is '{}'", mode);
  node.require(x[1] % (b * b) == 0, "{} channels do not split into blocks of {}", x[1], b);
  const int64_t c = x[1] / (b * b);
  if (mode == "DCR") {
    two_reshapes(node, {0, b, b, c, x[2], x[3]}, {0, 3, 4, 1, 5, 2}, {0, c, x[2] * b, x[3] * b});
  } else {
    two_reshapes(node, {0, c, b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, {0, c, x[2] * b, x[3] * b});
  }
}

void import_space_to_depth(Node& node) {
  const Shape x = fixed_image(node);
  const int64_t b = block_size(node);
  node.require(x[2] % b == 0 && x[3] % b == 0, "the image {} does not split into blocks of {}",
               x.to_string(), b);
  two_reshapes(node, {0, x[1], x[2] / b, b, x[3] / b, b}, {0, 3, 5, 1, 2, 4},
               {0, x[1] * b * b, x[2] / b, x[3] / b});
}

}  // namespace octile
