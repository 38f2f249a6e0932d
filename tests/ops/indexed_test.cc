// Ops whose indices are data, and running sums and determinants: values by hand, refusals.
#include <fmt/format.h>

#include "ops/run.h"

namespace octile::test {
namespace {

using Floats = std::vector<float>;

Tensor int64s(const Shape& shape, const std::vector<int64_t>& entries) {
  return values<int64_t>(shape, entries);
}

/// infer() of float data, int64 indices and float updates.
std::string indexed_refusal(const Op& op, const std::vector<Shape>& shapes,
                            ErrorCode code = ErrorCode::kInvalidArgument) {
  std::vector<TensorInfo> infos;
  for (const Shape& shape : shapes) infos.push_back({DataType::kFloat32, shape, nullptr});
  infos[1].type = DataType::kInt64;
  return message_of([&] { infer(op, infos); }, code);
}

TEST(GatherElements, TakesAlongAnAxis) {
  const Tensor x = Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6});
  // fewer rows and columns of indices than data; a negative one counts from the end
  EXPECT_EQ(list<float>(run(GatherElements{0}, {x, int64s({1, 2}, {-1, 0})})), (Floats{4, 2}));
  EXPECT_EQ(list<float>(run(GatherElements{-1}, {x, int64s({2, 2}, {2, 0, 1, 1})})),
            (Floats{3, 1, 5, 5}));
  EXPECT_EQ(list<uint8_t>(run(GatherElements{0},
                              {values<uint8_t>({3}, {7, 8, 9}), values<int32_t>({2}, {2, 0})})),
            (std::vector<uint8_t>{9, 7}));
}

TEST(GatherElements, Refuses) {
  const Tensor x = Tensor::floats({2}, {1, 2});
  for (const int64_t index : {int64_t{2}, int64_t{-3}, INT64_MAX, INT64_MIN}) {
    EXPECT_TRUE(contains(message_of([&] {
                           run(GatherElements{0}, {x, Tensor::int64s({index})});
                         }),
                         fmt::format("index {} is outside axis 0 of extent 2", index)));
  }
  EXPECT_TRUE(contains(indexed_refusal(GatherElements{0}, {{2, 3}, {2}}), "the same rank"));
  EXPECT_TRUE(contains(indexed_refusal(GatherElements{0}, {{2, 3}, {9, 4}}), "reach beyond data"));
  EXPECT_TRUE(contains(indexed_refusal(GatherElements{2}, {{2, 3}, {2, 3}}), "axis 2"));
  EXPECT_TRUE(contains(indexed_refusal(GatherElements{0}, {{}, {}}), "axis 0"));
}

TEST(GatherNd, TakesSlicesAndElements) {
  const Tensor x = counting<float>({2, 2, 2});
  EXPECT_EQ(list<float>(run(GatherNd{0}, {x, int64s({2, 1}, {1, -2})})),
            (Floats{4, 5, 6, 7, 0, 1, 2, 3}));
  EXPECT_EQ(list<float>(run(GatherNd{0}, {x, int64s({3}, {1, 0, -1})})), (Floats{5}));
  EXPECT_EQ(list<float>(run(GatherNd{1}, {x, int64s({2, 1}, {1, 0})})), (Floats{2, 3, 4, 5}));
}

TEST(GatherNd, Refuses) {
  const Tensor x = counting<float>({2, 2});
  EXPECT_TRUE(contains(message_of([&] {
                         run(GatherNd{0}, {x, int64s({1, 2}, {1, 2})});
                       }),
                       "index 2 is outside axis 1 of extent 2"));
  EXPECT_TRUE(contains(indexed_refusal(GatherNd{0}, {{2, 2}, {5, 3}}), "name 3 axes"));
  EXPECT_TRUE(contains(indexed_refusal(GatherNd{0}, {{2, 2}, {}}), "one more"));
  EXPECT_TRUE(contains(indexed_refusal(GatherNd{2}, {{2, 2}, {2, 1}}), "batch axes"));
  EXPECT_TRUE(contains(indexed_refusal(GatherNd{-1}, {{2, 2}, {2, 1}}), "batch axes"));
  EXPECT_TRUE(contains(indexed_refusal(GatherNd{1}, {{2, 2}, {3, 1}}), "differ on batch axis 0"));
  EXPECT_TRUE(contains(indexed_refusal(GatherNd{0}, {{2, 2}, {3, -1}}, ErrorCode::kUnsupported),
                       "fixed extent"));
}

TEST(ScatterElements, EveryReduction) {
  const Tensor x = Tensor::floats({3}, {1, 2, 3}), i = int64s({3}, {1, 1, -1});
  const Tensor u = Tensor::floats({3}, {5, 4, -1});
  const auto with = [&](ScatterReduction r) {
    return list<float>(run(ScatterElements{0, r}, {x, i, u}));
  };
  EXPECT_EQ(with(ScatterReduction::kNone), (Floats{1, 4, -1}));
  EXPECT_EQ(with(ScatterReduction::kAdd), (Floats{1, 11, 2}));
  EXPECT_EQ(with(ScatterReduction::kMul), (Floats{1, 40, -3}));
  EXPECT_EQ(with(ScatterReduction::kMin), (Floats{1, 2, -1}));
  EXPECT_EQ(with(ScatterReduction::kMax), (Floats{1, 5, 3}));
}

TEST(ScatterElements, IntegersWrapAndNanStays) {
  const Tensor i = int64s({2}, {0, 0});
  EXPECT_EQ(list<int8_t>(run(ScatterElements{0, ScatterReduction::kAdd},
                             {values<int8_t>({1}, {100}), i, values<int8_t>({2}, {100, 1})})),
            (std::vector<int8_t>{-55}));
  EXPECT_EQ(list<int64_t>(run(ScatterElements{0, ScatterReduction::kMul},
                              {int64s({1}, {INT64_MAX}), i, int64s({2}, {2, -3})})),
            (std::vector<int64_t>{6}));
  const float nan = std::nanf("");
  for (const auto r : {ScatterReduction::kMin, ScatterReduction::kMax}) {
    const auto y =
        run(ScatterElements{0, r}, {Tensor::floats({1}, {1}), i, Tensor::floats({2}, {nan, 2})});
    EXPECT_TRUE(std::isnan(list<float>(y)[0]));
  }
}

TEST(ScatterElements, Refuses) {
  const Tensor x = Tensor::floats({2}, {1, 2});
  EXPECT_TRUE(contains(message_of([&] {
                         run(ScatterElements{}, {x, Tensor::int64s({2}), Tensor::floats({1}, {0})});
                       }),
                       "index 2 is outside axis 0 of extent 2"));
  EXPECT_TRUE(contains(indexed_refusal(ScatterElements{}, {{2}, {2}, {3}}), "the same shape"));
  EXPECT_TRUE(contains(indexed_refusal(ScatterElements{}, {{2, 2}, {2, 3}, {2, 3}}), "beyond"));
  const std::vector<TensorInfo> bools{{DataType::kBool, {2}, nullptr},
                                      {DataType::kInt64, {2}, nullptr},
                                      {DataType::kBool, {2}, nullptr}};
  EXPECT_EQ(infer(ScatterElements{}, bools).size(), 1u);
  message_of([&] { infer(ScatterElements{0, ScatterReduction::kAdd}, bools); });
}

TEST(ScatterNd, UpdatesSlices) {
  const Tensor x = counting<float>({2, 2}), u = Tensor::floats({2, 2}, {10, 20, 30, 40});
  const Tensor i = int64s({2, 1}, {1, 1});
  EXPECT_EQ(list<float>(run(ScatterNd{}, {x, i, u})), (Floats{0, 1, 30, 40}));
  EXPECT_EQ(list<float>(run(ScatterNd{ScatterReduction::kAdd}, {x, i, u})), (Floats{0, 1, 42, 63}));
  EXPECT_EQ(list<float>(run(ScatterNd{ScatterReduction::kMax},
                            {x, int64s({2}, {0, -1}), Tensor::floats({}, {9})})),
            (Floats{0, 9, 2, 3}));
}

TEST(ScatterNd, Refuses) {
  const Tensor x = counting<float>({2, 2});
  EXPECT_TRUE(
      contains(message_of([&] {
                 run(ScatterNd{}, {x, int64s({1, 1}, {-3}), Tensor::floats({1, 2}, {0, 0})});
               }),
               "index -3 is outside axis 0 of extent 2"));
  EXPECT_TRUE(contains(indexed_refusal(ScatterNd{}, {{2, 2}, {1, 3}, {1}}), "name 3 axes"));
  EXPECT_TRUE(contains(indexed_refusal(ScatterNd{}, {{2, 2}, {4, 1}, {4, 3}}), "do not fit"));
  EXPECT_TRUE(contains(indexed_refusal(ScatterNd{}, {{2, 2}, {}, {2, 2}}), "scalar"));
}

TEST(CumulativeSum, EveryDirection) {
  const Tensor x = Tensor::floats({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(list<float>(run(CumulativeSum{1}, {x})), (Floats{1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(list<float>(run(CumulativeSum{-1, true, false}, {x})), (Floats{0, 1, 3, 0, 4, 9}));
  EXPECT_EQ(list<float>(run(CumulativeSum{0, false, true}, {x})), (Floats{5, 7, 9, 4, 5, 6}));
  EXPECT_EQ(list<float>(run(CumulativeSum{1, true, true}, {x})), (Floats{5, 3, 0, 11, 6, 0}));
  const std::vector<int32_t> large{INT32_MAX, 1};
  EXPECT_EQ(list<int32_t>(run(CumulativeSum{0}, {values<int32_t>({2}, large)})),
            (std::vector<int32_t>{INT32_MAX, INT32_MIN}));
  EXPECT_TRUE(contains(refusal(CumulativeSum{2}, {{2, 3}}), "axis 2"));
}

TEST(Determinant, PivotsAndBatches) {
  const Tensor x = Tensor::floats({3, 2, 2}, {0, 1, 1, 0, 2, 4, 1, 2, 3, 1, 1, 3});
  EXPECT_EQ(list<float>(run(Determinant{}, {x})), (Floats{-1, 0, 8}));
  EXPECT_EQ(run(Determinant{}, {Tensor::floats({1, 1}, {5})}).shape(), Shape{});
  EXPECT_TRUE(contains(refusal(Determinant{}, {{2, 3}}), "square"));
  EXPECT_TRUE(contains(refusal(Determinant{}, {{2}}), "square"));
}

}  // namespace
}  // namespace octile::test
