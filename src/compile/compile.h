// Network → plan: the one function that knows the order of the phases.
//
//   validate ▸ passes ▸ group ▸ assign_precision ▸ insert_qdq ▸ ══ lower ══ ▸ select_tactics ▸
//   plan_memory
#pragma once

#include <memory>

#include "backend/backend.h"
#include "compile/assign_precision.h"
#include "compile/timing_cache.h"
#include "octile/builder.h"
#include "plan/plan_data.h"

namespace octile {

/// What compile() needs beyond the user's BuildOptions.
struct CompileOptions {
  BuildOptions build;
  /// For calibration: no passes, no groups, no reuse of memory, so that every tensor of the
  /// network keeps its bytes until the end of a run.
  bool keep_tensors = false;
  /// BuildOptions::fp16 counts on a CPU too, which computes in float32 and rounds: for tests.
  bool half_on_cpu = false;
  std::string preprocess;  // Preprocess::to_json() or "": kept in the plan
  Labelling labelling = {};
  /// Of several compilations that time the same steps; null: build.timing_cache is read and
  /// written.
  TimingCache* times = nullptr;
};

/// The float network whose groups are labelled.
struct LabelledGraph {
  Network network;
  std::vector<Group> groups;
  std::vector<GroupLabel> labels;
  TensorRanges ranges;
};
/// validate ▸ passes ▸ group ▸ assign_precision.
LabelledGraph label_graph(const Network& network, const CalibrationTable* table,
                          const CompileOptions& options, QdqStyle style = QdqStyle::kTensorRt);

/// The network above the watershed: what lower() reads, what export writes.
struct QuantizedGraph {
  Network network;
  std::vector<Group> groups;
  std::vector<GroupLabel> labels;
};
/// label_graph() ▸ insert_qdq.
QuantizedGraph quantize_graph(const Network& network, const CalibrationTable* table,
                              const CompileOptions& options, QdqStyle style = QdqStyle::kTensorRt);

/// `table` may be null (float and dynamic schemes). Throws Error naming layer, tensor or profile.
std::shared_ptr<const PlanData> compile(const Network& network, const CalibrationTable* table,
                                        const CompileOptions& options);

/// Whether float16 is allowed, and `device` computes in it: CPUs do not, which is told once.
bool stores_half(const Device& device, const CompileOptions& options);

/// Chooses tactics anew by timing on this machine, keeping everything else (`octile retime`).
std::shared_ptr<const PlanData> retime(const PlanData& plan, const BuildOptions& options);

}  // namespace octile
