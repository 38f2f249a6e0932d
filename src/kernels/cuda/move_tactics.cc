// Rows of movement.cu. What an op that only moves elements does is found out by evaluating it on
// the elements' numbers, once, when the step is prepared: no rule of an op is written twice.
#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "kernels/cuda/rows.h"
#include "octile/tensor.h"
#include "ops/ops.h"

namespace octile::cuda {
namespace {

constexpr int64_t kMostNumbers = int64_t{1} << 26;  // elements of an evaluation

// --- concatenation ---

/// Bytes of the axes from `axis` inwards, as stored: what one input gives at a time.
int64_t run_bytes(const PlanTensor& t, int64_t axis) {
  const bool last = t.layout == Layout::kChannelsLast;
  int64_t bytes = static_cast<int64_t>(size_of(t.type));
  if (last) {
    bytes *= t.shape[1];
    if (axis == 1) return bytes;
  }
  for (int i = t.shape.rank() - 1; i >= 0; --i) {
    if (last && i == 1) continue;
    bytes *= t.shape[i];
    if (i == axis) break;
  }
  return bytes;
}

std::unique_ptr<Prepared> prepare_concat(const StepView& view, const DeviceWeights*,
                                         const Device&) {
  const int64_t axis = view.as<ConcatStep>()->axis;
  const PlanTensor& y = view.outputs[0];
  const int64_t stride = run_bytes(y, axis);
  const int64_t total = y.shape.volume() * static_cast<int64_t>(size_of(y.type));
  std::vector<Parts> launches;
  std::vector<std::vector<size_t>> sources;
  int64_t offset = 0;
  for (size_t i = 0; i < view.inputs.size(); ++i) {
    const int64_t bytes = run_bytes(view.inputs[i], axis);
    if (bytes == 0) continue;
    if (launches.empty() || launches.back().count == kMostParts) {
      launches.push_back({.outer = total / std::max<int64_t>(1, stride), .stride = stride});
      sources.emplace_back();
    }
    Parts& parts = launches.back();
    parts.bytes[parts.count] = bytes;
    parts.offset[parts.count++] = offset;
    sources.back().push_back(i);
    offset += bytes;
  }
  return make_prepared([launches, sources](const Buffers& b) {
    for (size_t l = 0; l < launches.size(); ++l) {
      Parts parts = launches[l];
      for (size_t i = 0; i < sources[l].size(); ++i) parts.from[i] = b.inputs[sources[l][i]];
      launch_concat(parts, b.outputs[0], b.stream);
    }
  });
}

// --- change of layout ---

std::unique_ptr<Prepared> prepare_reorder(const StepView& view, const DeviceWeights* weights,
                                          const Device& device) {
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const int64_t n = x.shape.rank() > 0 ? x.shape[0] : 1, c = x.shape.rank() > 1 ? x.shape[1] : 1;
  const int64_t s = n * c > 0 ? x.shape.volume() / (n * c) : 0;
  const int size = static_cast<int>(size_of(x.type));
  if (x.layout == y.layout || c == 1 || s == 1) return prepare_copy(view, weights, device);
  const int64_t rows = is_plain(x) ? c : s, columns = is_plain(x) ? s : c;
  return make_prepared([=](const Buffers& b) {
    launch_transpose(n, rows, columns, size, b.inputs[0], b.outputs[0], b.stream);
  });
}

// --- movement by a list ---

constexpr int32_t kConstant = -1;

/// The op for int32 numbers: what it pads with is no number. Nothing for ops that compute.
std::optional<Op> numbered(const Op& op) {
  Op result = op;
  if (auto* padding = std::get_if<Padding>(&result)) {
    padding->value = static_cast<float>(kConstant);
    return result;
  }
  if (const auto* resize = std::get_if<Resize>(&op)) {
    if (resize->kind == ResizeKind::kNearest && resize->roi.empty()) return result;
    return std::nullopt;
  }
  if (std::holds_alternative<Slice>(op) || std::holds_alternative<Shuffle>(op)) return result;
  return std::nullopt;
}

/// What the op makes of x, as it says itself.
Tensor evaluated(const Op& op, const Tensor& x) {
  const TensorView view = x.view();
  return std::move(evaluate(op, std::span(&view, 1))[0]);
}

Tensor numbers_of(const Shape& shape) {
  Tensor numbers(DataType::kInt32, shape);
  for (int64_t i = 0; i < shape.volume(); ++i) numbers.as<int32_t>()[i] = static_cast<int32_t>(i);
  return numbers;
}

Shape with_batch(Shape shape, int64_t batch) {
  shape[0] = batch;
  return shape;
}

/// A list for one sample where the op does the same to each; else for the whole tensor.
struct List {
  int64_t samples = 1;
  Tensor from;
};

/// Nothing where samples are not moved alike: seen on one sample and on two.
std::optional<List> list_by_sample(const Op& op, const Shape& x, const Shape& y) {
  if (x.rank() == 0 || y.rank() == 0 || x[0] != y[0] || x[0] < 2) return std::nullopt;
  const Shape one = with_batch(x, 1), two = with_batch(x, 2);
  if (2 * one.volume() > kMostNumbers) return std::nullopt;
  try {
    Tensor first = evaluated(op, numbers_of(one));
    const Tensor both = evaluated(op, numbers_of(two));
    if (first.shape() != with_batch(y, 1) || both.shape() != with_batch(y, 2)) return std::nullopt;
    const auto *a = first.as<int32_t>(), *b = both.as<int32_t>();
    const int64_t count = first.volume(), step = one.volume();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t next = a[i] == kConstant ? kConstant : a[i] + step;
      if (b[i] != a[i] || b[count + i] != next) return std::nullopt;
    }
    return List{x[0], std::move(first)};
  } catch (const Error&) {
    return std::nullopt;  // the op names the batch
  }
}

std::optional<List> list_of(const Op& op, const Shape& x, const Shape& y) {
  if (auto list = list_by_sample(op, x, y)) return list;
  if (x.volume() > kMostNumbers || y.volume() > kMostNumbers) return std::nullopt;
  return List{1, evaluated(op, numbers_of(x))};
}

/// The bits of what the op pads with.
uint64_t constant_of(const Op& op, const PlanTensor& x) {
  const auto* padding = std::get_if<Padding>(&op);
  if (padding == nullptr) return 0;
  Shape shape = x.shape;
  for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = std::min<int64_t>(shape[axis], 1);
  Padding wide{*padding};
  wide.kind = PaddingKind::kConstant;
  for (int64_t& before : wide.before) before = 1;
  for (int64_t& after : wide.after) after = 0;
  const Tensor example = evaluated(Op{wide}, Tensor(x.type, shape));
  uint64_t bits = 0;
  if (example.bytes() >= size_of(x.type)) std::memcpy(&bits, example.data(), size_of(x.type));
  return bits;
}

std::unique_ptr<Prepared> prepare_gather(const StepView& view, const DeviceWeights*,
                                         const Device& device) {
  const Op& op = view.as<GenericStep>()->op;
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const std::optional<List> list = list_of(*numbered(op), x.shape, y.shape);
  check(list.has_value(), ErrorCode::kInternal, "step '{}': the movement has no list",
        view.step.name);
  const Gathered step{.samples = list->samples,
                      .in = x.shape.volume() / list->samples,
                      .out = y.shape.volume() / list->samples,
                      .size = static_cast<int>(size_of(x.type)),
                      .constant = constant_of(op, x)};
  Memory from = upload(device.accelerator, std::as_bytes(list->from.span<int32_t>()));
  return make_prepared([step, from = std::move(from)](const Buffers& b) {
    launch_gather(step, from.as<const int32_t>(), b.inputs[0], b.outputs[0], b.stream);
  });
}

std::string refuse_gather(const StepView& view) {
  const auto* step = view.as<GenericStep>();
  if (step == nullptr || view.inputs.size() != 1) return "no movement of one tensor";
  if (!numbered(step->op)) return "no slice, shuffle, padding or nearest resize";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (!is_plain(x) || !is_plain(y)) return "not plain";
  const int64_t batch = x.shape.rank() > 0 && x.shape[0] > 0 ? x.shape[0] : 1;
  const int64_t volume = std::max(x.shape.volume(), y.shape.volume());
  if (volume > kMostNumbers && 2 * (volume / batch) > kMostNumbers) return "too large";
  return "";
}

}  // namespace

constinit const Row kConcatRow{"cuda.concat", {forms::refuse_concat, prepare_concat}};
constinit const Row kReorderRow{"cuda.reorder", {forms::refuse_reorder, prepare_reorder}};
constinit const Row kGatherRow{"cuda.gather", {refuse_gather, prepare_gather}};

}  // namespace octile::cuda
