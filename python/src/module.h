// One function a file: each registers its part of octile._native. module.cc calls them in the
// order in which later ones need what earlier ones define (defaults and signatures).
#pragma once

#include <nanobind/nanobind.h>

namespace octile::python {

namespace nb = nanobind;

void bind_errors(nb::module_& m);
void bind_device_memory(nb::module_& m);  // bind_device_memory.cc
void bind_ops(nb::module_& m);
void bind_network(nb::module_& m);
void bind_onnx(nb::module_& m);
void bind_data_files(nb::module_& m);
void bind_table(nb::module_& m);
void bind_calibration(nb::module_& m);
void bind_parts(nb::module_& m);
void bind_plan(nb::module_& m);
void bind_goal(nb::module_& m);  // precision_goal.cc
void bind_build(nb::module_& m);
void bind_report(nb::module_& m);
void bind_precision_report(nb::module_& m);
void bind_engine(nb::module_& m);
void bind_context(nb::module_& m);

}  // namespace octile::python
