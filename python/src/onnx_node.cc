// Network.onnx_node(): one ONNX operator from Python's values.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "convert.h"
#include "handles.h"
#include "octile/onnx.h"
#include "short_forms.h"

namespace octile::python {

namespace {

using Attribute = OnnxAttributes::mapped_type;

[[noreturn]] void refuse(const std::string& name, nb::handle value) {
  const std::string given = nb::type_name(value.type()).c_str();
  throw nb::type_error(("attribute '" + name +
                        "' must be an int, float, string, a list of such or "
                        "an array, not " +
                        given)
                           .c_str());
}

bool is_text(nb::handle value) {
  return PyUnicode_Check(value.ptr()) || PyBytes_Check(value.ptr());
}
bool is_array(nb::handle value) { return nb::hasattr(value, "__dlpack__"); }
bool is_int(nb::handle value) { return PyIndex_Check(value.ptr()) != 0 && !is_array(value); }

std::string text(nb::handle value) {
  return PyUnicode_Check(value.ptr()) ? nb::cast<std::string>(value) : to_bytes(value, "text");
}
int64_t integer(nb::handle value) {
  const nb::object index = nb::steal(PyNumber_Index(value.ptr()));
  if (!index.is_valid()) nb::raise_python_error();
  return nb::cast<int64_t>(index);
}
float number(nb::handle value, const std::string& name) {
  const double result = PyFloat_AsDouble(value.ptr());
  if (result == -1.0 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    refuse(name, value);
  }
  return static_cast<float>(result);
}

Attribute list_of(const std::string& name, nb::handle list) {
  bool texts = true, ints = true;
  for (nb::handle item : nb::iter(list)) {
    texts = texts && is_text(item);
    ints = ints && is_int(item);
  }
  if (ints) {  // an empty list too
    std::vector<int64_t> values;
    for (nb::handle item : nb::iter(list)) values.push_back(integer(item));
    return values;
  }
  if (texts) {
    std::vector<std::string> values;
    for (nb::handle item : nb::iter(list)) values.push_back(text(item));
    return values;
  }
  std::vector<float> values;
  for (nb::handle item : nb::iter(list)) values.push_back(number(item, name));
  return values;
}

Attribute attribute_of(const std::string& name, nb::handle value) {
  if (is_text(value)) return text(value);
  if (PyList_Check(value.ptr()) || PyTuple_Check(value.ptr())) return list_of(name, value);
  if (is_array(value)) {
    return to_tensor(value, std::nullopt, "attribute '" + name + "'");
  }
  if (is_int(value)) return integer(value);
  return number(value, name);
}

std::vector<NetTensor> add_node(const std::shared_ptr<Network>& net, const std::string& op_type,
                                const nb::sequence& inputs, const nb::dict& attributes, int outputs,
                                int64_t opset, const std::string& name) {
  std::vector<OnnxInput> values;
  for (nb::handle input : nb::iter(inputs)) {
    if (input.is_none()) {
      values.emplace_back(std::monostate{});
    } else if (nb::isinstance<NetTensor>(input)) {
      values.emplace_back(id_in(net, nb::cast<const NetTensor&>(input)));
    } else {
      values.emplace_back(to_tensor(input, std::nullopt, op_type + ": a constant input"));
    }
  }
  OnnxAttributes given;
  for (const auto& [key, value] : attributes) {
    if (!PyUnicode_Check(key.ptr())) throw nb::type_error("names of attributes must be strings");
    const std::string attribute = nb::cast<std::string>(key);
    given[attribute] = attribute_of(attribute, value);
  }
  std::vector<NetTensor> result;
  for (TensorId id : add_onnx_node(*net, op_type, std::move(values), given, outputs, opset, name)) {
    result.push_back({net, id});
  }
  return result;
}

}  // namespace

void bind_onnx_node(nb::class_<Network>& cls) {
  cls.def(
      "onnx_node", &add_node, nb::arg("op_type"), nb::arg("inputs"),
      nb::arg("attributes") = nb::dict(), nb::arg("outputs") = 1, nb::arg("opset") = 18,
      nb::arg("name") = "",
      nb::sig("def onnx_node(self, op_type: str, inputs: collections.abc.Sequence[Tensor | "
              "numpy.typing.ArrayLike | None], attributes: dict[str, object] = {}, "
              "outputs: int = 1, opset: int = 18, name: str = '') -> list[Tensor]"),
      "Adds the layers that one ONNX operator means and returns its first `outputs` outputs.\n\n"
      "op_type: 'Einsum', or with a domain 'com.microsoft.QLinearAdd'. inputs: tensors, arrays "
      "(constants) and None (left out). attributes: ints, floats, strings, lists of them or "
      "arrays. opset (7 to 23): the version of ONNX that they are of. name: of the layer that "
      "makes the first output. Unsupported for an operator that Octile lacks, InvalidArgument "
      "for wrong inputs and attributes; then the network is unchanged.");
}

}  // namespace octile::python
