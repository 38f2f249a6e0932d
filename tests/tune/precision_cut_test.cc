// The minimum cut: exhaustive search's labels wherever it says that it is exact, and where it must
// say so.
#include "tune/precision_oracle.h"
#include "tune/precision_solvers.h"

namespace octile::test {
namespace {

TEST(PrecisionCut, IsExhaustiveSearch) {
  Random random(11);
  int approximated = 0;
  for (int round = 0; round < 5000; ++round) {
    const Mix mix{.groups = int(random.integer(0, 10)),
                  .max_cost = 1 + round % 10,
                  .fused = round % 2 == 0,
                  .dynamic = round % 4 < 2,
                  .fixed = round % 3 == 0};
    const PrecisionProblem problem = random_problem(random, mix);
    const Assignment cut = cut_labels(problem);
    if (!cut.exact) {
      ASSERT_TRUE(mix.fused) << describe(problem);
      ++approximated;
      continue;
    }
    ASSERT_EQ(text(cut.labels), text(exhaustive(problem))) << describe(problem);
  }
  EXPECT_LT(approximated, 2000);
}

/// Group 0 makes a tensor for groups 1 and 2; `there` converts it from format a to b, `back` from b
/// to a, and `fused` is what a producer of format b pays for writing a itself.
PrecisionProblem shared_tensor(Label a, Label b, int64_t there, int64_t back, int64_t fused) {
  PrecisionProblem problem;
  problem.groups.assign(3, {{5, kForbidden, 5}});
  TensorCosts& t = problem.tensors.emplace_back();
  t.producer = 0;
  t.consumers = {1, 2};
  t.convert[int(a)][int(b)] = there;
  t.convert[int(b)][int(a)] = back;
  t.write[int(b)][int(a)] = fused;
  return problem;
}

class PrecisionCutOf : public testing::TestWithParam<std::pair<Label, Label>> {};
INSTANTIATE_TEST_SUITE_P(BothWays, PrecisionCutOf,
                         testing::Values(std::pair(F, I), std::pair(I, F)));

TEST_P(PrecisionCutOf, IsExactWhileConvertingBackIsNoMoreThanFusedAndThere) {
  const auto [a, b] = GetParam();
  EXPECT_TRUE(cut_labels(shared_tensor(a, b, 3, 7, 4)).exact);
  EXPECT_FALSE(cut_labels(shared_tensor(a, b, 3, 8, 4)).exact);
  EXPECT_TRUE(cut_labels(shared_tensor(a, b, 3, 8, kForbidden)).exact);
  EXPECT_TRUE(cut_labels(shared_tensor(a, b, 3, 8, 9)).exact);  // it is never used
}

TEST_P(PrecisionCutOf, IsExactWhereTheEntriesInQuestionCannotHappen) {
  const auto [a, b] = GetParam();
  const PrecisionProblem broken = shared_tensor(a, b, 3, 8, 4);
  PrecisionProblem problem = broken;
  problem.tensors[0].consumers = {2};  // one reader never wants both formats
  EXPECT_TRUE(cut_labels(problem).exact);
  problem = broken;
  problem.tensors[0].wants_float = true;
  EXPECT_EQ(cut_labels(problem).exact, a == I);  // never int8 alone
  for (const Label forbidden : {a, b}) {
    problem = broken;
    for (const int reader : {1, 2}) problem.groups[reader].cost[int(forbidden)] = kForbidden;
    EXPECT_TRUE(cut_labels(problem).exact);
  }
  for (const int fixed : {0, 1, 2}) {
    for (const Label forbidden : {a, b}) {
      problem = broken;
      problem.groups[fixed].cost[int(forbidden)] = kForbidden;
      const Assignment cut = cut_labels(problem);
      // A reader that wants format a for sure leaves the question open.
      EXPECT_EQ(cut.exact, fixed == 0 || forbidden == a) << fixed << ' ' << int(forbidden);
      EXPECT_TRUE(!cut.exact || cut.labels == exhaustive(problem)) << text(cut.labels);
    }
  }
}

TEST(PrecisionCut, AnApproximationIsNeverBelowTheTruth) {
  Random random(12);
  int approximated = 0, wrong = 0;
  for (int round = 0; round < 1500; ++round) {
    const PrecisionProblem problem = random_problem(
        random, {.groups = 8, .max_cost = 8, .fused = true, .fixed = round % 2 == 0});
    const Assignment cut = cut_labels(problem);
    if (cut.exact) continue;
    ++approximated;
    const int64_t cost = oracle_cost(problem, cut.labels);
    const int64_t least = oracle_cost(problem, exhaustive(problem));
    ASSERT_GE(cost, least);
    wrong += cost > least ? 1 : 0;
  }
  EXPECT_GT(wrong, 0);  // else `exact` would be too shy
  EXPECT_LT(wrong, approximated / 4);
}

}  // namespace
}  // namespace octile::test
