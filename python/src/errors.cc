// octile::Error as Python exceptions: one class a code, each also the built-in one that fits.
#include <nanobind/stl/string.h>

#include <array>
#include <string>

#include "module.h"
#include "octile/types.h"

namespace octile::python {

namespace {

struct ErrorClass {
  ErrorCode code;
  const char* name;
  const char* text;  // of .code
  PyObject** builtin;
  const char* doc;
};

const std::array<ErrorClass, 6> kClasses{{
    {ErrorCode::kInvalidArgument, "InvalidArgument", "invalid-argument", &PyExc_ValueError,
     "An argument, shape or value that the caller passed does not fit."},
    {ErrorCode::kInvalidFile, "InvalidFile", "invalid-file", &PyExc_ValueError,
     "Bytes of a file are not what they claim to be."},
    {ErrorCode::kIo, "IoError", "io", &PyExc_OSError,
     "A file or directory cannot be read or written."},
    {ErrorCode::kUnsupported, "Unsupported", "unsupported", &PyExc_NotImplementedError,
     "A valid request that Octile cannot fulfil."},
    {ErrorCode::kInternal, "InternalError", "internal", &PyExc_RuntimeError,
     "A broken invariant of Octile itself."},
    {ErrorCode::kDevice, "DeviceError", "device", &PyExc_RuntimeError,
     "A GPU that is not there, is full, or failed."},
}};

std::array<PyObject*, kClasses.size()> made{};  // by code; they live as long as the process

PyObject* new_class(nb::module_& m, const char* name, const char* doc, nb::handle bases,
                    const char* code) {
  nb::dict members;
  members["code"] = code;
  const std::string full = nb::cast<std::string>(nb::object(m.attr("__name__"))) + "." + name;
  PyObject* type = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases.ptr(), members.ptr());
  if (type == nullptr) nb::raise_python_error();
  m.attr(name) = nb::handle(type);
  return type;
}

void translate(const std::exception_ptr& error, void*) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    // Names in messages come from files: what is no UTF-8 is shown as it can be.
    const std::string_view text = e.what();
    const nb::object message = nb::steal(PyUnicode_DecodeUTF8(
        text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
    if (message.is_valid()) {
      PyErr_SetObject(made[static_cast<size_t>(e.code())], message.ptr());
    }
  }
}

}  // namespace

void bind_errors(nb::module_& m) {
  PyObject* base = new_class(m, "Error",
                             "What Octile raises. The message names the file, layer or tensor and "
                             "what to do; `code` says what kind it is.",
                             PyExc_Exception, "");
  for (const ErrorClass& c : kClasses) {
    const nb::object bases = nb::steal(PyTuple_Pack(2, base, *c.builtin));
    made[static_cast<size_t>(c.code)] = new_class(m, c.name, c.doc, bases, c.text);
  }
  nb::register_exception_translator(translate);
}

}  // namespace octile::python
