// Plans that keep their tensors: single steps run again on bytes that the test writes.
#include "runtime/tensor_access.h"

#include "plan/keep_tensors.h"
#include "runtime/networks.h"

namespace octile::test {
namespace {

/// x ▸ rows (a view) ▸ relu ▸ twice; x ▸ negative. No two of them share bytes.
std::shared_ptr<const PlanData> kept() {
  Network n("kept");
  const TensorId x = n.add_input("x", DataType::kFloat32, {1, 4});
  const TensorId rows = n.reshape(x, {1, 2, 2}, "rows");
  n.rename(rows, "rows");
  const TensorId relu = n.activation(rows, ActivationKind::kRelu, 0, 0, "relu");
  n.rename(relu, "relu");
  n.mark_output(n.elementwise(relu, relu, ElementwiseKind::kAdd, "add"), "twice");
  n.mark_output(n.unary(x, UnaryKind::kNeg, "neg"), "negative");
  return keeping_tensors(*plan_of(n, {.int8 = false, .profiles = {{1, 1}}}).shared_data(), 0,
                         {{1, 4}});
}

int32_t tensor_of(const PlanData& plan, const std::string& name) {
  for (size_t t = 0; t < plan.tensors.size(); ++t) {
    if (plan.tensors[t].name == name) return static_cast<int32_t>(t);
  }
  ADD_FAILURE() << name;
  return 0;
}

size_t step_of(const PlanData& plan, const std::string& output) {
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (plan.steps[s].outputs[0] == tensor_of(plan, output)) return s;
  }
  ADD_FAILURE() << output;
  return 0;
}

std::vector<float> values_of(ExecutionContext& context, const PlanData& plan,
                             const std::string& name) {
  const auto* values =
      static_cast<const float*>(TensorAccess::bytes(context, tensor_of(plan, name)));
  return {values, values + 4};
}

using Floats = std::vector<float>;

TEST(TensorAccess, RunsTheStepsItIsGivenOnWhatTensorsHold) {
  const auto plan = kept();
  const Engine engine = Engine::load(Plan(plan), {.threads = 1});
  ExecutionContext context = engine.create_context();
  context.set_input("x", Tensor::floats({1, 4}, {1, -2, 3, -4}));
  context.run();
  EXPECT_EQ(values_of(context, *plan, "relu"), (Floats{1, 0, 3, 0}));
  EXPECT_EQ(list<float>(context.output("twice")), (Floats{2, 0, 6, 0}));

  const Floats other{5, 6, -7, 8};
  std::memcpy(TensorAccess::bytes(context, tensor_of(*plan, "rows")), other.data(), 16);
  EXPECT_EQ(values_of(context, *plan, "x"), (Floats{1, -2, 3, -4}));  // the view is a copy
  TensorAccess::run_steps(context, std::vector{step_of(*plan, "relu")});
  EXPECT_EQ(values_of(context, *plan, "relu"), (Floats{5, 6, 0, 8}));
  EXPECT_EQ(values_of(context, *plan, "rows"), other);
  EXPECT_EQ(list<float>(context.output("twice")), (Floats{2, 0, 6, 0}));
  TensorAccess::run_steps(context, std::vector{step_of(*plan, "twice")});
  EXPECT_EQ(list<float>(context.output("twice")), (Floats{10, 12, 0, 16}));
  EXPECT_EQ(list<float>(context.output("negative")), (Floats{-1, 2, -3, 4}));

  context.run();
  EXPECT_EQ(list<float>(context.output("twice")), (Floats{2, 0, 6, 0}));
}

TEST(TensorAccess, NeedsNoRunBefore) {
  const auto plan = kept();
  const Engine engine = Engine::load(Plan(plan), {.threads = 1});
  ExecutionContext context = engine.create_context();
  const std::vector<size_t> negative{step_of(*plan, "negative")};
  EXPECT_TRUE(contains(message_of([&] { TensorAccess::run_steps(context, negative); }), "'x'"));
  context.set_input("x", Tensor::floats({1, 4}, {1, -2, 3, -4}));
  TensorAccess::run_steps(context, negative);
  EXPECT_EQ(list<float>(context.output("negative")), (Floats{-1, 2, -3, 4}));
}

}  // namespace
}  // namespace octile::test
