// Short forms of layers that move values.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "convert.h"
#include "handles.h"
#include "ops.h"
#include "short_forms.h"

namespace octile::python {

namespace {
using Net = std::shared_ptr<Network>;
}  // namespace

void bind_movement_forms(nb::class_<Network>& cls) {
  cls.def(
         "shuffle",
         [](const Net& net, const NetTensor& x, const Ints& first, std::optional<Ints> dims,
            const Ints& second, bool zero_is_placeholder, const std::string& name) {
           Shuffle op;
           op.first = to_ints(first, "first");
           op.has_reshape = dims.has_value();
           if (dims) op.dims = to_ints(*dims, "dims");
           op.zero_is_placeholder = zero_is_placeholder;
           op.second = to_ints(second, "second");
           return NetTensor{net, net->shuffle(id_in(net, x), op, name)};
         },
         nb::arg("x"), nb::arg("first") = nb::tuple(), nb::arg("dims") = nb::none(),
         nb::arg("second") = nb::tuple(), nb::arg("zero_is_placeholder") = true,
         nb::arg("name") = "",
         "Transposes by `first`, reshapes to `dims` (None: not; 0 copies the input's extent, one "
         "-1 "
         "is inferred), transposes by `second`.")
      .def(
          "reshape",
          [](const Net& net, const NetTensor& x, const Ints& dims, const std::string& name) {
            return NetTensor{net, net->reshape(id_in(net, x), to_ints(dims, "dims"), name)};
          },
          nb::arg("x"), nb::arg("dims"), nb::arg("name") = "",
          "0 copies the input's extent, one -1 is inferred.")
      .def(
          "transpose",
          [](const Net& net, const NetTensor& x, const Ints& permutation, const std::string& name) {
            return NetTensor{
                net, net->transpose(id_in(net, x), to_ints(permutation, "permutation"), name)};
          },
          nb::arg("x"), nb::arg("permutation"), nb::arg("name") = "",
          "Axis i of the result is axis permutation[i] of x.")
      .def(
          "concatenation",
          [](const Net& net, const std::vector<NetTensor>& xs, int64_t axis,
             const std::string& name) {
            std::vector<TensorId> ids;
            for (const NetTensor& x : xs) ids.push_back(id_in(net, x));
            return NetTensor{net, net->concatenation(ids, axis, name)};
          },
          nb::arg("xs"), nb::arg("axis") = 1, nb::arg("name") = "",
          "The tensors joined along `axis`; their other extents must be equal.")
      .def(
          "slice",
          [](const Net& net, const NetTensor& x, const Ints& start, const Ints& size,
             const Ints& stride, const Ints& axes, const std::string& name) {
            Slice op{to_ints(axes, "axes"), to_ints(start, "start"), to_ints(size, "size"),
                     to_ints(stride, "stride")};
            if (op.stride.empty()) op.stride.assign(op.start.size(), 1);
            return NetTensor{net, net->slice(id_in(net, x), op, name)};
          },
          nb::arg("x"), nb::arg("start"), nb::arg("size"), nb::arg("stride") = nb::tuple(),
          nb::arg("axes") = nb::tuple(), nb::arg("name") = "",
          "x[start : start + size*stride : stride] on `axes` (none: all, in order). A negative "
          "start counts from the end, a size of -1 means to the end.")
      .def(
          "padding",
          [](const Net& net, const NetTensor& x, const Ints& before, const Ints& after,
             const EnumOrName<PaddingKind>& kind, float value, const std::string& name) {
            return NetTensor{net, net->padding(id_in(net, x),
                                               {kind.get(), to_ints(before, "before"),
                                                to_ints(after, "after"), value},
                                               name)};
          },
          nb::arg("x"), nb::arg("before"), nb::arg("after"),
          nb::arg("kind").sig("'constant'") = "constant", nb::arg("value") = 0.0f,
          nb::arg("name") = "",
          "Elements more on each axis (one entry an axis; negative ones crop). kind: 'constant' "
          "(of `value`), 'reflect' or 'edge'.");
}

}  // namespace octile::python
