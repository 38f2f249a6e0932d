// Metrics against values worked out by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "octile/report.h"

namespace octile {
namespace {

const std::vector<float> kReference{3.0f, 4.0f};

TEST(Metrics, SqnrIsSignalOverNoiseInDecibels) {
  EXPECT_NEAR(sqnr_db(kReference, std::vector<float>{3.0f, 4.5f}), 20.0, 1e-9);  // 25 / 0.25
  EXPECT_TRUE(std::isinf(sqnr_db(kReference, kReference)));
}

TEST(Metrics, CosineOfParallelOrthogonalAndZeroVectors) {
  EXPECT_NEAR(cosine(kReference, std::vector<float>{6.0f, 8.0f}), 1.0, 1e-12);
  EXPECT_NEAR(cosine(kReference, std::vector<float>{-4.0f, 3.0f}), 0.0, 1e-12);
  EXPECT_EQ(cosine(std::vector<float>{0, 0}, std::vector<float>{0, 0}), 1.0);
  EXPECT_EQ(cosine(kReference, std::vector<float>{0, 0}), 0.0);
}

TEST(Metrics, TopKBreaksTiesTowardsTheLowerClass) {
  const Tensor scores = Tensor::floats({2, 3}, {0.5f, 0.5f, 0.1f, 0.2f, 0.3f, 0.9f});
  EXPECT_EQ(top_k_accuracy(scores, std::vector<int64_t>{0, 2}, 1), 1.0);
  EXPECT_EQ(top_k_accuracy(scores, std::vector<int64_t>{1, 2}, 1), 0.5);
  EXPECT_EQ(top_k_accuracy(scores, std::vector<int64_t>{1, 0}, 2), 0.5);
}

TEST(Metrics, AgreementCountsEqualBestClasses) {
  const Tensor a = Tensor::floats({2, 2}, {0, 1, 1, 0}), b = Tensor::floats({2, 2}, {0, 2, 0, 1});
  EXPECT_EQ(top1_agreement(a, b), 0.5);
}

TEST(Metrics, ErrorsNameWhatDiffers) {
  const Tensor scores = Tensor::floats({1, 2}, {0, 1});
  try {
    top_k_accuracy(scores, std::vector<int64_t>{2}, 1);
    FAIL() << "a label beyond the classes was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(error.what(), "label 2 of sample 0 is none of the 2 classes");
  }
  EXPECT_THROW(top_k_accuracy(scores, std::vector<int64_t>{0, 1}, 1), Error);
  EXPECT_THROW(sqnr_db(kReference, std::vector<float>{1.0f}), Error);
}

}  // namespace
}  // namespace octile
