// What an Engine holds once loaded; shared read-only by its contexts.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "octile/engine.h"
#include "plan/places.h"
#include "runtime/fuse_quantize.h"

namespace octile {

struct Engine::Impl {
  Impl(const Plan& plan_in, const EngineOptions& options_in);

  /// One profile ready to run on this machine.
  struct ProfileState {
    std::vector<const Tactic*> tactics;        // by step; null: a late one
    std::vector<const PackedWeights*> packed;  // by step; may be null
    size_t workspace_bytes = 0;                // largest over the steps at max shapes
    std::vector<Shape> max_shapes;             // by tensor
    std::vector<Place> places;                 // by tensor
    PlanProfile memory;                        // the plan's profile, offsets for these places
  };

  /// Index into PlanData::inputs, or −1.
  int input_index(const std::string& name) const;
  int output_index(const std::string& name) const;
  /// Its shape hangs on values, and so do those of all that it makes.
  bool is_late(const PlanStep& step) const { return late[size_t(step.outputs[0])]; }
  const PlanProfile::Bounds& bounds(const std::string& input, int profile) const;
  void check_profile(int profile) const;

  Plan plan;
  EngineOptions options;
  const Backend& backend;
  Device device;
  FusedPlan fused;
  const PlanData& data;         // what runs: the plan's, or the fused one
  const Backend& host_backend;  // of late steps
  Device host;                  // the same as device on the CPU
  std::vector<bool> late;       // by tensor: late_tensors()
  bool any_late = false;
  std::vector<ProfileState> profiles;
  std::vector<std::unique_ptr<PackedWeights>> packed;
  std::vector<Memory> constants;  // by tensor: blobs among steps' inputs, on a GPU
  std::vector<Binding> bindings;

 private:
  void choose_tactics();
  void pack();
  void place_tensors();
  std::vector<FurtherRead> reads_of_chains(const ProfileState& state) const;
  void upload_constants();
  void log(LogLevel level, const std::string& message) const;
};

}  // namespace octile
