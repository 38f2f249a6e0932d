// The module octile._native: one function a file registers its part.
#include "module.h"

#include <string>

#include "convert.h"
#include "octile/types.h"

NB_MODULE(_native, m) {
  namespace python = octile::python;
  // Objects that module globals or cycles keep until the interpreter ends are no mistake.
  nanobind::set_leak_warnings(false);
  m.doc() = "The C++ library as Python sees it; use it through the package octile.";
  m.attr("__version__") = std::string(octile::version()).c_str();
  python::load_numpy();
  python::bind_errors(m);
  python::bind_device_memory(m);
  python::bind_ops(m);
  python::bind_network(m);
  python::bind_onnx(m);
  python::bind_data_files(m);
  python::bind_table(m);
  python::bind_calibration(m);
  python::bind_parts(m);
  python::bind_plan(m);
  python::bind_goal(m);
  python::bind_build(m);
  python::bind_report(m);
  python::bind_precision_report(m);
  python::bind_engine(m);
  python::bind_context(m);
}
