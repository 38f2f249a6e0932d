// The state of one running instance: shapes, prepared steps, memory, pointers.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "octile/tensor.h"
#include "runtime/engine_impl.h"

namespace octile {

struct ExecutionContext::Impl {
  Impl(const Engine::Impl& engine_in, int profile_in);

  /// All that hangs on one set of input shapes.
  struct Prepared {
    std::vector<Shape> shapes;  // by tensor
    std::vector<std::unique_ptr<octile::Prepared>> steps;
  };

  void set_shape(int input, const Shape& shape);
  void activate();          // prepares for the shapes set, when all are
  void resolve_pointers();  // tensors → addresses, steps → operand lists
  void run();
  void require_ready() const;
  const void* tensor_data(int32_t tensor) const { return pointers[size_t(tensor)]; }

  const Engine::Impl& engine;
  int profile;
  const PlanProfile& plan_profile;
  Tensor arena, workspace;
  std::vector<Shape> input_shapes;
  std::vector<bool> input_known;
  std::map<std::vector<std::vector<int64_t>>, Prepared> prepared;
  Prepared* current = nullptr;  // null while a shape is missing

  std::vector<const void*> bound_inputs;  // user memory or owned_inputs
  std::vector<void*> bound_outputs;       // null: owned_outputs
  std::vector<Tensor> owned_inputs, owned_outputs;
  std::vector<void*> pointers;                    // by tensor
  std::vector<const void*> step_inputs;           // operand lists, one after the other
  std::vector<void*> step_outputs;
  std::vector<size_t> input_begin, output_begin;  // by step, into the lists
  bool pointers_valid = false;
  std::function<void(int, int64_t)> profiler;
};

}  // namespace octile
