// Structs with field lists ↔ FlexBuffers maps. Reading trusts nothing: a missing key, a wrong
// type or an enum out of range throws kInvalidFile.
#pragma once

#include <flatbuffers/flexbuffers.h>

#include <bit>
#include <string>

#include "base/error.h"
#include "ops/fields.h"

namespace octile {

/// Floats are stored as their bits, so that infinities and every last bit survive.
template <typename T>
void write_value(flexbuffers::Builder& builder, const T& value);

template <typename T>
void write_fields(flexbuffers::Builder& builder, const T& object) {
  builder.Map([&] {
    for_each_field(object, [&](std::string_view name, const auto& member) {
      builder.Key(std::string(name));
      write_value(builder, member);
    });
  });
}

template <typename T>
void write_value(flexbuffers::Builder& builder, const T& value) {
  if constexpr (fields_detail::IsVariant<T>::value) {
    builder.Vector([&] {
      builder.UInt(value.index());
      std::visit([&](const auto& alternative) { write_fields(builder, alternative); }, value);
    });
  } else if constexpr (HasFields<T>) {
    write_fields(builder, value);
  } else if constexpr (fields_detail::IsVector<T>::value) {
    builder.Vector([&] {
      for (const auto& entry : value) write_value(builder, entry);
    });
  } else if constexpr (std::is_same_v<T, float>) {
    builder.UInt(std::bit_cast<uint32_t>(value));
  } else if constexpr (std::is_enum_v<T>) {
    builder.UInt(static_cast<uint64_t>(value));
  } else if constexpr (std::is_same_v<T, bool>) {
    builder.Bool(value);
  } else {
    static_assert(std::is_integral_v<T>);
    builder.Int(value);
  }
}

/// Where a value stands, for error messages.
struct FieldPlace {
  const std::string& origin;
  std::string_view field;
  [[noreturn]] void fail_here(std::string_view what) const {
    fail(ErrorCode::kInvalidFile, "{}: attribute '{}' {}; the file is damaged", origin, field,
         what);
  }
};

template <typename T>
void read_value(flexbuffers::Reference reference, T& value, const FieldPlace& place);

template <typename T>
void read_fields(flexbuffers::Reference reference, T& object, const FieldPlace& place) {
  if (!reference.IsMap()) place.fail_here("is no map");
  const flexbuffers::Map map = reference.AsMap();
  for_each_field(object, [&](std::string_view name, auto& member) {
    const FieldPlace inner{place.origin, name};
    const flexbuffers::Reference entry = map[std::string(name).c_str()];
    if (entry.IsNull()) inner.fail_here("is missing");
    read_value(entry, member, inner);
  });
}

namespace fields_detail {
template <size_t I = 0, typename V>
void read_alternative(uint64_t index, flexbuffers::Reference reference, V& value,
                      const FieldPlace& place) {
  if constexpr (I < std::variant_size_v<V>) {
    if (index != I) return read_alternative<I + 1>(index, reference, value, place);
    std::variant_alternative_t<I, V> alternative;
    read_fields(reference, alternative, place);
    value = std::move(alternative);
  } else {
    place.fail_here("is of an unknown kind");
  }
}
}  // namespace fields_detail

template <typename T>
void read_value(flexbuffers::Reference reference, T& value, const FieldPlace& place) {
  if constexpr (fields_detail::IsVariant<T>::value) {
    if (!reference.IsVector() || reference.AsVector().size() != 2) place.fail_here("is no variant");
    const flexbuffers::Vector pair = reference.AsVector();
    if (!pair[0].IsIntOrUint()) place.fail_here("is of an unknown kind");
    fields_detail::read_alternative(pair[0].AsUInt64(), pair[1], value, place);
  } else if constexpr (HasFields<T>) {
    read_fields(reference, value, place);
  } else if constexpr (fields_detail::IsVector<T>::value) {
    if (!reference.IsVector()) place.fail_here("is no list");
    const flexbuffers::Vector list = reference.AsVector();
    value.resize(list.size());
    for (size_t i = 0; i < list.size(); ++i) read_value(list[i], value[i], place);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!reference.IsBool()) place.fail_here("is no boolean");
    value = reference.AsBool();
  } else {
    if (!reference.IsIntOrUint()) place.fail_here("is no number");
    if constexpr (std::is_same_v<T, float>) {
      const uint64_t bits = reference.AsUInt64();
      if (bits > UINT32_MAX) place.fail_here("is no float");
      value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    } else if constexpr (std::is_enum_v<T>) {
      const uint64_t number = reference.AsUInt64();
      if (number >= enum_names<T>().size()) place.fail_here("is out of range");
      value = static_cast<T>(number);
    } else {
      const int64_t number = reference.AsInt64();
      value = static_cast<T>(number);
      if (static_cast<int64_t>(value) != number) place.fail_here("is out of range");
    }
  }
}

}  // namespace octile
