// An execution context as Python holds it: with its engine and the arrays that are bound.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "convert.h"
#include "device_memory.h"
#include "engine.h"

namespace octile::python {

class Context {
 public:
  Context(std::shared_ptr<LoadedEngine> engine, int profile);

  const std::shared_ptr<LoadedEngine>& engine() const { return engine_; }
  int profile() const { return context_.profile(); }
  void set_input_shape(const std::string& name, const Shape& shape);
  Shape shape(const std::string& name);
  void bind_input(const std::string& name, nb::handle memory);
  void bind_output(const std::string& name, nb::handle memory);
  void set_input(const std::string& name, nb::handle array);
  nb::object output(const std::string& name);
  /// The outputs by name; None when `inputs` is.
  nb::object run(nb::handle inputs);
  /// Hands a run to a CUDA stream of the caller's.
  void run_on(uintptr_t stream);
  void wait();
  void set_profiler(nb::object profiler);

  /// For Python's garbage collector.
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  struct Slot {
    const Binding* binding = nullptr;
    nb::object memory;      // bound by the caller: an array, or None for an address
    nb::object scratch;     // the array of the last run() with inputs
    size_t capacity = 0;    // bytes of `memory`; 0: an address
    uintptr_t address = 0;  // bound by the caller instead of an array
    bool bound = false;     // by the caller
  };
  class Use;  // one thread at a time

  Slot& slot(const std::string& name, bool input);
  void feed(Slot& slot, nb::handle array);
  void feed_all(nb::handle inputs);
  void provide_output(Slot& slot, bool fresh);
  void check_capacity(const Slot& slot);
  /// Checks and holds what was bound by address, for one run.
  std::vector<DeviceMemory::Use> addressed();
  nb::dict results();

  std::shared_ptr<LoadedEngine> engine_;
  ExecutionContext context_;
  std::vector<Slot> slots_;
  size_t input_count_ = 0;
  nb::object profiler_;
  Calls calls_;
  std::atomic<bool> in_use_ = false;
};

}  // namespace octile::python
