// Average precision against values worked out by hand.
#include <gtest/gtest.h>

#include "octile/detection.h"

namespace octile {
namespace {

using Found = std::vector<std::vector<Detection>>;
using Truth = std::vector<std::vector<LabelledBox>>;

/// A 10×10 box with its corner at (x, 0).
LabelledBox at(double x, int64_t id = 0) { return {x, 0, x + 10, 10, id}; }
Detection hit(double x, double score, int64_t id = 0) { return {x, 0, x + 10, 10, score, id}; }

TEST(AveragePrecision, PerfectAndAllMissed) {
  const Truth truth{{at(0), at(50, 1)}, {at(0)}};
  const Found perfect{{hit(0, 0.9), hit(50, 0.3, 1)}, {hit(0, 0.8)}};
  EXPECT_DOUBLE_EQ(average_precision(perfect, truth), 1.0);
  EXPECT_DOUBLE_EQ(average_precision(Found{{}, {}}, truth), 0.0);
  EXPECT_DOUBLE_EQ(average_precision(Found{{hit(80, 0.9)}, {hit(80, 0.9)}}, truth), 0.0);
}

/// Two of three found, one false box between them: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3;
/// monotone 1 up to recall 1/3 (34 of 101 recalls), 2/3 up to 2/3 (33 more), then 0.
TEST(AveragePrecision, ReadsMonotonePrecisionAt101Recalls) {
  const Truth truth{{at(0), at(50), at(100)}};
  const Found found{{hit(0, 0.9), hit(200, 0.8), hit(50, 0.7)}};
  EXPECT_NEAR(average_precision(found, truth), (34.0 + 33.0 * 2.0 / 3.0) / 101.0, 1e-12);
}

TEST(AveragePrecision, DuplicatesAreFalse) {
  const Truth truth{{at(0), at(50)}};
  // hit, duplicate, hit: precision 1 up to recall 1/2 (51 recalls), then 2/3 (50).
  const Found found{{hit(0, 0.9), hit(1, 0.8), hit(50, 0.7)}};
  EXPECT_NEAR(average_precision(found, truth), (51.0 + 50.0 * 2.0 / 3.0) / 101.0, 1e-12);
}

TEST(AveragePrecision, IsTheMeanOverClassesOfTheTruth) {
  const Truth truth{{at(0, 2), at(50, 5)}};
  const Found found{{hit(0, 0.9, 2), hit(50, 0.9, 2), hit(30, 0.9, 7)}};  // class 7 is in no truth
  EXPECT_DOUBLE_EQ(average_precision(found, truth), 0.5);
}

TEST(AveragePrecision, AnOverlapOfExactlyTheThresholdCounts) {
  const Truth truth{{{0, 0, 10, 10, 0}}};
  const Found half{{{0, 0, 10, 5, 0.9, 0}}};  // 50 of 100
  EXPECT_DOUBLE_EQ(box_iou(half[0][0], {0, 0, 10, 10}), 0.5);
  EXPECT_DOUBLE_EQ(average_precision(half, truth, 0.5), 1.0);
  const Found less{{{0, 0, 10, 4.999, 0.9, 0}}};
  EXPECT_DOUBLE_EQ(average_precision(less, truth, 0.5), 0.0);
  EXPECT_DOUBLE_EQ(average_precision(half, truth, 0.75), 0.0);
}

TEST(AveragePrecision, EachTakesTheFreeBoxThatItOverlapsMost) {
  // Both true boxes overlap the best found one by more than half; it takes the nearer.
  const Truth truth{{at(2), at(0)}};
  EXPECT_DOUBLE_EQ(average_precision(Found{{hit(0, 0.9), hit(2, 0.8)}}, truth), 1.0);
  // The second finds its nearest taken and takes the other one.
  EXPECT_DOUBLE_EQ(average_precision(Found{{hit(0, 0.9), hit(0, 0.8)}}, truth), 1.0);
}

TEST(AveragePrecision, CrowdsCountNeitherWay) {
  LabelledBox crowd{100, 0, 200, 10, 0, true};
  const Truth truth{{at(0), crowd}};
  // Two boxes lie on the crowd, with better scores: they are as if not there.
  const Found on{{hit(110, 0.95), hit(120, 0.9), hit(0, 0.5)}};
  EXPECT_DOUBLE_EQ(average_precision(on, truth), 1.0);
  const Found off{{hit(300, 0.95), hit(0, 0.5)}};
  EXPECT_DOUBLE_EQ(average_precision(off, truth), 0.5);
  // A class of crowds alone is no class.
  LabelledBox other = crowd;
  other.class_id = 3;
  EXPECT_DOUBLE_EQ(average_precision(on, Truth{{at(0), crowd, other}}), 1.0);
}

/// COCO's maxDets: the 100 best of a picture and class.
TEST(AveragePrecision, OnlyTheHundredBestCount) {
  Found found{{}};
  for (int i = 0; i < 100; ++i) found[0].push_back(hit(1000.0 + i, 0.9));
  found[0].push_back(hit(0, 0.1));
  EXPECT_DOUBLE_EQ(average_precision(found, Truth{{at(0)}}), 0.0);
  found[0].erase(found[0].begin());
  EXPECT_NEAR(average_precision(found, Truth{{at(0)}}), 0.01, 1e-12);
}

TEST(AveragePrecision, RefusesWhatCannotBeJudged) {
  EXPECT_THROW(average_precision(Found{{}}, Truth{}), Error);
  EXPECT_THROW(average_precision(Found{{hit(0, 1)}}, Truth{{}}), Error);
}

}  // namespace
}  // namespace octile
