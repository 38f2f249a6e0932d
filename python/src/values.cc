// See values.h.
#include "values.h"

namespace octile::python {

nb::object take(nb::dict& keywords, const char* name) {
  const nb::str key(name);
  PyObject* found = PyDict_GetItemWithError(keywords.ptr(), key.ptr());
  if (found == nullptr) return {};
  nb::object value = nb::borrow(found);
  if (PyDict_DelItem(keywords.ptr(), key.ptr()) != 0) nb::raise_python_error();
  return value.is_none() ? nb::object() : value;
}

void refuse_others(const nb::dict& keywords, const char* function) {
  for (const auto& [name, value] : keywords) {
    const std::string text = nb::str(name).c_str();
    throw nb::type_error(
        (std::string(function) + "() got an unexpected keyword argument '" + text + "'").c_str());
  }
}

}  // namespace octile::python
