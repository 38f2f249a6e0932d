// What every op means: its shape rule and its float (or integer) evaluation. One .cc a family.
// evaluate() is the oracle: plain loops, fixed order, no blocking, no vendor library.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "octile/ops.h"
#include "octile/tensor.h"

namespace octile {

/// The bytes of a tensor where they are known, else null. Made of a Tensor (or null) in passing.
struct KnownBytes {
  KnownBytes() = default;
  KnownBytes(std::nullptr_t) {}     // NOLINT(google-explicit-constructor)
  KnownBytes(const Tensor* tensor)  // NOLINT(google-explicit-constructor)
      : data(tensor != nullptr ? tensor->data() : nullptr) {}
  static KnownBytes at(const void* bytes) {
    KnownBytes known;
    known.data = bytes;
    return known;
  }
  const void* data = nullptr;
};

/// What is known of a tensor before the op runs. `value` is set for constants, and for everything
/// once it is computed: some rules need values (how many elements are not zero?).
struct TensorInfo {
  DataType type = DataType::kFloat32;
  Shape shape;  // kDynamic where unknown
  KnownBytes value;
};

/// A tensor to write to: type and static shape are given, bytes are the caller's.
struct MutableTensorView {
  DataType type = DataType::kFloat32;
  Shape shape;
  void* data = nullptr;
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
  TensorView view() const { return {type, shape, data}; }
};

/// Types and shapes of the outputs. Throws Error{kInvalidArgument} saying what does not fit (the
/// caller adds the layer's name). Unknown extents go through as kDynamic where the rule allows; an
/// extent that hangs on values is kDynamic unless those are known.
std::vector<TensorInfo> infer(const Op& op, std::span<const TensorInfo> inputs);

/// Does the output's shape hang on the values of that input (not on its shape alone)? Ops for which
/// it does: those of ops.h under "results whose extents depend on values".
bool shape_needs_value(const Op& op, size_t input);

/// Computes the op. Outputs have the types and shapes that infer() gives for these inputs and their
/// values. Does
/// not allocate for the ops that run inside engines with static scratch needs; REQUIRES: outputs
/// do not overlap inputs.
void evaluate(const Op& op, std::span<const TensorView> inputs,
              std::span<const MutableTensorView> outputs);

/// infer() and evaluate() into fresh tensors.
std::vector<Tensor> evaluate(const Op& op, std::span<const TensorView> inputs);

/// About how many operations the loops of evaluate() take, of which each lasts a nanosecond or so.
/// REQUIRES: static shapes, that infer() takes.
double evaluation_work(const Op& op, std::span<const Shape> inputs, std::span<const Shape> outputs);

/// Window arithmetic shared by convolutions and poolings.
/// Spatial extents [out] of a window over [in]; kDynamic goes through.
Shape window_output(const Window& window, const Shape& spatial_in);
/// The padding really applied on one spatial axis (kSame* resolved): {before, after}.
std::pair<int64_t, int64_t> window_padding(const Window& window, int axis, int64_t extent_in);
/// `window` with every list filled in to `spatial_rank` entries (stride and dilation 1, pad 0).
Window normalized(const Window& window, int spatial_rank);
/// NumPy broadcasting of two shapes; throws when they do not fit.
Shape broadcast(const Shape& a, const Shape& b);

/// One value through an activation: the definition that lookup tables and tests use.
float activate(const Activation& op, float x);
/// One value through a unary function.
float apply(UnaryKind kind, float x);

}  // namespace octile
