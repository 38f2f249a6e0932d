// Ops that move data, on every element size: shuffle, concatenation, slice, padding, gather,
// select, cast, identity.
#include <limits>

#include "ops/run.h"

namespace octile::test {
namespace {

constexpr DataType kTypes[] = {DataType::kFloat32, DataType::kFloat64, DataType::kFloat16,
                               DataType::kInt8,    DataType::kUInt8,   DataType::kInt16,
                               DataType::kInt32,   DataType::kInt64,   DataType::kBool};

/// The op on random data of every type equals the op on element numbers, looked up.
void expect_moves_every_type(const Op& op, const Shape& shape) {
  const Tensor from = run(op, {counting<int64_t>(shape)});
  Random random(11);
  for (DataType type : kTypes) {
    const Tensor x = random_bits(type, shape, random);
    const Tensor y = run(op, {x});
    ASSERT_EQ(y.type(), type);
    ASSERT_EQ(y.shape(), from.shape());
    const size_t size = size_of(type);
    for (int64_t i = 0; i < y.volume(); ++i) {
      ASSERT_EQ(
          0, std::memcmp(y.as<char>() + i * static_cast<int64_t>(size),
                         x.as<char>() + from.as<int64_t>()[i] * static_cast<int64_t>(size), size))
          << name_of(type) << " element " << i;
    }
  }
}

Shuffle reshape(std::vector<int64_t> dims, bool zero_is_placeholder = true) {
  Shuffle op;
  op.has_reshape = true;
  op.dims = std::move(dims);
  op.zero_is_placeholder = zero_is_placeholder;
  return op;
}

TEST(Shuffle, Transposes) {
  Shuffle op;
  op.first = {2, 0, 1};
  const Tensor y = run(op, {counting<float>({2, 3, 2})});
  EXPECT_EQ(y.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(list<float>(y), (std::vector<float>{0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11}));
  expect_moves_every_type(op, {3, 4, 5});
}

TEST(Shuffle, TransposeReshapeTranspose) {
  Shuffle op = reshape({3, 4});
  op.first = {1, 0};
  op.second = {1, 0};
  // 0 1 / 2 3 / … (6, 2) → evens, odds (2, 6) → (3, 4) → transposed (4, 3)
  EXPECT_EQ(list<int64_t>(run(op, {counting<int64_t>({6, 2})})),
            (std::vector<int64_t>{0, 8, 5, 2, 10, 7, 4, 1, 9, 6, 3, 11}));
  expect_moves_every_type(op, {6, 2});
  Shuffle back = reshape({0, 2, -1});
  back.second = {0, 2, 1};
  EXPECT_EQ(list<int64_t>(run(back, {counting<int64_t>({1, 4})})),
            (std::vector<int64_t>{0, 2, 1, 3}));
}

TEST(Shuffle, ReshapeRules) {
  EXPECT_EQ(shape_of(reshape({0, -1}), {{4, 3, 2}}), (Shape{4, 6}));
  EXPECT_EQ(shape_of(reshape({0, -1}), {{-1, 64, 7, 7}}), (Shape{-1, 3136}));
  EXPECT_EQ(shape_of(reshape({-1, 3136}), {{-1, 64, 7, 7}}), (Shape{-1, 3136}));
  EXPECT_EQ(shape_of(reshape({0, 0, -1}), {{-1, 64, -1, 7}}), (Shape{-1, 64, -1}));
  EXPECT_EQ(shape_of(reshape({}), {{1, 1}}), Shape{});
  EXPECT_EQ(shape_of(reshape({0, 3}, false), {{3, 0}}), (Shape{0, 3}));
  EXPECT_TRUE(contains(refusal(reshape({5, -1}), {{4, 3}}),
                       "cannot reshape (4, 3) into dims [5, -1]: the number of elements differs"));
  EXPECT_TRUE(contains(refusal(reshape({0, 3135}), {{-1, 64, 7, 7}}), "cannot reshape"));
  EXPECT_TRUE(contains(refusal(reshape({-1, -1}), {{4}}), "more than one -1"));
  EXPECT_TRUE(contains(refusal(reshape({1, 4, 0}), {{4}}), "the 0 at position 2"));
  EXPECT_TRUE(contains(refusal(reshape({-2}), {{4}}), "negative extent"));
  Shuffle bad;
  bad.first = {0, 0};
  EXPECT_TRUE(contains(refusal(bad, {{2, 2}}), "[0, 0] is not a permutation"));
}

TEST(Concatenation, JoinsEveryType) {
  const Tensor a = counting<int8_t>({2, 1, 2}), b = counting<int8_t>({2, 2, 2});
  EXPECT_EQ(list<int8_t>(run(Concatenation{-2}, {a, b})),
            (std::vector<int8_t>{0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(list<float>(run(Concatenation{0}, {counting<float>({1, 2}), counting<float>({2, 2})})),
            (std::vector<float>{0, 1, 0, 1, 2, 3}));
  EXPECT_EQ(shape_of(Concatenation{1}, {{-1, 2, 4}, {3, 5, -1}}), (Shape{3, 7, 4}));
  EXPECT_EQ(shape_of(Concatenation{1}, {{2, -1}, {2, 5}}), (Shape{2, -1}));
  EXPECT_TRUE(contains(refusal(Concatenation{1}, {{2, 3}, {4, 3}}),
                       "input 0 has shape (2, 3) and input 1 has (4, 3); all axes but axis 1"));
  EXPECT_TRUE(contains(refusal(Concatenation{2}, {{2, 3}}), "axis 2 is not an axis"));
}

TEST(Slice, StartSizeStride) {
  const Tensor x = counting<float>({2, 6});
  EXPECT_EQ(list<float>(run(Slice{{1}, {1}, {2}, {2}}, {x})), (std::vector<float>{1, 3, 7, 9}));
  EXPECT_EQ(list<float>(run(Slice{{1}, {-2}, {-1}, {}}, {x})), (std::vector<float>{4, 5, 10, 11}));
  EXPECT_EQ(list<float>(run(Slice{{-1}, {-1}, {-1}, {-2}}, {x})),
            (std::vector<float>{5, 3, 1, 11, 9, 7}));
  EXPECT_EQ(list<float>(run(Slice{{}, {1, 5}, {1, 3}, {1, -1}}, {x})),
            (std::vector<float>{11, 10, 9}));
  EXPECT_EQ(run(Slice{{1}, {6}, {0}, {}}, {x}).shape(), (Shape{2, 0}));
  expect_moves_every_type(Slice{{0, 2}, {-1, 1}, {2, 2}, {-2, 3}}, {4, 3, 6});
}

TEST(Slice, ShapesAndRefusals) {
  EXPECT_EQ(shape_of(Slice{{1}, {1}, {-1}, {2}}, {{-1, 6}}), (Shape{-1, 3}));
  EXPECT_EQ(shape_of(Slice{{0}, {1}, {2}, {}}, {{-1, 6}}), (Shape{2, 6}));
  EXPECT_EQ(shape_of(Slice{{0}, {1}, {-1}, {}}, {{-1, 6}}), (Shape{-1, 6}));
  EXPECT_TRUE(contains(refusal(Slice{{1}, {4}, {3}, {}}, {{2, 6}}),
                       "on axis 1 of (2, 6) start 4, size 3, stride 1 reach outside the extent 6"));
  EXPECT_TRUE(contains(refusal(Slice{{1}, {1}, {3}, {-1}}, {{2, 6}}), "reach outside"));
  EXPECT_TRUE(contains(refusal(Slice{{1}, {-7}, {1}, {}}, {{2, 6}}), "reach outside"));
  EXPECT_TRUE(contains(refusal(Slice{{1}, {0}, {1}, {0}}, {{2, 6}}), "stride 0"));
  EXPECT_TRUE(contains(refusal(Slice{{}, {0}, {1}, {}}, {{2, 6}}), "but 2 axes are sliced"));
  EXPECT_TRUE(contains(refusal(Slice{{0}, {INT64_MIN}, {1}, {}}, {{2, 6}}), "out of range"));
  EXPECT_TRUE(contains(refusal(Slice{{0}, {0}, {INT64_MAX}, {INT64_MAX}}, {{2, 6}}), "range"));
}

TEST(Padding, Kinds) {
  const Tensor x = counting<float>({1, 4});
  Padding op{PaddingKind::kConstant, {0, 2}, {1, 1}, 9.0f};
  EXPECT_EQ(list<float>(run(op, {x})),
            (std::vector<float>{9, 9, 0, 1, 2, 3, 9, 9, 9, 9, 9, 9, 9, 9}));
  op = {PaddingKind::kReflect, {0, 3}, {0, 2}, 0};
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{3, 2, 1, 0, 1, 2, 3, 2, 1}));
  op.kind = PaddingKind::kEdge;
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{0, 0, 0, 0, 1, 2, 3, 3, 3}));
  op = {PaddingKind::kConstant, {0, -1}, {0, -2}, 0};
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{1}));
  op = {PaddingKind::kConstant, {0, -1}, {0, 2}, 7};
  EXPECT_EQ(list<float>(run(op, {x})), (std::vector<float>{1, 2, 3, 7, 7}));
  expect_moves_every_type(Padding{PaddingKind::kReflect, {1, 0, 2}, {1, 3, 0}, 0}, {2, 4, 3});
  expect_moves_every_type(Padding{PaddingKind::kEdge, {1, 0, 2}, {1, 3, 0}, 0}, {2, 4, 3});
}

TEST(Padding, TheConstantTakesTheType) {
  const Padding op{PaddingKind::kConstant, {1}, {0}, 200.4f};
  EXPECT_EQ(list<int8_t>(run(op, {counting<int8_t>({2})})), (std::vector<int8_t>{127, 0, 1}));
  EXPECT_EQ(list<uint8_t>(run(op, {counting<uint8_t>({2})})), (std::vector<uint8_t>{200, 0, 1}));
  EXPECT_EQ(list<int64_t>(run(op, {counting<int64_t>({2})})), (std::vector<int64_t>{200, 0, 1}));
}

TEST(Padding, ShapesAndRefusals) {
  EXPECT_EQ(shape_of(Padding{PaddingKind::kConstant, {0, 1}, {0, 1}, 0}, {{-1, 3}}),
            (Shape{-1, 5}));
  EXPECT_TRUE(contains(refusal(Padding{PaddingKind::kReflect, {3}, {0}, 0}, {{3}}),
                       "on axis 0 the extent 3 is too small to reflect 3 and 0"));
  EXPECT_TRUE(contains(refusal(Padding{PaddingKind::kEdge, {-1}, {0}, 0}, {{3}}), "negative"));
  EXPECT_TRUE(contains(refusal(Padding{PaddingKind::kConstant, {-2}, {-2}, 0}, {{3}}),
                       "crop more than there is"));
  EXPECT_TRUE(contains(refusal(Padding{PaddingKind::kConstant, {0}, {0}, 0}, {{3, 3}}),
                       "x (3, 3) has 2 axes"));
  EXPECT_TRUE(contains(refusal(Padding{PaddingKind::kConstant, {INT64_MIN}, {0}, 0}, {{3}}),
                       "out of range"));
}

TEST(Gather, IndicesOfAnyShape) {
  const Tensor data = counting<float>({3, 4});
  const Tensor y =
      run(Gather{1}, {data, Tensor::from<int32_t>({2, 2}, std::vector<int32_t>{3, 0, -1, 1})});
  EXPECT_EQ(y.shape(), (Shape{3, 2, 2}));
  EXPECT_EQ(list<float>(y), (std::vector<float>{3, 0, 3, 1, 7, 4, 7, 5, 11, 8, 11, 9}));
  EXPECT_EQ(list<int8_t>(run(Gather{0}, {counting<int8_t>({3, 2}), Tensor::int64s({2, 0})})),
            (std::vector<int8_t>{4, 5, 0, 1}));
}

TEST(Gather, OutOfRange) {
  EXPECT_TRUE(contains(message_of([] {
                         run(Gather{0}, {counting<float>({3, 2}), Tensor::int64s({3})});
                       }),
                       "index 3 is outside axis 0 of extent 3"));
  const Tensor indices = Tensor::int64s({-4});
  EXPECT_TRUE(contains(message_of([&] {
                         infer_of(Gather{0}, {{DataType::kFloat32, {3, 2}, nullptr},
                                              {DataType::kInt64, {1}, &indices}});
                       }),
                       "index -4 is outside axis 0 of extent 3"));
}

TEST(Select, Broadcasts) {
  Tensor condition(DataType::kBool, {2, 1});
  condition.as<uint8_t>()[1] = 1;
  const Tensor a = counting<int16_t>({3}), b = values<int16_t>({}, {-1});
  EXPECT_EQ(list<int16_t>(run(Select{}, {condition, a, b})),
            (std::vector<int16_t>{-1, -1, -1, 0, 1, 2}));
  EXPECT_TRUE(
      contains(refusal(Select{}, {{2}, {2}, {2}}), "input 0 has type float32, but it must"));
}

TEST(Cast, EqualsTensorCastForEveryPair) {
  Random random(12);
  for (DataType from : kTypes) {
    Tensor x = random_floats({64}, random, 300.0f).cast(from);
    for (DataType to : kTypes) {
      const Tensor y = run(Cast{to}, {x});
      EXPECT_EQ(y, x.cast(to)) << name_of(from) << " to " << name_of(to);
    }
  }
}

TEST(Cast, EdgesOfFloatToInteger) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = Tensor::floats({6}, {-1.9f, 1.9f, 1e20f, -1e20f, nan, 127.5f});
  EXPECT_EQ(list<int8_t>(run(Cast{DataType::kInt8}, {x})),
            (std::vector<int8_t>{-1, 1, 127, -128, 0, 127}));
  EXPECT_EQ(list<int64_t>(run(Cast{DataType::kInt64}, {x})),
            (std::vector<int64_t>{-1, 1, INT64_MAX, INT64_MIN, 0, 127}));
  EXPECT_EQ(list<int32_t>(run(Cast{DataType::kInt32}, {Tensor::int64s({1ll << 40, -5})})),
            (std::vector<int32_t>{INT32_MAX, -5}));
  const Tensor exact = Tensor::int64s({(1ll << 53) + 1});
  EXPECT_EQ(run(Cast{DataType::kInt64}, {exact}), exact);
}

TEST(Identity, CopiesEveryType) { expect_moves_every_type(Identity{}, {3, 5}); }

TEST(Constant, HasNoShapeRule) {
  EXPECT_TRUE(contains(refusal(Constant{}, {}), "Network::constant()"));
}

}  // namespace
}  // namespace octile::test
