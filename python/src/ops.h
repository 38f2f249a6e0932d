// Ops and their enums between Python and C++, from the field lists of octile/ops.h.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "convert.h"
#include "octile/ops.h"
#include "ops/fields.h"

namespace octile::python {

/// An enum of octile.ops, or the lower-case name of one of its values.
template <typename E>
struct EnumOrName {
  E value{};
  std::string name;  // looked up when it is used, so that a wrong one raises InvalidArgument
  E get() const { return name.empty() ? value : enum_from_name<E>(name); }
};

/// Any class of octile.ops.
class AnyOp : public nb::object {
  NB_OBJECT_DEFAULT(AnyOp, nb::object, "octile._native.ops.Op", is_not_none)
};
/// TypeError for what is no op.
Op to_op(nb::handle object);
nb::object from_op(const Op& op);

}  // namespace octile::python

namespace nanobind::detail {

template <typename E>
struct type_caster<octile::python::EnumOrName<E>> {
  NB_TYPE_CASTER(octile::python::EnumOrName<E>, make_caster<E>::Name + const_name(" | str"))

  bool from_python(handle src, uint32_t flags, cleanup_list* cleanup) noexcept {
    if (PyUnicode_Check(src.ptr())) {
      Py_ssize_t size = 0;
      const char* text = PyUnicode_AsUTF8AndSize(src.ptr(), &size);
      if (text == nullptr) {
        PyErr_Clear();
        return false;
      }
      value.name.assign(text, static_cast<size_t>(size));
      if (value.name.empty()) value.name = "?";
      return true;
    }
    make_caster<E> caster;
    if (!caster.from_python(src, flags, cleanup)) return false;
    value.value = caster.operator cast_t<E>();
    return true;
  }
};

}  // namespace nanobind::detail
