// octile.ops: one class for each struct of the Op variant, made from its list of fields.
#include "ops.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cctype>
#include <cmath>
#include <utility>

#include "module.h"

namespace octile::python {

namespace {

std::string upper(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// --- one field: the type that Python passes, and the two conversions ---

template <typename T>
struct Field {  // bool and numbers as they are, structs by reference
  using Argument = T;
  static T from(const Argument& argument, const char*) { return argument; }
  static nb::object to(const T& value) { return nb::cast(value); }
};
template <typename E>
requires std::is_enum_v<E>
struct Field<E> {
  using Argument = EnumOrName<E>;
  static E from(const Argument& argument, const char*) { return argument.get(); }
  static nb::object to(E value) { return nb::cast(value); }
};
template <>
struct Field<DataType> {
  using Argument = DTypeLike;
  static DataType from(const Argument& argument, const char*) { return to_data_type(argument); }
  static nb::object to(DataType type) { return from_data_type(type); }
};
template <>
struct Field<std::vector<int64_t>> {
  using Argument = Ints;
  static std::vector<int64_t> from(const Argument& a, const char* name) { return to_ints(a, name); }
  static nb::object to(const std::vector<int64_t>& values) { return from_ints(values); }
};
// Lists come back as tuples: a change of a copy that goes nowhere is then an error.
template <typename T>
struct Field<std::vector<T>> {
  using Argument = std::vector<T>;
  static std::vector<T> from(const Argument& argument, const char*) { return argument; }
  static nb::object to(const std::vector<T>& values) { return nb::tuple(nb::cast(values)); }
};

// --- repr: what Python would read again ---

// "global" is a keyword of Python's.
constexpr const char* python_name(const char* field) {
  return std::string_view(field) == "global" ? "global_" : field;
}

template <typename T>
std::string class_name() {
  const std::string full = nb::type_name(nb::type<T>()).c_str();
  return full.substr(full.rfind('.') + 1);
}

template <typename T>
std::string repr(const T& value);

template <typename T>
std::string repr_field(const T& value) {
  if constexpr (HasFields<T>) {
    return repr(value);
  } else if constexpr (std::is_same_v<T, DataType>) {
    return fmt::format("'{}'", name_of(value));
  } else if constexpr (std::is_enum_v<T>) {
    return fmt::format("{}.{}", class_name<T>(), upper(enum_name(value)));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "True" : "False";
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) return fmt::format("float('{}')", value);
    return nb::repr(nb::float_(static_cast<double>(value))).c_str();
  } else if constexpr (fields_detail::IsVector<T>::value) {
    std::string text = "(";
    for (const auto& item : value) text += repr_field(item) + (value.size() == 1 ? "," : ", ");
    if (value.size() > 1) text.resize(text.size() - 2);
    return text + ")";
  } else {
    return std::to_string(value);
  }
}

// Only what differs from the default, so that long ops stay readable.
template <typename T>
std::string repr(const T& value) {
  const T defaults{};
  std::string text = class_name<T>() + "(";
  bool first = true;
  const auto one = [&](const auto& field) {
    if (value.*field.second == defaults.*field.second) return;
    text += fmt::format("{}{}={}", first ? "" : ", ", python_name(field.first),
                        repr_field(value.*field.second));
    first = false;
  };
  std::apply([&](const auto&... field) { (one(field), ...); }, T::fields());
  return text + ")";
}

template <typename Member>
struct MemberType;
template <typename T, typename V>
struct MemberType<V T::*> {
  using type = V;
};
template <typename T, size_t I>
using FieldType = typename MemberType<
    std::tuple_element_t<1, std::tuple_element_t<I, decltype(T::fields())>>>::type;

template <typename T, size_t I>
void def_property(nb::class_<T>& cls) {
  using V = FieldType<T, I>;
  const char* name = python_name(std::get<I>(T::fields()).first);
  if constexpr (HasFields<V>) {  // a reference, so that op.window.stride = … changes the op
    cls.def_prop_rw(
        name, [](T& self) -> V& { return self.*std::get<I>(T::fields()).second; },
        [](T& self, const V& value) { self.*std::get<I>(T::fields()).second = value; },
        nb::rv_policy::reference_internal);
  } else {
    cls.def_prop_rw(
        name, [](const T& self) { return Field<V>::to(self.*std::get<I>(T::fields()).second); },
        [](T& self, const typename Field<V>::Argument& value) {
          const auto field = std::get<I>(T::fields());
          self.*field.second = Field<V>::from(value, field.first);
        });
  }
}

template <typename T, size_t... I>
requires(sizeof...(I) > 0) void def_fields(nb::class_<T>& cls, std::index_sequence<I...>) {
  static const T defaults{};
  static const std::vector<std::string> texts{
      repr_field(defaults.*std::get<I>(T::fields()).second)...};
  cls.def(
      "__init__",
      [](T* self, const typename Field<FieldType<T, I>>::Argument&... values) {
        T made{};
        const auto set = [&](const auto& field, const auto& value) {
          using V = std::decay_t<decltype(made.*field.second)>;
          made.*field.second = Field<V>::from(value, field.first);
        };
        (set(std::get<I>(T::fields()), values), ...);
        new (self) T(std::move(made));
      },
      (nb::arg(python_name(std::get<I>(T::fields()).first)).sig(texts[I].c_str()) =
           Field<FieldType<T, I>>::to(defaults.*std::get<I>(T::fields()).second))...);
  (def_property<T, I>(cls), ...);
}

template <typename T>
void def_fields(nb::class_<T>& cls, std::index_sequence<>) {
  cls.def(nb::init<>());
}

template <typename T>
void def_struct(nb::module_& m, const char* name) {
  nb::class_<T> cls(m, name, "Attributes as in C++ (octile/ops.h).");
  def_fields<T>(cls, std::make_index_sequence<std::tuple_size_v<decltype(T::fields())>>{});
  cls.def("__eq__", [](const T& a, nb::handle b) {
    return nb::isinstance<T>(b) && a == nb::cast<const T&>(b);
  });
  cls.def("__repr__", [](const T& self) { return repr(self); });
  cls.def("__copy__", [](const T& self) { return T(self); });
  cls.def(
      "__deepcopy__", [](const T& self, nb::handle) { return T(self); }, nb::arg("memo"));
}

template <typename E>
void def_enum(nb::module_& m, const char* name) {
  nb::enum_<E> cls(m, name);
  const auto names = enum_names<E>();
  for (size_t i = 0; i < names.size(); ++i) {
    cls.value(upper(names[i]).c_str(), static_cast<E>(i));
  }
}

void def_enums(nb::module_& m) {
  def_enum<PaddingMode>(m, "PaddingMode");
  def_enum<ActivationKind>(m, "ActivationKind");
  def_enum<PoolingKind>(m, "PoolingKind");
  def_enum<ElementwiseKind>(m, "ElementwiseKind");
  def_enum<UnaryKind>(m, "UnaryKind");
  def_enum<ReduceKind>(m, "ReduceKind");
  def_enum<PaddingKind>(m, "PaddingKind");
  def_enum<ResizeKind>(m, "ResizeKind");
  def_enum<ResizeCoordinates>(m, "ResizeCoordinates");
  def_enum<ResizeRounding>(m, "ResizeRounding");
  def_enum<ScatterReduction>(m, "ScatterReduction");
  def_enum<GridPadding>(m, "GridPadding");
  def_enum<RecurrentKind>(m, "RecurrentKind");
  def_enum<RecurrentDirection>(m, "RecurrentDirection");
}

template <typename... Ts>
void def_ops(nb::module_& m, const std::variant<Ts...>*) {
  (def_struct<Ts>(m, std::string(Ts::kName).c_str()), ...);
  nb::tuple all = nb::make_tuple(nb::type<Ts>()...);
  m.attr("Op") = nb::module_::import_("typing").attr("Union")[all];
}

template <typename... Ts>
bool convert(nb::handle object, std::variant<Ts...>& op) {
  const auto one = [&]<typename T>(const T*) {
    if (!nb::isinstance<T>(object)) return false;
    op = nb::cast<const T&>(object);
    return true;
  };
  return (one(static_cast<const Ts*>(nullptr)) || ...);
}

}  // namespace

Op to_op(nb::handle object) {
  Op op;
  if (!convert(object, op)) {
    const std::string given = nb::type_name(object.type()).c_str();
    throw nb::type_error(("an op of octile.ops is wanted, not " + given).c_str());
  }
  return op;
}

nb::object from_op(const Op& op) {
  return std::visit([](const auto& value) { return nb::cast(value); }, op);
}

void bind_ops(nb::module_& m) {
  nb::module_ ops = m.def_submodule("ops", "Every op with its attributes, as in octile/ops.h.");
  def_enums(ops);
  def_struct<Window>(ops, "Window");
  def_ops(ops, static_cast<const Op*>(nullptr));
}

}  // namespace octile::python
