// Arrays between Python and C++: dense memory is used as it is, everything else is converted.
#include <cstring>

#include "base/error.h"
#include "convert.h"

namespace octile::python {

namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using WritableArray = nb::ndarray<nb::device::cpu>;

std::optional<DataType> type_of(nb::dlpack::dtype type) {
  using Code = nb::dlpack::dtype_code;
  if (type.lanes != 1) return std::nullopt;
  switch (static_cast<Code>(type.code)) {
    case Code::Float:
      if (type.bits == 32) return DataType::kFloat32;
      if (type.bits == 64) return DataType::kFloat64;
      if (type.bits == 16) return DataType::kFloat16;
      return std::nullopt;
    case Code::Bfloat: return type.bits == 16 ? std::optional(DataType::kBFloat16) : std::nullopt;
    case Code::Int:
      if (type.bits == 8) return DataType::kInt8;
      if (type.bits == 16) return DataType::kInt16;
      if (type.bits == 32) return DataType::kInt32;
      if (type.bits == 64) return DataType::kInt64;
      return std::nullopt;
    case Code::UInt: return type.bits == 8 ? std::optional(DataType::kUInt8) : std::nullopt;
    case Code::Bool: return type.bits == 8 ? std::optional(DataType::kBool) : std::nullopt;
    default: return std::nullopt;
  }
}

template <typename A>
bool is_dense(const A& array) {
  int64_t expected = 1;
  for (size_t i = array.ndim(); i-- > 0;) {
    const auto extent = static_cast<int64_t>(array.shape(i));
    if (extent == 0) return true;
    if (extent != 1 && array.stride(i) != expected) return false;
    expected *= extent;
  }
  return true;
}

template <typename A>
std::optional<ArrayView> view_of(nb::handle object, std::optional<DataType> type) {
  nb::detail::make_caster<A> caster;
  if (!caster.from_python(object, 0, nullptr)) {
    PyErr_Clear();
    return std::nullopt;
  }
  const A& array = caster.value;
  const std::optional<DataType> given = type_of(array.dtype());
  if (!given || (type && *type != *given) || array.ndim() > size_t(kMaxRank) || !is_dense(array)) {
    return std::nullopt;
  }
  ArrayView result;
  result.view.type = *given;
  result.view.shape = Shape(std::span<const int64_t>(array.shape_ptr(), array.ndim()));
  result.view.data = array.data();
  // The import may have made a copy or a DLPack capsule: it lives as long as the nb::ndarray does.
  auto* keep = new A(array);
  result.owner = nb::capsule(keep, [](void* p) noexcept { delete static_cast<A*>(p); });
  return result;
}

// Functions of NumPy, kept for as long as the process lives.
struct NumPy {
  nb::handle empty, asarray, ascontiguous;
};
const NumPy& numpy() {
  static const NumPy functions = [] {
    const nb::module_ module = nb::module_::import_("numpy");
    const auto function = [&](const char* name) {
      return nb::handle(nb::object(nb::getattr(module, name)).release());
    };
    return NumPy{function("empty"), function("asarray"), function("ascontiguousarray")};
  }();
  return functions;
}

std::string dtype_text(nb::handle array) { return nb::str(nb::getattr(array, "dtype")).c_str(); }

// bfloat16 of ml_dtypes shows its bits only where asked for them as another type.
std::optional<ArrayView> bfloat16_view(nb::handle array, std::optional<DataType> type) {
  if (dtype_text(array) != "bfloat16") return std::nullopt;
  if (type && *type != DataType::kBFloat16) return std::nullopt;
  nb::object bits = array.attr("view")("int16");
  std::optional<ArrayView> result = view_of<Array>(bits, DataType::kInt16);
  if (result) result->view.type = DataType::kBFloat16;
  return result;
}

bool is_exact(DataType type) {  // integers and bool: what they do not hold exactly is refused
  return type != DataType::kFloat32 && type != DataType::kFloat64 && type != DataType::kFloat16 &&
         type != DataType::kBFloat16;
}

[[noreturn]] void refuse(const std::string& what, const std::string& given,
                         std::optional<DataType> wanted) {
  if (!wanted) {
    fail(ErrorCode::kInvalidArgument,
         "{}: arrays of {} are not supported; convert it to float32, int32, int64 or bool", what,
         given);
  }
  fail(ErrorCode::kInvalidArgument, "{}: given an array of {}, wanted is {}; {}", what, given,
       name_of(*wanted),
       is_exact(*wanted) ? "it holds values that this type does not hold exactly"
                         : "convert it first");
}

Tensor converted(const Tensor& value, DataType type, const std::string& what) {
  if (value.type() == type) return value;
  Tensor result = value.cast(type);
  const bool fits = !is_exact(type) || result.cast(value.type()) == value;
  if (!fits) refuse(what, std::string(name_of(value.type())), type);
  return result;
}

struct OwnedTensor {
  Tensor tensor;
};

ArrayView owning(Tensor tensor) {
  auto* owned = new OwnedTensor{std::move(tensor)};
  ArrayView result;
  result.view = owned->tensor.view();
  result.owner = nb::capsule(owned, [](void* p) noexcept { delete static_cast<OwnedTensor*>(p); });
  return result;
}

}  // namespace

std::optional<ArrayView> borrow_view(nb::handle object, std::optional<DataType> type,
                                     bool writable) {
  if (object.is_none() || PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr())) {
    return std::nullopt;
  }
  return writable ? view_of<WritableArray>(object, type) : view_of<Array>(object, type);
}

ArrayView to_view(nb::handle object, std::optional<DataType> type, const std::string& what) {
  if (std::optional<ArrayView> view = borrow_view(object, type)) return std::move(*view);
  if (object.is_none() || PyUnicode_Check(object.ptr()) || PyBytes_Check(object.ptr())) {
    const std::string given = nb::type_name(object.type()).c_str();
    throw nb::type_error((what + ": an array is wanted, not " + given).c_str());
  }
  const nb::handle ascontiguous = numpy().ascontiguous, asarray = numpy().asarray;
  // A DLPack object that NumPy cannot read itself (bfloat16 of PyTorch) is read without it.
  if (std::optional<ArrayView> other = borrow_view(object, std::nullopt)) {
    const TensorView& view = other->view;
    const Tensor copy(view.type, view.shape,
                      {static_cast<const std::byte*>(view.data), view.bytes()});
    return owning(converted(copy, *type, what));
  }
  nb::object array = asarray(object);
  const nb::object rank = array.attr("ndim");
  if (nb::cast<int>(rank) > 0) array = ascontiguous(array);  // which makes rank 1 of a scalar
  const std::string given = dtype_text(array);
  check(nb::cast<int>(rank) <= kMaxRank, ErrorCode::kInvalidArgument,
        "{}: the array has {} axes, at most {} are supported", what, nb::cast<int>(rank), kMaxRank);
  if (given == "uint16" || given == "uint32" || given == "uint64") {
    if (!type) refuse(what, given, type);
    nb::object wide = array.attr("astype")("int64");
    const auto size = nb::cast<size_t>(nb::object(wide.attr("size")));
    if (size > 0 && nb::cast<int64_t>(nb::object(wide.attr("min")())) < 0) {
      refuse(what, given, type);  // beyond int64: it wrapped
    }
    array = wide;
  }
  std::optional<ArrayView> view = bfloat16_view(array, std::nullopt);
  if (!view) view = view_of<Array>(array, std::nullopt);
  if (!view) refuse(what, given, type);
  if (!type || view->view.type == *type) return std::move(*view);
  const Tensor copy(view->view.type, view->view.shape,
                    {static_cast<const std::byte*>(view->view.data), view->view.bytes()});
  return owning(converted(copy, *type, what));
}

Tensor to_tensor(nb::handle object, std::optional<DataType> type, const std::string& what) {
  const ArrayView array = to_view(object, type, what);
  return Tensor(array.view.type, array.view.shape,
                {static_cast<const std::byte*>(array.view.data), array.view.bytes()});
}

std::optional<Tensor> to_optional_tensor(nb::handle object, std::optional<DataType> type,
                                         const std::string& what) {
  if (object.is_none()) return std::nullopt;
  return to_tensor(object, type, what);
}

namespace {
// The dtype that NumPy shows for a type: bfloat16 is ml_dtypes' where that is installed.
nb::object array_dtype(DataType type) {
  if (type != DataType::kBFloat16) return from_data_type(type);
  static PyObject* const bfloat16 = [] {
    nb::module_ numpy = nb::module_::import_("numpy");
    try {
      nb::object scalar = nb::module_::import_("ml_dtypes").attr("bfloat16");
      return nb::object(numpy.attr("dtype")(scalar)).release().ptr();
    } catch (nb::python_error&) {
      return nb::object(numpy.attr("dtype")("uint16")).release().ptr();
    }
  }();
  return nb::borrow(bfloat16);
}

nb::dlpack::dtype dlpack_type(DataType type) {
  using Code = nb::dlpack::dtype_code;
  const auto bits = static_cast<uint8_t>(8 * size_of(type));
  switch (type) {
    case DataType::kFloat32:
    case DataType::kFloat64:
    case DataType::kFloat16: return {static_cast<uint8_t>(Code::Float), bits, 1};
    case DataType::kBool: return {static_cast<uint8_t>(Code::Bool), bits, 1};
    case DataType::kUInt8:
    case DataType::kBFloat16:  // as its bits
      return {static_cast<uint8_t>(Code::UInt), bits, 1};
    default: return {static_cast<uint8_t>(Code::Int), bits, 1};
  }
}
}  // namespace

void load_numpy() {
  static_cast<void>(numpy());
  for (int type = 0; type <= int(DataType::kBool); ++type) {
    static_cast<void>(from_data_type(static_cast<DataType>(type)));
  }
}

nb::object new_array(DataType type, const Shape& shape, void** data) {
  nb::object array = numpy().empty(from_shape(shape), array_dtype(type));
  const bool as_bits = type == DataType::kBFloat16;
  const nb::object bits = as_bits ? nb::object(array.attr("view")("uint16")) : array;
  Py_buffer buffer;
  if (PyObject_GetBuffer(bits.ptr(), &buffer, PyBUF_CONTIG) != 0) nb::raise_python_error();
  *data = buffer.buf;
  PyBuffer_Release(&buffer);
  return array;
}

nb::object to_array(Tensor tensor) {
  const DataType type = tensor.type();
  const std::vector<size_t> shape(tensor.shape().begin(), tensor.shape().end());
  const ArrayView view = owning(std::move(tensor));
  const nb::ndarray<nb::numpy> array(const_cast<void*>(view.view.data), shape.size(), shape.data(),
                                     view.owner, nullptr, dlpack_type(type));
  nb::object result = nb::cast(array);
  if (type == DataType::kBFloat16) result = result.attr("view")(array_dtype(type));
  return result;
}

}  // namespace octile::python
