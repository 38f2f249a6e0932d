// The rows behind build_options.h.
#include "build_options.h"

#include <array>

#include "base/error.h"
#include "calibration_options.h"
#include "convert.h"
#include "values.h"

namespace octile::python {

namespace {

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

BuildOptions::Int8Layers int8_layers_of(nb::handle object) {
  const std::string name = text_of(object, "int8_layers");
  check(name == "where-it-pays" || name == "all", ErrorCode::kInvalidArgument,
        "unknown int8_layers '{}': use one of where-it-pays, all", name);
  return name == "all" ? BuildOptions::Int8Layers::kAll : BuildOptions::Int8Layers::kWherePays;
}

struct Row {
  const char* name;
  void (*set)(BuildOptions&, nb::handle);
};

constexpr std::array<Row, 18> kRows{{
    {"int8", [](BuildOptions& o, nb::handle v) { o.int8 = value_of<bool>(v, "int8", "a bool"); }},
    {"fp16", [](BuildOptions& o, nb::handle v) { o.fp16 = value_of<bool>(v, "fp16", "a bool"); }},
    {"int8_layers", [](BuildOptions& o, nb::handle v) { o.int8_layers = int8_layers_of(v); }},
    {"objective", [](BuildOptions& o,
                     nb::handle v) { o.objective = objective_from_name(text_of(v, "objective")); }},
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
    {"group_precision",
     [](BuildOptions& o, nb::handle v) {
       for (const auto& [group, name] : names_of(v, "group_precision")) {
         o.group_precision[group] = precision_from_name(name);
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
    {"device", [](BuildOptions& o, nb::handle v) { o.device = text_of(v, "device"); }},
    {"isa", [](BuildOptions& o, nb::handle v) { o.isa = isa_from_name(text_of(v, "isa")); }},
    {"threads",
     [](BuildOptions& o, nb::handle v) { o.threads = value_of<int>(v, "threads", "an int"); }},
    {"disabled_passes",
     [](BuildOptions& o, nb::handle v) { o.disabled_passes = texts_of(v, "disabled_passes"); }},
    {"metadata", [](BuildOptions& o, nb::handle v) { o.metadata = names_of(v, "metadata"); }},
    {"preprocess",
     [](BuildOptions& o, nb::handle v) {
       const std::string json = preprocess_json(text_of(v, "preprocess"));
       o.preprocess = json.empty() ? Preprocess{} : Preprocess::from_json(json);
     }},
}};

}  // namespace

BuildOptions take_build_options(nb::dict& keywords, Calls& calls) {
  BuildOptions options;
  for (const Row& row : kRows) {
    const nb::object value = take(keywords, row.name);
    if (value.is_valid()) row.set(options, value);
  }
  take_callbacks(keywords, calls, options);
  return options;
}

}  // namespace octile::python
