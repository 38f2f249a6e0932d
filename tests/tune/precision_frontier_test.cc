// The frontier program: exhaustive search on small graphs, the cut on large ones, and what it says
// when it has more ways than it may keep.
#include "tune/precision_oracle.h"
#include "tune/precision_solvers.h"

namespace octile::test {
namespace {

constexpr size_t kUnbounded = 1u << 24;

TEST(PrecisionFrontier, IsExhaustiveSearchWithThreeLabels) {
  Random random(21);
  for (int round = 0; round < 3000; ++round) {
    const Mix mix{.groups = int(random.integer(0, 7)),
                  .max_cost = 1 + round % 10,
                  .half = true,
                  .fused = round % 2 == 0,
                  .dynamic = round % 4 < 2,
                  .fixed = round % 3 == 0};
    const PrecisionProblem problem = random_problem(random, mix);
    const Assignment result = frontier_labels(problem, kUnbounded);
    ASSERT_TRUE(result.exact);
    ASSERT_EQ(text(result.labels), text(exhaustive(problem))) << describe(problem);
  }
}

TEST(PrecisionFrontier, IsExhaustiveSearchWithTwoLabels) {
  Random random(22);
  for (int round = 0; round < 3000; ++round) {
    const Mix mix{.groups = int(random.integer(0, 10)),
                  .max_cost = 1 + round % 10,
                  .fused = round % 2 == 0,
                  .dynamic = round % 4 < 2,
                  .fixed = round % 3 == 0};
    const PrecisionProblem problem = random_problem(random, mix);
    ASSERT_EQ(text(frontier_labels(problem, kUnbounded).labels), text(exhaustive(problem)))
        << describe(problem);
  }
}

TEST(PrecisionFrontier, IsTheCutOnLargeGraphs) {
  Random random(23);
  int compared = 0;
  for (int round = 0; round < 150; ++round) {
    const Mix mix{.groups = int(random.integer(50, 200)),
                  .max_cost = round % 3 == 0 ? 3 : 1000000,
                  .dynamic = round % 4 < 2,
                  .fixed = round % 5 == 0,
                  .width = int(random.integer(2, 6))};
    PrecisionProblem problem = random_problem(random, mix);
    for (TensorCosts& t : problem.tensors) {  // fused ones that a cut can hold
      t.write[2][0] = std::max<int64_t>(0, t.convert[2][0] - random.integer(0, t.convert[0][2]));
    }
    const Assignment cut = cut_labels(problem);
    const Assignment frontier = frontier_labels(problem, kUnbounded);
    ASSERT_TRUE(cut.exact && frontier.exact);
    ASSERT_EQ(total_cost(problem, cut.labels), total_cost(problem, frontier.labels));
    ASSERT_EQ(text(cut.labels), text(frontier.labels));
    ++compared;
  }
  EXPECT_EQ(compared, 150);
}

/// `width` tensors that all stay live until their readers come, in the same order.
PrecisionProblem ladder(int width, Random& random) {
  const Mix mix{.max_cost = 1000, .half = true};
  PrecisionProblem problem;
  for (int i = 0; i < 2 * width; ++i) problem.groups.push_back(random_group(random, mix));
  for (int i = 0; i < width; ++i) {
    TensorCosts& t = problem.tensors.emplace_back(random_costs(random, mix));
    t.producer = i;
    t.consumers = {width + i};
  }
  return problem;
}

TEST(PrecisionFrontier, SaysWhenItDroppedWays) {
  Random random(24);
  const PrecisionProblem problem = ladder(8, random);
  const Assignment best = frontier_labels(problem, kUnbounded);
  EXPECT_TRUE(best.exact);
  const Assignment narrow = frontier_labels(problem, 4);
  EXPECT_FALSE(narrow.exact);
  EXPECT_EQ(narrow.labels.size(), problem.groups.size());
  EXPECT_GE(oracle_cost(problem, narrow.labels), oracle_cost(problem, best.labels));
}

TEST(PrecisionFrontier, HopelessWaysAreNotKept) {
  Random random(25);
  PrecisionProblem problem = ladder(8, random);
  for (GroupCosts& group : problem.groups) group.cost = {90000, 90000, 1000};
  const Assignment best = frontier_labels(problem, 1);  // conversions are 1000 at most
  EXPECT_TRUE(best.exact);
  EXPECT_EQ(text(best.labels), std::string(16, 'I'));
}

TEST(PrecisionFrontier, ChargesAtOnceWhatTheReadersCannotAvoid) {
  // Even with one way kept: float alone is cheaper, but its only reader is int8.
  PrecisionProblem problem;
  problem.groups = {{{1, 9, 2}}, {{kForbidden, kForbidden, 0}}};
  problem.tensors.resize(1);
  problem.tensors[0].producer = 0;
  problem.tensors[0].consumers = {1};
  problem.tensors[0].convert[0][2] = 5;
  EXPECT_EQ(text(frontier_labels(problem, 1).labels), "II");
}

}  // namespace
}  // namespace octile::test
