// Octile's candidates: a plan of one step, run by every tactic that accepts it.
#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "backend/step_runner.h"
#include "candidate.h"
#include "machine.h"

namespace octile::bench {
namespace {

/// A plan of one convolution or product, with what its blobs point into.
struct OneStep {
  PlanData plan;
  std::vector<Shape> shapes;
  std::shared_ptr<std::vector<Tensor>> storage = std::make_shared<std::vector<Tensor>>();

  int32_t add_blob(Tensor tensor) {
    storage->push_back(std::move(tensor));
    const Tensor& kept = storage->back();
    plan.blobs.push_back(
        {kept.type(), kept.shape(), {static_cast<const std::byte*>(kept.data()), kept.bytes()}});
    return int32_t(plan.blobs.size()) - 1;
  }
  int32_t add_tensor(DataType type, Layout layout, const Shape& shape, Activations activations) {
    PlanTensor tensor;
    tensor.name = "t" + std::to_string(plan.tensors.size());
    tensor.type = type;
    tensor.layout = layout;
    tensor.shape = shape;
    tensor.scale = 0.02f;
    tensor.zero_point = activations == Activations::kAffine ? 12 : 0;
    const bool negative =
        activations == Activations::kSigned || activations == Activations::kDynamic;
    tensor.q_min = negative ? -128 : 0;
    plan.tensors.push_back(tensor);
    shapes.push_back(shape);
    return int32_t(plan.tensors.size()) - 1;
  }
};

/// Bell-shaped, as trained weights are: what is exact in 16 bits depends on it.
Tensor make_weights(const Layer& layer) {
  Tensor weights(DataType::kInt8, {layer.out, std::max<int64_t>(1, layer.kernel),
                                   std::max<int64_t>(1, layer.kernel), layer.in / layer.groups});
  std::mt19937 random(1);
  std::normal_distribution<float> bell(0.0f, 36.0f);
  for (int64_t i = 0; i < weights.volume(); ++i) {
    weights.as<int8_t>()[i] = int8_t(std::lround(std::clamp(bell(random), -127.0f, 127.0f)));
  }
  return weights;
}

ConvStep make_step(OneStep& one, const Layer& layer, Activations activations, bool residual) {
  ConvStep step;
  const int64_t kernel = std::max<int64_t>(1, layer.kernel), pad = kernel / 2;
  step.window.kernel = {kernel, kernel};
  step.window.stride = {layer.stride, layer.stride};
  step.window.dilation = {1, 1};
  step.window.pad_before = step.window.pad_after = {pad, pad};
  step.groups = layer.groups;
  step.in_channels = layer.in;
  step.out_channels = layer.out;
  step.rows = layer.is_gemm();
  step.residual = residual;
  step.residual_multiplier = 0.7f;
  one.storage->reserve(3);
  step.weights = one.add_blob(make_weights(layer));
  step.dynamic = activations == Activations::kDynamic;
  const DataType bias = step.dynamic ? DataType::kFloat32 : DataType::kInt32;
  step.bias = one.add_blob(Tensor(bias, {layer.out}));
  Tensor multiplier(DataType::kFloat32, {layer.out});
  const float unit = 60.0f / (2500.0f * std::sqrt(float(layer.depth())));
  std::fill_n(multiplier.as<float>(), layer.out, unit);
  step.multiplier = one.add_blob(std::move(multiplier));
  if (activations == Activations::kAffine) step.clamp.q_hi = 255;
  // ReLU, but for signed outputs
  if (step.dynamic) {
    step.clamp.lo = 0.0f;
  } else if (activations != Activations::kSigned) {
    step.clamp.q_lo = activations == Activations::kAffine ? 12 : 0;
  }
  return step;
}

OneStep make_plan(const Layer& layer, Activations activations, bool residual) {
  OneStep one;
  const DataType type = activations == Activations::kAffine ? DataType::kUInt8 : DataType::kInt8;
  const bool gemm = layer.is_gemm();
  const int64_t out = gemm ? 0 : layer.out_size();
  const Layout layout = gemm ? Layout::kPlain : Layout::kChannelsLast;
  const Shape x = gemm ? Shape{layer.rows, layer.in} : Shape{1, layer.in, layer.size, layer.size};
  const Shape y = gemm ? Shape{layer.rows, layer.out} : Shape{1, layer.out, out, out};
  PlanStep step;
  step.name = one.plan.name = layer.name();
  step.step = make_step(one, layer, activations, residual);
  step.inputs = {one.add_tensor(type, layout, x, activations)};
  if (residual) step.inputs.push_back(one.add_tensor(type, layout, y, activations));
  const bool dynamic = activations == Activations::kDynamic;
  if (dynamic) {
    step.inputs.push_back(one.add_tensor(DataType::kFloat32, Layout::kPlain, {x[0]}, activations));
  }
  step.outputs = {one.add_tensor(dynamic ? DataType::kFloat32 : type, layout, y, activations)};
  one.plan.inputs = step.inputs;
  one.plan.outputs = step.outputs;
  one.plan.steps.push_back(step);
  one.plan.storage = one.storage;
  return one;
}

/// The inputs of symmetric activations after ReLU have seven bits.
void make_positive(StepRunner& runner, size_t inputs) {
  for (size_t i = 0; i < inputs; ++i) {
    auto* bytes = runner.input(i).as<uint8_t>();
    for (int64_t k = 0; k < runner.input(i).volume(); ++k) bytes[k] &= 0x7f;
  }
}

}  // namespace

std::vector<Candidate> octile_candidates(const Layer& layer, Activations activations, bool residual,
                                         const Device& device) {
  const auto one = std::make_shared<OneStep>(make_plan(layer, activations, residual));
  const PlanStep& step = one->plan.steps[0];
  const StepView view = make_view(one->plan, step, one->shapes);
  std::vector<const Tactic*> rows = accepting(cpu_backend(), view, device);
  const auto plain = [](const Tactic* row) { return row->isa() == Isa::kPortable; };
  if (!std::all_of(rows.begin(), rows.end(), plain)) std::erase_if(rows, plain);
  std::vector<Candidate> candidates;
  for (const Tactic* row : rows) {
    auto runner = std::make_shared<StepRunner>(one->plan, step, one->shapes, *row, device);
    if (activations == Activations::kSymmetric) make_positive(*runner, step.inputs.size());
    if (activations == Activations::kDynamic) {
      std::fill_n(runner->input(1).as<float>(), runner->input(1).volume(), 0.02f);
    }
    candidates.push_back({.engine = "octile",
                          .precision = "int8",
                          .arithmetic = name_of(activations),
                          .variant = std::string(row->name()),
                          .sequence = sequence_of(row->name(), name_of(row->isa()), activations),
                          .residual = residual,
                          .run = [one, runner] { runner->run(); }});
  }
  return candidates;
}

}  // namespace octile::bench
