// The state of one running instance: shapes, prepared steps, memory, pointers.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backend/step_threads.h"
#include "octile/tensor.h"
#include "runtime/accelerated.h"
#include "runtime/engine_impl.h"

namespace octile {

struct ExecutionContext::Impl {
  Impl(const Engine::Impl& engine_in, int profile_in);

  /// All that hangs on one set of input shapes.
  struct Prepared {
    std::vector<Shape> shapes;                             // by tensor; kDynamic in late ones
    std::vector<std::unique_ptr<octile::Prepared>> steps;  // null: a late one
    std::vector<StepThreads> threads;                      // by step
    std::vector<std::unique_ptr<PackedWeights>> packed;  // of tactics chosen for these shapes alone
    std::vector<RunsOnHost*> host_steps;                 // of a GPU's
    std::unique_ptr<GraphCache> graphs;                  // likewise
    std::vector<FoundChain> chains;                      // by their first step
    uint64_t last_used = 0;
  };

  /// A step whose shapes hang on values, as it last ran: kept for a run with the same shapes.
  struct Late {
    std::vector<Shape> shapes;  // of inputs, then outputs
    std::unique_ptr<octile::Prepared> prepared;
    std::map<const Tactic*, std::unique_ptr<PackedWeights>> packed;
  };

  void require_type(size_t input, const Tensor& value) const;
  void require_inside(size_t input, const Shape& shape) const;
  void set_shape(size_t input, const Shape& shape);
  void set_shapes(const std::vector<Tensor>& inputs);
  void set_data(size_t input, const Tensor& value);
  void activate();  // prepares for the shapes set, when all are; else current is null
  Prepared prepare();
  const Tactic& other_for(const StepView& view) const;
  const Tactic& tactic_for(size_t step, const StepView& view);
  void find_views();
  void resolve_pointers();  // tensors → addresses, steps → operand lists; allocates nothing
  void run();
  void run_step(size_t step);
  void make_late_outputs(size_t step);
  octile::Prepared& prepare_late(size_t step);
  const void* on_host(size_t tensor) const;
  /// Under the shapes set; a late tensor's is known after run(). REQUIRES: current.
  const Shape& shape_of(size_t tensor) const {
    return ran && engine.late[tensor] ? run_shapes[tensor] : current->shapes[tensor];
  }
  void require_ready();
  void grow_workspace(size_t bytes);

  // On a GPU (accelerated.cc, device_run.cc):
  size_t bytes_at_max(size_t tensor) const;
  void bind_input_on_device(size_t input, const void* data);
  void bind_output_on_device(size_t output, void* data);
  void provide_outputs_on_device();
  void provide_late_inputs();
  void set_data_on_device(size_t input, const Tensor& value);
  void* device_input(size_t input) const;
  void* device_output(size_t output) const;
  void read_output(size_t output, Tensor& copy) const;
  /// A copy of a tensor on the host, valid until the next call for it.
  const void* mirror(size_t tensor, size_t bytes) const;
  void enqueue_late_inputs(const PlanStep& step, Stream stream);
  void enqueue_steps(Stream stream, bool marked);
  bool overwrites_itself(const FoundChain& chain) const;
  const FoundChain* chain_at(size_t step) const;
  void enqueue_chain(const FoundChain& chain, Stream stream);
  void enqueue_step(size_t step, Stream stream);
  void find_chains(Prepared& made, std::span<const ChosenStep> chosen) const;
  DeviceGraph record_graph();
  void enqueue(Stream stream);
  void run_on_device(Stream stream);
  void wait_for_device() const;  // throws what went wrong since the last wait
  [[noreturn]] void fail_on_device(const std::string& failure) const;

  /// Bytes of a tensor on the host, after a run().
  const void* tensor_data(int32_t tensor) const {
    const auto t = size_t(tensor);
    if (gpu == nullptr) return pointers[t];
    return mirror(t, size_t(shape_of(t).volume()) * size_of(engine.data.tensors[t].type));
  }
  const PlanTensor& input_tensor(size_t input) const {
    return engine.data.tensors[size_t(engine.data.inputs[input])];
  }

  const Engine::Impl& engine;
  int profile;
  const PlanProfile& plan_profile;
  Memory arena, workspace;
  Memory late_workspace;  // of late steps, which run on the host, where the rest is on a GPU
  std::vector<Shape> input_shapes;
  std::vector<bool> input_known;
  int varying_inputs = 0;  // those whose shape the caller sets
  std::map<std::vector<std::vector<int64_t>>, Prepared> prepared;
  Prepared* current = nullptr;  // null while a shape is missing or the shapes do not fit
  uint64_t uses = 0;

  std::vector<const void*> bound_inputs;  // user memory or owned_inputs
  std::vector<void*> bound_outputs;       // null: owned_outputs
  std::vector<Tensor> owned_inputs, owned_outputs;
  std::vector<std::pair<int32_t, int32_t>> views_in_place;  // foreign_views()
  std::vector<int32_t> output_parts;                        // tensors that lie in an output
  std::vector<void*> pointers;                              // by tensor
  std::vector<const void*> step_inputs;                     // operand lists, one after the other
  std::vector<void*> step_outputs;
  std::vector<size_t> input_begin, output_begin;  // by step, into the lists
  bool pointers_valid = false;
  std::map<size_t, Late> late;      // by step
  std::vector<Tensor> late_values;  // by tensor; empty in plans without late ones
  std::vector<Shape> run_shapes;    // by tensor, of the last run; the same
  bool ran = false;                 // since the shapes were set, to the end
  std::function<void(int, int64_t)> profiler;
  std::unique_ptr<Accelerated> gpu;  // null on the CPU
};

}  // namespace octile
