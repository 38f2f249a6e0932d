// What the oneDNN tactics share: the engine, descriptors of our tensors, a Prepared that runs one
// primitive without allocating.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "backend/step_threads.h"
#include "kernels/onednn/onednn_compat.h"

namespace octile::onednn {

/// The CPU engine and one in-order stream, made on first use.
const dnnl::engine& cpu_engine();
const dnnl::stream& cpu_stream();

/// oneDNN's description of a tensor, logical axes in our order, strides by layout. Float32 only.
Desc describe(const PlanTensor& tensor);
/// Images as (N, C, H, W) with channels innermost; 3-d images get H = 1.
Desc describe_image(const PlanTensor& tensor);
/// The same with every stride chosen by oneDNN.
Desc any_layout(const Dims& dims);
Dims dims_of(const Shape& shape);

/// "" when all tensors of the view are float32, else the text "float32 only".
std::string refuse_unless_float(const StepView& view);

/// clamp → post-op (none when unbounded).
void append_clamp(dnnl::post_ops& ops, const Clamp& clamp);

/// Attributes every primitive gets: scratchpads are ours (the step's workspace).
dnnl::primitive_attr attributes(const dnnl::post_ops& ops = {});

/// Runs `make` and turns oneDNN's exceptions into a refusal text ("" when it worked).
std::string refusal_of(const std::function<void()>& make);

/// Weights reordered into the form that oneDNN asked for at the profile's max shapes.
class PackedMemory : public PackedWeights {
 public:
  PackedMemory(const Desc& from, const void* data, const Desc& to);
  size_t bytes() const override { return memory_.get_desc().get_size(); }
  Desc desc() const { return memory_.get_desc(); }
  void* data() const { return memory_.get_data_handle(); }

 private:
  dnnl::memory memory_;
};

/// A PreparedPrimitive runs one primitive. Arguments name where the bytes come from at run time.
class PreparedPrimitive : public Prepared, public HasStepThreads {
 public:
  enum class Source : uint8_t { kInput, kOutput, kWorkspace, kFixed };
  PreparedPrimitive(dnnl::primitive primitive, const Desc& scratchpad);
  /// `fixed` is for Source::kFixed (weights, biases of the plan); it must outlive the object.
  void bind(int argument, const Desc& desc, Source source, int index = 0,
            const void* fixed = nullptr);
  void run(const Buffers& buffers) override;

 private:
  static constexpr int kMaxArguments = 8;
  struct Slot {
    dnnl::memory memory;
    Source source;
    int index;
  };
  dnnl::primitive primitive_;
  std::array<Slot, kMaxArguments> slots_;
  std::array<dnnl_exec_arg_t, kMaxArguments> arguments_;
  int count_ = 0;
};

}  // namespace octile::onednn
