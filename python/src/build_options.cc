// The rows behind build_options.h.
#include "build_options.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>

#include "base/error.h"
#include "convert.h"

namespace octile::python {

namespace {

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

std::string text_of(nb::handle object, const char* name) {
  return value_of<std::string>(object, name, "a string");
}

std::vector<std::string> texts_of(nb::handle object, const char* name) {
  if (PyUnicode_Check(object.ptr())) return {text_of(object, name)};
  return value_of<std::vector<std::string>>(object, name, "a sequence of strings");
}

std::map<std::string, std::string> names_of(nb::handle object, const char* name) {
  return value_of<std::map<std::string, std::string>>(object, name,
                                                      "a dict of strings by layer name");
}

Profile profile_of(nb::handle object) {
  if (!PyDict_Check(object.ptr())) {
    throw nb::type_error("a profile must be a dict: input name -> (min, opt, max) shapes");
  }
  Profile profile;
  for (const auto& [name, shapes] : nb::borrow<nb::dict>(object)) {
    const std::string input = text_of(name, "the name of an input");
    const nb::object triple = nb::steal(PySequence_Tuple(shapes.ptr()));
    if (!triple.is_valid()) nb::raise_python_error();
    check(nb::len(triple) == 3, ErrorCode::kInvalidArgument,
          "profile: input '{}' has {} shapes, wanted are three: (min, opt, max)", input,
          nb::len(triple));
    profile[input] = {to_shape(nb::object(triple[0]), "min"),
                      to_shape(nb::object(triple[1]), "opt"),
                      to_shape(nb::object(triple[2]), "max")};
  }
  return profile;
}

std::vector<Profile> profiles_of(nb::handle object) {
  if (PyDict_Check(object.ptr())) {
    if (PyDict_Size(object.ptr()) == 0) return {};
    return {profile_of(object)};
  }
  const nb::object list = nb::steal(PySequence_List(object.ptr()));
  if (!list.is_valid()) nb::raise_python_error();
  std::vector<Profile> profiles;
  for (nb::handle item : nb::borrow<nb::list>(list)) profiles.push_back(profile_of(item));
  return profiles;
}

BuildOptions::Tactics tactics_of(nb::handle object) {
  const std::string name = text_of(object, "tactics");
  check(name == "timed" || name == "first", ErrorCode::kInvalidArgument,
        "unknown tactics '{}': use one of timed, first", name);
  return name == "timed" ? BuildOptions::Tactics::kTimed : BuildOptions::Tactics::kFirst;
}

BuildOptions::WeightScales weight_scales_of(nb::handle object) {
  const std::string name = text_of(object, "weight_scales");
  check(name == "max" || name == "least_squares", ErrorCode::kInvalidArgument,
        "unknown weight_scales '{}': use one of max, least_squares", name);
  return name == "max" ? BuildOptions::WeightScales::kMax
                       : BuildOptions::WeightScales::kLeastSquares;
}

Preprocess preprocess_of(const std::string& text) {
  if (text.empty()) return {};
  return text.front() == '{' ? Preprocess::from_json(text) : Preprocess::parse(text);
}

struct Row {
  const char* name;
  void (*set)(BuildOptions&, nb::handle);
};

constexpr std::array<Row, 12> kRows{{
    {"int8", [](BuildOptions& o, nb::handle v) { o.int8 = value_of<bool>(v, "int8", "a bool"); }},
    {"scheme",
     [](BuildOptions& o, nb::handle v) { o.scheme = scheme_from_name(text_of(v, "scheme")); }},
    {"weight_scales", [](BuildOptions& o, nb::handle v) { o.weight_scales = weight_scales_of(v); }},
    {"profiles", [](BuildOptions& o, nb::handle v) { o.profiles = profiles_of(v); }},
    {"layer_precision",
     [](BuildOptions& o, nb::handle v) {
       for (const auto& [layer, name] : names_of(v, "layer_precision")) {
         o.layer_precision[layer] = precision_from_name(name);
       }
     }},
    {"layer_scheme",
     [](BuildOptions& o, nb::handle v) {
       for (const auto& [layer, name] : names_of(v, "layer_scheme")) {
         o.layer_scheme[layer] = scheme_from_name(name);
       }
     }},
    {"tactics", [](BuildOptions& o, nb::handle v) { o.tactics = tactics_of(v); }},
    {"timing_cache", [](BuildOptions& o, nb::handle v) { o.timing_cache = to_path(v); }},
    {"isa", [](BuildOptions& o, nb::handle v) { o.isa = isa_from_name(text_of(v, "isa")); }},
    {"threads",
     [](BuildOptions& o, nb::handle v) { o.threads = value_of<int>(v, "threads", "an int"); }},
    {"disabled_passes",
     [](BuildOptions& o, nb::handle v) { o.disabled_passes = texts_of(v, "disabled_passes"); }},
    {"preprocess",
     [](BuildOptions& o, nb::handle v) { o.preprocess = preprocess_of(text_of(v, "preprocess")); }},
}};

}  // namespace

nb::object take(nb::dict& keywords, const char* name) {
  const nb::str key(name);
  PyObject* found = PyDict_GetItemWithError(keywords.ptr(), key.ptr());
  if (found == nullptr) return {};
  nb::object value = nb::borrow(found);
  if (PyDict_DelItem(keywords.ptr(), key.ptr()) != 0) nb::raise_python_error();
  return value.is_none() ? nb::object() : value;
}

BuildOptions take_build_options(nb::dict& keywords, Calls& calls) {
  BuildOptions options;
  for (const Row& row : kRows) {
    const nb::object value = take(keywords, row.name);
    if (value.is_valid()) row.set(options, value);
  }
  const nb::object progress = take(keywords, "progress");
  options.progress = calls.progress(progress.is_valid() ? progress : nb::none());
  const nb::object log = take(keywords, "log");
  options.log = calls.log(log.is_valid() ? log : nb::none());
  return options;
}

void refuse_others(const nb::dict& keywords, const char* function) {
  for (const auto& [name, value] : keywords) {
    const std::string text = nb::str(name).c_str();
    throw nb::type_error(
        (std::string(function) + "() got an unexpected keyword argument '" + text + "'").c_str());
  }
}

}  // namespace octile::python
