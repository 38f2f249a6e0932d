// Progress and log callbacks.
#include "calls.h"

#include <nanobind/stl/string_view.h>

#include <memory>

namespace octile::python {

namespace {

// Text of any bytes: names come from files.
nb::object text(std::string_view message) {
  return nb::steal(PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()),
                                        "backslashreplace"));
}

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "error";
}

// Functions are copied and destroyed by the library without the GIL.
std::shared_ptr<nb::object> shared(nb::object object) {
  return {new nb::object(std::move(object)), [](nb::object* p) {
            const AcquiredGil gil;
            delete p;
          }};
}

}  // namespace

ProgressFunction Calls::progress(nb::object callback) {
  if (callback.ptr() == Py_True) {
    callback = nb::module_::import_("octile._progress").attr("ProgressLine")();
  }
  if (callback.is_none() || callback.ptr() == Py_False) {
    return [this](std::string_view, int64_t, int64_t) {
      const auto now = std::chrono::steady_clock::now();
      if (now - checked_ < std::chrono::milliseconds(50)) return;
      checked_ = now;
      python([] {
        if (PyErr_CheckSignals() != 0) nb::raise_python_error();
      });
    };
  }
  return
      [this, f = shared(std::move(callback))](std::string_view phase, int64_t done, int64_t total) {
        python([&] { (*f)(text(phase), done, total); });
      };
}

LogCallback Calls::log(nb::object callback) {
  if (callback.is_none()) callback = nb::module_::import_("octile._log").attr("tell");
  return [this, f = shared(std::move(callback))](LogLevel level, std::string_view message) {
    python([&] { (*f)(level_name(level), text(message)); });
  };
}

}  // namespace octile::python
