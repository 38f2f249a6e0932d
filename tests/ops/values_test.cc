// Ops whose extents depend on values: NonZero, Compress, Unique, NonMaxSuppression, and those that
// take their extents from an input. Expected values by hand.
#include <limits>

#include "ops/run.h"

namespace octile::test {
namespace {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

Tensor ints(const Ints& values) { return Tensor::int64s(values); }

/// The shape of output 0 when nothing is known of the inputs' values.
Shape before(const Op& op, const std::vector<Tensor>& inputs) {
  std::vector<TensorInfo> infos;
  for (const Tensor& t : inputs) infos.push_back({t.type(), t.shape(), nullptr});
  return infer(op, infos)[0].shape;
}

TEST(NonZero, PositionsInRowMajorOrder) {
  const Tensor x = values<float>({2, 2}, {1, 0, -2, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(before(NonZero{}, {x}), (Shape{2, kDynamic}));
  const Tensor y = run(NonZero{}, {x});
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_EQ(list<int64_t>(y), (Ints{0, 1, 1, 0, 0, 1}));
}

TEST(NonZero, NegativeZeroIsZeroAndOtherTypesCount) {
  EXPECT_EQ(run(NonZero{}, {values<float>({2}, {-0.0f, 0.0f})}).shape(), (Shape{1, 0}));
  EXPECT_EQ(list<int64_t>(run(NonZero{}, {ints({0, 7, 0, -1})})), (Ints{1, 3}));
  const Tensor truth = values<float>({3}, {0, 1, 1}).cast(DataType::kBool);
  EXPECT_EQ(list<int64_t>(run(NonZero{}, {truth})), (Ints{1, 2}));
}

TEST(NonZero, ScalarsAndNothing) {
  EXPECT_EQ(list<int64_t>(run(NonZero{}, {Tensor::scalar(5)})), (Ints{0}));
  EXPECT_EQ(run(NonZero{}, {Tensor::scalar(0)}).shape(), (Shape{1, 0}));
  EXPECT_EQ(run(NonZero{}, {Tensor(DataType::kFloat32, {0, 3})}).shape(), (Shape{2, 0}));
}

TEST(Compress, KeepsWhatIsTrue) {
  const Tensor x = values<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto bools = [](const Floats& v) {
    return values<float>({int64_t(v.size())}, v).cast(DataType::kBool);
  };
  const Tensor rows = run(Compress{false, 0}, {x, bools({0, 1, 1})});
  EXPECT_EQ(rows, values<float>({2, 2}, {3, 4, 5, 6}));
  EXPECT_EQ(run(Compress{false, -1}, {x, bools({0, 1})}), values<float>({3, 1}, {2, 4, 6}));
  EXPECT_EQ(run(Compress{}, {x, bools({0, 1, 0, 0, 1})}), values<float>({2}, {2, 5}));
  EXPECT_EQ(run(Compress{false, 0}, {x, bools({0, 0})}).shape(), (Shape{0, 2}));
  EXPECT_EQ(run(Compress{false, 1}, {x, bools({0, 1, 1, 1})}).shape(), (Shape{3, 1}));
  EXPECT_EQ(before(Compress{false, 1}, {x, bools({1, 1})}), (Shape{3, kDynamic}));
}

TEST(Unique, SortedOrAsTheyAppear) {
  const Tensor x = values<float>({6}, {2, 1, 1, 3, 4, 3});
  const auto sorted = run_all(Unique{}, {x});
  EXPECT_EQ(list<float>(sorted[0]), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(list<int64_t>(sorted[1]), (Ints{1, 0, 3, 4}));
  EXPECT_EQ(list<int64_t>(sorted[2]), (Ints{1, 0, 0, 2, 3, 2}));
  EXPECT_EQ(list<int64_t>(sorted[3]), (Ints{2, 1, 2, 1}));
  const auto plain = run_all(Unique{true, 0, false}, {x});
  EXPECT_EQ(list<float>(plain[0]), (Floats{2, 1, 3, 4}));
  EXPECT_EQ(list<int64_t>(plain[1]), (Ints{0, 1, 3, 4}));
  EXPECT_EQ(list<int64_t>(plain[2]), (Ints{0, 1, 1, 2, 3, 2}));
  EXPECT_EQ(list<int64_t>(plain[3]), (Ints{1, 2, 2, 1}));
}

TEST(Unique, SlicesOfAnAxis) {
  const auto columns =
      run_all(Unique{false, -1, true}, {values<float>({2, 3}, {1, 0, 1, 2, 0, 2})});
  EXPECT_EQ(columns[0], values<float>({2, 2}, {0, 1, 0, 2}));
  EXPECT_EQ(list<int64_t>(columns[1]), (Ints{1, 0}));
  EXPECT_EQ(list<int64_t>(columns[2]), (Ints{1, 0, 1}));
  EXPECT_EQ(list<int64_t>(columns[3]), (Ints{1, 2}));
  const auto none = run_all(Unique{false, 0, true}, {Tensor(DataType::kFloat32, {0, 2})});
  EXPECT_EQ(none[0].shape(), (Shape{0, 2}));
  EXPECT_EQ(none[3].shape(), (Shape{0}));
}

/// Box 1 lies in box 0 (overlap 3/4, exactly); box 2, its corners swapped, lies apart.
const Tensor& boxes() {
  static const Tensor t = values<float>({1, 3, 4}, {0, 0, 2, 2, 0, 0, 2, 1.5f, 5, 5, 3, 3});
  return t;
}

TEST(NonMaxSuppression, BestFirstOfEachClass) {
  const Tensor scores = values<float>({1, 2, 3}, {0.5f, 0.9f, 0.8f, 0.1f, 0.2f, 0.95f});
  const NonMaxSuppression op{2, 0.6f, 0.15f, false};
  EXPECT_EQ(before(op, {boxes(), scores}), (Shape{kDynamic, 3}));
  const Tensor y = run(op, {boxes(), scores});
  EXPECT_EQ(y.shape(), (Shape{4, 3}));
  EXPECT_EQ(list<int64_t>(y), (Ints{0, 0, 1, 0, 0, 2, 0, 1, 2, 0, 1, 1}));
}

TEST(NonMaxSuppression, ThresholdsAreStrict) {
  const Tensor scores = values<float>({1, 1, 3}, {0.5f, 0.9f, 0.8f});
  EXPECT_EQ(list<int64_t>(run(NonMaxSuppression{3, 0.75f}, {boxes(), scores})),
            (Ints{0, 0, 1, 0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(list<int64_t>(run(NonMaxSuppression{3, 0.75f, 0.8f}, {boxes(), scores})),
            (Ints{0, 0, 1}));
}

TEST(NonMaxSuppression, CentresAndEqualScores) {
  const Tensor centres = values<float>({1, 3, 4}, {1, 1, 2, 2, 0.75f, 1, 1.5f, 2, 4, 4, 2, 2});
  const Tensor scores = values<float>({1, 1, 3}, {0.5f, 0.5f, 0.5f});
  EXPECT_EQ(list<int64_t>(run(NonMaxSuppression{3, 0.7f, 0.0f, true}, {centres, scores})),
            (Ints{0, 0, 0, 0, 0, 2}));
}

TEST(NonMaxSuppression, NothingIsLeft) {
  const Tensor scores = values<float>({1, 1, 3}, {0.5f, 0.5f, 0.5f});
  EXPECT_EQ(run(NonMaxSuppression{3, 0.5f, 0.6f}, {boxes(), scores}).shape(), (Shape{0, 3}));
  EXPECT_EQ(before(NonMaxSuppression{0, 0.5f}, {boxes(), scores}), (Shape{0, 3}));
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor lowest = values<float>({1, 1, 3}, Floats(3, -infinity));
  EXPECT_EQ(run(NonMaxSuppression{1, 0.5f}, {boxes(), lowest}).shape(), (Shape{1, 3}));
  const Tensor nan = values<float>({1, 1, 3}, Floats(3, std::numeric_limits<float>::quiet_NaN()));
  EXPECT_EQ(run(NonMaxSuppression{3, 0.5f}, {boxes(), nan}).shape(), (Shape{0, 3}));
  EXPECT_TRUE(contains(refusal(NonMaxSuppression{}, {{1, 3, 4}, {1, 1, 2}}), "must be (N, B, 4)"));
}

TEST(Extents, FromValues) {
  const Tensor x = values<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(list<int64_t>(run(ShapeOf{}, {x})), (Ints{2, 3}));
  EXPECT_EQ(before(Expand{}, {x, ints({2, 1, 1})}), (Shape{kDynamic, kDynamic, kDynamic}));
  EXPECT_EQ(run(Expand{}, {values<float>({2, 1}, {7, 8}), ints({2, 2})}),
            values<float>({2, 2}, {7, 7, 8, 8}));
  EXPECT_EQ(run(ReshapeTo{}, {x, ints({0, -1, 1})}).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(run(ReshapeTo{false}, {Tensor(DataType::kFloat32, {0, 3}), ints({3, 0})}).shape(),
            (Shape{3, 0}));
  EXPECT_TRUE(contains(message_of([&] { run(ReshapeTo{}, {x, ints({4})}); }), "cannot reshape"));
}

TEST(Counting, StopsBeforeItsLimit) {
  const auto count = [](int64_t from, int64_t to, int64_t by) {
    return list<int64_t>(run(Counting{}, {ints({from}), ints({to}), ints({by})}));
  };
  EXPECT_EQ(count(2, 8, 3), (Ints{2, 5}));
  EXPECT_EQ(count(2, 9, 3), (Ints{2, 5, 8}));
  EXPECT_EQ(count(3, 0, -2), (Ints{3, 1}));
  EXPECT_EQ(count(3, 3, 1), Ints{});
  EXPECT_TRUE(contains(message_of([&] { count(0, 1, 0); }), "counts by 0"));
}

TEST(SliceBetween, BoundsAreMovedIntoTheAxis) {
  const Tensor x = values<float>({5}, {0, 1, 2, 3, 4});
  const auto slice = [&](int64_t from, int64_t to, int64_t by) {
    return list<float>(run(SliceBetween{{0}, {by}}, {x, ints({from}), ints({to})}));
  };
  EXPECT_EQ(slice(1, 100, 1), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(slice(-2, INT64_MAX, 1), (Floats{3, 4}));
  EXPECT_EQ(slice(-100, 3, 2), (Floats{0, 2}));
  EXPECT_EQ(slice(100, INT64_MIN, -2), (Floats{4, 2, 0}));
  EXPECT_EQ(slice(4, 2, 1), Floats{});
  EXPECT_EQ(slice(7, 9, 1), Floats{});
  EXPECT_EQ(before(SliceBetween{{0}, {1}}, {x, ints({0}), ints({2})}), (Shape{kDynamic}));
}

TEST(TopKOf, TakesKFromAnInput) {
  const Tensor x = values<float>({4}, {3, 9, 1, 5});
  const auto top = run_all(TopKOf{0, true}, {x, ints({2})});
  EXPECT_EQ(list<float>(top[0]), (Floats{9, 5}));
  EXPECT_EQ(list<int32_t>(top[1]), (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(run(TopKOf{0, true}, {x, ints({0})}).shape(), (Shape{0}));
  EXPECT_TRUE(contains(message_of([&] { run(TopKOf{0}, {x, ints({5})}); }), "k is 5"));
}

}  // namespace
}  // namespace octile::test
