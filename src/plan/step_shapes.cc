// Shapes of steps' outputs: the ops' own rules, reused, so that plans need no network.
#include "base/error.h"
#include "ops/ops.h"
#include "plan/plan_data.h"

namespace octile {
namespace {

const PlanTensor& tensor_at(const PlanData& plan, int32_t index) {
  return plan.tensors[static_cast<size_t>(index)];
}

/// Its shape rule may take long (pairs of boxes): never before running, or a hostile plan would
/// take hours to load.
bool is_costly(const Op& op) { return std::holds_alternative<NonMaxSuppression>(op); }

/// By the op's rule, which sees the values of constants, and of all inputs when `data` has them.
std::vector<Shape> by_rule(const Op& op, const PlanData& plan, const PlanStep& step,
                           std::span<const Shape> shapes, std::span<const void* const> data) {
  std::vector<TensorInfo> infos;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const PlanTensor& tensor = tensor_at(plan, step.inputs[i]);
    const void* bytes = data.empty() ? nullptr : data[i];
    if (data.empty() && tensor.blob >= 0 && !is_costly(op)) {
      bytes = plan.blobs[static_cast<size_t>(tensor.blob)].bytes.data();
    }
    infos.push_back({tensor.type, shapes[i], KnownBytes::at(bytes)});
  }
  std::vector<Shape> result;
  for (const TensorInfo& info : infer(op, infos)) result.push_back(info.shape);
  return result;
}

/// The op that a step runs by its meaning, if it does.
const Op* op_of(const Step& step) {
  const auto* generic = std::get_if<GenericStep>(&step);
  return generic != nullptr ? &generic->op : nullptr;
}

/// (N, C, spatial…) with the window's output extents; a 1-d image has a window with kernel h = 1.
Shape windowed(const Window& window, const Shape& input, int64_t channels) {
  Shape spatial;
  if (input.rank() == 3) spatial.push_back(1);
  for (int axis = 2; axis < input.rank(); ++axis) spatial.push_back(input[axis]);
  const Shape out = window_output(window, spatial);
  Shape shape{input[0], channels};
  for (int axis = input.rank() == 3 ? 1 : 0; axis < out.rank(); ++axis) shape.push_back(out[axis]);
  return shape;
}

void check_image(const PlanStep& step, const Shape& shape) {
  check(shape.rank() == 3 || shape.rank() == 4, ErrorCode::kInvalidArgument,
        "step '{}' needs an image (N, C, [H,] W), not {}", step.name, shape.to_string());
}

/// Dynamic quantization gives one scale (and zero point) a sample: inputs 1 … have shape (N).
void check_samples(const PlanStep& step, std::span<const Shape> in, int least_rank) {
  check(in[0].rank() >= least_rank, ErrorCode::kInvalidArgument,
        "step '{}' has one scale a sample, but {} has no samples", step.name, in[0].to_string());
  for (size_t i = 1; i < in.size(); ++i) {
    check(in[i] == Shape{in[0][0]}, ErrorCode::kInvalidArgument,
          "step '{}' has {} samples but scales or zero points of shape {}", step.name, in[0][0],
          in[i].to_string());
  }
}

struct Rule {
  const PlanData& plan;
  const PlanStep& step;
  std::span<const Shape> in;
  std::span<const void* const> data;

  std::vector<Shape> operator()(const ConvStep& s) const {
    Shape x = in[0];
    if (s.dynamic) check_samples(step, in, 2);
    if (s.rows) {
      check(x.rank() >= 1 && x[x.rank() - 1] == s.in_channels, ErrorCode::kInvalidArgument,
            "step '{}' needs rows of {} values, not {}", step.name, s.in_channels, x.to_string());
      x[x.rank() - 1] = s.out_channels;
    } else {
      check_image(step, x);
      check(x[1] == s.in_channels, ErrorCode::kInvalidArgument,
            "step '{}' needs {} channels, not {}", step.name, s.in_channels, x.to_string());
      x = windowed(s.window, x, s.out_channels);
    }
    check(!s.residual || in[1] == x, ErrorCode::kInvalidArgument,
          "step '{}' adds a tensor of shape {} to one of shape {}", step.name,
          s.residual ? in[1].to_string() : "", x.to_string());
    return {x};
  }
  std::vector<Shape> operator()(const DeconvStep& s) const {
    const Shape& x = in[0];
    check(x.rank() == 4 && x[1] == s.in_channels, ErrorCode::kInvalidArgument,
          "step '{}' needs an image of {} channels, not {}", step.name, s.in_channels,
          x.to_string());
    const TensorInfo weights{
        DataType::kFloat32,
        Shape{s.in_channels, s.out_channels / s.groups, s.window.kernel[0], s.window.kernel[1]},
        nullptr};
    const TensorInfo image{DataType::kFloat32, x, nullptr};
    return {
        infer(Deconvolution{s.window, s.groups, s.output_padding}, std::vector{image, weights})[0]
            .shape};
  }
  std::vector<Shape> operator()(const PoolStep& s) const {
    check_image(step, in[0]);
    if (!s.global) return {windowed(s.window, in[0], in[0][1])};
    Shape shape = in[0];
    for (int axis = 2; axis < shape.rank(); ++axis) shape[axis] = 1;
    return {shape};
  }
  std::vector<Shape> operator()(const EltwiseStep&) const { return {broadcast(in[0], in[1])}; }
  std::vector<Shape> operator()(const ActivationStep&) const { return {in[0]}; }
  std::vector<Shape> operator()(const LookupStep&) const { return {in[0]}; }
  std::vector<Shape> operator()(const QuantizeStep& s) const {
    std::vector<Shape> shapes{in[0]};
    if (!s.dynamic) return shapes;
    check(in[0].rank() >= 1, ErrorCode::kInvalidArgument,
          "step '{}' quantizes each sample, but a scalar has none", step.name);
    for (size_t i = 1; i < step.outputs.size(); ++i) shapes.push_back(Shape{in[0][0]});
    return shapes;
  }
  std::vector<Shape> operator()(const DequantizeStep& s) const {
    if (s.dynamic) check_samples(step, in, 1);
    return {in[0]};
  }
  std::vector<Shape> operator()(const ConcatStep& s) const {
    return by_rule(Concatenation{s.axis}, plan, step, in, data);
  }
  std::vector<Shape> operator()(const ReorderStep&) const { return {in[0]}; }
  std::vector<Shape> operator()(const ViewStep& s) const {
    return by_rule(s.op, plan, step, in, data);
  }
  std::vector<Shape> operator()(const SoftmaxStep& s) const {
    const TensorInfo x{DataType::kFloat32, in[0], nullptr};
    return {infer(Softmax{s.axes}, std::vector{x})[0].shape};
  }
  std::vector<Shape> operator()(const MatMulStep& s) const {
    const TensorInfo a{DataType::kFloat32, in[0], nullptr}, b{DataType::kFloat32, in[1], nullptr};
    return {infer(s.op, std::vector{a, b})[0].shape};
  }
  std::vector<Shape> operator()(const NormalizeStep& s) const {
    check(in[0].rank() >= s.axes, ErrorCode::kInvalidArgument,
          "step '{}' normalizes over {} axes, but {} has fewer", step.name, s.axes,
          in[0].to_string());
    return {in[0]};
  }
  std::vector<Shape> operator()(const GenericStep& s) const {
    return by_rule(s.op, plan, step, in, data);
  }
};

}  // namespace

std::vector<Shape> infer_shapes(const PlanData& plan, const PlanStep& step,
                                std::span<const Shape> inputs, std::span<const void* const> data) {
  std::vector<Shape> shapes;
  try {
    shapes = std::visit(Rule{plan, step, inputs, data}, step.step);
  } catch (const Error& error) {  // ops' rules do not know the step's name
    const std::string_view what = error.what();
    if (what.rfind("step '", 0) == 0) throw;
    fail(error.code(), "step '{}': {}", step.name, what);
  }
  check(shapes.size() >= step.outputs.size(), ErrorCode::kInternal,
        "step '{}' has {} outputs but shapes for {}", step.name, step.outputs.size(),
        shapes.size());
  shapes.resize(step.outputs.size());
  return shapes;
}

std::vector<bool> late_tensors(const PlanData& plan) {
  std::vector<bool> late(plan.tensors.size(), false);
  for (const PlanStep& step : plan.steps) {
    const Op* op = op_of(step.step);
    bool any = false;
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const auto t = static_cast<size_t>(step.inputs[i]);
      const bool constant = plan.tensors[t].blob >= 0 && (op == nullptr || !is_costly(*op));
      any = any || late[t] || (!constant && op != nullptr && shape_needs_value(*op, i));
    }
    for (int32_t t : step.outputs) late[static_cast<size_t>(t)] = any;
  }
  return late;
}

std::vector<Shape> infer_all_shapes(const PlanData& plan, std::span<const Shape> inputs) {
  std::vector<Shape> shapes(plan.tensors.size());
  for (size_t t = 0; t < shapes.size(); ++t) {
    if (plan.tensors[t].blob >= 0) shapes[t] = plan.tensors[t].shape;
  }
  for (size_t i = 0; i < inputs.size(); ++i) shapes[size_t(plan.inputs[i])] = inputs[i];
  std::vector<Shape> in;
  for (const PlanStep& step : plan.steps) {
    in.clear();
    for (int32_t t : step.inputs) in.push_back(shapes[size_t(t)]);
    const std::vector<Shape> out = infer_shapes(plan, step, in);
    for (size_t i = 0; i < out.size(); ++i) shapes[size_t(step.outputs[i])] = out[i];
  }
  return shapes;
}

}  // namespace octile
