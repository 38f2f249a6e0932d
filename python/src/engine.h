// An engine as Python holds it.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <memory>

#include "calls.h"
#include "octile/engine.h"

namespace octile::python {

/// A Plan, the path of a plan file, or its bytes.
Plan plan_of(nb::handle source);

struct LoadedEngine {
  LoadedEngine(std::unique_ptr<Calls> made, Engine loaded)
      : calls(std::move(made)), engine(std::move(loaded)) {}
  std::unique_ptr<Calls> calls;  // before the engine, whose log callback uses it
  Engine engine;
};

}  // namespace octile::python
