// precision_report(): why each layer of a plan has its precision, as one HTML page.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <filesystem>

#include "base/error.h"
#include "batches.h"
#include "calls.h"
#include "convert.h"
#include "module.h"
#include "octile/data.h"
#include "octile/report.h"
#include "values.h"

namespace octile::python {

namespace {

/// Samples are prepared already; the plan's preprocessing is of no concern.
CalibrationData histograms_of(const Network& network, nb::handle batches, Calls& calls,
                              int threads) {
  CalibrationOptions options;
  options.threads = threads;
  options.progress = calls.progress(nb::none());
  options.log = calls.log(nb::none());
  Samples samples(batches, network, calls);
  return calls.run([&] {
    samples.get()->rewind();
    return collect(network, *samples.get(), options);
  });
}

nb::object report(const Plan& plan, const nb::object& path, const nb::object& model,
                  const nb::object& histograms, const std::string& method, double percentile,
                  const std::string& command, std::optional<int64_t> evaluated, int threads) {
  Calls calls;
  PrecisionReportOptions options{.command = command, .method = method, .percentile = percentile};
  if (!method.empty()) (void)calibration_method_from_name(method);
  options.evaluated = evaluated.value_or(options.evaluated);
  const bool network = nb::isinstance<Network>(model);
  if (network) {
    options.model = nb::cast<const Network&>(model).name();
  } else if (!model.is_none()) {
    options.model = std::filesystem::path(to_path(model)).filename().string();
  }
  std::optional<CalibrationData> collected;
  if (nb::isinstance<CalibrationData>(histograms)) {
    options.histograms = &nb::cast<const CalibrationData&>(histograms);
  } else if (!histograms.is_none()) {
    check(network, ErrorCode::kInvalidArgument,
          "histograms of samples are those of a network's tensors: give model=network, or what "
          "collect() gave");
    const Network copy = nb::cast<const Network&>(model);
    collected = histograms_of(copy, histograms, calls, threads);
    options.histograms = &*collected;
  }
  std::optional<std::string> file;
  if (!path.is_none()) file = to_path(path);
  const std::string html = calls.run([&] {
    std::string page = precision_report_html(plan, options);
    if (file) save_text(*file, page);
    return page;
  });
  return !file ? nb::object(nb::str(html.data(), html.size())) : nb::none();
}

}  // namespace

void bind_precision_report(nb::module_& m) {
  m.def("precision_report", &report, nb::arg("plan"), nb::arg("path") = nb::none(), nb::kw_only(),
        nb::arg("model") = nb::none(), nb::arg("histograms") = nb::none(), nb::arg("method") = "",
        nb::arg("percentile") = 99.99, nb::arg("command") = "", nb::arg("evaluated") = nb::none(),
        nb::arg("threads") = 0,
        nb::sig("def precision_report(plan: Plan, path: str | os.PathLike | None = None, *, "
                "model: Network | str | os.PathLike | None = None, "
                "histograms: CalibrationData | collections.abc.Iterable | BatchSource | None = "
                "None, method: str = '', percentile: float = 99.99, command: str = '', "
                "evaluated: int | None = None, threads: int = 0) -> str | None"),
        "Why each layer of a plan has its precision, as one HTML page that needs nothing beside "
        "it: returned, or written to `path` through a temporary file.\n\n"
        "model: the network, or a name for the page. histograms: what collect() gave, or samples "
        "as it takes them (then model must be the network): distributions are drawn with the "
        "thresholds of every method, `method` (of `percentile`) marked as the plan's own. command: "
        "what repeats the build. evaluated: how many samples evaluate took its metric on.\n"
        "InvalidArgument for a plan that was built without measuring (Plan.precision is None).");
}

}  // namespace octile::python
