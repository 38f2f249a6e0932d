// The field codec: every attribute of every step and op survives, and nothing else is read.
#include "plan/field_codec.h"
#include "plan/plans.h"
#include "plan/step.h"

namespace octile::test {
namespace {

/// Fills fields with values that differ from the defaults.
class Filler {
 public:
  template <typename T>
  void fill(T& value) {
    if constexpr (fields_detail::IsVariant<T>::value) {
      std::visit([this](auto& alternative) { fill(alternative); }, value);
    } else if constexpr (HasFields<T>) {
      for_each_field(value, [this](std::string_view, auto& member) { fill(member); });
    } else if constexpr (fields_detail::IsVector<T>::value) {
      value.resize(size_t(random_.integer(0, 3)));
      for (auto& entry : value) fill(entry);
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(random_.integer(0, int64_t(enum_names<T>().size()) - 1));
    } else if constexpr (std::is_same_v<T, float>) {
      value = std::bit_cast<float>(uint32_t(random_.bits() >> 33));
      if (std::isnan(value)) value = -kInfinity;  // NaN equals nothing
    } else if constexpr (std::is_same_v<T, bool>) {
      value = random_.integer(0, 1) != 0;
    } else {
      value = static_cast<T>(random_.bits());
    }
  }

 private:
  Random random_{11};
};

template <typename T>
void round_trip(const T& value) {
  flexbuffers::Builder builder;
  write_fields(builder, value);
  builder.Finish();
  const std::vector<uint8_t> bytes = builder.GetBuffer();
  const std::string origin = "codec";
  T read;
  read_fields(flexbuffers::GetRoot(bytes), read, FieldPlace{origin, "step"});
  EXPECT_EQ(read, value) << T::kName;
}

template <size_t I = 0>
void every_op(Filler& filler) {
  if constexpr (I < std::variant_size_v<Op>) {
    std::variant_alternative_t<I, Op> op;
    filler.fill(op);
    round_trip(op);
    round_trip(GenericStep{op});
    every_op<I + 1>(filler);
  }
}

template <size_t I = 0>
void every_step(Filler& filler) {
  if constexpr (I < std::variant_size_v<Step>) {
    std::variant_alternative_t<I, Step> step;
    filler.fill(step);
    round_trip(step);
    every_step<I + 1>(filler);
  }
}

TEST(FieldCodec, EveryOpAndStepSurvives) {
  Filler filler;
  for (int round = 0; round < 50; ++round) {
    every_op(filler);
    every_step(filler);
  }
}

/// Reads a PoolStep from a map that `write` filled.
template <typename F>
std::string refusal_of(F&& write) {
  flexbuffers::Builder builder;
  write(builder);
  builder.Finish();
  const std::vector<uint8_t> bytes = builder.GetBuffer();
  const std::string origin = "net.plan";
  return message_of(
      [&] {
        LookupStep step;
        read_fields(flexbuffers::GetRoot(bytes), step, FieldPlace{origin, "step"});
      },
      ErrorCode::kInvalidFile);
}

TEST(FieldCodec, WrongAttributesAreNamed) {
  EXPECT_TRUE(
      contains(refusal_of([](auto& b) { b.Int(3); }), "net.plan: attribute 'step' is no map"));
  EXPECT_TRUE(contains(refusal_of([](auto& b) { b.Map([] {}); }), "attribute 'table' is missing"));
  EXPECT_TRUE(contains(refusal_of([](auto& b) { b.Map([&] { b.String("table", "x"); }); }),
                       "attribute 'table' is no number"));
  EXPECT_TRUE(
      contains(refusal_of([](auto& b) { b.Map([&] { b.Int("table", int64_t{1} << 40); }); }),
               "attribute 'table' is out of range"));
}

TEST(FieldCodec, EnumsOutOfRangeAreRefused) {
  flexbuffers::Builder builder;
  builder.Map([&] {
    builder.UInt("kind", 99);
    builder.UInt("alpha", 0);
    builder.UInt("beta", 0);
  });
  builder.Finish();
  const std::vector<uint8_t> bytes = builder.GetBuffer();
  const std::string origin = "net.plan";
  Activation op;
  EXPECT_TRUE(contains(message_of(
                           [&] {
                             read_fields(flexbuffers::GetRoot(bytes), op, FieldPlace{origin, "op"});
                           },
                           ErrorCode::kInvalidFile),
                       "'kind' is out of range"));
}

}  // namespace
}  // namespace octile::test
