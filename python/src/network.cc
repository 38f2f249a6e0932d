// Network and the handles Tensor and Layer. The short forms are in short_forms.cc.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "convert.h"
#include "handles.h"
#include "module.h"
#include "ops.h"
#include "short_forms.h"

namespace octile::python {

namespace {

using Net = std::shared_ptr<Network>;

std::vector<NetTensor> handles(const Net& network, const std::vector<TensorId>& ids) {
  std::vector<NetTensor> result;
  for (TensorId id : ids) result.push_back({network, id});
  return result;
}
std::vector<NetLayer> handles(const Net& network, const std::vector<LayerId>& ids) {
  std::vector<NetLayer> result;
  for (LayerId id : ids) result.push_back({network, id});
  return result;
}

void bind_tensor(nb::module_& m) {
  nb::class_<NetTensor>(m, "Tensor",
                        "A tensor of a Network: a handle, which keeps the network alive.")
      .def_prop_rw(
          "name", [](const NetTensor& t) { return t.network->name(live(t)); },
          [](const NetTensor& t, const std::string& name) { t.network->rename(live(t), name); },
          "Unique within the network; a name given twice raises InvalidArgument.")
      .def_prop_ro(
          "shape", [](const NetTensor& t) { return from_shape(t.network->shape(live(t))); },
          nb::sig("def shape(self) -> tuple[int, ...]"), "Extents; -1 where not known before run.")
      .def_prop_ro(
          "dtype", [](const NetTensor& t) { return from_data_type(t.network->type(live(t))); },
          nb::sig("def dtype(self) -> numpy.dtype"), "numpy.dtype; bfloat16 as the string.")
      .def_prop_ro(
          "producer",
          [](const NetTensor& t) -> std::optional<NetLayer> {
            const LayerId id = t.network->producer(live(t));
            return id.valid() ? std::optional(NetLayer{t.network, id}) : std::nullopt;
          },
          "The layer that makes it; None for an input of the network.")
      .def_prop_ro(
          "consumers",
          [](const NetTensor& t) { return handles(t.network, t.network->consumers(live(t))); },
          "The layers that read it.")
      .def_prop_ro(
          "is_output", [](const NetTensor& t) { return t.network->is_output(live(t)); },
          "Whether it is marked as an output of the network.")
      .def_prop_ro(
          "value",
          [](const NetTensor& t) -> nb::object {
            const Tensor* value = t.network->constant_value(live(t));
            return value == nullptr ? nb::none() : to_array(Tensor(*value));
          },
          nb::sig("def value(self) -> numpy.ndarray | None"),
          "A constant's value (a copy); None for what is no constant.")
      .def_prop_rw(
          "dynamic_range",
          [](const NetTensor& t) -> nb::object {
            const std::optional<Range> range = t.network->dynamic_range(live(t));
            if (!range) return nb::none();
            return nb::make_tuple(range->min, range->max);
          },
          [](const NetTensor& t, std::pair<float, float> range) {
            t.network->set_dynamic_range(live(t), {range.first, range.second});
          },
          nb::for_getter(nb::sig("def dynamic_range(self) -> tuple[float, float] | None")),
          "The range (lo, hi) to quantize it for, which beats the calibrator's; None: not given.")
      .def_prop_ro(
          "network", [](const NetTensor& t) { return t.network; }, "Whose tensor it is.")
      .def("__eq__",
           [](const NetTensor& t, nb::handle other) {
             return nb::isinstance<NetTensor>(other) && t == nb::cast<const NetTensor&>(other);
           })
      .def("__hash__",
           [](const NetTensor& t) {
             return std::hash<const void*>{}(t.network.get()) * 31 + size_t(t.id.index);
           })
      .def("__repr__", [](const NetTensor& t) {
        if (!t.network->alive(t.id)) return std::string("<octile.Tensor, removed>");
        return fmt::format("<octile.Tensor '{}' {}{}>", t.network->name(t.id),
                           name_of(t.network->type(t.id)), t.network->shape(t.id).to_string());
      });
}

void bind_layer(nb::module_& m) {
  nb::class_<NetLayer>(m, "Layer", "A layer of a Network: a handle, which keeps the network alive.")
      .def_prop_rw(
          "name", [](const NetLayer& l) { return l.network->name(live(l)); },
          [](const NetLayer& l, const std::string& name) { l.network->rename(live(l), name); },
          "Unique within the network. The names of its outputs stay when it is renamed.")
      .def_prop_rw(
          "op", [](const NetLayer& l) { return from_op(l.network->op(live(l))); },
          [](const NetLayer& l, const AnyOp& op) { l.network->set_op(live(l), to_op(op)); },
          nb::for_getter(nb::sig("def op(self) -> octile._native.ops.Op")),
          "A copy of what it does; assign a changed one to have shapes inferred anew.")
      .def_prop_ro("inputs",
                   [](const NetLayer& l) { return handles(l.network, l.network->inputs(live(l))); })
      .def_prop_ro(
          "outputs",
          [](const NetLayer& l) { return handles(l.network, l.network->outputs(live(l))); })
      .def(
          "output",
          [](const NetLayer& l, int index) {
            const auto& outputs = l.network->outputs(live(l));
            check(index >= 0 && size_t(index) < outputs.size(), ErrorCode::kInvalidArgument,
                  "layer '{}' has {} outputs, no output {}", l.network->name(l.id), outputs.size(),
                  index);
            return NetTensor{l.network, outputs[size_t(index)]};
          },
          nb::arg("i") = 0, "Its output `i`.")
      .def(
          "set_input",
          [](const NetLayer& l, int index, const NetTensor& tensor) {
            l.network->set_input(live(l), index, id_in(l.network, tensor));
          },
          nb::arg("i"), nb::arg("tensor"),
          "Reads `tensor` instead of input `i`; `i` may be one past the last (an optional bias, "
          "say). Shapes downstream are inferred anew; InvalidArgument, and no change, where they "
          "do not fit.")
      .def_prop_rw(
          "precision",
          [](const NetLayer& l) { return std::string(name_of(l.network->precision(live(l)))); },
          [](const NetLayer& l, const std::string& name) {
            l.network->set_precision(live(l), precision_from_name(name));
          },
          "'auto', 'float32', 'float16' or 'int8': a request to build().")
      .def_prop_rw(
          "scheme",
          [](const NetLayer& l) -> std::optional<std::string> {
            const std::optional<Scheme> scheme = l.network->scheme(live(l));
            return scheme ? std::optional(std::string(name_of(*scheme))) : std::nullopt;
          },
          [](const NetLayer& l, const std::string& name) {
            l.network->set_scheme(live(l), scheme_from_name(name));
          },
          "How its inputs are quantized ('static-symmetric', …); None: as build() is told.")
      .def_prop_ro(
          "network", [](const NetLayer& l) { return l.network; }, "Whose layer it is.")
      .def("__eq__",
           [](const NetLayer& l, nb::handle other) {
             return nb::isinstance<NetLayer>(other) && l == nb::cast<const NetLayer&>(other);
           })
      .def("__hash__",
           [](const NetLayer& l) {
             return std::hash<const void*>{}(l.network.get()) * 31 + size_t(l.id.index) + 17;
           })
      .def("__repr__", [](const NetLayer& l) {
        if (!l.network->alive(l.id)) return std::string("<octile.Layer, removed>");
        return fmt::format("<octile.Layer '{}' {}>", l.network->name(l.id),
                           name_of(l.network->op(l.id)));
      });
}

void bind_building(nb::class_<Network>& cls) {
  cls.def(nb::init<std::string>(), nb::arg("name") = "network")
      .def(
          "add_input",
          [](const Net& net, const std::string& name, const DTypeLike& dtype, const Ints& shape) {
            return NetTensor{net, net->add_input(name, to_data_type(dtype), to_shape(shape))};
          },
          nb::arg("name"), nb::arg("dtype"), nb::arg("shape"),
          "Adds an input. Extents of -1 are dynamic: profiles bound them in build().")
      .def(
          "add",
          [](const Net& net, const AnyOp& op, const std::vector<NetTensor>& inputs,
             const std::string& name) {
            std::vector<TensorId> ids;
            for (const NetTensor& input : inputs) ids.push_back(id_in(net, input));
            return NetLayer{net, net->add(to_op(op), ids, name)};
          },
          nb::arg("op"), nb::arg("inputs"), nb::arg("name") = "",
          "Places an op of octile.ops. InvalidArgument names the layer where op and inputs do not "
          "fit. Without a name it gets TensorRT's: '(Unnamed Layer* 3) [Convolution]'.")
      .def(
          "constant",
          [](const Net& net, const ArrayLike& array, const std::string& name) {
            return NetTensor{net, net->constant(to_tensor(array, std::nullopt, "constant"), name)};
          },
          nb::arg("array"), nb::arg("name") = "",
          "Adds a constant of the array's type and shape (copied).")
      .def(
          "mark_output",
          [](const Net& net, const NetTensor& tensor, const std::string& name) {
            net->mark_output(id_in(net, tensor), name);
          },
          nb::arg("tensor"), nb::arg("name") = "",
          "Makes the tensor an output, renamed where `name` is given.")
      .def(
          "unmark_output",
          [](const Net& net, const NetTensor& tensor) { net->unmark_output(id_in(net, tensor)); },
          nb::arg("tensor"), "The tensor is no output any more; the others keep their order.")
      .def(
          "remove", [](const Net& net, const NetLayer& layer) { net->remove(id_in(net, layer)); },
          nb::arg("layer"), "Removes a layer none of whose outputs is used.")
      .def(
          "replace_uses",
          [](const Net& net, const NetTensor& from, const NetTensor& to) {
            net->replace_uses(id_in(net, from), id_in(net, to));
          },
          nb::arg("a"), nb::arg("b"),
          "Every use of `a` becomes one of `b`, except in layers that `b` itself depends on. If "
          "`a` is an output of the network, `b` takes its place and its name.")
      .def(
          "truncate", [](Network& net, int count) { net.truncate(count); }, nb::arg("count"),
          "Takes back all layers added since layer_count was `count`, newest first, with their "
          "marks as outputs and their numbers in default names. InvalidArgument, and no change, "
          "when an older layer reads what one of them makes. Handles of what went must not be used "
          "again: they may come to mean new layers.");
}

void bind_asking(nb::class_<Network>& cls) {
  cls.def_prop_rw(
         "name", [](const Network& net) { return net.name(); },
         [](Network& net, const std::string& name) { net.set_name(name); })
      .def_prop_ro(
          "layers", [](const Net& net) { return handles(net, net->layers()); },
          "The layers, producers before consumers, else in order of adding.")
      .def_prop_ro(
          "inputs", [](const Net& net) { return handles(net, net->inputs()); },
          "In order of adding.")
      .def_prop_ro(
          "outputs", [](const Net& net) { return handles(net, net->outputs()); },
          "In order of marking.")
      .def(
          "find_tensor",
          [](const Net& net, const std::string& name) -> std::optional<NetTensor> {
            const std::optional<TensorId> id = net->find_tensor(name);
            return id ? std::optional(NetTensor{net, *id}) : std::nullopt;
          },
          nb::arg("name"), "The tensor of that name, or None.")
      .def(
          "find_layer",
          [](const Net& net, const std::string& name) -> std::optional<NetLayer> {
            const std::optional<LayerId> id = net->find_layer(name);
            return id ? std::optional(NetLayer{net, *id}) : std::nullopt;
          },
          nb::arg("name"), "The layer of that name, or None.")
      .def_prop_ro(
          "layer_count", [](const Network& net) { return net.layer_count(); },
          "How many layers were ever added, constants and removed ones included; for truncate().")
      .def(
          "copy", [](const Network& net) { return std::make_shared<Network>(net); },
          "An independent network; the bytes of constants are shared.")
      .def("__copy__", [](const Network& net) { return std::make_shared<Network>(net); })
      .def(
          "__deepcopy__",
          [](const Network& net, nb::handle) { return std::make_shared<Network>(net); },
          nb::arg("memo"))
      .def("digest", &Network::digest,
           "16 hex digits over ops, wiring, shapes and constants, not the names of layers.")
      .def("__str__", &Network::to_string)
      .def("__repr__", [](const Network& net) {
        return fmt::format("<octile.Network '{}': {} layers, {} inputs, {} outputs>", net.name(),
                           net.layers().size(), net.inputs().size(), net.outputs().size());
      });
}

}  // namespace

void bind_network(nb::module_& m) {
  nb::class_<Network> cls(
      m, "Network",
      "A float network: layers over named tensors. Shapes are inferred as layers are added; a "
      "layer that does not fit raises InvalidArgument naming it and changes nothing. Use it from "
      "one thread at a time.");
  bind_tensor(m);
  bind_layer(m);
  bind_building(cls);
  bind_asking(cls);
  bind_weighted_forms(cls);
  bind_plain_forms(cls);
  bind_movement_forms(cls);
  bind_onnx_node(cls);
  bind_network_state(cls);
}

}  // namespace octile::python
