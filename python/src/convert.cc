// dtypes, shapes, paths and bytes between Python and C++.
#include "convert.h"

#include <array>

#include "base/error.h"

namespace octile::python {

namespace {

[[noreturn]] void raise_type_error(const std::string& message) {
  throw nb::type_error(message.c_str());
}

std::string name_of_type(nb::handle object) { return nb::type_name(object.type()).c_str(); }

nb::handle numpy_dtype() {
  static PyObject* const dtype =
      nb::object(nb::module_::import_("numpy").attr("dtype")).release().ptr();
  return dtype;
}

// Of numpy.dtype, a scalar class like numpy.float32, torch.float32, ….
std::string dname_of_type(nb::handle object) {
  if (PyUnicode_Check(object.ptr())) return nb::cast<const char*>(object);
  const std::string text = nb::str(object).c_str();
  if (text.starts_with("torch.")) return text.substr(6);
  try {
    return nb::cast<const char*>(nb::object(numpy_dtype()(object).attr("name")));
  } catch (nb::python_error&) {
    raise_type_error("a dtype must be a NumPy dtype or its name, not " + name_of_type(object));
  }
}

}  // namespace

DataType to_data_type(nb::handle object) {
  if (object.is_none() || PyLong_Check(object.ptr()) || PyFloat_Check(object.ptr())) {
    raise_type_error("a dtype must be a NumPy dtype or its name, not " + name_of_type(object));
  }
  return data_type_from_name(dname_of_type(object));
}

nb::object from_data_type(DataType type) {
  static std::array<PyObject*, 10> cache{};  // for ever: dtypes of NumPy are singletons
  PyObject*& known = cache[static_cast<size_t>(type)];
  if (known == nullptr) {
    const std::string name(name_of(type));
    nb::object made = type == DataType::kBFloat16 ? nb::object(nb::str(name.c_str()))
                                                  : nb::object(numpy_dtype()(name.c_str()));
    known = made.release().ptr();
  }
  return nb::borrow(known);
}

std::vector<int64_t> to_ints(nb::handle object, const char* what) {
  std::vector<int64_t> values;
  const auto one = [&](nb::handle item) {
    const nb::object index = nb::steal(PyNumber_Index(item.ptr()));
    if (!index.is_valid()) {
      PyErr_Clear();
      raise_type_error(std::string(what) + " must be ints, not " + name_of_type(item));
    }
    const int64_t value = PyLong_AsLongLong(index.ptr());
    if (value == -1 && PyErr_Occurred() != nullptr) nb::raise_python_error();
    values.push_back(value);
  };
  if (PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr()) ||
      !nb::hasattr(object, "__iter__")) {
    raise_type_error(std::string(what) + " must be a sequence of ints, not " +
                     name_of_type(object));
  }
  for (nb::handle item : nb::iter(object)) one(item);
  return values;
}

std::vector<int64_t> to_ints(nb::handle object, size_t count, const char* what) {
  if (PyIndex_Check(object.ptr()) != 0 && !nb::hasattr(object, "__len__")) {
    const nb::object list = nb::steal(PyTuple_Pack(1, object.ptr()));
    return std::vector<int64_t>(count, to_ints(list, what).front());
  }
  return to_ints(object, what);
}

Shape to_shape(nb::handle object, const char* what) { return Shape(to_ints(object, what)); }

namespace {
nb::tuple tuple_of(const int64_t* begin, size_t count) {
  nb::object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(count)));
  if (!tuple.is_valid()) nb::raise_python_error();
  for (size_t i = 0; i < count; ++i) {
    PyTuple_SetItem(tuple.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLongLong(begin[i]));
  }
  return nb::borrow<nb::tuple>(tuple);
}
}  // namespace

nb::tuple from_shape(const Shape& shape) {
  return tuple_of(shape.begin(), static_cast<size_t>(shape.rank()));
}

nb::tuple from_ints(const std::vector<int64_t>& values) {
  return tuple_of(values.data(), values.size());
}

std::string to_path(nb::handle object) {
  const nb::object path = nb::steal(PyOS_FSPath(object.ptr()));
  if (!path.is_valid()) nb::raise_python_error();
  const nb::object bytes =
      nb::steal(PyUnicode_Check(path.ptr()) ? PyUnicode_EncodeFSDefault(path.ptr())
                                            : PyObject_Bytes(path.ptr()));
  if (!bytes.is_valid()) nb::raise_python_error();
  return {PyBytes_AsString(bytes.ptr()), static_cast<size_t>(PyBytes_Size(bytes.ptr()))};
}

std::string to_bytes(nb::handle object, const char* what) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(object.ptr(), &buffer, PyBUF_SIMPLE) != 0) {
    PyErr_Clear();
    raise_type_error(std::string(what) + " must be bytes, not " + name_of_type(object));
  }
  std::string bytes(static_cast<const char*>(buffer.buf), static_cast<size_t>(buffer.len));
  PyBuffer_Release(&buffer);
  return bytes;
}

}  // namespace octile::python
