// Shapes, names, tensors and their conversion.
#include "base/error.h"
#include "octile/tensor.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

TEST(Shape, Basics) {
  Shape s{2, 3};
  EXPECT_EQ(s.rank(), 2);
  EXPECT_EQ(s.volume(), 6);
  EXPECT_EQ(Shape{}.volume(), 1);
  s.push_back(kDynamic);
  EXPECT_FALSE(s.is_static());
  EXPECT_EQ(s.to_string(), "(2, 3, -1)");
  EXPECT_EQ(s, Shape(std::vector<int64_t>{2, 3, -1}));
  EXPECT_NE(s, (Shape{2, 3}));
  EXPECT_EQ(s.to_vector(), (std::vector<int64_t>{2, 3, -1}));
}

TEST(Shape, Limits) {
  Shape s{1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_TRUE(
      contains(message_of([&] { s.push_back(1); }, ErrorCode::kUnsupported), "more than 8 axes"));
  const Shape huge{int64_t{1} << 32, int64_t{1} << 32};
  EXPECT_TRUE(contains(message_of([&] { huge.volume(); }), "too many elements"));
  EXPECT_TRUE(
      contains(message_of([&] { Tensor(DataType::kFloat32, {int64_t{1} << 45}); }), "too large"));
  EXPECT_TRUE(contains(message_of([] { Tensor(DataType::kFloat32, {2, -1}); }), "static shape"));
}

TEST(Names, RoundTrip) {
  for (int i = 0; i <= static_cast<int>(DataType::kBool); ++i) {
    const auto type = static_cast<DataType>(i);
    EXPECT_EQ(data_type_from_name(name_of(type)), type);
  }
  for (Scheme s : {Scheme::kStaticSymmetric, Scheme::kStaticAffine, Scheme::kDynamicSymmetric,
                   Scheme::kDynamicAffine}) {
    EXPECT_EQ(scheme_from_name(name_of(s)), s);
  }
  for (Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx,
                  Isa::kNeon, Isa::kNeonDot}) {
    EXPECT_EQ(isa_from_name(name_of(isa)), isa);
  }
  EXPECT_TRUE(contains(message_of([] { precision_from_name("int4"); }),
                       "unknown precision 'int4': use one of auto, float32, int8"));
}

TEST(Tensor, CopiesBytesAndIsAligned) {
  Tensor a = Tensor::floats({3}, {1, 2, 3});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
  Tensor b = a;
  b.as<float>()[0] = 9;
  EXPECT_EQ(a.as<float>()[0], 1);
  EXPECT_NE(a, b);
  const Tensor moved = std::move(b);
  EXPECT_EQ(moved.as<float>()[0], 9);
  a = moved;
  EXPECT_EQ(a, moved);
  const Tensor none;
  const Tensor copy = none;
  EXPECT_EQ(copy.data(), nullptr);
}

TEST(Tensor, Checks) {
  const std::byte bytes[7] = {};
  EXPECT_TRUE(contains(message_of([&] { Tensor(DataType::kFloat32, {2}, bytes); }),
                       "needs 8 bytes, got 7"));
  EXPECT_TRUE(contains(message_of([] {
                         Tensor::floats({2}, {1, 2}).reshaped({3});
                       }),
                       "cannot reshape (2) into (3)"));
  EXPECT_EQ(Tensor::floats({2, 2}, {1, 2, 3, 4}).reshaped({4}).shape(), (Shape{4}));
}

TEST(Tensor, Cast) {
  const Tensor x = Tensor::floats({5}, {-1.5f, 0, 2.9f, 300, -300});
  EXPECT_EQ(list<int8_t>(x.cast(DataType::kInt8)), (std::vector<int8_t>{-1, 0, 2, 127, -128}));
  EXPECT_EQ(list<uint8_t>(x.cast(DataType::kUInt8)), (std::vector<uint8_t>{0, 0, 2, 255, 0}));
  const Tensor b = x.cast(DataType::kBool);
  EXPECT_EQ(b.as<uint8_t>()[0] + b.as<uint8_t>()[1] * 2, 1);
  EXPECT_EQ(x.cast(DataType::kFloat64).as<double>()[2], static_cast<double>(2.9f));
  EXPECT_EQ(list<int32_t>(Tensor::int64s({INT64_MAX, -7}).cast(DataType::kInt32)),
            (std::vector<int32_t>{INT32_MAX, -7}));
}

}  // namespace
}  // namespace octile::test
