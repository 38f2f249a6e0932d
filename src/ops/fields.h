// Everything that follows from the field lists of ops.h (and step.h): visiting, printing, hashing,
// and the names of enums. A struct "has fields" when its fields() gives (name, member) pairs.
#pragma once

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "octile/ops.h"

namespace octile {

template <typename T>
concept HasFields = requires {
  std::remove_cv_t<T>::fields();
};

/// Calls f(std::string_view name, member&) for every field, in the order of fields().
template <typename T, typename F>
requires HasFields<T>
void for_each_field(T& object, F&& f) {
  std::apply(
      [&](const auto&... field) { (f(std::string_view(field.first), object.*field.second), ...); },
      std::remove_cv_t<T>::fields());
}

/// The same for the alternative that a variant (an Op or a Step) holds.
template <typename F, typename... Ts>
void for_each_field(const std::variant<Ts...>& object, F&& f) {
  std::visit([&](const auto& value) { for_each_field(value, f); }, object);
}
template <typename F, typename... Ts>
void for_each_field(std::variant<Ts...>& object, F&& f) {
  std::visit([&](auto& value) { for_each_field(value, f); }, object);
}

/// Lower-case names of an enum's values in order ("same_upper"); defined in print.cc for every
/// enum of ops.h. A value read from a file is valid when it is below the size.
template <typename E>
std::span<const std::string_view> enum_names();
template <>
std::span<const std::string_view> enum_names<PaddingMode>();
template <>
std::span<const std::string_view> enum_names<ActivationKind>();
template <>
std::span<const std::string_view> enum_names<PoolingKind>();
template <>
std::span<const std::string_view> enum_names<ElementwiseKind>();
template <>
std::span<const std::string_view> enum_names<UnaryKind>();
template <>
std::span<const std::string_view> enum_names<ReduceKind>();
template <>
std::span<const std::string_view> enum_names<PaddingKind>();
template <>
std::span<const std::string_view> enum_names<ResizeKind>();
template <>
std::span<const std::string_view> enum_names<ResizeCoordinates>();
template <>
std::span<const std::string_view> enum_names<ResizeRounding>();
template <>
std::span<const std::string_view> enum_names<ScatterReduction>();
template <>
std::span<const std::string_view> enum_names<GridPadding>();
template <>
std::span<const std::string_view> enum_names<RecurrentKind>();
template <>
std::span<const std::string_view> enum_names<RecurrentDirection>();
template <>
std::span<const std::string_view> enum_names<DataType>();

/// The name of a value; "?" when it is out of range.
template <typename E>
std::string_view enum_name(E value) {
  const auto names = enum_names<E>();
  const auto index = static_cast<size_t>(value);
  return index < names.size() ? names[index] : std::string_view("?");
}

/// The value with that name; throws kInvalidArgument listing the names there are.
template <typename E>
E enum_from_name(std::string_view name) {
  const auto names = enum_names<E>();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<E>(i);
  }
  std::string known;
  for (std::string_view candidate : names) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", candidate);
  }
  fail(ErrorCode::kInvalidArgument, "unknown name '{}': use one of {}", name, known);
}

/// An op of that name ("Convolution") with default attributes; throws kInvalidArgument.
Op op_from_name(std::string_view name);

namespace fields_detail {
template <typename T>
struct IsVariant : std::false_type {};
template <typename... Ts>
struct IsVariant<std::variant<Ts...>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
}  // namespace fields_detail

/// Appends a readable form of a field, a struct with fields, or a variant of such:
/// "Convolution(window=(kernel=[5, 5] mode=explicit) groups=1)". Empty lists are left out.
template <typename T>
void print_field(std::string& text, const T& value) {
  const auto members = [&](const auto& object) {
    text += '(';
    bool first = true;
    for_each_field(object, [&](std::string_view name, const auto& member) {
      if constexpr (fields_detail::IsVector<std::decay_t<decltype(member)>>::value) {
        if (member.empty()) return;
      }
      text += fmt::format("{}{}=", first ? "" : " ", name);
      first = false;
      print_field(text, member);
    });
    text += ')';
  };
  if constexpr (fields_detail::IsVariant<T>::value) {
    text += name_of(value);
    members(value);
  } else if constexpr (HasFields<T>) {
    members(value);
  } else if constexpr (std::is_enum_v<T>) {
    text += enum_name(value);
  } else if constexpr (fields_detail::IsVector<T>::value) {
    text += '[';
    for (size_t i = 0; i < value.size(); ++i) {
      text += i == 0 ? "" : ", ";
      print_field(text, value[i]);
    }
    text += ']';
  } else {
    text += fmt::format("{}", value);
  }
}

/// Adds a field, a struct with fields, or a variant (with its index) to a hash.
template <typename T>
void hash_field(Hash& hash, const T& value) {
  if constexpr (fields_detail::IsVariant<T>::value) {
    hash.add_number(value.index());
    for_each_field(value, [&](std::string_view, const auto& member) { hash_field(hash, member); });
  } else if constexpr (HasFields<T>) {
    for_each_field(value, [&](std::string_view, const auto& member) { hash_field(hash, member); });
  } else if constexpr (fields_detail::IsVector<T>::value) {
    hash.add_number(value.size());
    for (const auto& entry : value) hash_field(hash, entry);
  } else if constexpr (std::is_convertible_v<T, std::string_view>) {
    hash.add(std::string_view(value));
  } else if constexpr (std::is_floating_point_v<T>) {
    hash.add(&value, sizeof(value));
  } else {
    hash.add_number(static_cast<uint64_t>(value));
  }
}

/// Hash over an op's kind and attributes; stable across machines and versions.
uint64_t hash_of(const Op& op);

}  // namespace octile
