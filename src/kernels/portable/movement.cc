// Steps that move bytes: concat, reorder, view; and the generic step, which calls evaluate().
#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/step_threads.h"
#include "base/parallel_for.h"
#include "kernels/copy_rows.h"
#include "kernels/portable/rows.h"
#include "kernels/portable/tensors.h"
#include "ops/ops.h"

namespace octile::portable {
namespace {

/// Bytes of the axes from `axis` inwards, as stored: what one input gives at a time.
int64_t run_bytes(const PlanTensor& t, int64_t axis) {
  const auto axes = stored_axes(t);
  int64_t bytes = static_cast<int64_t>(size_of(t.type));
  for (int slot = t.shape.rank() - 1; slot >= 0; --slot) {
    bytes *= t.shape[axes[static_cast<size_t>(slot)]];
    if (axes[static_cast<size_t>(slot)] == axis) break;
  }
  return bytes;
}

/// How the runs of one tensor lie: `bytes` each, `step` from one to the next.
struct Runs {
  int64_t bytes = 0, step = 0;
};

/// Runs are rows where the joined axis is the innermost one; only then may rows lie apart.
Runs runs_of(const PlanTensor& t, int64_t axis) {
  const int64_t bytes = run_bytes(t, axis);
  return {bytes, has_rows_apart(t) ? row_step(t) : bytes};
}

bool concat_takes_rows_apart(const StepView& view) {
  const PlanTensor& y = view.outputs[0];
  return view.as<ConcatStep>()->axis == stored_axes(y)[static_cast<size_t>(y.shape.rank()) - 1] ||
         takes_rows_close(view);
}

std::unique_ptr<Prepared> prepare_concat(const StepView& view, const PackedWeights*) {
  const int64_t axis = view.as<ConcatStep>()->axis;
  const PlanTensor& y = view.outputs[0];
  std::vector<Runs> runs;
  for (const PlanTensor& x : view.inputs) runs.push_back(runs_of(x, axis));
  const Runs whole = runs_of(y, axis);
  const int64_t total = y.shape.volume() * static_cast<int64_t>(size_of(y.type));
  const int64_t outer = whole.bytes > 0 ? total / whole.bytes : 0;
  return make_prepared([=](const Buffers& buffers) {
    int64_t missing = 0, at = 0;  // bytes of a run that do not lie in place already
    for (size_t i = 0; i < runs.size(); at += runs[i++].bytes) {
      const auto* place = static_cast<const std::byte*>(buffers.outputs[0]) + at;
      if (buffers.inputs[i] != place) missing += runs[i].bytes;
    }
    if (missing == 0) return;
    parallel_for(outer, grain_for(missing), [&](int64_t begin, int64_t end, int) {
      auto* place = static_cast<std::byte*>(buffers.outputs[0]);
      for (size_t i = 0; i < runs.size(); place += runs[i++].bytes) {
        if (runs[i].bytes == 0 || buffers.inputs[i] == place) continue;
        const auto* from = static_cast<const std::byte*>(buffers.inputs[i]);
        copy_rows(place + begin * whole.step, whole.step, from + begin * runs[i].step, runs[i].step,
                  runs[i].bytes, end - begin);
      }
    });
  });
}

/// A transposition of each sample, some rows of the result at a time: what is read lies together.
template <typename T>
void reorder(const Planes& p, bool to_plain, const T* x, T* y) {
  constexpr int64_t kRows = 16;
  const int64_t outer = to_plain ? p.c : p.s, inner = to_plain ? p.s : p.c;
  const int64_t tiles = (outer + kRows - 1) / kRows;
  parallel_for(p.n * tiles, grain_for(inner * kRows), [&](int64_t begin, int64_t end, int) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile % tiles * kRows, rows = std::min(kRows, outer - first);
      const T* from = x + tile / tiles * p.sample() + first;
      T* to = y + tile / tiles * p.sample() + first * inner;
      for (int64_t i = 0; i < inner; ++i, from += outer) {
        for (int64_t row = 0; row < rows; ++row) to[row * inner + i] = from[row];
      }
    }
  });
}

std::unique_ptr<Prepared> prepare_reorder(const StepView& view, const PackedWeights*) {
  const PlanTensor x = view.inputs[0], y = view.outputs[0];
  const Planes p = Planes::of(x.shape);
  const size_t bytes = static_cast<size_t>(x.shape.volume()) * size_of(x.type);
  return make_prepared([=](const Buffers& buffers) {
    const void* from = buffers.inputs[0];
    void* to = buffers.outputs[0];
    if (x.layout == y.layout) {
      if (bytes > 0 && from != to) std::memmove(to, from, bytes);
      return;
    }
    const auto run = [&](auto element) {
      using T = decltype(element);
      reorder(p, is_plain(y), static_cast<const T*>(from), static_cast<T*>(to));
    };
    switch (size_of(x.type)) {
      case 1: return run(uint8_t{});
      case 2: return run(uint16_t{});
      case 4: return run(uint32_t{});
      default: return run(uint64_t{});
    }
  });
}

std::string refuse_view(const StepView& view) {
  if (view.as<ViewStep>() == nullptr) return "not a view";
  if (view.inputs[0].type != view.outputs[0].type) return "types differ";
  return "";
}

/// Where both lie in a concatenation's output, it is at one place.
bool view_takes_rows_apart(const StepView& view) {
  const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
  const bool same_rows = x.row_stride == y.row_stride && row_bytes(x) == row_bytes(y);
  return same_rows || (x.row_stride > 0 && y.row_stride > 0 && takes_rows_close(view));
}

/// Nothing to do where the arena lets both tensors share their bytes.
class View final : public Prepared, public HasStepThreads {
 public:
  explicit View(size_t bytes) : HasStepThreads(StepThreads::kNone), bytes_(bytes) {}
  void run(const Buffers& buffers) override {
    if (bytes_ == 0 || buffers.inputs[0] == buffers.outputs[0]) return;
    std::memmove(buffers.outputs[0], buffers.inputs[0], bytes_);
  }

 private:
  size_t bytes_;
};

std::unique_ptr<Prepared> prepare_view(const StepView& view, const PackedWeights*) {
  const PlanTensor& x = view.inputs[0];
  return std::make_unique<View>(static_cast<size_t>(x.shape.volume()) * size_of(x.type));
}

std::string refuse_generic(const StepView& view) {
  if (view.as<GenericStep>() == nullptr) return "not a generic step";
  for (const auto* list : {&view.inputs, &view.outputs}) {
    for (const PlanTensor& t : *list) {
      if (!is_plain(t)) return "generic steps need plain layouts";
    }
  }
  return "";
}

class Generic final : public Prepared {
 public:
  explicit Generic(const StepView& view) : op_(view.as<GenericStep>()->op) {
    for (const PlanTensor& t : view.inputs) inputs_.push_back({t.type, t.shape, nullptr});
    for (const PlanTensor& t : view.outputs) outputs_.push_back({t.type, t.shape, nullptr});
  }
  void run(const Buffers& buffers) override {
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].data = buffers.inputs[i];
    for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].data = buffers.outputs[i];
    evaluate(op_, inputs_, outputs_);
  }

 private:
  Op op_;
  std::vector<TensorView> inputs_;
  std::vector<MutableTensorView> outputs_;
};

std::unique_ptr<Prepared> prepare_generic(const StepView& view, const PackedWeights*) {
  return std::make_unique<Generic>(view);
}

}  // namespace

constinit const FunctionTactic kConcat{
    "portable.concat",
    Isa::kPortable,
    {forms::refuse_concat, prepare_concat, nullptr, nullptr, concat_takes_rows_apart}};
constinit const FunctionTactic kReorder{
    "portable.reorder",
    Isa::kPortable,
    {forms::refuse_reorder, prepare_reorder, nullptr, nullptr, takes_rows_close}};
constinit const FunctionTactic kView{
    "portable.view",
    Isa::kPortable,
    {refuse_view, prepare_view, nullptr, nullptr, view_takes_rows_apart}};
constinit const FunctionTactic kGeneric{
    "portable.generic", Isa::kPortable, {refuse_generic, prepare_generic}};

}  // namespace octile::portable
