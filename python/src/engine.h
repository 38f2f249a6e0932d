// An engine as Python holds it.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <memory>

#include "calls.h"
#include "octile/engine.h"

namespace octile::python {

struct LoadedEngine {
  LoadedEngine(std::unique_ptr<Calls> made, Engine loaded)
      : calls(std::move(made)), engine(std::move(loaded)) {}
  std::unique_ptr<Calls> calls;  // before the engine, whose log callback uses it
  Engine engine;
};

}  // namespace octile::python
