// Conversion to an input's type: floats take any number, integers what they hold.
#include "base/convert.h"

#include <cmath>

#include "base/error.h"
#include "support/tensors.h"

namespace octile::test {
namespace {

TEST(ConvertExactly, FloatsTakeAnyNumber) {
  const Tensor wide = values<int64_t>({2}, {(int64_t{1} << 53) + 1, -3});
  EXPECT_EQ(list<float>(convert_exactly(wide, DataType::kFloat32, "x")),
            (std::vector<float>{0x1p53f, -3}));
  const Tensor bytes = values<uint8_t>({2}, {0, 255});
  EXPECT_EQ(list<float>(convert_exactly(bytes, DataType::kFloat32, "x")),
            (std::vector<float>{0, 255}));
  const Tensor doubles = values<double>({1}, {0.1});
  EXPECT_EQ(list<float>(convert_exactly(doubles, DataType::kFloat32, "x"))[0], 0.1f);
}

TEST(ConvertExactly, IntegersTakeWhatTheyHold) {
  const Tensor ids = values<float>({3}, {1, -2, 127});
  EXPECT_EQ(list<int8_t>(convert_exactly(ids, DataType::kInt8, "x")),
            (std::vector<int8_t>{1, -2, 127}));
  // binary64 does not tell these two apart.
  const Tensor wide = values<int64_t>({1}, {(int64_t{1} << 53) + 1});
  EXPECT_EQ(list<int64_t>(convert_exactly(wide, DataType::kInt64, "x"))[0], (int64_t{1} << 53) + 1);
  const auto refusal = [](const Tensor& from, DataType to) {
    return message_of([&] { convert_exactly(from, to, "a.npy: input 'ids'"); });
  };
  const std::string message = refusal(values<float>({2}, {1, 2.5f}), DataType::kInt32);
  EXPECT_TRUE(contains(message, "a.npy: input 'ids': the input is int32, the data float32"));
  EXPECT_TRUE(contains(message, "value 2.5 at position 1"));
  EXPECT_TRUE(contains(refusal(ids, DataType::kUInt8), "value -2 at position 1"));
  EXPECT_TRUE(contains(refusal(ids, DataType::kBool), "value -2"));
  EXPECT_TRUE(contains(refusal(values<float>({1}, {NAN}), DataType::kInt64), "is lost"));
}

}  // namespace
}  // namespace octile::test
