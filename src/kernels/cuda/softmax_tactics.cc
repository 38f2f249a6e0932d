// Rows of softmax.cu.
#include <algorithm>

#include "kernels/cuda/rows.h"

namespace octile::cuda {
namespace {

/// The axes taken together, and those that are kept.
Groups groups_of(const Shape& shape, const std::vector<int64_t>& axes) {
  Groups g;
  std::vector<int64_t> dense(static_cast<size_t>(shape.rank()));
  int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    dense[static_cast<size_t>(axis)] = step;
    step *= shape[axis];
  }
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool joins = axes.empty() || std::count(axes.begin(), axes.end(), axis) > 0 ||
                       std::count(axes.begin(), axes.end(), axis - shape.rank()) > 0;
    if (shape[axis] == 1) continue;
    int& rank = joins ? g.rank : g.kept_rank;
    (joins ? g.extent : g.kept_extent)[rank] = shape[axis];
    (joins ? g.stride : g.kept_stride)[rank++] = dense[static_cast<size_t>(axis)];
    (joins ? g.count : g.kept) *= shape[axis];
  }
  return g;
}

std::unique_ptr<DeviceWeights> pack_bytes_softmax(const StepView& view, const Device& device) {
  auto weights = std::make_unique<DeviceWeights>();
  weights->add_blob(device, view, view.as<SoftmaxStep>()->table);
  return weights;
}

std::unique_ptr<Prepared> prepare_bytes_softmax(const StepView& view, const DeviceWeights* weights,
                                                const Device&) {
  const PlanTensor& x = view.inputs[0];
  const Groups groups = groups_of(x.shape, view.as<SoftmaxStep>()->axes);
  return make_prepared([groups, is_unsigned = x.type == DataType::kUInt8,
                        table = weights->as<uint32_t>(0),
                        type = real_type(view.outputs[0])](const Buffers& b) {
    launch_softmax_bytes(groups, is_unsigned, table, b.inputs[0], type, b.outputs[0], b.stream);
  });
}

std::unique_ptr<Prepared> prepare_floats_softmax(const StepView& view, const DeviceWeights*,
                                                 const Device&) {
  const Groups groups = groups_of(view.inputs[0].shape, view.as<SoftmaxStep>()->axes);
  return make_prepared([groups, type = real_type(view.inputs[0])](const Buffers& b) {
    launch_softmax_floats(groups, type, b.inputs[0], b.outputs[0], b.stream);
  });
}

std::unique_ptr<DeviceWeights> pack_normalize(const StepView& view, const Device& device) {
  const auto& step = *view.as<NormalizeStep>();
  auto weights = std::make_unique<DeviceWeights>();
  weights->add_blob(device, view, step.scale);
  weights->add_blob(device, view, step.shift);
  return weights;
}

std::unique_ptr<Prepared> prepare_normalize(const StepView& view, const DeviceWeights* weights,
                                            const Device&) {
  const auto& step = *view.as<NormalizeStep>();
  const Shape& shape = view.inputs[0].shape;
  int64_t count = 1;
  for (int64_t axis = shape.rank() - step.axes; axis < shape.rank(); ++axis) {
    count *= shape[static_cast<int>(axis)];
  }
  const int64_t groups = count > 0 ? shape.volume() / count : 0;
  return make_prepared([groups, count, epsilon = step.epsilon, scale = weights->as<float>(0),
                        shift = weights->as<float>(1),
                        type = real_type(view.inputs[0])](const Buffers& b) {
    launch_normalize(groups, count, epsilon, scale, shift, type, b.inputs[0], b.outputs[0],
                     b.stream);
  });
}

}  // namespace

constinit const Row kSoftmaxBytesRow{
    "cuda.softmax.int8",
    {refuse_real<forms::refuse_softmax_bytes>, prepare_bytes_softmax, pack_bytes_softmax}};
constinit const Row kSoftmaxFloatsRow{
    "cuda.softmax.float", {refuse_real<forms::refuse_softmax_floats>, prepare_floats_softmax}};
constinit const Row kNormalizeRow{
    "cuda.normalize", {refuse_real<forms::refuse_normalize>, prepare_normalize, pack_normalize}};

}  // namespace octile::cuda
