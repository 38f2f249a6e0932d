// PlanData: what a plan is made of, in memory. Pure data; plan_file.cc writes and checks it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octile/plan.h"
#include "octile/types.h"
#include "plan/step.h"

namespace octile {

/// A tensor between steps. `blob` ≥ 0: a constant. Quantized tensors have type kInt8 or kUInt8
/// and scale > 0, except those of dynamic quantization (their scales are tensors).
struct PlanTensor {
  std::string name;
  DataType type = DataType::kFloat32;
  Layout layout = Layout::kPlain;
  Shape shape;  // kDynamic where it depends on the inputs' shapes
  float scale = 0.0f;
  int32_t zero_point = 0;
  int32_t blob = -1;
  /// Least value an 8-bit tensor can hold, known from the steps before it (annotate_minima()):
  /// kernels read signed tensors that are never negative as unsigned. Not in the file.
  int32_t q_min = -128;
  /// Bytes from row to row where the tensor lies in a concatenation's output (plan/places.h); 0:
  /// rows lie close together. Engines alone know it. Not in the file.
  int64_t row_stride = 0;
  bool operator==(const PlanTensor&) const = default;
};

inline bool is_8bit(const PlanTensor& t) {
  return t.type == DataType::kInt8 || t.type == DataType::kUInt8;
}
inline bool is_float(const PlanTensor& t) { return t.type == DataType::kFloat32; }
/// float32, or float16 that steps compute with in float32.
inline bool is_real(DataType type) {
  return type == DataType::kFloat32 || type == DataType::kFloat16;
}

/// What a step makes of its first input, a float tensor, before it reads it: what a Quantize step
/// would (plan/quantize_chains.h). `tensor`: the 8-bit tensor that it reads then; −1: nothing.
struct InnerQuantize {
  int32_t tensor = -1;
  int32_t q_lo = -128, q_hi = 127;
  bool operator==(const InnerQuantize&) const = default;
};

struct PlanStep {
  std::string name;  // original layer names, joined by " + "
  Step step;
  std::vector<int32_t> inputs, outputs;  // tensors
  std::vector<std::string> tactics;      // preferred, one a profile
  std::string note;                      // for people: why float, for example
  InnerQuantize inner_quantize = {};     // engines and timing alone know it. Not in the file
  bool operator==(const PlanStep&) const = default;
};

/// Canonical weights. Bytes belong to PlanData::storage and are 64-byte aligned.
struct Blob {
  DataType type = DataType::kInt8;
  Shape shape;
  std::span<const std::byte> bytes;
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
};

/// Bounds of the inputs and where each tensor lies. offsets[t] < 0: not in the arena (constants,
/// inputs, outputs, foreign_views()). Offsets are multiples of 64, but those of tensors in a
/// concatenation's output.
struct PlanProfile {
  struct Bounds {
    Shape min, opt, max;
    bool operator==(const Bounds&) const = default;
  };
  std::vector<Bounds> inputs;    // by PlanData::inputs
  std::vector<int64_t> offsets;  // by tensor
  int64_t arena_bytes = 0;
  /// Engines keep these offsets, where else they plan again to spare copies. Not in the file.
  bool keeps_offsets = false;
  bool operator==(const PlanProfile&) const = default;
};

struct Place;  // plan/places.h

/// Free strings of whoever built the plan.
using Metadata = std::map<std::string, std::string>;
inline constexpr size_t kMostMetadataEntries = 4096, kMostMetadataKeyBytes = 1024,
                        kMostMetadataBytes = size_t{1} << 30;
/// Throws `code` unless all of it is within these bounds and no key is empty. `place` comes first
/// in the message.
void check_metadata(const Metadata& metadata, ErrorCode code, const std::string& place);

struct PlanData {
  std::string name;
  std::string built_on;    // "avx512vnni, timed"
  std::string preprocess;  // JSON or ""
  std::string precision;   // JSON or "": why each group has its precision (docs/report_format.md)
  Metadata metadata;
  std::vector<PlanTensor> tensors;
  std::vector<PlanStep> steps;  // in running order
  std::vector<Blob> blobs;
  std::vector<int32_t> inputs, outputs;  // tensors; kPlain layout
  std::vector<PlanProfile> profiles;
  std::shared_ptr<const void> storage;  // what the blobs point into
};

/// Throws kInvalidFile (`origin` names it) unless every index, shape, type, blob size, step
/// attribute, order of steps and arena offset is consistent: after it, runtime need not check.
void validate(const PlanData& plan, const std::string& origin);

/// Shapes of a step's outputs from those of its inputs (ops' own rules, reused). `data`: the bytes
/// of the inputs, when they are computed already; else extents that hang on them are kDynamic.
std::vector<Shape> infer_shapes(const PlanData& plan, const PlanStep& step,
                                std::span<const Shape> inputs,
                                std::span<const void* const> data = {});
/// Tensors whose shape hangs on values: the outputs of ops whose extents do, unless those values
/// are constants, and everything computed from them. Only running tells their shapes, so they have
/// no place in the arena and the steps that make them ("late" ones) no tactic in the plan.
std::vector<bool> late_tensors(const PlanData& plan);
/// What stands for a late step's tactic.
inline constexpr std::string_view kLateTactic = "chosen at run time";
/// What stands for the tactic of a step whose work its reader does (InnerQuantize).
inline constexpr std::string_view kAbsorbedTactic = "done by its reader";
/// Shapes of all tensors, given the inputs' (in PlanData::inputs order); kDynamic in late ones
/// only.
std::vector<Shape> infer_all_shapes(const PlanData& plan, std::span<const Shape> inputs);

/// Derives PlanTensor::q_min of every tensor from the steps' clamps and tables.
void annotate_minima(PlanData& plan);

/// Views of inputs and constants, and views of those, outputs of the plan aside: (view, what it
/// reads) in running order. They lie where the inputs and constants do.
std::vector<std::pair<int32_t, int32_t>> foreign_views(const PlanData& plan);

/// A tensor that a step reads beside its inputs (FoundChain of backend.h).
struct FurtherRead {
  int32_t tensor = -1;
  size_t step = 0;
};

/// Fills profile.offsets and arena_bytes for the max shapes: lifetimes → offsets, largest first
/// into the best gap; view outputs and in-place element-wise results share their input's bytes.
/// `places` (by tensor, or empty): those that lie in another tensor.
void plan_memory(const PlanData& plan, PlanProfile& profile, std::span<const Place> places = {},
                 std::span<const FurtherRead> reads = {});

/// The plan file (docs/plan_format.md). `origin` names the file in errors; storage keeps `bytes`
/// alive through `owner`.
std::string serialize(const PlanData& plan);
std::shared_ptr<const PlanData> deserialize(std::span<const std::byte> bytes,
                                            std::shared_ptr<const void> owner,
                                            const std::string& origin);

}  // namespace octile
