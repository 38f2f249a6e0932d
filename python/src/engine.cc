// Engine and Binding, and what this machine offers.
#include "engine.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "context.h"
#include "convert.h"
#include "module.h"

namespace octile::python {

Plan plan_of(nb::handle source) {
  if (nb::isinstance<Plan>(source)) return nb::cast<const Plan&>(source);
  if (PyObject_CheckBuffer(source.ptr()) != 0) {
    const std::string bytes = to_bytes(source, "plan");
    return Calls().run([&] { return Plan::parse(bytes); });
  }
  const std::string file = to_path(source);
  return Calls().run([&] { return Plan::load(file); });
}

namespace {

std::shared_ptr<LoadedEngine> load(nb::handle source, const std::optional<std::string>& isa,
                                   int threads, nb::object log, const std::string& device) {
  const Plan plan = plan_of(source);
  auto calls = std::make_unique<Calls>();
  EngineOptions options;
  options.device = device;
  if (isa) options.isa = isa_from_name(*isa);
  options.threads = threads;
  options.log = calls->log(std::move(log));
  Calls& running = *calls;
  return std::make_shared<LoadedEngine>(std::move(calls),
                                        running.run([&] { return Engine::load(plan, options); }));
}

void bind_binding(nb::module_& m) {
  nb::class_<Binding>(m, "Binding", "An input or output of an engine.")
      .def_ro("name", &Binding::name)
      .def_prop_ro(
          "dtype", [](const Binding& b) { return from_data_type(b.type); },
          nb::sig("def dtype(self) -> numpy.dtype"))
      .def_prop_ro(
          "shape", [](const Binding& b) { return from_shape(b.shape); },
          nb::sig("def shape(self) -> tuple[int, ...]"),
          "-1 where it depends on the profile, or on values.")
      .def_ro("is_input", &Binding::is_input)
      .def_ro("from_values", &Binding::from_values,
              "Its shape may depend on values (NonZero … are before it): it is known after run() "
              "only, and it cannot be bound.")
      .def("__repr__", [](const Binding& b) {
        return std::string("<octile.Binding ") + (b.is_input ? "input" : "output") + " '" + b.name +
               "' " + std::string(name_of(b.type)) + b.shape.to_string() + ">";
      });
}

void bind_devices(nb::module_& m) {
  nb::class_<DeviceInfo>(m, "DeviceInfo", "What this build and this machine offer.")
      .def_ro("backend", &DeviceInfo::backend, "'cpu' or 'cuda'")
      .def_ro("id", &DeviceInfo::id, "What `device` takes: 'cpu', 'cuda:0'; '' where none is.")
      .def_ro("memory_bytes", &DeviceInfo::memory_bytes, "A GPU's memory.")
      .def_ro("name", &DeviceInfo::name, "The CPU's or GPU's model.")
      .def_ro("compiled", &DeviceInfo::compiled, "Instruction sets compiled in.")
      .def_ro("usable", &DeviceInfo::usable, "Those of them that the machine can run.")
      .def_ro("refused", &DeviceInfo::refused, "Why the others are not.")
      .def_ro("cores", &DeviceInfo::cores, "A GPU's multiprocessors.")
      .def("__repr__", [](const DeviceInfo& d) {
        return "<octile.DeviceInfo " + d.backend + " '" + d.name + "', " + std::to_string(d.cores) +
               " cores>";
      });
  m.def("devices", &devices, "The devices of this machine.");
}

using Getter = Shape (Engine::*)(const std::string&, int) const;

auto shape_getter(Getter getter) {
  return [getter](const LoadedEngine& e, const std::string& input, int profile) {
    return from_shape((e.engine.*getter)(input, profile));
  };
}

}  // namespace

void bind_engine(nb::module_& m) {
  bind_binding(m);
  bind_devices(m);
  nb::class_<LoadedEngine>(m, "Engine",
                           "A plan loaded on this machine: kernels checked, weights packed. "
                           "Immutable: contexts in several threads share it.")
      .def(nb::new_([](const nb::object& plan, const std::optional<std::string>& isa, int threads,
                       nb::object log, const std::string& device) {
             return load(plan, isa, threads, std::move(log), device);
           }),
           nb::arg("plan"), nb::arg("isa") = nb::none(), nb::arg("threads") = 0,
           nb::arg("log") = nb::none(), nb::arg("device") = "cpu",
           "plan: a Plan, the path of a plan file, or its bytes. isa: strongest instruction set "
           "('avx2', …; None: the machine's). threads: 0 is all cores. log(level, message) is told "
           "of steps whose preferred kernel does not run here. device: 'cpu', or a GPU as "
           "devices() lists it ('cuda:0'). InvalidFile, IoError, DeviceError.")
      .def_prop_ro(
          "bindings", [](const LoadedEngine& e) { return e.engine.bindings(); },
          "Inputs in the order of adding, then outputs in the order of marking.")
      .def_prop_ro("profile_count", [](const LoadedEngine& e) { return e.engine.profile_count(); })
      .def("min_shape", shape_getter(&Engine::min_shape), nb::arg("input"), nb::arg("profile") = 0,
           nb::sig("def min_shape(self, input: str, profile: int = 0) -> tuple[int, ...]"),
           "The least shape of an input under a profile.")
      .def("opt_shape", shape_getter(&Engine::opt_shape), nb::arg("input"), nb::arg("profile") = 0,
           nb::sig("def opt_shape(self, input: str, profile: int = 0) -> tuple[int, ...]"),
           "What tactics are tuned for: the usual shape of an input under a profile.")
      .def("max_shape", shape_getter(&Engine::max_shape), nb::arg("input"), nb::arg("profile") = 0,
           nb::sig("def max_shape(self, input: str, profile: int = 0) -> tuple[int, ...]"),
           "The largest shape of an input under a profile.")
      .def(
          "tactics", [](const LoadedEngine& e, int profile) { return e.engine.tactics(profile); },
          nb::arg("profile") = 0, "The kernel that each step of Plan.layers() really runs here.")
      .def_prop_ro(
          "isa", [](const LoadedEngine& e) { return std::string(e.engine.isa()); },
          "Strongest instruction set in use.")
      .def_prop_ro(
          "device", [](const LoadedEngine& e) { return e.engine.device(); },
          "'cpu', 'cuda:0', …: where it runs.")
      .def_prop_ro("plan", [](const LoadedEngine& e) { return e.engine.plan(); })
      .def_prop_ro(
          "packed_bytes", [](const LoadedEngine& e) { return e.engine.packed_bytes(); },
          "Bytes of packed weights.")
      .def(
          "arena_bytes",
          [](const LoadedEngine& e, int profile) { return e.engine.arena_bytes(profile); },
          nb::arg("profile") = 0, "Bytes of one context's arena under a profile.")
      .def(
          "create_context",
          [](const std::shared_ptr<LoadedEngine>& engine, int profile) {
            return new Context(engine, profile);
          },
          nb::arg("profile") = 0, "A context for the shapes of a profile.")
      .def("__repr__", [](const LoadedEngine& e) {
        return "<octile.Engine '" + e.engine.plan().name() + "' on " + std::string(e.engine.isa()) +
               ">";
      });
}

}  // namespace octile::python
