// Operators that move or repeat elements: Concat, Split, Slice, Pad, Gather, Expand, Tile.
#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "formats/onnx/quantized.h"
#include "formats/onnx/rules.h"

namespace octile {
namespace {

/// With a batch that was made dynamic, an input that kept batch 1 would not fit at run time.
void refuse_fixed_batch(Node& node, int axis) {
  if (node.state().forced_batch == kNoSymbol || axis == 0) return;
  bool free = false, fixed = false;
  for (int i = 0; i < node.input_count(); ++i) {
    if (node.rank(i) == 0) continue;  // what it cannot join the op itself says
    const bool batch = node.symbol(i, 0) == node.state().forced_batch;
    free = free || batch;
    fixed = fixed || (!batch && node.shape(i)[0] == 1);
  }
  if (free && fixed) {
    node.unsupported(
        "it joins a tensor of fixed batch 1 with one of dynamic batch; import the "
        "model as it is");
  }
}

/// ONNX's start, end and step on an axis as Slice has them; the extent may be unknown.
struct AxisRange {
  int64_t start, size, stride;
};

/// On an axis of unknown extent; none where the size depends on it otherwise than "to the end".
std::optional<AxisRange> open_range(int64_t start, int64_t end, int64_t step) {
  const bool to_end = end >= INT32_MAX, same_side = (start < 0) == (end < 0);
  const bool fits = start > INT32_MIN && start < INT32_MAX && end > INT32_MIN;
  if (step > 0 && fits && to_end) return AxisRange{start, -1, step};
  if (step > 0 && fits && same_side && end >= start) {
    return AxisRange{start, (end - start + step - 1) / step, step};
  }
  return std::nullopt;
}

AxisRange axis_range(Node& node, int64_t start, int64_t end, int64_t step, int64_t extent) {
  node.require(step != 0, "a step is 0");
  step = std::clamp<int64_t>(step, -INT32_MAX, INT32_MAX);
  if (extent == kDynamic) return open_range(start, end, step).value();
  const auto clamped = [&](int64_t v, int64_t low, int64_t high) {
    return std::clamp(v < 0 ? v + extent : v, low, high);
  };
  if (step > 0) {
    const int64_t from = clamped(start, 0, extent), to = clamped(end, 0, extent);
    return {from, to > from ? (to - from + step - 1) / step : 0, step};
  }
  const int64_t from = clamped(start, -1, extent - 1);
  const int64_t to = end < -extent ? -1 : clamped(end, -1, extent - 1);
  const int64_t size = from > to ? (from - to - step - 1) / -step : 0;
  return {std::max<int64_t>(from, 0), size, step};
}

/// starts, ends, axes and steps: attributes before opset 10, inputs since.
struct SliceLists {
  std::vector<int64_t> start, end, axes, step;
};

SliceLists slice_lists(Node& node) {
  SliceLists lists;
  if (node.opset() < 10) {
    lists = {node.integers("starts"), node.integers("ends"), node.integers("axes"), {}};
  } else {
    lists.start = node.integers(1, "starts");
    lists.end = node.integers(2, "ends");
    if (node.has(3)) lists.axes = node.integers(3, "axes");
    if (node.has(4)) lists.step = node.integers(4, "steps");
  }
  const size_t count = lists.start.size();
  if (lists.axes.empty()) {
    lists.axes.resize(count);
    std::iota(lists.axes.begin(), lists.axes.end(), 0);
  }
  if (lists.step.empty()) lists.step.assign(count, 1);
  node.require(
      lists.end.size() == count && lists.axes.size() == count && lists.step.size() == count,
      "starts, ends, axes and steps have {}, {}, {} and {} entries", count, lists.end.size(),
      lists.axes.size(), lists.step.size());
  return lists;
}

/// Sizes of the parts of a Split.
std::vector<int64_t> split_sizes(Node& node, int64_t extent) {
  std::vector<int64_t> sizes = node.integers("split", 1, 13);
  if (!sizes.empty()) return sizes;
  const int64_t parts = node.integer("num_outputs", node.output_count());
  node.require(parts >= 1 && parts == node.output_count(),
               "it has {} outputs, but attribute 'num_outputs' is {}", node.output_count(), parts);
  if (extent == kDynamic) node.unsupported("it splits an axis of unknown extent");
  const int64_t size = (extent + parts - 1) / parts;
  for (int64_t i = 0; i < parts; ++i)
    sizes.push_back(std::clamp<int64_t>(extent - i * size, 0, size));
  return sizes;
}

}  // namespace

void import_concat(Node& node) {
  const int axis = node.axis(node.integer("axis"), node.rank(0));
  refuse_fixed_batch(node, axis);
  std::vector<TensorId> inputs;
  for (int i = 0; i < node.input_count(); ++i) inputs.push_back(node.in(i));
  node.output(node.add(Concatenation{axis}, inputs));
}

void import_split(Node& node) {
  const int axis = node.axis(node.integer("axis", 0), node.rank(0));
  const std::vector<int64_t> sizes = split_sizes(node, node.shape(0)[axis]);
  node.require(static_cast<int>(sizes.size()) == node.output_count(),
               "it has {} outputs but {} sizes", node.output_count(), sizes.size());
  int64_t start = 0;
  for (int i = 0; i < node.output_count(); ++i) {
    const int64_t size = sizes[static_cast<size_t>(i)];
    node.require(size >= 0 && size <= INT32_MAX, "a part has the size {}", size);
    if (node.wants(i)) node.output(i, node.add(Slice{{axis}, {start}, {size}, {}}, {node.in(0)}));
    start += size;
  }
  const int64_t extent = node.shape(0)[axis];
  node.require(extent == kDynamic || extent == start, "the parts add up to {}, but the axis has {}",
               start, extent);
}

/// Bounds, or the extent that they are held against, are known only as the network runs; or Slice
/// cannot say them of an unknown extent ("to the last but two").
static bool slices_at_run_time(Node& node) {
  if (node.opset() >= 10) {
    for (const int i : {1, 2}) {
      if (node.known(i) == nullptr && node.at_run_time(i)) return true;
    }
  }
  const Shape x = node.shape(0);
  if (x.is_static()) return false;
  const SliceLists lists = slice_lists(node);
  for (size_t i = 0; i < lists.axes.size(); ++i) {
    if (x[node.axis(lists.axes[i], x.rank())] != kDynamic) continue;
    const int64_t step = std::clamp<int64_t>(lists.step[i], -INT32_MAX, INT32_MAX);
    if (node.at_run_time(0) || !open_range(lists.start[i], lists.end[i], step)) return true;
  }
  return false;
}

static void slice_at_run_time(Node& node) {
  const bool lists = node.opset() >= 10;
  const auto bounds = [&](int index, std::string_view name) {
    return lists ? node.run_time_list(index)
                 : node.add_constant(Tensor::int64s(node.integers(name)), name);
  };
  const TensorId start = bounds(1, "starts"), end = bounds(2, "ends");
  SliceBetween op;
  op.axes = lists ? (node.has(3) ? node.integers(3, "axes") : op.axes) : node.integers("axes");
  const Shape counts = node.network().shape(start);
  node.require(counts.rank() == 1, "its starts are no list");
  if (counts[0] == kDynamic) node.unsupported("how many axes it slices is not known at import");
  if (op.axes.empty()) {
    op.axes.resize(static_cast<size_t>(counts[0]));
    std::iota(op.axes.begin(), op.axes.end(), 0);
  }
  if (lists && node.has(4)) op.stride = node.integers(4, "steps");
  if (op.stride.empty()) op.stride.assign(op.axes.size(), 1);
  for (int64_t& step : op.stride) step = std::clamp<int64_t>(step, -INT32_MAX, INT32_MAX);
  node.output(node.add(std::move(op), {node.in(0), start, end}));
}

void import_slice(Node& node) {
  if (slices_at_run_time(node)) return slice_at_run_time(node);
  const SliceLists lists = slice_lists(node);
  const Shape x = node.shape(0);
  Slice op;
  for (size_t i = 0; i < lists.start.size(); ++i) {
    const int axis = node.axis(lists.axes[i], x.rank());
    const AxisRange range = axis_range(node, lists.start[i], lists.end[i], lists.step[i], x[axis]);
    op.axes.push_back(axis);
    op.start.push_back(range.start);
    op.size.push_back(range.size);
    op.stride.push_back(range.stride);
  }
  if (op.axes.empty()) return node.output(node.in(0));
  node.output(node.add(std::move(op), {node.in(0)}));
}

void import_pad(Node& node) {
  Padding op;
  const std::string mode = node.text("mode", "constant");
  if (mode == "reflect") {
    op.kind = PaddingKind::kReflect;
  } else if (mode == "edge") {
    op.kind = PaddingKind::kEdge;
  } else if (mode != "constant") {
    node.unsupported("attribute 'mode' is '{}'; Octile knows constant, reflect and edge", mode);
  }
  const std::vector<int64_t> pads = node.integers("pads", 1, 11);
  if (node.opset() < 11) op.value = node.number("value", 0.0f);
  if (node.opset() >= 11 && node.has(2)) op.value = number_input(node, 2, "constant_value");
  const int rank = node.rank(0);
  std::vector<int64_t> axes(static_cast<size_t>(rank));
  std::iota(axes.begin(), axes.end(), 0);
  if (node.opset() >= 18 && node.has(3)) axes = node.integers(3, "axes");
  node.require(pads.size() == 2 * axes.size(), "its pads have {} entries, but {} axes need {}",
               pads.size(), axes.size(), 2 * axes.size());
  op.before.assign(static_cast<size_t>(rank), 0);
  op.after = op.before;
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(node.axis(axes[i], rank));
    op.before[axis] = pads[i];
    op.after[axis] = pads[i + axes.size()];
  }
  node.output(node.add(std::move(op), {node.in(0)}));
}

void import_gather(Node& node) {
  const int axis = node.axis(node.integer("axis", 0), node.rank(0));
  node.output(node.add(Gather{axis}, {node.in(0), node.in(1)}));
}

/// x · ones (or x or zeros): the broadcast is all it is for.
static void times_ones(Node& node, const Shape& ones) {
  node.require(ones.volume() <= kMostMadeElements, "its shape {} is too large", ones.to_string());
  const DataType type = node.type(0);
  const bool logic = type == DataType::kBool;
  const bool narrow = !logic && type != DataType::kFloat32 && type != DataType::kInt64;
  const TensorId x_wide = narrow ? node.cast(node.in(0), DataType::kInt32) : node.in(0);
  Tensor unit(DataType::kFloat32, ones);
  if (!logic) std::fill_n(unit.as<float>(), unit.volume(), 1.0f);
  const TensorId factor = node.add_constant(unit.cast(node.network().type(x_wide)), "ones");
  const auto kind = logic ? ElementwiseKind::kOr : ElementwiseKind::kMul;
  node.output(node.cast(node.elementwise(kind, x_wide, factor), type));
}

void import_expand(Node& node) {
  const Shape x = node.shape(0);
  const auto at_run_time = [&] {
    node.output(node.add(Expand{}, {node.in(0), node.run_time_list(1)}));
  };
  if (node.value(1).second == nullptr && node.known(1) == nullptr && node.at_run_time(1)) {
    return at_run_time();
  }
  const std::vector<Node::Extent> entries = node.extents(1, "shape");
  const int rank = static_cast<int>(entries.size()), shift = rank - x.rank();
  Shape ones;
  bool grows = shift > 0;
  for (int axis = 0; axis < rank; ++axis) {
    const Node::Extent& e = entries[static_cast<size_t>(axis)];
    const int from = axis - shift;
    const bool same =
        from >= 0 &&
        (e.known ? x[from] == e.value : e.symbol != kNoSymbol && node.symbol(0, from) == e.symbol);
    if (!e.known && !same) return at_run_time();
    node.require(same || (e.value >= 0 && e.value <= kMostMadeElements),
                 "its shape has the entry {}", e.value);
    ones.push_back(same ? 1 : e.value);
    grows = grows || ones[axis] != 1;
  }
  if (!grows) return node.output(node.in(0));
  times_ones(node, ones);
}

/// One Gather an axis, with the indices 0, 1, …, 0, 1, ….
void import_tile(Node& node) {
  const Shape x = node.shape(0);
  const std::vector<int64_t> repeats = node.integers(1, "repeats");
  node.require(static_cast<int>(repeats.size()) == x.rank(), "it has {} repeats for x {}",
               repeats.size(), x.to_string());
  TensorId y = node.in(0);
  for (int axis = 0; axis < x.rank(); ++axis) {
    const int64_t times = repeats[static_cast<size_t>(axis)];
    if (times == 1) continue;
    if (x[axis] == kDynamic) node.unsupported("it repeats axis {} of unknown extent", axis);
    node.require(times >= 0 && times <= kMostMadeElements && times * x[axis] <= kMostMadeElements,
                 "it repeats axis {} {} times", axis, times);
    std::vector<int64_t> indices(static_cast<size_t>(times * x[axis]));
    for (size_t i = 0; i < indices.size(); ++i) {
      indices[i] = static_cast<int64_t>(i) % x[axis];
    }
    y = node.add(Gather{axis}, {y, node.add_constant(Tensor::int64s(indices), "indices")});
  }
  node.output(y);
}

}  // namespace octile
