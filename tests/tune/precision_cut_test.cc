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

/// Group 0 makes a tensor for groups 1 and 2; an output where it `wants_float`.
PrecisionProblem shared_tensor(int64_t quantize, int64_t dequantize, int64_t write_float) {
  PrecisionProblem problem;
  problem.groups.assign(3, {{5, kForbidden, 5}});
  TensorCosts& t = problem.tensors.emplace_back();
  t.producer = 0;
  t.consumers = {1, 2};
  t.convert[0][2] = quantize;
  t.convert[2][0] = dequantize;
  t.write[2][0] = write_float;
  return problem;
}

TEST(PrecisionCut, IsExactWhileADequantizeIsNoMoreThanAFusedOneAndAQuantize) {
  EXPECT_TRUE(cut_labels(shared_tensor(3, 7, 4)).exact);
  EXPECT_FALSE(cut_labels(shared_tensor(3, 8, 4)).exact);
  EXPECT_TRUE(cut_labels(shared_tensor(3, 8, kForbidden)).exact);
  EXPECT_TRUE(cut_labels(shared_tensor(3, 8, 9)).exact);  // it is never used
}

TEST(PrecisionCut, IsExactWhereTheEntriesInQuestionCannotHappen) {
  const PrecisionProblem broken = shared_tensor(3, 8, 4);
  PrecisionProblem problem = broken;
  problem.tensors[0].consumers = {2};  // one reader never wants both formats
  EXPECT_TRUE(cut_labels(problem).exact);
  problem.tensors[0].wants_float = true;
  EXPECT_FALSE(cut_labels(problem).exact);
  for (const int fixed : {0, 1, 2}) {
    for (const int label : {0, 2}) {
      problem = broken;
      problem.groups[fixed].cost[label] = kForbidden;
      const Assignment cut = cut_labels(problem);
      // A reader that is float for sure leaves the question open.
      EXPECT_EQ(cut.exact, fixed == 0 || label == 0) << fixed << ' ' << label;
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
