// See precision_goal.h. Start reading at accuracy_of(), which the build calls without the GIL.
#include "precision_goal.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>

#include "base/error.h"
#include "module.h"
#include "octile/report.h"
#include "values.h"

namespace octile::python {

namespace {

constexpr const char* kWanted =
    "evaluate() must return points as a float, a pair (metric, reference) or an octile.Accuracy, "
    "not ";

/// Of a float, an array of one value, a tensor of PyTorch …
double points_of(nb::handle object) {
  const double value = PyFloat_AsDouble(object.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) {
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) nb::raise_python_error();
    PyErr_Clear();
    throw nb::type_error((kWanted + std::string(nb::type_name(object.type()).c_str())).c_str());
  }
  return value;
}

Accuracy accuracy_from(nb::handle result) {
  if (nb::isinstance<Accuracy>(result)) return nb::cast<Accuracy>(result);
  Accuracy accuracy;
  if (!PyTuple_Check(result.ptr()) && !PyList_Check(result.ptr())) {
    accuracy.metric = points_of(result);
    return accuracy;
  }
  const auto pair = nb::borrow<nb::sequence>(result);
  if (nb::len(pair) != 2) {
    throw nb::type_error(fmt::format("{}{} values", kWanted, nb::len(pair)).c_str());
  }
  accuracy.metric = points_of(nb::object(pair[0]));
  accuracy.reference = points_of(nb::object(pair[1]));
  return accuracy;
}

/// What a report calls the metric: "top1" of `def top1(plan)`.
std::string name_of_callable(nb::handle callable) {
  const nb::object name = nb::getattr(callable, "__name__", nb::none());
  if (!PyUnicode_Check(name.ptr()) || PyUnicode_IsIdentifier(name.ptr()) != 1) return "metric";
  return nb::cast<std::string>(name);
}

/// Without INT8, and built in no time.
BuildOptions float_options(BuildOptions options) {
  options.int8 = options.fp16 = false;
  options.group_precision.clear();
  options.tactics = BuildOptions::Tactics::kFirst;
  options.progress = nullptr;
  options.log = nullptr;
  std::erase_if(options.layer_precision,
                [](const auto& entry) { return entry.second != Precision::kFloat32; });
  return options;
}

}  // namespace

Goal::Goal(nb::dict& keywords, Calls& calls) : calls_(calls) {
  const auto number = [&](const char* name) -> std::optional<double> {
    const nb::object v = take(keywords, name);
    if (!v.is_valid()) return std::nullopt;
    return value_of<double>(v, name, "a float");
  };
  goal_.max_loss = number("max_loss");
  goal_.min_sqnr_db = number("min_sqnr_db");
  if (const nb::object v = take(keywords, "noise_samples"); v.is_valid()) {
    noise_samples_ = value_of<int64_t>(v, "noise_samples", "an int");
  }
  evaluate_ = take(keywords, "evaluate");
  if (!evaluate_.is_valid()) return;
  if (PyCallable_Check(evaluate_.ptr()) == 0) {
    const std::string given = nb::type_name(evaluate_.type()).c_str();
    throw nb::type_error(("evaluate must be a callable that takes a Plan, not " + given).c_str());
  }
  goal_.metric = name_of_callable(evaluate_);
}

void Goal::check_against(const BuildOptions& options) const {
  constexpr auto kCode = ErrorCode::kInvalidArgument;
  const bool goal = goal_.max_loss || goal_.min_sqnr_db;
  const bool any = goal || evaluate_.is_valid() || noise_samples_;
  const bool measures = options.tactics == BuildOptions::Tactics::kTimed &&
                        options.int8_layers == BuildOptions::Int8Layers::kWherePays &&
                        options.group_precision.empty();
  check(!any || options.int8, kCode,
        "max_loss, min_sqnr_db, evaluate and noise_samples need int8=True: without it the "
        "engine is a float one");
  check((!any && options.objective == Objective::kLatency) || measures, kCode,
        "max_loss, min_sqnr_db, evaluate, noise_samples and objective rest on "
        "measurements: they need tactics='timed' and int8_layers='where-it-pays', and no "
        "precision_from or group_precision");
  check(!goal_.max_loss || evaluate_.is_valid(), kCode,
        "max_loss needs evaluate: a callable that takes a plan and gives its metric in "
        "points");
  check((!goal && !noise_samples_) || samples_ != nullptr, kCode,
        "max_loss, min_sqnr_db and noise_samples need samples: the noise of each layer is "
        "measured on them");
  check(!noise_samples_ || *noise_samples_ > 0, kCode, "noise_samples is {}; give 1 or more",
        noise_samples_.value_or(0));
}

void Goal::settle(const Network& network, const BuildOptions& options,
                  const CalibrationOptions& calibration, Samples& samples) {
  if (samples.get() != nullptr) samples_ = &samples;
  check_against(options);
  network_ = network;
  options_ = options;
  goal_.calibration = calibration;
  if (goal_.max_loss || goal_.min_sqnr_db || noise_samples_) goal_.samples = samples.get();
  goal_.noise_samples = noise_samples_.value_or(goal_.noise_samples);
  if (evaluate_.is_valid() || goal_.min_sqnr_db) {
    goal_.evaluate = [this](const Plan& plan) { return accuracy_of(plan); };
  }
}

Accuracy Goal::accuracy_of(const Plan& plan) {
  Accuracy accuracy;
  if (evaluate_.is_valid()) accuracy = asked(plan);
  if (accuracy.metric && !accuracy.reference) accuracy.reference = reference();
  if (goal_.min_sqnr_db && !accuracy.sqnr_db) {
    const Accuracy compared = compared_with_float(plan);
    accuracy.sqnr_db = compared.sqnr_db;
    accuracy.not_compared = compared.not_compared;
  }
  return accuracy;
}

Accuracy Goal::asked(const Plan& plan) {
  const auto ask = [&] { return calls_.python([&] { return accuracy_from(evaluate_(plan)); }); };
  Accuracy accuracy = samples_ == nullptr ? ask() : samples_->lent(ask);
  check(!accuracy.reference || std::isfinite(*accuracy.reference), ErrorCode::kInvalidArgument,
        "evaluate() gave {} as the float network's metric", accuracy.reference.value_or(0.0));
  return accuracy;
}

double Goal::reference() {
  if (reference_) return *reference_;
  const Accuracy own = asked(build(network_, nullptr, float_options(options_)));
  check(own.metric && std::isfinite(*own.metric), ErrorCode::kInvalidArgument,
        "evaluate() gave no finite metric for the float plan");
  reference_ = own.metric;
  if (*own.metric > 0.0 && *own.metric <= 1.0 && goal_.max_loss && options_.log) {
    options_.log(LogLevel::kWarning,
                 fmt::format("evaluate() gave {} for the float plan, and max_loss is in its units: "
                             "give points (100 · the share) for a max_loss in points",
                             *own.metric));
  }
  return *reference_;
}

Accuracy Goal::compared_with_float(const Plan& plan) {
  CompareOptions options;
  options.device = options_.device;
  options.threads = options_.threads;
  options.progress = options_.progress;
  samples_->get()->rewind();
  return compare(network_, plan, *samples_->get(), options).accuracy();
}

void bind_goal(nb::module_& m) {
  using Points = std::optional<double>;
  nb::class_<Accuracy>(m, "Accuracy",
                       "How a plan does on samples, beside the float network: what the evaluate of "
                       "build() may return.")
      .def(
          "__init__",
          [](Accuracy* self, Points metric, Points reference, Points sqnr_db) {
            new (self) Accuracy{.sqnr_db = sqnr_db, .metric = metric, .reference = reference};
          },
          nb::arg("metric") = nb::none(), nb::arg("reference") = nb::none(),
          nb::arg("sqnr_db") = nb::none())
      .def_rw("metric", &Accuracy::metric, "The plan's, in points; None: not known.")
      .def_rw("reference", &Accuracy::reference, "The float network's, in points.")
      .def_rw("sqnr_db", &Accuracy::sqnr_db,
              "Of the worst output, in dB, over the samples in which it can be compared.")
      .def_rw("not_compared", &Accuracy::not_compared,
              "Outputs that could not be compared in every sample, with in how many not: an engine "
              "that has one is not known to keep to min_sqnr_db.")
      .def("__repr__", [](const Accuracy& a) {
        const auto text = [](const Points& v) { return v ? fmt::format("{:.6g}", *v) : "None"; };
        return fmt::format("octile.Accuracy(metric={}, reference={}, sqnr_db={})", text(a.metric),
                           text(a.reference), text(a.sqnr_db));
      });
}

}  // namespace octile::python
