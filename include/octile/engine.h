// Running a plan: Engine (loaded on a device) and ExecutionContext (one running instance).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "octile/plan.h"
#include "octile/tensor.h"
#include "octile/types.h"

namespace octile {

struct EngineOptions {
  /// "cpu", or a GPU: "cuda:0", "cuda:1" … (docs/gpu.md; devices() lists them). Where the plan was
  /// built does not matter: int8 steps give the same bits.
  std::string device = "cpu";
  /// Strongest ISA of int8 steps; default: the device's, or what OCTILE_FORCE_ISA says (which
  /// binds the float steps of oneDNN as well, from their first use in the process on). A GPU's are
  /// dp4a, mma and wgmma.
  std::optional<Isa> isa;
  int threads = 0;  // 0: all cores; shared by float and int8 steps
  /// Told once a step whose preferred tactic refuses here and what runs instead, and what
  /// concatenations copy.
  std::function<void(LogLevel, std::string_view)> log;
};

/// An input or output of an engine.
struct Binding {
  std::string name;
  DataType type = DataType::kFloat32;
  Shape shape;  // kDynamic where it depends on the profile, or on values
  bool is_input = false;
  /// An output whose shape may depend on values (NonZero, NonMaxSuppression … are before it): it is
  /// known after each run() only, need not have a batch axis, and cannot be bound.
  bool from_values = false;
};

/// A CUDA stream of the caller's (a cudaStream_t): what run() hands its work to.
struct DeviceStream {
  explicit DeviceStream(void* stream) : handle(stream) {}
  void* handle;
};

class ExecutionContext;

/// An Engine is a plan loaded on a device: tactics checked, weights packed. Immutable after
/// loading: contexts in several threads may share it. It must outlive its contexts.
class Engine {
 public:
  static Engine load(const Plan& plan, const EngineOptions& options = {});
  static Engine load(const std::string& file, const EngineOptions& options = {});
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  /// Inputs in the order of adding, then outputs in the order of marking.
  const std::vector<Binding>& bindings() const;
  int profile_count() const;
  Shape min_shape(const std::string& input, int profile) const;
  Shape opt_shape(const std::string& input, int profile) const;
  Shape max_shape(const std::string& input, int profile) const;
  /// The tactic that step i really runs here ("chosen at run time" behind NonZero and its like,
  /// "done by its reader" where a first layer quantizes its input itself), by Plan::layers() order,
  /// for one profile.
  std::vector<std::string> tactics(int profile = 0) const;
  /// Strongest ISA in use: "avx2", …
  std::string_view isa() const;
  /// "cpu", "cuda:0", …
  const std::string& device() const;
  const Plan& plan() const;
  /// Bytes of packed weights, and of one context's arena under a profile.
  size_t packed_bytes() const;
  size_t arena_bytes(int profile) const;

  ExecutionContext create_context(int profile = 0) const;

 private:
  friend class ExecutionContext;
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An ExecutionContext is one running instance: shapes, one arena, bound memory. Use it from one
/// thread at a time; different contexts are independent.
class ExecutionContext {
 public:
  ExecutionContext(ExecutionContext&&) noexcept;
  ExecutionContext& operator=(ExecutionContext&&) noexcept;
  ~ExecutionContext();

  int profile() const;
  /// Within [min, max] of the profile, else kInvalidArgument naming input, shape and bounds.
  /// Prepares every step for the shape (may allocate); the last 32 prepared shapes are kept.
  /// Where the shapes of several inputs vary they may disagree until the last is set; run() throws
  /// if they still do. Data that set_input() copied under another shape is forgotten.
  void set_input_shape(const std::string& input, const Shape& shape);
  /// Shape under the shapes set so far. Throws while an input it depends on is unset. Of an output
  /// with Binding::from_values: after run() that of this run's result, before it with kDynamic.
  Shape shape(const std::string& binding) const;

  /// Binds caller-owned memory, used without a copy; dense, row-major, at least
  /// shape(binding).volume() elements; it must stay valid during run(), and outputs lie apart
  /// from inputs: parts of them may be written before all inputs are read. An output whose shape
  /// depends on values cannot be bound, since nobody knows how large it will be: use output().
  /// An engine on a GPU takes both kinds of address: memory of that GPU (cudaMalloc; 16-byte
  /// aligned memory is used in place) and memory of the host, which each run copies from or to.
  void bind_input(const std::string& name, const void* data);
  void bind_output(const std::string& name, void* data);
  /// Copies into memory of the context, shape included (sets the input shape).
  void set_input(const std::string& name, const Tensor& value);
  /// A copy of an output after run(), with the shape it really has.
  Tensor output(const std::string& name) const;

  /// Runs all steps. Never allocates in Octile's code, but for tensors whose shape depends on
  /// values (Binding::from_values). Throws when an input is neither bound nor set, or an output
  /// shape is not known yet.
  void run();
  /// Engines on a GPU: hands the same work to the caller's stream and returns. Neither allocates
  /// nor waits, but for memory of the host that is not pinned, and where outputs depend on values
  /// (Binding::from_values). The first two runs under new shapes or addresses differ: one goes step
  /// by step, the next one records the graph that later ones replay. Runs of one context are done
  /// one after the other, whatever streams they are handed to. kInvalidArgument on the CPU.
  void run(DeviceStream stream);
  /// Waits for the last run(stream). Throws what went wrong in it, naming the step where that can
  /// be known; so does output().
  void wait();
  /// Convenience: inputs in binding order → outputs in binding order.
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);

  /// Called around every step while set (index as in Plan::layers(), nanoseconds). For `bench`.
  void set_profiler(std::function<void(int step, int64_t nanoseconds)> profiler);

 private:
  friend class Engine;
  friend class TensorAccess;
  friend class StepClock;
  struct Impl;
  explicit ExecutionContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// What this build and this machine offer, for `octile devices`.
struct DeviceInfo {
  std::string backend;                // "cpu", "cuda"
  std::string name;                   // CPU or GPU model
  std::vector<std::string> compiled;  // ISAs compiled in
  std::vector<std::string> usable;    // of those, what the machine can run
  std::vector<std::string> refused;   // "avx512vnni: the CPU lacks AVX512_VNNI"
  int cores = 0;                      // a GPU's multiprocessors
  std::string id = "cpu";    // what EngineOptions::device takes: "cuda:0"; "" where there is none
  int64_t memory_bytes = 0;  // a GPU's
};
/// The CPU first. A build with GPUs in it has one entry a GPU, or one that says why there is none.
std::vector<DeviceInfo> devices();

}  // namespace octile
