// What Python passes in and gets back: dtypes, shapes, arrays. The argument classes below only hold
// the object (any object passes), so that what does not fit raises an error that names it; their
// names are what signatures and stubs show.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/tensor.h"
#include "octile/types.h"

namespace octile::python {

namespace nb = nanobind;

inline bool is_not_none(PyObject* object) { return object != Py_None; }

/// A NumPy dtype, its name, or what numpy.dtype() takes.
class DTypeLike : public nb::object {
  NB_OBJECT_DEFAULT(DTypeLike, nb::object, "numpy.typing.DTypeLike", is_not_none)
};
/// Anything NumPy- or DLPack-like.
class ArrayLike : public nb::object {
  NB_OBJECT_DEFAULT(ArrayLike, nb::object, "numpy.typing.ArrayLike", is_not_none)
};
/// A sequence of ints.
class Ints : public nb::object {
  NB_OBJECT_DEFAULT(Ints, nb::object, "collections.abc.Sequence[int]", is_not_none)
};
/// One int, or a sequence of them.
class IntOrInts : public nb::object {
  NB_OBJECT_DEFAULT(IntOrInts, nb::object, "int | collections.abc.Sequence[int]", is_not_none)
};
/// A file: str or os.PathLike.
class PathLike : public nb::object {
  NB_OBJECT_DEFAULT(PathLike, nb::object, "str | os.PathLike", is_not_none)
};

/// Throws TypeError for what is no dtype, kInvalidArgument for one that Octile lacks.
DataType to_data_type(nb::handle object);
/// numpy.dtype; "bfloat16" as the string, which NumPy has no dtype for.
nb::object from_data_type(DataType type);

/// `what` names the argument in the TypeError that anything but a sequence of ints raises.
std::vector<int64_t> to_ints(nb::handle object, const char* what);
/// An int becomes `count` copies of it.
std::vector<int64_t> to_ints(nb::handle object, size_t count, const char* what);
Shape to_shape(nb::handle object, const char* what = "shape");
nb::tuple from_shape(const Shape& shape);
nb::tuple from_ints(const std::vector<int64_t>& values);

/// The text of a path; bytes of a file are not a path (TypeError).
std::string to_path(nb::handle object);
/// Of bytes, bytearray, memoryview or what else shows its bytes. TypeError otherwise.
std::string to_bytes(nb::handle object, const char* what);

/// A dense array in the memory of `owner`.
struct ArrayView {
  TensorView view;
  nb::object owner;  // keeps the memory alive
};
/// The memory of `object` itself where it is dense and of a type that Octile has (`type`, when
/// given); a converted copy otherwise. Floats take any numbers, integers only what they hold
/// exactly. Throws kInvalidArgument, beginning with `what`, naming the given and the wanted type.
ArrayView to_view(nb::handle object, std::optional<DataType> type, const std::string& what);
/// The memory of `object` itself, or nullopt where it is not dense or of another type.
std::optional<ArrayView> borrow_view(nb::handle object, std::optional<DataType> type,
                                     bool writable = false);
/// A copy.
Tensor to_tensor(nb::handle object, std::optional<DataType> type, const std::string& what);
std::optional<Tensor> to_optional_tensor(nb::handle object, std::optional<DataType> type,
                                         const std::string& what);

/// A NumPy array that owns the tensor's memory. bfloat16: of ml_dtypes' type where that is
/// installed, else the bits as uint16.
nb::object to_array(Tensor tensor);
/// Imports NumPy now: __del__ methods may run engines when Python shuts down, too late to import.
void load_numpy();
/// A fresh NumPy array and its memory. REQUIRES: a static shape.
nb::object new_array(DataType type, const Shape& shape, void** data);

}  // namespace octile::python
