// Plans with tensors whose shape hangs on values: which they are, where they lie, the file, and
// what is refused of hostile ones.
#include "plan/plans.h"

namespace octile::test {
namespace {

/// x (N, 4) → relu r → NonZero where (2, n) → first row, as a list → Gather of rows → y (n, 4).
PlanData late_plan() {
  PlanBuilder b;
  b.plan.name = "late";
  const DataType i64 = DataType::kInt64;
  const int32_t x = b.input("x", {kDynamic, 4});
  const int32_t r = b.tensor("r", kF32, kPlain, {kDynamic, 4});
  b.step(ActivationStep{{ActivationKind::kRelu, 0.0f, 0.0f}}, {x}, {r});
  const int32_t where = b.tensor("where", i64, kPlain, {2, kDynamic});
  b.step(GenericStep{NonZero{}}, {r}, {where});
  const int32_t row = b.tensor("row", i64, kPlain, {1, kDynamic});
  b.step(GenericStep{Slice{{0}, {0}, {1}, {}}}, {where}, {row});
  const int32_t list = b.tensor("list", i64, kPlain, {kDynamic});
  Shuffle flat;
  flat.has_reshape = true;
  flat.dims = {-1};
  b.step(ViewStep{flat}, {row}, {list});
  const int32_t y = b.tensor("y", kF32, kPlain, {kDynamic, 4});
  b.step(GenericStep{Gather{0}}, {r, list}, {y});
  const int32_t top = b.tensor("top", kF32, kPlain, {1, 4}),
                at = b.tensor("at", kS32, kPlain, {1, 4});
  b.step(GenericStep{TopK{1, 0, true}}, {y}, {top, at});
  b.plan.outputs = {y, top};
  return b.finish(1, 3);
}

PlanData reread(const PlanData& plan) {
  return Plan::parse(Plan(std::make_shared<PlanData>(plan)).serialize()).data();
}

TEST(LatePlan, EverythingBehindValuesIsLate) {
  const PlanData plan = late_plan();
  // x, r, where, row, list, y, top, at: a shape that does not vary stays late all the same
  EXPECT_EQ(late_tensors(plan),
            (std::vector<bool>{false, false, true, true, true, true, true, true}));
  for (size_t t = 2; t < plan.tensors.size(); ++t) EXPECT_LT(plan.profiles[0].offsets[t], 0);
  EXPECT_EQ(plan.profiles[0].arena_bytes, 64);  // r: 3 rows of 4
  const auto shapes = infer_all_shapes(plan, std::vector{Shape{3, 4}});
  EXPECT_EQ(shapes[2], (Shape{2, kDynamic}));
  EXPECT_EQ(shapes[5], (Shape{kDynamic, 4}));
  EXPECT_EQ(shapes[6], (Shape{1, 4}));
}

TEST(LatePlan, ShapesFollowTheBytes) {
  const PlanData plan = late_plan();
  const Tensor r = values<float>({2, 4}, {0, 1, 0, 2, 0, 0, 0, 3});
  const void* data = r.data();
  EXPECT_EQ(infer_shapes(plan, plan.steps[1], std::vector{r.shape()}, std::span(&data, 1))[0],
            (Shape{2, 3}));
}

TEST(LatePlan, ValuesOfConstantsAreKnown) {
  PlanBuilder b;
  const int32_t x = b.input("x", {kDynamic});
  const int32_t c = b.constant("c", kF32, {5});  // random floats: none is zero
  const int32_t where = b.tensor("where", DataType::kInt64, kPlain, {1, 5});
  b.step(GenericStep{NonZero{}}, {c}, {where});
  const int32_t y = b.tensor("y", kF32, kPlain, {kDynamic});
  b.step(ViewStep{}, {x}, {y});
  b.plan.outputs = {where, y};
  const PlanData plan = reread(b.finish(1, 3));
  EXPECT_EQ(late_tensors(plan), std::vector<bool>(4, false));
}

TEST(LatePlan, SavesAndLoads) {
  const PlanData plan = late_plan(), again = reread(plan);
  EXPECT_EQ(again.tensors, plan.tensors);
  EXPECT_EQ(again.steps, plan.steps);
  EXPECT_EQ(again.profiles, plan.profiles);
}

TEST(LatePlan, HostileOnesAreRefused) {
  struct Hostile {
    const char* name;
    void (*alter)(PlanData& plan);
  };
  const Hostile list[] = {
      {"another rank", [](PlanData& p) { p.tensors[2].shape = {kDynamic}; }},
      {"a wrong fixed extent",
       [](PlanData& p) {
         p.tensors[2].shape = {3, kDynamic};
       }},
      {"a wrong extent further on",
       [](PlanData& p) {
         p.tensors[5].shape = {kDynamic, 5};
       }},
      {"another type", [](PlanData& p) { p.tensors[2].type = kF32; }},
      {"another layout",
       [](PlanData& p) {
         p.tensors[2].shape = {2, 1, kDynamic};
         p.tensors[2].layout = kLast;
       }},
      {"an axis that is none", [](PlanData& p) { p.steps[4].step = GenericStep{Gather{7}}; }},
      {"an input without bounds",
       [](PlanData& p) {
         p.profiles[0].inputs[0].max = {kDynamic, 4};
       }},
  };
  for (const Hostile& hostile : list) {
    SCOPED_TRACE(hostile.name);
    PlanData plan = late_plan();
    hostile.alter(plan);
    message_of([&] { reread(plan); }, ErrorCode::kInvalidFile);
  }
}

}  // namespace
}  // namespace octile::test
