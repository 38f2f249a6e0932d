// What follows from the field lists: printing, hashing, names of enums.
#include "ops/fields.h"

#include <set>

#include "support/tensors.h"

namespace octile::test {
namespace {

TEST(Fields, Print) {
  Convolution conv;
  conv.window.kernel = {5, 5};
  conv.window.pad_before = {2, 2};
  EXPECT_EQ(to_string(Op(conv)),
            "Convolution(window=(kernel=[5, 5] pad_before=[2, 2] mode=explicit) groups=1)");
  EXPECT_EQ(to_string(Op(Activation{ActivationKind::kLeakyRelu, 0.5f, 0})),
            "Activation(kind=leaky_relu alpha=0.5 beta=0)");
  EXPECT_EQ(to_string(Op(Constant{})), "Constant()");
  EXPECT_EQ(to_string(Op(Cast{DataType::kInt8})), "Cast(type=int8)");
}

TEST(Fields, VisitReadsAndWrites) {
  Op op = TopK{};
  std::vector<std::string> names;
  for_each_field(op, [&](std::string_view name, auto& member) {
    names.emplace_back(name);
    if constexpr (std::is_same_v<std::decay_t<decltype(member)>, int64_t>) member = 7;
  });
  EXPECT_EQ(names, (std::vector<std::string>{"k", "axis", "largest"}));
  EXPECT_EQ(std::get<TopK>(op), (TopK{7, 7, true}));
}

TEST(Fields, HashSeesKindAndEveryAttribute) {
  std::set<uint64_t> hashes;
  for (const char* name : {"Identity", "Constant", "Select", "Softmax", "Cast"}) {
    hashes.insert(hash_of(op_from_name(name)));
  }
  EXPECT_EQ(hashes.size(), 5u);
  const Quantize base;
  const auto differs = [&](auto change) {
    Quantize other = base;
    change(other);
    return hash_of(Op(other)) != hash_of(Op(base));
  };
  EXPECT_TRUE(differs([](Quantize& q) { q.scale = {1.0f}; }));
  EXPECT_TRUE(differs([](Quantize& q) { q.zero_point = 1; }));
  EXPECT_TRUE(differs([](Quantize& q) { q.dynamic = true; }));
  EXPECT_TRUE(differs([](Quantize& q) { q.type = DataType::kUInt8; }));
  EXPECT_EQ(hash_of(Op(base)), hash_of(Op(Quantize{})));
  // lists do not run into each other
  EXPECT_NE(hash_of(Op(Slice{{1}, {2}, {}, {}})), hash_of(Op(Slice{{1, 2}, {}, {}, {}})));
}

TEST(Fields, EnumNames) {
  EXPECT_EQ(enum_name(PaddingMode::kSameLower), "same_lower");
  EXPECT_EQ(enum_from_name<UnaryKind>("is_nan"), UnaryKind::kIsNan);
  EXPECT_EQ(name_of(ActivationKind::kHardSwish), "hard_swish");
  EXPECT_EQ(name_of(ElementwiseKind::kFloorDiv), "floor_div");
  EXPECT_EQ(name_of(ReduceKind::kMean), "mean");
  EXPECT_EQ(enum_name(static_cast<ResizeKind>(9)), "?");
  for (size_t i = 0; i < enum_names<DataType>().size(); ++i) {
    EXPECT_EQ(enum_names<DataType>()[i], name_of(static_cast<DataType>(i)));
  }
  EXPECT_TRUE(contains(message_of([] { enum_from_name<PoolingKind>("median"); }),
                       "unknown name 'median': use one of max, average"));
}

TEST(Fields, OpNames) {
  EXPECT_EQ(op_from_name("MatrixMultiply"), Op(MatrixMultiply{}));
  EXPECT_EQ(op_from_name("TopKOf").index(), std::variant_size_v<Op> - 1);
  EXPECT_TRUE(contains(message_of([] { op_from_name("Conv"); }), "there is no op 'Conv'"));
}

}  // namespace
}  // namespace octile::test
