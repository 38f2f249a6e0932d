// ONNX in and out.
#include "octile/onnx.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "calls.h"
#include "convert.h"
#include "module.h"

namespace octile::python {

namespace {

Network import_any(nb::handle source, const nb::dict& constants, bool dynamic_batch, nb::object log,
                   const std::string& origin) {
  Calls calls;
  OnnxOptions options;
  options.dynamic_batch = dynamic_batch;
  options.log = calls.log(std::move(log));
  for (const auto& [name, array] : constants) {
    if (!PyUnicode_Check(name.ptr())) throw nb::type_error("names of constants must be strings");
    const std::string key = nb::cast<std::string>(name);
    options.constants[key] = to_tensor(array, std::nullopt, "constants: input '" + key + "'");
  }
  if (PyObject_CheckBuffer(source.ptr()) != 0) {
    const std::string bytes = to_bytes(source, "model");
    return calls.run([&] { return import_onnx_bytes(bytes, options, origin); });
  }
  const std::string file = to_path(source);
  return calls.run([&] { return import_onnx(file, options); });
}

}  // namespace

void bind_onnx(nb::module_& m) {
  m.def("import_onnx", &import_any, nb::arg("model"), nb::arg("constants") = nb::dict(),
        nb::arg("dynamic_batch") = false, nb::arg("log") = nb::none(), nb::arg("origin") = "model",
        nb::sig("def import_onnx(model: str | os.PathLike | bytes, "
                "constants: dict[str, numpy.typing.ArrayLike] = {}, dynamic_batch: bool = False, "
                "log: collections.abc.Callable[[str, str], object] | None = None, "
                "origin: str = 'model') -> Network"),
        "Imports a model file, or its bytes (messages then begin with `origin`).\n\n"
        "constants: values for inputs that only carry shapes or parameters. dynamic_batch: makes "
        "axis 0 of every input dynamic where the file fixed it at 1. InvalidFile; Unsupported, "
        "with one message that lists all unsupported nodes; IoError.");
  m.def(
      "export_onnx",
      [](const Network& network, const PathLike& path) {
        const std::string file = to_path(path);
        const Network copy = network;
        Calls().run([&] { export_onnx(copy, file); });
      },
      nb::arg("network"), nb::arg("path"),
      "Writes the network as an ONNX model; Quantize and Dequantize layers become QuantizeLinear "
      "and DequantizeLinear. Unsupported lists all layers that have no form in ONNX.");
  m.def(
      "export_onnx_bytes",
      [](const Network& network) {
        const Network copy = network;
        const std::string bytes = Calls().run([&] { return export_onnx_bytes(copy); });
        return nb::bytes(bytes.data(), bytes.size());
      },
      nb::arg("network"), "The bytes of export_onnx().");
  m.def("supported_onnx_operators", &supported_onnx_operators,
        "The operator types that import_onnx() knows, sorted.");
}

}  // namespace octile::python
