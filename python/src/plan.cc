// Plan: what build() makes and an Engine loads.
#include "octile/plan.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "calls.h"
#include "convert.h"
#include "module.h"

namespace octile::python {

namespace {

nb::object precision_of(const Plan& plan) {
  const std::string& text = plan.precision();
  if (text.empty()) return nb::none();
  const nb::object bytes = nb::bytes(text.data(), text.size());
  try {
    return nb::module_::import_("json").attr("loads")(bytes);
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_ValueError)) throw;
    fail(ErrorCode::kInvalidFile, "plan '{}': its measurements are unreadable", plan.name());
  }
}

void bind_layer_info(nb::module_& m) {
  nb::class_<LayerInfo>(m, "LayerInfo", "One step of a plan, as `octile inspect` prints it.")
      .def_ro("name", &LayerInfo::name, "Names of the layers, fused ones joined by ' + '.")
      .def_ro("step", &LayerInfo::step, "'Conv', 'Pool', 'Quantize', …")
      .def_ro("precision", &LayerInfo::precision,
              "'int8', 'float32', 'float16', 'int8 -> float32'.")
      .def_ro("tactic", &LayerInfo::tactic, "Preferred tactic of profile 0.")
      .def_ro("output", &LayerInfo::output, "Name of the tensor that it writes.")
      .def_prop_ro(
          "shape", [](const LayerInfo& info) { return from_shape(info.shape); },
          nb::sig("def shape(self) -> tuple[int, ...]"), "-1 where it depends on the profile.")
      .def_ro("scale", &LayerInfo::scale, "Of the output; 0 when float.")
      .def_ro("zero_point", &LayerInfo::zero_point)
      .def_ro("weight_bytes", &LayerInfo::weight_bytes)
      .def_ro("note", &LayerInfo::note, "Why it is float, for example.")
      .def("__repr__", [](const LayerInfo& info) {
        return "<octile.LayerInfo '" + info.name + "' " + info.step + " " + info.precision + ">";
      });
}

}  // namespace

void bind_plan(nb::module_& m) {
  bind_layer_info(m);
  nb::class_<Plan>(m, "Plan",
                   "What build() makes and an Engine loads. Immutable, and portable between "
                   "machines: kernels are chosen again where another machine lacks them.")
      .def_static(
          "load",
          [](const PathLike& path) {
            const std::string file = to_path(path);
            return Calls().run([&] { return Plan::load(file); });
          },
          nb::arg("path"), "Reads and checks a plan file. InvalidFile, IoError.")
      .def_static(
          "parse",
          [](nb::handle data) {
            const std::string bytes = to_bytes(data, "data");
            return Calls().run([&] { return Plan::parse(bytes); });
          },
          nb::arg("data"), nb::sig("def parse(data: bytes) -> Plan"),
          "The same from bytes (copied).")
      .def(
          "save",
          [](const Plan& plan, const PathLike& path) {
            const std::string file = to_path(path);
            Calls().run([&] { plan.save(file); });
          },
          nb::arg("path"), "Writes through a temporary file, then renames.")
      .def(
          "serialize",
          [](const Plan& plan) {
            const std::string bytes = Calls().run([&] { return plan.serialize(); });
            return nb::bytes(bytes.data(), bytes.size());
          },
          "The bytes of the plan file.")
      .def("layers", &Plan::layers, "Its steps in running order.")
      .def_prop_ro(
          "preprocess", [](const Plan& plan) { return plan.preprocess(); },
          "The preprocessing given to build(), as JSON; '' for none.")
      .def_prop_ro(
          "metadata", [](const Plan& plan) { return plan.metadata(); },
          "The strings given to build(), by key.")
      .def_prop_ro(
          "precision", &precision_of, nb::sig("def precision(self) -> dict[str, object] | None"),
          "What the build measured and why each layer has its precision (docs/report_format.md); "
          "None where nothing was measured. precision_report() shows it.")
      .def_prop_ro("name", [](const Plan& plan) { return plan.name(); })
      .def_prop_ro(
          "built_on", [](const Plan& plan) { return plan.built_on(); },
          "The instruction set that tactics were chosen on, and how.")
      .def_prop_ro("profile_count", &Plan::profile_count)
      .def("__repr__", [](const Plan& plan) {
        return "<octile.Plan '" + plan.name() + "': " + std::to_string(plan.layers().size()) +
               " steps, built on " + plan.built_on() + ">";
      });
}

}  // namespace octile::python
