// build(): from a network and a calibration table to a plan.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "build_options.h"
#include "calls.h"
#include "convert.h"
#include "module.h"
#include "octile/builder.h"

namespace octile::python {

namespace {

Plan build_plan(const Network& network, const CalibrationTable* table, const nb::kwargs& given) {
  Calls calls;
  nb::dict keywords = nb::borrow<nb::dict>(nb::steal(PyDict_Copy(given.ptr())));
  const BuildOptions options = take_build_options(keywords, calls);
  refuse_others(keywords, "build");
  // Copies: another thread may edit what Python still holds.
  const Network copy = network;
  const std::optional<CalibrationTable> ranges =
      table != nullptr ? std::optional(*table) : std::nullopt;
  return calls.run([&] { return build(copy, ranges ? &*ranges : nullptr, options); });
}

}  // namespace

void bind_build(nb::module_& m) {
  m.def("pass_names", &pass_names, "The passes that `disabled_passes` can name, in running order.");
  m.def("build", &build_plan, nb::arg("network"), nb::arg("table") = nb::none(),
        nb::arg("options"));
}

}  // namespace octile::python
