// See common.h.
#include "kernels/onednn/common.h"

#include <cstdlib>
#include <limits>

#include "base/cpu.h"
#include "base/error.h"

namespace octile::onednn {

namespace {

/// oneDNN's name of a level: what OCTILE_FORCE_ISA allows the float rows.
dnnl::cpu_isa isa_of(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
    case Isa::kNeon:
    case Isa::kNeonDot:
    case Isa::kDp4a:
    case Isa::kMma:
    case Isa::kWgmma: return dnnl::cpu_isa::sse41;
    case Isa::kAvx2: return dnnl::cpu_isa::avx2;
    case Isa::kAvxVnni: return dnnl::cpu_isa::avx2_vnni;
    case Isa::kAvx512Vnni: return dnnl::cpu_isa::avx512_core_vnni;
    // Float stays float: without a word to the contrary oneDNN computes float32 in float32 whatever
    // the CPU has, so the level may allow AMX.
    case Isa::kAmx: return dnnl::cpu_isa::avx512_core_amx;
  }
  return dnnl::cpu_isa::sse41;
}

dnnl::engine make_engine() {
  const char* forced = std::getenv("OCTILE_FORCE_ISA");
  if (forced != nullptr && *forced != 0) {
    // Too late is no error: whoever used oneDNN before us in this process has decided.
    (void)dnnl::set_max_cpu_isa(isa_of(default_isa()));
  }
  return {dnnl::engine::kind::cpu, 0};
}

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine = make_engine();
  return engine;
}

const dnnl::stream& cpu_stream() {
  // One a thread: contexts in several threads must not share a stream.
  thread_local const dnnl::stream stream(cpu_engine());
  return stream;
}

Dims dims_of(const Shape& shape) { return {shape.begin(), shape.end()}; }

Desc describe(const PlanTensor& tensor) {
  Dims dims = dims_of(tensor.shape);
  if (dims.empty()) dims = {1};
  Dims strides(dims.size());
  int64_t step = 1;
  if (tensor.layout == Layout::kChannelsLast) {
    strides[1] = 1;
    step = dims[1];
    for (size_t axis = dims.size(); axis-- > 2;) {
      strides[axis] = step;
      step *= dims[axis];
    }
    strides[0] = step;
  } else {
    for (size_t axis = dims.size(); axis-- > 0;) {
      strides[axis] = step;
      step *= dims[axis];
    }
  }
  return Desc(dims, dnnl::memory::data_type::f32, strides);
}

Desc describe_image(const PlanTensor& tensor) {
  PlanTensor copy = tensor;
  if (tensor.shape.rank() == 3) {
    copy.shape = Shape{tensor.shape[0], tensor.shape[1], 1, tensor.shape[2]};
  }
  return describe(copy);
}

Desc any_layout(const Dims& dims) {
  return Desc(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any);
}

std::string refuse_unless_float(const StepView& view) {
  for (const auto* list : {&view.inputs, &view.outputs}) {
    for (const PlanTensor& tensor : *list) {
      if (tensor.type != DataType::kFloat32) return "float32 only";
      for (int64_t extent : tensor.shape) {
        if (extent == 0) return "an extent is zero";
      }
    }
  }
  return "";
}

void append_clamp(dnnl::post_ops& ops, const Clamp& clamp) {
  const bool below = clamp.lo > -kInfinity, above = clamp.hi < kInfinity;
  if (!below && !above) return;
  if (clamp.lo == 0.0f && !above) {
    append_eltwise(ops, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    return;
  }
  constexpr float kMax = std::numeric_limits<float>::max();
  append_eltwise(ops, dnnl::algorithm::eltwise_clip, below ? clamp.lo : -kMax,
                 above ? clamp.hi : kMax);
}

dnnl::primitive_attr attributes(const dnnl::post_ops& ops) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  attr.set_post_ops(ops);
  return attr;
}

std::string refusal_of(const std::function<void()>& make) {
  try {
    make();
    return "";
  } catch (const dnnl::error& error) {
    return fmt::format("oneDNN: {}", error.what());
  }
}

PackedMemory::PackedMemory(const Desc& from, const void* data, const Desc& to)
    : memory_(to, cpu_engine()) {
  dnnl::memory source(from, cpu_engine(), const_cast<void*>(data));
  dnnl::stream stream(cpu_engine());
  dnnl::reorder(source, memory_).execute(stream, source, memory_);
  stream.wait();
}

PreparedPrimitive::PreparedPrimitive(dnnl::primitive primitive, const Desc& scratchpad)
    : HasStepThreads(StepThreads::kOpenMp), primitive_(std::move(primitive)) {
  bind(DNNL_ARG_SCRATCHPAD, scratchpad, Source::kWorkspace);
}

void PreparedPrimitive::bind(int argument, const Desc& desc, Source source, int index,
                             const void* fixed) {
  check(count_ < kMaxArguments, ErrorCode::kInternal, "a oneDNN step has too many arguments");
  Slot& slot = slots_[static_cast<size_t>(count_)];
  slot = {dnnl::memory(desc, cpu_engine(), const_cast<void*>(fixed)), source, index};
  arguments_[static_cast<size_t>(count_++)] = {argument, slot.memory.get()};
}

void PreparedPrimitive::run(const Buffers& buffers) {
  for (int i = 0; i < count_; ++i) {
    const Slot& slot = slots_[static_cast<size_t>(i)];
    void* data = nullptr;
    switch (slot.source) {
      case Source::kInput: data = const_cast<void*>(buffers.inputs[slot.index]); break;
      case Source::kOutput: data = buffers.outputs[slot.index]; break;
      case Source::kWorkspace: data = buffers.workspace; break;
      case Source::kFixed: continue;
    }
    dnnl_memory_set_data_handle(slot.memory.get(), data);
  }
  const dnnl_status_t status =
      dnnl_primitive_execute(primitive_.get(), cpu_stream().get(), count_, arguments_.data());
  check(status == dnnl_success, ErrorCode::kInternal, "oneDNN failed to run a step (status {})",
        static_cast<int>(status));
}

}  // namespace octile::onednn
