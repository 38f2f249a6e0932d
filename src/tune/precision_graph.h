// From measured times to the problem that assigning precision solves, and back to labels by name.
#pragma once

#include <vector>

#include "compile/compile.h"
#include "tune/group_times.h"
#include "tune/precision_problem.h"

namespace octile {

/// The problem, and which tensor of the network each of its tensors is.
struct PrecisionGraph {
  PrecisionProblem problem;
  std::vector<TensorId> tensors;  // by problem.tensors
};

/// `graph` is labelled Labelling::Kind::kEvery. A label that the user asks for is the only one of
/// its group. What it costs is what was measured: predictions are total_cost() of this.
PrecisionGraph precision_graph(const LabelledGraph& graph, const MeasuredTimes& times);

/// INT8 must win by so much of a group's float time: a layer that gains nothing stays float, which
/// costs no accuracy.
inline constexpr double kInt8Margin = 0.01;

/// The problem to be solved, with that margin. A unit of `noise` (by group, or empty) counts as
/// `lambda` nanoseconds. Objective kSize: bytes of weights count first, whatever the times; a unit
/// of noise is then `lambda` parts of a byte, of which it has 100,000.
PrecisionProblem with_preferences(const PrecisionGraph& measured, const LabelledGraph& graph,
                                  Objective objective, double lambda,
                                  const std::vector<double>& noise);

/// An addition, a pooling or a movement is made in INT8 only for readers in INT8 (insert_qdq.h);
/// without them it computes in float from operands that were quantized for nothing. Such ones
/// become float.
void drop_unread_int8(const PrecisionProblem& problem, const LabelledGraph& graph,
                      std::vector<Label>& labels);

Precision precision_of(Label label);

/// A Quantize or Dequantize layer on constants: weights that the model quantized itself. It is
/// gone when an engine is built, so reports leave such groups out.
bool is_constant_conversion(const Network& network, const Group& group);

/// What INT8 costs in conversions at one group, where its neighbours have these labels, in
/// nanoseconds. A quantized copy is paid by all that read it alike.
struct ConversionCosts {
  double quantize = 0.0, dequantize = 0.0;
  TensorId dearest = {};  // the tensor whose conversion costs most; invalid: none
};
ConversionCosts conversions_at(const PrecisionProblem& problem,
                               const std::vector<TensorId>& tensors,
                               const std::vector<Label>& labels, int group);

}  // namespace octile
