// build(), quantize() and retime(): recipes, and calibration where samples are given, in their
// order.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "batches.h"
#include "build_options.h"
#include "calibration_options.h"
#include "calls.h"
#include "convert.h"
#include "engine.h"
#include "module.h"
#include "octile/builder.h"
#include "precision_goal.h"
#include "values.h"

namespace octile::python {

namespace {

/// All that build() and quantize() are given. The network is a copy: another thread may edit what
/// Python still holds.
struct Request {
  Network network;
  std::optional<CalibrationTable> table;
  BuildOptions options;
  CalibrationOptions calibration;
  std::vector<std::string> recipes;
};

bool has_calibration_keywords(const nb::dict& keywords) {
  for (const char* name : {"method", "percentile", "reproducible", "input_shapes", "checkpoint"}) {
    if (keywords.contains(name)) return true;
  }
  return false;
}

/// What the build of `plan` chose.
void take_over(const Plan& plan, Request& request) {
  check(request.options.int8, ErrorCode::kInvalidArgument,
        "precision_from needs int8=True: without it the engine is a float one");
  request.options.group_precision = chosen_precisions(plan, request.network);
}

Request take_request(const Network& network, const CalibrationTable* table, nb::dict& keywords,
                     Calls& calls) {
  Request request{network, std::nullopt, {}, {}, {}};
  if (table != nullptr) request.table = *table;
  check(!has_calibration_keywords(keywords) || keywords.contains("samples"),
        ErrorCode::kInvalidArgument,
        "method, percentile, reproducible, input_shapes and checkpoint say how to calibrate: give "
        "samples with them, or none of them");
  request.calibration = take_calibration_options(keywords);
  if (const nb::object v = take(keywords, "recipes"); v.is_valid()) {
    request.recipes = texts_of(v, "recipes");
  }
  request.options = take_build_options(keywords, calls);
  if (!request.calibration.reproducible) request.calibration.device = request.options.device;
  request.calibration.threads = request.options.threads;
  request.calibration.progress = request.options.progress;
  request.calibration.log = request.options.log;
  return request;
}

// The preprocessing of samples and table goes into the plan where none was given.
void settle_preprocess(Request& request, const std::string& of_samples) {
  std::string json = of_samples;
  if (json.empty() && request.table) json = request.table->preprocess;
  if (request.options.preprocess.is_identity() && !json.empty()) {
    request.options.preprocess = Preprocess::from_json(json);
  }
  if (!request.options.preprocess.is_identity()) {
    request.calibration.preprocess = request.options.preprocess.to_json();
  }
}

void calibrate_and_correct(Request& r, BatchSource* samples) {
  check_recipe_names(r.recipes);
  check(r.options.int8 || (r.recipes.empty() && samples == nullptr), ErrorCode::kInvalidArgument,
        "recipes and samples need int8=True: without it the engine is a float one");
  if (!r.options.int8) return;
  const auto rewound = [&] {
    if (samples != nullptr) samples->rewind();
    return samples;
  };
  const std::string before = r.network.digest();
  before_calibration(r.network, r.options, r.recipes, rewound(), r.calibration);
  if (r.table) {
    check(r.network.digest() == before || !samples, ErrorCode::kInvalidArgument,
          "the recipes change the network before its ranges are collected: leave the table out, "
          "the samples are calibrated on");
  } else if (samples != nullptr && !is_dynamic(r.options.scheme)) {
    r.table = calibrate(r.network, *rewound(), r.calibration);
  }
  before_build(r.network, r.options, r.table ? &*r.table : nullptr, r.recipes, rewound(),
               r.calibration);
}

const CalibrationTable* table_of(const Request& request) {
  return request.table ? &*request.table : nullptr;
}

Plan build_plan(const Network& network, const CalibrationTable* table, const nb::kwargs& given) {
  Calls calls;
  nb::dict keywords = copy_of(given);
  Request request = take_request(network, table, keywords, calls);
  const nb::object earlier = take(keywords, "precision_from");
  if (earlier.is_valid()) take_over(plan_of(earlier), request);
  Goal goal(keywords, calls);
  Samples samples(take(keywords, "samples"), network, calls);
  refuse_others(keywords, "build");
  settle_preprocess(request, samples.preprocess());
  goal.settle(request.network, request.options, request.calibration, samples);
  return calls.run([&] {
    check_options(request.network, request.options);  // before it takes long
    calibrate_and_correct(request, samples.get());
    return build(request.network, table_of(request), request.options, goal.value());
  });
}

QuantizedNetwork quantize_any(const Network& network, const CalibrationTable* table,
                              const nb::kwargs& given, const char* function) {
  Calls calls;
  nb::dict keywords = copy_of(given);
  const nb::object name = take(keywords, "style");
  const QdqStyle style =
      name.is_valid() ? qdq_style_from_name(text_of(name, "style")) : QdqStyle::kTensorRt;
  const bool own_scheme = keywords.contains("scheme");
  Request request = take_request(network, table, keywords, calls);
  Samples samples(take(keywords, "samples"), network, calls);
  refuse_others(keywords, function);
  settle_preprocess(request, samples.preprocess());
  request.options.int8 = true;
  if (!own_scheme && style == QdqStyle::kOnnxRuntime) {
    request.options.scheme = Scheme::kStaticAffine;
  }
  for (const std::string& pass : passes_against(style)) {
    request.options.disabled_passes.push_back(pass);
  }
  return calls.run([&] {
    calibrate_and_correct(request, samples.get());
    return quantize(request.network, table_of(request), request.options, style);
  });
}

Plan retime_plan(const Plan& plan, const nb::kwargs& given) {
  Calls calls;
  nb::dict keywords = copy_of(given);
  const BuildOptions options = take_build_options(keywords, calls);
  refuse_others(keywords, "retime");
  return calls.run([&] { return retime(plan, options); });
}

#define LAYER_KEYWORDS                                                 \
  "weight_scales: str = 'max', layer_precision: dict[str, str] = {}, " \
  "layer_scheme: dict[str, str] = {}, disabled_passes: collections.abc.Sequence[str] = (), "
#define SAMPLE_KEYWORDS                                                                      \
  "recipes: collections.abc.Sequence[str] = (), "                                            \
  "samples: collections.abc.Iterable | BatchSource | None = None, method: str = 'entropy', " \
  "percentile: float = 99.99, reproducible: bool = False, "                                  \
  "input_shapes: dict[str, collections.abc.Sequence[int]] = {}, "                            \
  "checkpoint: str | os.PathLike = '', preprocess: str = '', "
#define MACHINE_KEYWORDS "device: str = 'cpu', isa: str | None = None, threads: int = 0, "
#define GOAL_KEYWORDS                                                                          \
  "int8_layers: str = 'where-it-pays', objective: str = 'latency', "                           \
  "max_loss: float | None = None, min_sqnr_db: float | None = None, "                          \
  "evaluate: collections.abc.Callable[[Plan], float | tuple[float, float] | Accuracy] | None " \
  "= None, noise_samples: int | None = None, "                                                 \
  "precision_from: Plan | str | os.PathLike | bytes | None = None, "                           \
  "group_precision: dict[str, str] = {}, "
#define CALLBACK_KEYWORDS                                                              \
  "progress: collections.abc.Callable[[str, int, int], object] | bool | None = None, " \
  "log: collections.abc.Callable[[str, str], object] | None = None"

void bind_decision(nb::module_& m) {
  nb::class_<LayerDecision>(m, "LayerDecision", "What quantize() made of layers that run as one.")
      .def_ro("name", &LayerDecision::name, "Of the layers, joined by ' + '.")
      .def_prop_ro(
          "op", [](const LayerDecision& d) { return std::string(d.op); }, "Of the first.")
      .def_ro("int8", &LayerDecision::int8)
      .def_ro("weighted", &LayerDecision::weighted,
              "A convolution or a product with constant weights.")
      .def_ro("why", &LayerDecision::why, "It stays float; '' where INT8 has no arithmetic for it.")
      .def("__repr__", [](const LayerDecision& d) {
        return fmt::format("<octile.LayerDecision '{}' {}>", d.name, d.int8 ? "int8" : "float32");
      });
}

void bind_quantize(nb::module_& m) {
  bind_decision(m);
  m.def(
      "quantize",
      [](const Network& network, const CalibrationTable* table, const nb::kwargs& given) {
        return quantize_any(network, table, given, "quantize").network;
      },
      nb::arg("network"), nb::arg("table") = nb::none(), nb::arg("options"),
      nb::sig("def quantize(network: Network, table: CalibrationTable | None = None, *, "
              "style: str = 'tensorrt', scheme: str | None = None, " LAYER_KEYWORDS SAMPLE_KEYWORDS
              "threads: int = 0, " CALLBACK_KEYWORDS ") -> Network"),
      "The network with its INT8 in it, as Quantize and Dequantize layers, for export_onnx().\n\n"
      "style: 'tensorrt' (pairs on what int8 layers read) or 'onnxruntime' (on what they write "
      "too). scheme: by default 'static-symmetric', for onnxruntime 'static-affine'. The other "
      "keywords are those of build().");
  m.def(
      "explain_quantization",
      [](const Network& network, const CalibrationTable* table, const nb::kwargs& given) {
        return quantize_any(network, table, given, "explain_quantization").layers;
      },
      nb::arg("network"), nb::arg("table") = nb::none(), nb::arg("options"),
      nb::sig(
          "def explain_quantization(network: Network, table: CalibrationTable | None = None, "
          "*, style: str = 'tensorrt', scheme: str | None = None, " LAYER_KEYWORDS SAMPLE_KEYWORDS
          "threads: int = 0, " CALLBACK_KEYWORDS ") -> list[LayerDecision]"),
      "What quantize() makes of each layer, and why layers stay float.");
}

}  // namespace

void bind_build(nb::module_& m) {
  m.def("pass_names", &pass_names, "The passes that `disabled_passes` can name, in running order.");
  m.def("recipe_names", &recipe_names,
        "Ways to make INT8 more accurate, in the order in which they are applied.");
  m.def(
      "build", &build_plan, nb::arg("network"), nb::arg("table") = nb::none(), nb::arg("options"),
      nb::sig("def build(network: Network, table: CalibrationTable | None = None, *, "
              "int8: bool = False, fp16: bool = False, scheme: str = 'static-symmetric', "
              "profiles: collections.abc.Sequence[dict[str, tuple]] | dict[str, tuple] = "
              "(), " GOAL_KEYWORDS LAYER_KEYWORDS
              "tactics: str = 'timed', timing_cache: str | os.PathLike = '', " MACHINE_KEYWORDS
              "metadata: dict[str, str] = {}, " SAMPLE_KEYWORDS CALLBACK_KEYWORDS ") -> Plan"),
      "A plan, which an Engine runs.\n\n"
      "int8: False is a float engine. fp16: half precision where layers are not int8, for "
      "engines on a GPU (device='cuda:0'). scheme: 'static-symmetric', 'static-affine' (both need "
      "ranges: a table, samples, or dynamic_range of tensors), 'dynamic-symmetric', "
      "'dynamic-affine'.\n"
      "profiles: one dict or several, input name -> (min, opt, max) shapes, for dynamic inputs.\n"
      "int8_layers: 'where-it-pays' measures on `device` which layers gain by INT8, conversions "
      "counted, and keeps the quickest engine, which may be a float one; 'all' takes every layer "
      "that can. Plan.precision holds what was measured.\n"
      "objective: 'latency', 'throughput' (every core runs a batch of its own) or 'size' is what "
      "INT8 has to pay in.\n"
      "max_loss: so many points the metric may lie below the float network's. min_sqnr_db: the "
      "least SQNR of the outputs. The quickest engine that keeps to them is built; both need "
      "samples.\n"
      "evaluate(plan): the metric of a plan in points (93.2, not 0.932), more is better; or a pair "
      "(metric, the float network's); or an Accuracy. Where it gives the first alone it is asked "
      "about a float plan, once. Without max_loss what it says of the float, the all-INT8 and the "
      "chosen engine goes into Plan.precision.\n"
      "noise_samples: how many samples the noise of each layer is measured on, for the curve of "
      "time against noise (4 under max_loss and min_sqnr_db; else only where it is given).\n"
      "precision_from: a plan whose choice of INT8 layers is taken over, without measuring; "
      "layer_precision wins. group_precision: such a choice by groups of fused layers, the 'label' "
      "of each group in Plan.precision by its 'name'. What does not fit the network is told in one "
      "warning.\n"
      "layer_precision, layer_scheme: by layer name ('int8', 'float32', 'float16'; a scheme).\n"
      "tactics: 'timed' measures kernels (timing_cache: a file of measurements), 'first' takes "
      "the first that fits: byte-identical plans.\n"
      "metadata: strings that travel with the plan (Plan.metadata).\n"
      "recipes: see recipe_names(). samples: batches as calibrate() takes them, repeatable; "
      "without a table they are calibrated on (method, percentile, …), and recipes and the noise "
      "of layers are measured on them.\n"
      "What evaluate, the samples or a callback raise ends the call and comes out of it.\n"
      "InvalidArgument and Unsupported name the layer, tensor, pass or profile.");
  m.def("retime", &retime_plan, nb::arg("plan"), nb::arg("options"),
        nb::sig("def retime(plan: Plan, *, tactics: str = 'timed', "
                "timing_cache: str | os.PathLike = '', " MACHINE_KEYWORDS CALLBACK_KEYWORDS
                ") -> Plan"),
        "The same plan with kernels chosen anew for this machine; results stay the same.");
  bind_quantize(m);
}

}  // namespace octile::python
