// What runtime tests compare with: a plan's steps run one by one by portable tactics, every tensor
// in memory of its own. Knows neither arenas nor contexts.
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/step_runner.h"
#include "octile/engine.h"
#include "plan/plans.h"

namespace octile::test {

inline const Tactic& portable_tactic(const StepView& view) {
  for (const Tactic* tactic : cpu_backend().tactics()) {
    if (tactic->name().rfind("portable.", 0) == 0 && tactic->refuse(view, Device{}).empty()) {
      return *tactic;
    }
  }
  throw std::runtime_error("no portable tactic for " + view.step.name);
}

/// Makes every step prefer its portable tactic in every profile.
inline void prefer_portable(PlanData& plan) {
  for (PlanStep& step : plan.steps) {
    step.tactics.clear();
    for (const PlanProfile& profile : plan.profiles) {
      std::vector<Shape> max;
      for (const auto& bounds : profile.inputs) max.push_back(bounds.max);
      const auto shapes = infer_all_shapes(plan, max);
      step.tactics.emplace_back(portable_tactic(make_view(plan, step, shapes)).name());
    }
  }
}

/// The plan as a user has it: through its bytes, so that it is checked.
inline Plan checked(const PlanData& data) {
  return Plan::parse(Plan(std::make_shared<PlanData>(data)).serialize());
}

inline Plan portable_plan(PlanData data) {
  prefer_portable(data);
  return checked(data);
}

/// Values of the plan's outputs for inputs in the plan's order.
inline std::vector<Tensor> run_steps(const PlanData& plan, const std::vector<Tensor>& inputs) {
  std::vector<Shape> input_shapes;
  for (const Tensor& t : inputs) input_shapes.push_back(t.shape());
  const auto shapes = infer_all_shapes(plan, input_shapes);
  std::vector<Tensor> values(plan.tensors.size());
  for (size_t t = 0; t < values.size(); ++t) {
    if (plan.tensors[t].blob < 0) continue;
    const Blob& blob = plan.blobs[size_t(plan.tensors[t].blob)];
    values[t] = Tensor(blob.type, blob.shape, blob.bytes);
  }
  for (size_t i = 0; i < inputs.size(); ++i) values[size_t(plan.inputs[i])] = inputs[i];
  for (const PlanStep& step : plan.steps) {
    StepRunner runner(plan, step, shapes, portable_tactic(make_view(plan, step, shapes)), Device{});
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const Tensor& value = values[size_t(step.inputs[i])];
      std::memcpy(runner.input(i).data(), value.data(), value.bytes());
    }
    runner.run();
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      values[size_t(step.outputs[i])] = runner.output(i);
    }
  }
  std::vector<Tensor> outputs;
  for (int32_t t : plan.outputs) outputs.push_back(values[size_t(t)]);
  return outputs;
}

/// x (N, 4) → y = relu(x) − 1, with N from 1 to 3 unless said otherwise.
inline PlanData small_plan(int64_t low = 1, int64_t high = 3) {
  PlanBuilder b;
  b.plan.name = "small";
  b.plan.built_on = "portable, first";
  const int32_t x = b.input("x", {kDynamic, 4});
  const int32_t r = b.tensor("r", kF32, kPlain, {kDynamic, 4});
  b.step(ActivationStep{{ActivationKind::kRelu, 0.0f, 0.0f}}, {x}, {r});
  const int32_t one = b.constant("one", kF32, {1});
  const float value = 1.0f;
  std::memcpy(const_cast<std::byte*>(b.plan.blobs[0].bytes.data()), &value, sizeof(value));
  const int32_t y = b.tensor("y", kF32, kPlain, {kDynamic, 4});
  b.step(EltwiseStep{.kind = ElementwiseKind::kSub, .m_a = 0, .m_b = 0, .clamp = {}}, {r, one},
         {y});
  b.plan.outputs = {y};
  return b.finish(low, high);
}

/// relu(a) + relu(b), both (N, 4): in a profile where the Ns vary by themselves.
inline PlanData two_input_plan(int64_t low = 1, int64_t high = 4) {
  PlanBuilder b;
  b.plan.name = "two inputs";
  const Shape shape{kDynamic, 4};
  const int32_t a = b.input("a", shape), c = b.input("b", shape);
  const int32_t ra = b.tensor("ra", kF32, kPlain, shape), rc = b.tensor("rb", kF32, kPlain, shape);
  b.step(ActivationStep{{ActivationKind::kRelu, 0.0f, 0.0f}}, {a}, {ra});
  b.step(ActivationStep{{ActivationKind::kRelu, 0.0f, 0.0f}}, {c}, {rc});
  const int32_t sum = b.tensor("sum", kF32, kPlain, shape);
  b.step(EltwiseStep{.kind = ElementwiseKind::kAdd, .m_a = 0, .m_b = 0, .clamp = {}}, {ra, rc},
         {sum});
  const int32_t y = b.tensor("y", kF32, kPlain, shape);
  b.step(ActivationStep{{ActivationKind::kLeakyRelu, 0.5f, 0.0f}}, {sum}, {y});
  b.plan.outputs = {y};
  return b.finish(low, high);
}

}  // namespace octile::test
