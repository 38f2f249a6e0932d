// The rows behind calibration_options.h.
#include "calibration_options.h"

#include "build_options.h"
#include "convert.h"
#include "values.h"

namespace octile::python {

std::string preprocess_json(const std::string& text) {
  if (text.empty()) return "";
  const Preprocess preprocess =
      text.front() == '{' ? Preprocess::from_json(text) : Preprocess::parse(text);
  return preprocess.is_identity() ? "" : preprocess.to_json();
}

CalibrationOptions take_calibration_options(nb::dict& keywords) {
  CalibrationOptions options;
  if (const nb::object v = take(keywords, "method"); v.is_valid()) {
    options.method = calibration_method_from_name(text_of(v, "method"));
  }
  if (const nb::object v = take(keywords, "percentile"); v.is_valid()) {
    options.percentile = value_of<double>(v, "percentile", "a float");
  }
  if (const nb::object v = take(keywords, "reproducible"); v.is_valid()) {
    options.reproducible = value_of<bool>(v, "reproducible", "a bool");
  }
  if (const nb::object v = take(keywords, "checkpoint"); v.is_valid()) {
    options.checkpoint = to_path(v);
  }
  if (const nb::object v = take(keywords, "input_shapes"); v.is_valid()) {
    if (!PyDict_Check(v.ptr())) {
      throw nb::type_error("input_shapes must be a dict of shapes by input name");
    }
    for (const auto& [name, shape] : nb::borrow<nb::dict>(v)) {
      options.input_shapes[text_of(name, "the name of an input")] = to_shape(shape);
    }
  }
  return options;
}

void take_run_options(nb::dict& keywords, Calls& calls, CalibrationOptions& options) {
  if (const nb::object v = take(keywords, "device"); v.is_valid()) {
    options.device = text_of(v, "device");
  }
  if (const nb::object v = take(keywords, "threads"); v.is_valid()) {
    options.threads = value_of<int>(v, "threads", "an int");
  }
  if (const nb::object v = take(keywords, "preprocess"); v.is_valid()) {
    options.preprocess = preprocess_json(text_of(v, "preprocess"));
  }
  take_callbacks(keywords, calls, options);
}

}  // namespace octile::python
