// Rows of elementwise.cu and of views. The kernels take operands by strides; adjacent axes that
// both operands walk alike are one.
#include "kernels/cuda/rows.h"

namespace octile::cuda {
namespace {

/// Elements between neighbours along each logical axis, as stored.
std::vector<int64_t> stored_strides(const PlanTensor& t) {
  const int rank = t.shape.rank();
  std::vector<int64_t> strides(static_cast<size_t>(rank));
  int64_t step = 1;
  const auto take = [&](int axis) {
    strides[static_cast<size_t>(axis)] = step;
    step *= t.shape[axis];
  };
  const bool last = t.layout == Layout::kChannelsLast;
  if (last) take(1);
  for (int axis = rank - 1; axis >= 0; --axis) {
    if (!last || axis != 1) take(axis);
  }
  return strides;
}

/// The tensor's axes in stored order, outermost first.
std::vector<int> stored_axes(const PlanTensor& t) {
  std::vector<int> axes;
  const bool last = t.layout == Layout::kChannelsLast;
  for (int axis = 0; axis < t.shape.rank(); ++axis) {
    if (!last || axis != 1) axes.push_back(axis);
  }
  if (last) axes.push_back(1);
  return axes;
}

/// Appends an axis, or widens the last one where both operands go on evenly.
void append(Walk& walk, int64_t extent, int64_t a, int64_t b) {
  if (extent == 1) return;
  const auto last = static_cast<size_t>(walk.rank) - 1;
  if (walk.rank > 0 && walk.stride[0][last] == a * extent && walk.stride[1][last] == b * extent) {
    walk.extent[last] *= extent;
    walk.stride[0][last] = a;
    walk.stride[1][last] = b;
    return;
  }
  const auto slot = static_cast<size_t>(walk.rank++);
  walk.extent[slot] = extent;
  walk.stride[0][slot] = a;
  walk.stride[1][slot] = b;
}

Walk walk_of(const StepView& view) {
  const PlanTensor& y = view.outputs[0];
  Walk walk;
  walk.count = y.shape.volume();
  std::vector<int64_t> strides[2] = {stored_strides(view.inputs[0]),
                                     stored_strides(view.inputs[1])};
  for (const int axis : stored_axes(y)) {
    int64_t step[2] = {0, 0};
    for (size_t i = 0; i < 2; ++i) {
      const Shape& shape = view.inputs[i].shape;
      const int own = axis - (y.shape.rank() - shape.rank());
      if (own >= 0 && shape[own] != 1) step[i] = strides[i][static_cast<size_t>(own)];
    }
    append(walk, y.shape[axis], step[0], step[1]);
  }
  if (walk.rank == 0) append(walk, 2, 1, 1);  // one element: extents beyond it are never walked
  walk.dense = walk.rank == 1 && walk.stride[0][0] == 1 && walk.stride[1][0] == 1;
  return walk;
}

std::unique_ptr<Prepared> prepare_bytes_eltwise(const StepView& view, const DeviceWeights*,
                                                const Device&) {
  const auto& s = *view.as<EltwiseStep>();
  const EltwiseBytes step{.multiply = s.kind == ElementwiseKind::kMul,
                          .m_a = s.m_a,
                          .m_b = s.m_b,
                          .a = byte_type(view.inputs[0]),
                          .b = byte_type(view.inputs[1]),
                          .y_zero_point = view.outputs[0].zero_point,
                          .q_lo = s.clamp.q_lo,
                          .q_hi = s.clamp.q_hi};
  return make_prepared([step, walk = walk_of(view)](const Buffers& b) {
    launch_eltwise_bytes(step, walk, b.inputs[0], b.inputs[1], b.outputs[0], b.stream);
  });
}

std::unique_ptr<Prepared> prepare_floats_eltwise(const StepView& view, const DeviceWeights*,
                                                 const Device&) {
  const auto& s = *view.as<EltwiseStep>();
  const EltwiseFloats step{static_cast<int>(s.kind), s.clamp.lo, s.clamp.hi};
  const Real type = real_type(view.outputs[0]);
  return make_prepared([step, type, walk = walk_of(view)](const Buffers& b) {
    launch_eltwise_floats(step, walk, type, b.inputs[0], b.inputs[1], b.outputs[0], b.stream);
  });
}

std::unique_ptr<Prepared> prepare_activation(const StepView& view, const DeviceWeights*,
                                             const Device&) {
  const Activation op = view.as<ActivationStep>()->op;
  const int64_t count = view.inputs[0].shape.volume();
  const Real type = real_type(view.inputs[0]);
  return make_prepared([op, type, count](const Buffers& b) {
    launch_activation(static_cast<int>(op.kind), op.alpha, op.beta, type, b.inputs[0], b.outputs[0],
                      count, b.stream);
  });
}

std::unique_ptr<Prepared> prepare_unary(const StepView& view, const DeviceWeights*, const Device&) {
  const auto kind = std::get<Unary>(view.as<GenericStep>()->op).kind;
  const int64_t count = view.inputs[0].shape.volume();
  const Real type = real_type(view.inputs[0]);
  return make_prepared([kind, type, count](const Buffers& b) {
    launch_unary(static_cast<int>(kind), type, b.inputs[0], b.outputs[0], count, b.stream);
  });
}

std::unique_ptr<DeviceWeights> pack_lookup(const StepView& view, const Device& device) {
  auto weights = std::make_unique<DeviceWeights>();
  weights->add_blob(device, view, view.as<LookupStep>()->table);
  return weights;
}

std::unique_ptr<Prepared> prepare_lookup(const StepView& view, const DeviceWeights* weights,
                                         const Device&) {
  const auto* table = weights->as<uint8_t>(0);
  const int64_t count = view.inputs[0].shape.volume();
  return make_prepared([table, count](const Buffers& b) {
    launch_lookup(table, static_cast<const uint8_t*>(b.inputs[0]),
                  static_cast<uint8_t*>(b.outputs[0]), count, b.stream);
  });
}

std::string refuse_unary(const StepView& view) {
  const auto* step = view.as<GenericStep>();
  const auto* op = step != nullptr ? std::get_if<Unary>(&step->op) : nullptr;
  if (op == nullptr) return "not a unary function";
  if (!is_float(view.inputs[0]) || !is_float(view.outputs[0])) return "not float";
  if (view.inputs[0].layout != view.outputs[0].layout) return "input and output differ in layout";
  return "";
}

std::string refuse_view(const StepView& view) {
  if (view.as<ViewStep>() == nullptr) return "not a view";
  if (view.inputs[0].type != view.outputs[0].type) return "types differ";
  return "";
}

}  // namespace

constinit const Row kEltwiseBytesRow{"cuda.eltwise.int8",
                                     {forms::refuse_eltwise_bytes, prepare_bytes_eltwise}};
constinit const Row kEltwiseFloatsRow{
    "cuda.eltwise.float", {refuse_real<forms::refuse_eltwise_floats>, prepare_floats_eltwise}};
constinit const Row kActivationRow{"cuda.activation",
                                   {refuse_real<forms::refuse_activation>, prepare_activation}};
constinit const Row kUnaryRow{"cuda.unary", {refuse_real<refuse_unary>, prepare_unary}};
constinit const Row kLookupRow{"cuda.lookup", {forms::refuse_lookup, prepare_lookup, pack_lookup}};
constinit const Row kViewRow{"cuda.view", {refuse_view, prepare_copy}};

}  // namespace octile::cuda
