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
                   const std::string& origin, const std::string& folder,
                   const nb::dict& initializers) {
  Calls calls;
  OnnxOptions options;
  options.dynamic_batch = dynamic_batch;
  options.folder = folder;
  options.log = calls.log(std::move(log));
  for (const auto& [name, bytes] : initializers) {
    if (!PyUnicode_Check(name.ptr())) throw nb::type_error("names of initializers must be strings");
    options.initializers[nb::cast<std::string>(name)] = to_bytes(bytes, "an initializer");
  }
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
  m.def(
      "import_onnx", &import_any, nb::arg("model"), nb::arg("constants") = nb::dict(),
      nb::arg("dynamic_batch") = false, nb::arg("log") = nb::none(), nb::arg("origin") = "model",
      nb::arg("folder") = "", nb::arg("initializers") = nb::dict(),
      nb::sig("def import_onnx(model: str | os.PathLike | bytes, "
              "constants: dict[str, numpy.typing.ArrayLike] = {}, dynamic_batch: bool = False, "
              "log: collections.abc.Callable[[str, str], object] | None = None, "
              "origin: str = 'model', folder: str = '', initializers: dict[str, bytes] = {}) -> "
              "Network"),
      "Imports a model file, or its bytes (messages then begin with `origin`).\n\n"
      "constants: values for inputs that only carry shapes or parameters. dynamic_batch: makes "
      "axis 0 of every input dynamic where the file fixed it at 1. folder: where external data of "
      "a model given as bytes lies. initializers: bytes that take the place of the model's own, "
      "as long as theirs. InvalidFile; Unsupported, with one message that lists all unsupported "
      "nodes; IoError.");
  m.def(
      "onnx_nodes",
      [](nb::handle model, const std::string& origin) {
        const std::string bytes = to_bytes(model, "model");
        nb::list nodes;
        for (const auto& node : Calls().run([&] { return list_onnx_nodes(bytes, origin); })) {
          nb::dict row;
          row["name"] = node.name;
          row["op_type"] = node.op_type;
          row["domain"] = node.domain;
          row["inputs"] = node.inputs;
          row["outputs"] = node.outputs;
          row["supported"] = node.supported;
          nodes.append(row);
        }
        return nodes;
      },
      nb::arg("model"), nb::arg("origin") = "model",
      nb::sig("def onnx_nodes(model: bytes, origin: str = 'model') -> list[dict]"),
      "The nodes of a model, in the file's order, without importing it: dicts of name, op_type, "
      "domain, inputs, outputs (names of tensors) and supported (whether Octile knows the "
      "operator). InvalidFile.");
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
