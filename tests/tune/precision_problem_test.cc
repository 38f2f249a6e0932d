// The precision problem: total_cost() against the oracle's, what is refused, and cheapest_labels()
// whichever solver it takes.
#include "tune/precision_problem.h"

#include "tune/precision_oracle.h"
#include "tune/precision_solvers.h"

namespace octile::test {
namespace {

Labels random_labels(const PrecisionProblem& problem, Random& random) {
  Labels labels;
  for (const GroupCosts& group : problem.groups) {
    int64_t label = random.integer(0, 2);
    while (group.cost[label] < 0) label = (label + 1) % 3;
    labels.push_back(Label(label));
  }
  return labels;
}

/// One tensor from group 0 to the others.
PrecisionProblem star(int readers) {
  PrecisionProblem problem;
  problem.groups.assign(readers + 1, {{0, 0, 0}});
  TensorCosts& t = problem.tensors.emplace_back();
  t.producer = 0;
  for (int c = 1; c <= readers; ++c) t.consumers.push_back(c);
  t.convert = {{{0, 1, 2}, {4, 0, 8}, {16, 32, 0}}};
  return problem;
}

TEST(PrecisionProblem, ConversionsArePaidOnceATensor) {
  const PrecisionProblem problem = star(3);
  EXPECT_EQ(total_cost(problem, {F, F, F, F}), 0);
  EXPECT_EQ(total_cost(problem, {F, I, I, I}), 2);
  EXPECT_EQ(total_cost(problem, {F, I, H, I}), 3);
  EXPECT_EQ(total_cost(problem, {I, I, F, F}), 16);
  EXPECT_EQ(total_cost(problem, {I, H, F, H}), 48);
}

TEST(PrecisionProblem, AFusedConversionNeedsThatNobodyWantsTheProducersFormat) {
  PrecisionProblem problem = star(2);
  problem.tensors[0].write[2][0] = 5;
  EXPECT_EQ(total_cost(problem, {I, F, F}), 5);
  EXPECT_EQ(total_cost(problem, {I, F, I}), 16);
  EXPECT_EQ(total_cost(problem, {I, F, H}), 5 + 1);  // half is made of the float that was written
  problem.tensors[0].wants_float = true;
  EXPECT_EQ(total_cost(problem, {I, I, I}), 16);
  EXPECT_EQ(total_cost(problem, {I, H, H}), 5 + 1);
}

TEST(PrecisionProblem, DynamicGroupsReadTheirOwnCopyAndWriteFloat) {
  PrecisionProblem problem = star(2);
  problem.groups[1].dynamic = problem.groups[2].dynamic = true;
  problem.tensors[0].dynamic_quantize = 64;
  EXPECT_EQ(total_cost(problem, {F, I, I}), 64);
  EXPECT_EQ(total_cost(problem, {I, I, F}), 64 + 16);
  EXPECT_EQ(total_cost(problem, {H, I, H}), 64 + 4);
  problem.groups[0].dynamic = true;
  EXPECT_EQ(total_cost(problem, {I, F, F}), 0);
  problem.groups[2].dynamic = false;
  EXPECT_EQ(total_cost(problem, {I, I, I}), 64 + 2);
}

TEST(PrecisionProblem, TotalCostIsTheOracles) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    const Mix mix{.groups = int(random.integer(0, 12)),
                  .max_cost = 100,
                  .half = round % 2 == 0,
                  .fused = true,
                  .dynamic = true,
                  .fixed = true};
    const PrecisionProblem problem = random_problem(random, mix);
    const Labels labels = random_labels(problem, random);
    ASSERT_EQ(total_cost(problem, labels), oracle_cost(problem, labels))
        << text(labels) << describe(problem);
  }
}

TEST(PrecisionProblem, LabelsMustBeAllowed) {
  PrecisionProblem problem = star(1);
  problem.groups[1].cost = {1, kForbidden, 1};
  EXPECT_TRUE(contains(message_of([&] { (void)total_cost(problem, {F, H}); }), "group 1"));
  EXPECT_TRUE(contains(message_of([&] { (void)total_cost(problem, {F}); }), "1 labels"));
  EXPECT_TRUE(contains(message_of([&] { (void)total_cost(problem, {F, Label(3)}); }), "group 1"));
}

std::string breach(const PrecisionProblem& problem) {
  return message_of([&] { (void)cheapest_labels(problem); }, ErrorCode::kInternal);
}

TEST(PrecisionProblem, BrokenProblemsAreRefused) {
  PrecisionProblem problem = star(2);
  problem.groups[1].cost = {kForbidden, kForbidden, kForbidden};
  EXPECT_TRUE(contains(breach(problem), "group 1 can have no label"));
  problem.groups[1].cost = {-2, 0, 0};
  EXPECT_TRUE(contains(breach(problem), "group 1 costs -2"));
  problem = star(2);
  problem.tensors[0].convert[0][1] = kForbidden;  // only fused conversions can be missing
  EXPECT_TRUE(contains(breach(problem), "negative"));
  problem = star(2);
  problem.tensors[0].convert[1][1] = 1;
  EXPECT_TRUE(contains(breach(problem), "staying"));
  for (const std::vector<int>& readers : {std::vector<int>{0, 1}, {2, 1}, {1, 1}, {1, 3}}) {
    problem = star(2);
    problem.tensors[0].consumers = readers;
    EXPECT_TRUE(contains(breach(problem), "tensor 0 is read by"));
  }
  problem = star(2);
  problem.tensors[0].producer = 3;
  EXPECT_TRUE(contains(breach(problem), "tensor 0 is made by group 3"));
}

TEST(PrecisionProblem, CostsThatCannotBeSummedAreRefused) {
  PrecisionProblem problem = star(2);
  constexpr int64_t kLarge = int64_t{1} << 59;
  problem.groups[0].cost = {kLarge, kForbidden, kForbidden};
  for (const int64_t half : {kForbidden, kLarge - 200}) {  // by cut, and by frontier
    problem.groups[1].cost = {9, half, 0};
    EXPECT_EQ(text(cheapest_labels(problem)), "FIF");
  }
  problem.groups[1].cost = {0, kLarge, 0};
  EXPECT_TRUE(contains(breach(problem), "beyond"));
  problem.groups[1].cost = {0, INT64_MAX, 0};
  EXPECT_TRUE(contains(breach(problem), "beyond"));
}

TEST(PrecisionProblem, CheapestLabelsAreExhaustiveSearchs) {
  Random random(2);
  for (int round = 0; round < 3000; ++round) {
    const bool half = round % 3 == 0;
    const Mix mix{.groups = int(random.integer(0, half ? 6 : 9)),
                  .max_cost = 1 + round % 8,
                  .half = half,
                  .fused = round % 2 == 0,
                  .dynamic = round % 4 < 2,
                  .fixed = round % 5 == 0};
    const PrecisionProblem problem = random_problem(random, mix);
    bool exact = false;
    ASSERT_EQ(text(cheapest_labels(problem, &exact)), text(exhaustive(problem)))
        << describe(problem);
    ASSERT_TRUE(exact);
  }
}

TEST(PrecisionProblem, WhereNeitherSolverIsExactTheCheaperWins) {
  // Sixteen tensors are live at once, and what speaks for int8 comes behind them all.
  PrecisionProblem problem;
  for (int g = 0; g < 32; ++g) problem.groups.push_back({{g < 16 ? 0 : 1000, kForbidden, 0}});
  for (int g = 0; g < 16; ++g) {
    TensorCosts& t = problem.tensors.emplace_back();
    t.producer = g;
    t.consumers = {16 + g};
    t.convert[0][2] = 999;
  }
  TensorCosts& broken = problem.tensors[0];  // which a cut cannot hold
  broken.consumers = {16, 31};
  broken.convert[2][0] = 2000;
  broken.write[2][0] = 1000;
  const Assignment cut = cut_labels(problem), frontier = frontier_labels(problem, 20000);
  EXPECT_FALSE(cut.exact || frontier.exact);
  EXPECT_LT(oracle_cost(problem, cut.labels), oracle_cost(problem, frontier.labels));
  bool exact = true;
  EXPECT_EQ(text(cheapest_labels(problem, &exact)), text(cut.labels));
  EXPECT_FALSE(exact);
}

TEST(PrecisionProblem, EqualCostsPreferFloatThenHalf) {
  PrecisionProblem problem = star(1);
  EXPECT_EQ(text(cheapest_labels(problem)), "FF");
  problem.groups[0].cost = {2, 1, 3};
  problem.groups[1].cost = {kForbidden, kForbidden, 0};
  problem.tensors[0].convert = {{{0, 9, 1}, {9, 0, 2}, {9, 9, 0}}};
  EXPECT_EQ(text(cheapest_labels(problem)), "FI");
  problem.groups[0].cost[0] = 3;
  EXPECT_EQ(text(cheapest_labels(problem)), "HI");
  problem.groups[0].cost[2] = 2;
  EXPECT_EQ(text(cheapest_labels(problem)), "II");
  problem.groups[0].cost = {1, kForbidden, 2};
  EXPECT_EQ(text(cheapest_labels(problem)), "FI");
}

TEST(PrecisionProblem, TheOrderOfTensorsDoesNotMatter) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    PrecisionProblem problem = random_problem(
        random,
        {.groups = 20, .max_cost = 3, .half = round % 2 == 0, .fused = round % 4 < 2, .width = 4});
    const Labels labels = cheapest_labels(problem);
    for (size_t t = problem.tensors.size(); t > 1; --t) {
      std::swap(problem.tensors[t - 1], problem.tensors[random.integer(0, int64_t(t) - 1)]);
    }
    ASSERT_EQ(text(cheapest_labels(problem)), text(labels)) << describe(problem);
  }
}

}  // namespace
}  // namespace octile::test
