// calibrate(), collect() and threshold().
#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "batches.h"
#include "calibrate/histogram.h"
#include "calibration_options.h"
#include "calibrators.h"
#include "convert.h"
#include "module.h"
#include "values.h"

namespace octile::python {

namespace {

#define CALIBRATION_KEYWORDS                                                         \
  "method: str = 'entropy', percentile: float = 99.99, reproducible: bool = False, " \
  "device: str = 'cpu', threads: int = 0, "                                          \
  "input_shapes: dict[str, collections.abc.Sequence[int]] = {}, "                    \
  "preprocess: str = '', "
#define CALLBACK_KEYWORDS                                                              \
  "progress: collections.abc.Callable[[str, int, int], object] | bool | None = None, " \
  "log: collections.abc.Callable[[str, str], object] | None = None"

bool is_calibrator(nb::handle object) { return nb::hasattr(object, "next_batch"); }

CalibrationTable calibrate_any(const Network& network, const Batches& batches,
                               const nb::kwargs& given) {
  Calls calls;
  nb::dict keywords = copy_of(given);
  CalibrationOptions options = take_calibration_options(keywords);
  take_run_options(keywords, calls, options);
  const nb::object cache = take(keywords, "cache");
  const std::string cache_file = cache.is_valid() ? to_path(cache) : "";
  refuse_others(keywords, "calibrate");
  const Network copy = network;  // another thread may edit what Python still holds
  if (is_calibrator(batches) && !nb::isinstance<Source>(batches)) {
    check(cache_file.empty(), ErrorCode::kInvalidArgument,
          "cache: a calibrator keeps its own cache, by read_cache() and write_cache()");
    const auto calibrator = object_calibrator(batches, copy, options, calls);
    return calls.run([&] { return calibrate(copy, *calibrator, options); });
  }
  if (!nb::isinstance<Source>(batches)) {
    const auto calibrator = iterable_calibrator(batches, copy, options, cache_file, calls);
    return calls.run([&] { return calibrate(copy, *calibrator, options); });
  }
  Samples samples(batches, copy, calls);
  if (options.preprocess.empty()) options.preprocess = samples.preprocess();
  if (cache_file.empty()) {
    return calls.run([&] {
      samples.get()->rewind();
      return calibrate(copy, *samples.get(), options);
    });
  }
  const auto calibrator = source_calibrator(*samples.get(), options, cache_file);
  return calls.run([&] { return calibrate(copy, *calibrator, options); });
}

CalibrationData collect_any(const Network& network, const Batches& batches,
                            const nb::kwargs& given) {
  Calls calls;
  nb::dict keywords = copy_of(given);
  CalibrationOptions options = take_calibration_options(keywords);
  take_run_options(keywords, calls, options);
  refuse_others(keywords, "collect");
  const Network copy = network;
  Samples samples(batches, copy, calls);
  if (options.preprocess.empty()) options.preprocess = samples.preprocess();
  return calls.run([&] {
    samples.get()->rewind();
    return collect(copy, *samples.get(), options);
  });
}

Histogram histogram_of(nb::handle values) {
  const ArrayView array = to_view(values, DataType::kFloat32, "values");
  const std::span<const float> all(array.view.as<float>(),
                                   static_cast<size_t>(array.view.shape.volume()));
  Histogram range;
  add_to_range(range, all);
  BinCounter counter(range);
  counter.add(all);
  return counter.finish();
}

nb::object counts(const std::vector<uint64_t>& bins) {
  const std::vector<int64_t> values(bins.begin(), bins.end());
  return to_array(Tensor::int64s(values));
}

void bind_histogram(nb::module_& m) {
  nb::class_<Histogram>(m, "Histogram",
                        "What calibration keeps of one tensor's values: counts of 2048 bins of |x| "
                        "a sign, of width max|x| / 2048.")
      .def(nb::new_([](const ArrayLike& values) { return histogram_of(values); }),
           nb::arg("values"), "Of an array of any shape, as float32.")
      .def_ro("min", &Histogram::min, "Over the finite values.")
      .def_ro("max", &Histogram::max, "Over the finite values.")
      .def_ro("finite", &Histogram::finite, "How many values are finite.")
      .def_ro("nan", &Histogram::nan)
      .def_ro("infinite", &Histogram::infinite)
      .def_ro("zeros", &Histogram::zeros)
      .def_prop_ro("abs_max", &Histogram::abs_max)
      .def_prop_ro("bin_width", &Histogram::bin_width)
      .def_prop_ro(
          "positive", [](const Histogram& h) { return counts(h.positive); },
          nb::sig("def positive(self) -> numpy.ndarray"), "Counts (2048), int64; zeros in bin 0.")
      .def_prop_ro(
          "negative", [](const Histogram& h) { return counts(h.negative); },
          nb::sig("def negative(self) -> numpy.ndarray"), "Counts (2048), int64.")
      .def("merge", &Histogram::merge, nb::arg("other"),
           "Adds another part of the same tensor's values, of equal abs_max.")
      .def("__eq__",
           [](const Histogram& a, nb::handle b) {
             return nb::isinstance<Histogram>(b) && a == nb::cast<const Histogram&>(b);
           })
      .def("__repr__", [](const Histogram& h) {
        return fmt::format("<octile.Histogram of {} values in [{}, {}]>", h.finite, h.min, h.max);
      });
}

void bind_data(nb::module_& m) {
  nb::class_<CalibrationData>(m, "CalibrationData",
                              "The histograms of every float tensor over all samples: one "
                              "collection serves every method.")
      .def_ro("histograms", &CalibrationData::histograms, "By tensor name.")
      .def_ro("path", &CalibrationData::path)
      .def_ro("model_digest", &CalibrationData::model_digest)
      .def_ro("data_digest", &CalibrationData::data_digest)
      .def_ro("preprocess", &CalibrationData::preprocess)
      .def_ro("samples", &CalibrationData::samples)
      .def(
          "table",
          [](const CalibrationData& data, const std::string& method, double percentile,
             int threads) {
            CalibrationOptions options;
            options.method = calibration_method_from_name(method);
            options.percentile = percentile;
            options.threads = threads;
            return Calls().run([&] { return compute_table(data, options); });
          },
          nb::arg("method") = "entropy", nb::arg("percentile") = 99.99, nb::arg("threads") = 0,
          "The ranges by one method: 'entropy', 'minmax', 'percentile' or 'mse'.");
}

CalibrationTable::Entry threshold_of(nb::handle values, const std::string& method,
                                     double percentile) {
  const CalibrationMethod how = calibration_method_from_name(method);
  const Histogram histogram =
      nb::isinstance<Histogram>(values) ? nb::cast<Histogram>(values) : histogram_of(values);
  return Calls().run([&] { return threshold(histogram, how, percentile); });
}

}  // namespace

void bind_calibration(nb::module_& m) {
  bind_histogram(m);
  bind_data(m);
  m.def("threshold", &threshold_of, nb::arg("values"), nb::arg("method") = "entropy",
        nb::arg("percentile") = 99.99,
        nb::sig("def threshold(values: numpy.typing.ArrayLike | Histogram, method: str = "
                "'entropy', percentile: float = 99.99) -> Entry"),
        "The range of an array's values, or of a Histogram, by one method.");
  m.def("to_ncnn_table", &to_ncnn_table, nb::arg("quantized"),
        "ncnn's calibration table of a network that quantize() made (style 'tensorrt').");
  m.def("calibrate", &calibrate_any, nb::arg("network"), nb::arg("batches"), nb::arg("options"),
        nb::sig(
            "def calibrate(network: Network, batches: collections.abc.Iterable | BatchSource, "
            "*, " CALIBRATION_KEYWORDS
            "cache: str | os.PathLike = '', checkpoint: str | os.PathLike = '', " CALLBACK_KEYWORDS
            ") -> CalibrationTable"),
        "Ranges of all tensors over samples.\n\n"
        "batches: any iterable, drawn once, of arrays (one input), of sequences of arrays in the "
        "order of the inputs, or of dicts by input name, with the batch on axis 0; one array or "
        "one dict is one batch; a BatchSource of open_data(); or a Calibrator, whose own method "
        "counts.\n"
        "method: 'entropy', 'minmax', 'percentile' (of |x|, see percentile) or 'mse'.\n"
        "reproducible: the same bits on any machine, slower. device: where the network runs and "
        "values are counted. threads: 0 is all cores.\n"
        "input_shapes: of inputs whose extents are dynamic, the batch aside.\n"
        "preprocess: how the samples were made, kept in the table (JSON, or 'scale=1/255,…').\n"
        "cache: a file that is read instead where it exists, and written otherwise; refused where "
        "it was made for another network or method.\n"
        "checkpoint: a file from which an interrupted run goes on (a BatchSource only).\n"
        "progress(phase, done, total), or True for a line on stderr; log(level, message).\n\n"
        "What the iterable or a callback raises ends the call and comes out of it.");
  m.def("collect", &collect_any, nb::arg("network"), nb::arg("batches"), nb::arg("options"),
        nb::sig("def collect(network: Network, batches: collections.abc.Iterable | BatchSource, "
                "*, reproducible: bool = False, device: str = 'cpu', threads: int = 0, "
                "input_shapes: dict[str, collections.abc.Sequence[int]] = {}, "
                "preprocess: str = '', checkpoint: str | os.PathLike = '', " CALLBACK_KEYWORDS
                ") -> CalibrationData"),
        "The histograms behind calibrate(), for several methods from one run. Samples are read "
        "twice: an iterator that ends is kept in memory.");
}

}  // namespace octile::python
