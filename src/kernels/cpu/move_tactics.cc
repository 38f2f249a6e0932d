// Slices, paddings with a constant and nearest resizes as a list of runs of bytes. The op itself
// says where each element comes from: it is evaluated once on the elements' numbers, when the step
// is prepared. So no rule of an op is written twice, and running is copying.
#include <cstring>
#include <iterator>
#include <vector>

#include "base/parallel_for.h"
#include "kernels/cpu/misc_rows.h"
#include "octile/tensor.h"
#include "ops/ops.h"
#include "plan/places.h"

namespace octile::cpu {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 24;  // of the numbers, which preparing needs
constexpr int32_t kConstant = -1;

/// Elements [to, next run's to) of the output, which lie from `at` on: from, from + stride, …, or
/// the constant.
struct Run {
  int64_t to, at;
  int32_t from, stride;
};

/// The op for int32 numbers: what it pads with is no number.
bool make_numbered(Op& op) {
  if (auto* padding = std::get_if<Padding>(&op)) {
    padding->value = static_cast<float>(kConstant);
    return padding->kind == PaddingKind::kConstant;
  }
  if (const auto* resize = std::get_if<Resize>(&op)) {
    return resize->kind == ResizeKind::kNearest && resize->roi.empty();
  }
  return std::holds_alternative<Slice>(op);
}

std::string refuse_move(const StepView& view) {
  const auto* step = view.as<GenericStep>();
  if (step == nullptr || view.inputs.size() != 1) return "no movement of one tensor";
  Op op = step->op;
  if (!make_numbered(op)) return "no slice, constant padding or nearest resize";
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  if (x.layout != Layout::kPlain || y.layout != Layout::kPlain) return "not plain";
  if (x.shape.volume() > kMostElements || y.shape.volume() > kMostElements) return "too large";
  return "";
}

Tensor output_of(const Op& op, const Tensor& x, const Shape& shape) {
  Tensor y(x.type(), shape);
  const TensorView from = x.view();
  const MutableTensorView to{x.type(), shape, y.data()};
  evaluate(op, std::span(&from, 1), std::span(&to, 1));
  return y;
}

/// Arithmetic sequences, greedily. Rows of the output have `row` elements and lie `step` apart.
std::vector<Run> runs_of(const int32_t* numbers, int64_t count, int64_t row, int64_t step) {
  std::vector<Run> runs;
  for (int64_t i = 0; i < count;) {
    const int32_t from = numbers[i];
    Run run{i, step == row ? i : i / row * step + i % row, from, 0};
    if (i + 1 < count && from != kConstant && numbers[i + 1] != kConstant) {
      run.stride = numbers[i + 1] - from;
    }
    int64_t end = i + 1;
    while (end < count && (step == row || end % row != 0) &&
           (numbers[end] == kConstant) == (from == kConstant) &&
           numbers[end] == numbers[end - 1] + run.stride) {
      ++end;
    }
    runs.push_back(run);
    i = end;
  }
  runs.push_back({count, 0, 0, 0});
  return runs;
}

template <typename T>
class Moves final : public Prepared {
 public:
  Moves(const Op& op, const PlanTensor& x, const PlanTensor& y) : count_(y.shape.volume()) {
    Op numbered = op;
    make_numbered(numbered);
    Tensor numbers(DataType::kInt32, x.shape);
    const int64_t size = sizeof(T), row = std::max<int64_t>(1, row_bytes(x) / size);
    for (int64_t i = 0; i < x.shape.volume(); ++i) {  // where it lies
      numbers.as<int32_t>()[i] = int32_t(i / row * (row_step(x) / size) + i % row);
    }
    const Tensor origin = output_of(numbered, numbers, y.shape);
    runs_ = runs_of(origin.as<int32_t>(), count_, row_bytes(y) / size, row_step(y) / size);
    const Tensor example = output_of(op, Tensor(x.type, x.shape), y.shape);
    for (int64_t i = 0; i < count_; ++i) {
      if (origin.as<int32_t>()[i] == kConstant)
        constant_ = static_cast<const T*>(example.data())[i];
    }
  }

  void run(const Buffers& buffers) override {
    const auto* x = static_cast<const T*>(buffers.inputs[0]);
    auto* y = static_cast<T*>(buffers.outputs[0]);
    parallel_for(count_, kFlatGrain / int64_t(sizeof(T)), [&](int64_t begin, int64_t end, int) {
      const Run* run = &*std::prev(std::upper_bound(
          runs_.begin(), runs_.end(), begin, [](int64_t at, const Run& r) { return at < r.to; }));
      for (int64_t at = begin; at < end; ++run) {
        const int64_t stop = std::min(end, run[1].to);
        copy(x, *run, at - run->to, y + run->at + (at - run->to), stop - at);
        at = stop;
      }
    });
  }

 private:
  void copy(const T* x, const Run& run, int64_t skipped, T* y, int64_t count) const {
    if (run.from == kConstant) {
      std::fill_n(y, count, constant_);
      return;
    }
    const T* from = x + run.from + skipped * run.stride;
    switch (run.stride) {
      case 0: std::fill_n(y, count, *from); return;
      case 1: std::memcpy(y, from, size_t(count) * sizeof(T)); return;
      case 2:
        for (int64_t i = 0; i < count; ++i) y[i] = from[2 * i];
        return;
      default:
        for (int64_t i = 0; i < count; ++i) y[i] = from[i * run.stride];
    }
  }

  int64_t count_;
  std::vector<Run> runs_;
  T constant_{};
};

std::unique_ptr<Prepared> prepare_move(const StepView& view, const PackedWeights*) {
  const Op& op = view.as<GenericStep>()->op;
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  switch (size_of(x.type)) {
    case 1: return std::make_unique<Moves<uint8_t>>(op, x, y);
    case 2: return std::make_unique<Moves<uint16_t>>(op, x, y);
    case 4: return std::make_unique<Moves<uint32_t>>(op, x, y);
    default: return std::make_unique<Moves<uint64_t>>(op, x, y);
  }
}

/// Numbers are offsets then.
bool move_takes_rows_apart(const StepView& view) {
  const PlanTensor& x = view.inputs[0];
  const int64_t bytes = x.shape.volume() * int64_t(size_of(x.type));
  return bytes / std::max<int64_t>(1, row_bytes(x)) * row_step(x) < INT32_MAX;
}

}  // namespace

constinit const FunctionTactic kMoveRow{
    "move.runs",
    Isa::kPortable,
    {refuse_move, prepare_move, nullptr, nullptr, move_takes_rows_apart}};

}  // namespace octile::cpu
