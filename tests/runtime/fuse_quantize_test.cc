// Which Quantize steps an engine leaves to the convolution behind them, on a device made up for it:
// a row that reads floats ("first"), one that does not ("other").
#include "runtime/fuse_quantize.h"

#include "plan/keep_tensors.h"
#include "runtime/networks.h"

namespace octile::test {
namespace {

class MadeUpTactic final : public Tactic {
 public:
  MadeUpTactic(std::string_view name, bool quantizes) : name_(name), quantizes_(quantizes) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override { return Isa::kPortable; }
  std::string refuse(const StepView& view, const Device&) const override {
    if (view.as<ConvStep>() == nullptr) return "not a convolution";
    if (quantizes_ && view.inputs[0].shape[1] > 4) return "too many channels";
    return "";
  }
  bool quantizes_input() const override { return quantizes_; }
  std::unique_ptr<Prepared> prepare(const StepView&, const PackedWeights*,
                                    const Device&) const override {
    return nullptr;
  }

 private:
  std::string_view name_;
  bool quantizes_;
};

class MadeUpBackend final : public Backend {
 public:
  explicit MadeUpBackend(bool with_first) : rows_{&other_} {
    if (with_first) rows_.insert(rows_.begin(), &first_);
  }
  std::string_view name() const override { return "made up"; }
  std::span<const Tactic* const> tactics() const override { return rows_; }
  std::vector<DeviceInfo> describe() const override { return {}; }
  std::string float_path(int) const override { return "made up"; }
  Device open(std::optional<Isa>, int, int) const override { return {}; }

 private:
  MadeUpTactic first_{"first", true}, other_{"other", false};
  std::vector<const Tactic*> rows_;
};

/// small_cnn() in INT8: Quantize, then a convolution of 3 channels. Its plan, all of whose
/// convolutions prefer `tactic`.
PlanData plan_that_prefers(const std::string& tactic) {
  PlanData plan = plan_of(small_cnn(), {.profiles = {{1, 2}, {1, 8}}}).data();
  for (PlanStep& step : plan.steps) {
    if (std::holds_alternative<ConvStep>(step.step)) step.tactics.assign(2, tactic);
  }
  return plan;
}

TEST(FuseQuantize, WhereTheTacticsNameIsForAnotherDeviceAnyRowThatCanWillDo) {
  const PlanData plan = plan_that_prefers("int8.gemm.avx2");
  const FusedPlan fused = fuse_quantize(plan, MadeUpBackend(true), {});
  ASSERT_NE(fused.plan, nullptr);
  ASSERT_TRUE(std::holds_alternative<QuantizeStep>(plan.steps[0].step));
  EXPECT_TRUE(fused.absorbed[0]);
  EXPECT_EQ(std::ranges::count(fused.absorbed, true), 1);
  EXPECT_EQ(fused.plan->steps[1].inputs[0], plan.inputs[0]);
  EXPECT_EQ(fused.plan->steps[1].inner_quantize.tensor, plan.steps[0].outputs[0]);
  for (size_t s = 2; s < plan.steps.size(); ++s) EXPECT_EQ(fused.plan->steps[s], plan.steps[s]);
  EXPECT_EQ(fuse_quantize(plan, MadeUpBackend(false), {}).plan, nullptr);
  EXPECT_EQ(fuse_quantize(plan, cpu_backend(), {}).plan, nullptr);
}

TEST(FuseQuantize, TheTacticThatThePlanNamesDecides) {
  EXPECT_NE(fuse_quantize(plan_that_prefers("first"), MadeUpBackend(true), {}).plan, nullptr);
  PlanData plan = plan_that_prefers("other");
  EXPECT_EQ(fuse_quantize(plan, MadeUpBackend(true), {}).plan, nullptr);
  plan.steps[1].tactics[0] = "first";  // not in all profiles
  EXPECT_EQ(fuse_quantize(plan, MadeUpBackend(true), {}).plan, nullptr);
}

TEST(FuseQuantize, TensorsThatAreLookedAtAreMade) {
  PlanData plan = plan_that_prefers("first");
  for (PlanProfile& profile : plan.profiles) plan_memory_without_reuse(plan, profile);
  EXPECT_EQ(fuse_quantize(plan, MadeUpBackend(true), {}).plan, nullptr);
}

}  // namespace
}  // namespace octile::test
