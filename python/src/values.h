// Keyword arguments: values of a wanted type, or a TypeError that names the keyword.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <string>
#include <vector>

#include "calls.h"

namespace octile::python {

namespace nb = nanobind;

template <typename T>
T value_of(nb::handle object, const char* name, const char* wanted) {
  nb::detail::make_caster<T> caster;
  if (object.is_none() || !caster.from_python(object, nb::detail::cast_flags::convert, nullptr)) {
    PyErr_Clear();
    const std::string given = nb::type_name(object.type()).c_str();
    throw nb::type_error((std::string(name) + " must be " + wanted + ", not " + given).c_str());
  }
  return caster.operator nb::detail::cast_t<T>();
}

inline std::string text_of(nb::handle object, const char* name) {
  return value_of<std::string>(object, name, "a string");
}

/// One string is a list of one.
inline std::vector<std::string> texts_of(nb::handle object, const char* name) {
  if (PyUnicode_Check(object.ptr())) return {text_of(object, name)};
  return value_of<std::vector<std::string>>(object, name, "a sequence of strings");
}

inline std::map<std::string, std::string> names_of(nb::handle object, const char* name) {
  return value_of<std::map<std::string, std::string>>(object, name, "a dict of strings");
}

/// A copy of the keywords, to take from.
inline nb::dict copy_of(const nb::kwargs& given) {
  return nb::borrow<nb::dict>(nb::steal(PyDict_Copy(given.ptr())));
}
/// keywords[name], removed; an invalid object where there is none, or None.
nb::object take(nb::dict& keywords, const char* name);
/// TypeError for a keyword that is left over.
void refuse_others(const nb::dict& keywords, const char* function);

/// Sets options.progress and options.log.
template <typename Options>
void take_callbacks(nb::dict& keywords, Calls& calls, Options& options) {
  const nb::object progress = take(keywords, "progress");
  options.progress = calls.progress(progress.is_valid() ? progress : nb::none());
  const nb::object log = take(keywords, "log");
  options.log = calls.log(log.is_valid() ? log : nb::none());
}

}  // namespace octile::python
