// ExecutionContext as a Python class.
#include <nanobind/stl/string.h>

#include "context.h"
#include "module.h"

namespace octile::python {

namespace {

// A profiler or a bound array may refer to the context again.
int traverse(PyObject* self, visitproc visit, void* arg) {
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  if (!nb::inst_ready(self)) return 0;
  return nb::inst_ptr<Context>(self)->traverse(visit, arg);
}
int clear(PyObject* self) {
  if (nb::inst_ready(self)) nb::inst_ptr<Context>(self)->clear();
  return 0;
}
const PyType_Slot kSlots[] = {{Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(clear)},
                              {0, nullptr}};

void bind_memory(nb::class_<Context>& cls) {
  cls.def(
         "set_input_shape",
         [](Context& c, const std::string& name, const Ints& shape) {
           c.set_input_shape(name, to_shape(shape));
         },
         nb::arg("name"), nb::arg("shape"),
         "Within [min, max] of the profile, else InvalidArgument. Where several inputs vary they "
         "may disagree until the last is set.")
      .def(
          "shape", [](Context& c, const std::string& name) { return from_shape(c.shape(name)); },
          nb::arg("name"), nb::sig("def shape(self, name: str) -> tuple[int, ...]"),
          "The shape of an input or output under the input shapes set so far.")
      .def(
          "bind_input",
          [](Context& c, const std::string& name, const nb::object& memory) {
            c.bind_input(name, memory);
          },
          nb::arg("name"), nb::arg("memory"),
          nb::sig("def bind_input(self, name: str, memory: int | numpy.typing.ArrayLike) -> None"),
          "Reads the input from this memory at every run(), without a copy: a dense array of the "
          "right type, which also sets the input's shape and is kept alive, or an address (an "
          "int), which must hold shape(name) at every run().")
      .def(
          "bind_output",
          [](Context& c, const std::string& name, const nb::object& memory) {
            c.bind_output(name, memory);
          },
          nb::arg("name"), nb::arg("memory"),
          nb::sig("def bind_output(self, name: str, memory: int | numpy.typing.ArrayLike) -> None"),
          "Writes the output to this memory at every run(): a dense, writable array of the right "
          "type and large enough, or an address (an int). Not for outputs whose shape depends on "
          "values.")
      .def(
          "set_input",
          [](Context& c, const std::string& name, const ArrayLike& array) {
            c.set_input(name, array);
          },
          nb::arg("name"), nb::arg("array"),
          "Copies an array into the context and sets the input's shape.")
      .def(
          "output", [](Context& c, const std::string& name) { return c.output(name); },
          nb::arg("name"), nb::sig("def output(self, name: str) -> numpy.ndarray"),
          "A copy of an output after run(), with the shape that it really has.");
}

}  // namespace

void bind_context(nb::module_& m) {
  nb::class_<Context> cls(m, "ExecutionContext", nb::type_slots(kSlots),
                          "One running instance of an Engine. Use it from one thread at a time; "
                          "several contexts run at the same time.");
  bind_memory(cls);
  cls.def(
         "run", [](Context& c, const nb::object& inputs) { return c.run(inputs); },
         nb::arg("inputs") = nb::none(),
         nb::sig("def run(self, inputs: numpy.typing.ArrayLike | "
                 "collections.abc.Sequence[numpy.typing.ArrayLike] | "
                 "dict[str, numpy.typing.ArrayLike] | None = None) -> dict[str, numpy.ndarray]"),
         "Runs with an array (one input), a list or tuple of arrays in the order of the inputs, or "
         "a dict by name, and returns the outputs by name in fresh arrays. Dense arrays of the "
         "right type are read where they are; others are converted: any numbers to floats, to "
         "integers what they hold exactly.\n\n"
         "An output bound to an array is returned as that array, one bound to an address is left "
         "out. Without inputs it runs what is bound or set, and returns None: see output().")
      .def(
          "run_on", [](Context& c, uintptr_t stream) { c.run_on(stream); }, nb::arg("stream"),
          "Engines on a GPU: hands the work to a CUDA stream (its handle as a number) and returns; "
          "what is bound or set is run. Bind memory of the GPU by its address.")
      .def(
          "wait", [](Context& c) { c.wait(); },
          "Waits for the last run_on(), and raises what went wrong in it.")
      .def(
          "set_profiler",
          [](Context& c, nb::object profiler) { c.set_profiler(std::move(profiler)); },
          nb::arg("profiler") = nb::none(),
          nb::sig("def set_profiler(self, profiler: "
                  "collections.abc.Callable[[int, int], object] | None) -> None"),
          "Called as profiler(step, nanoseconds) after every step, `step` as in Plan.layers(); "
          "None: no more.")
      .def_prop_ro("profile", &Context::profile, "The index of its profile.")
      .def_prop_ro("engine", &Context::engine, "The engine that it runs.");
}

}  // namespace octile::python
