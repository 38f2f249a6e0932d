// The seam between plans and kernels: Backend, Device, Tactic, Prepared. Compile and runtime see
// this and nothing of kernels/; kernels/backends.cc holds the list.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/accelerator.h"
#include "octile/engine.h"
#include "plan/plan_data.h"

namespace octile {

/// A device opened for an engine: what it can do and how many threads of the host it may use.
struct Device {
  Isa isa = Isa::kPortable;  // strongest level to use
  int threads = 1;
  const Accelerator* accelerator = nullptr;  // null: the CPU
};

/// One step as a tactic sees it: concrete tensors (static shapes) plus the plan for its blobs.
/// refuse(), pack() and workspace_bytes() see the profile's max shapes, prepare() the real ones.
struct StepView {
  const PlanData& plan;
  const PlanStep& step;
  std::vector<PlanTensor> inputs, outputs;
  /// Where the step quantizes inputs[0], a float tensor, itself: PlanStep::inner_quantize's tensor.
  std::optional<PlanTensor> quantized = {};

  template <typename T>
  const T* as() const {
    return std::get_if<T>(&step.step);
  }
  const Blob& blob(int32_t index) const { return plan.blobs[static_cast<size_t>(index)]; }
};

/// Weights in the form a tactic wants, where it wants them (a GPU's in its memory). Made once at
/// engine load, shared by all contexts.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
  virtual size_t bytes() const = 0;
};

/// Where a step's data lie during one run: on the device. Constants among the inputs are passed
/// too.
struct Buffers {
  const void* const* inputs;
  void* const* outputs;
  void* workspace;          // 64-byte aligned, workspace_bytes() long
  Stream stream = nullptr;  // a GPU's: run() hands its work to it and does not wait
};

/// All that hangs on one shape. run() never allocates in our code and never decides. One Prepared
/// belongs to one context (it may keep scratch state); run it from one thread at a time.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual void run(const Buffers& buffers) = 0;
};

/// One launch in place of those of several steps in a row.
class Chain {
 public:
  virtual ~Chain() = default;
  /// Makes the last step's output of the first one's input 0, but nothing that only the chain
  /// reads. REQUIRES: the two lie apart.
  virtual void run(const void* input, void* output, Stream stream) = 0;
};
struct FoundChain {
  size_t first = 0, count = 0;  // steps
  std::unique_ptr<Chain> chain;
};

/// A Tactic is one way to run a step. Stateless; one static object a row of a table.
class Tactic {
 public:
  virtual ~Tactic() = default;
  /// Unique and stable (plans and timing caches name it): "int8.gemm.avx512vnni".
  virtual std::string_view name() const = 0;
  /// The level its code needs.
  virtual Isa isa() const = 0;
  /// Empty when it can run the step on the device, else why not, as text for people.
  virtual std::string refuse(const StepView& view, const Device& device) const = 0;
  /// Host code, once at engine load; null when there is nothing to pack.
  virtual std::unique_ptr<PackedWeights> pack(const StepView&, const Device&) const {
    return nullptr;
  }
  /// Scratch for run(): monotone in the shapes, so the profile's max bounds it.
  virtual size_t workspace_bytes(const StepView&, const Device&) const { return 0; }
  /// True when prepare() heeds PlanTensor::row_stride of what the step reads and writes, at
  /// addresses that are multiples of the element's size, and writes no byte between rows. A
  /// concatenation leaves inputs alone that lie in its output already. What holds at the profile's
  /// max shapes holds below. Where it is false, the engine gives these tensors memory of their own.
  virtual bool takes_rows_apart(const StepView&) const { return false; }
  /// True when refuse() knows of StepView::quantized; others are not asked about such steps.
  virtual bool quantizes_input() const { return false; }
  virtual std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                            const Device& device) const = 0;
};

/// A plan's step as it is going to run. No view: it has nothing to do.
struct ChosenStep {
  std::optional<StepView> view;
  const Tactic* tactic = nullptr;
  const PackedWeights* packed = nullptr;
};

/// A device family and its tactics, best first for a step that several accept.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  virtual std::span<const Tactic* const> tactics() const = 0;
  /// Steps that are quicker together.
  virtual std::vector<FoundChain> find_chains(std::span<const ChosenStep> steps,
                                              const Device& device) const {
    (void)steps, (void)device;
    return {};
  }
  /// The devices there are; one without a use says in `refused` why.
  virtual std::vector<DeviceInfo> describe() const = 0;
  /// What the bits of a float engine hang on beside model and input: library, instruction set,
  /// chip. Equal texts, equal bits.
  virtual std::string float_path(int ordinal) const = 0;
  /// Throws kUnsupported when the machine lacks the ISA asked for, or the device.
  virtual Device open(std::optional<Isa> isa, int threads, int ordinal = 0) const = 0;
};

/// Compiled-in backends, the CPU first. Defined in kernels/backends.cc.
std::span<const Backend* const> backends();
/// The CPU's.
const Backend& cpu_backend();
/// A device by its public name: "cpu", "cuda:1", "cuda" for "cuda:0".
struct DeviceName {
  const Backend* backend;
  int ordinal = 0;
};
/// Throws kInvalidArgument for what is no name, kDevice for a backend not compiled in.
DeviceName device_from_name(std::string_view name);

/// "" or the reason: the tactic's own, or that its ISA is stronger than the device's.
std::string refusal(const Tactic& tactic, const StepView& view, const Device& device);
/// All rows that accept the step, best first.
std::vector<const Tactic*> accepting(const Backend& backend, const StepView& view,
                                     const Device& device);
/// The first row that accepts; throws kUnsupported naming the step and every reason.
const Tactic& first_accepting(const Backend& backend, const StepView& view, const Device& device);
/// The row of that name, or null.
const Tactic* find_tactic(const Backend& backend, std::string_view name);

/// The view of a step for given shapes of all tensors (infer_all_shapes()), and their places (by
/// tensor, or empty).
StepView make_view(const PlanData& plan, const PlanStep& step, std::span<const Shape> shapes,
                   std::span<const Place> places = {});

}  // namespace octile
