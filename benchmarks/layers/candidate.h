// A candidate: one engine's way to run a layer, ready to be timed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "layers.h"

namespace octile::bench {

struct Candidate {
  std::string engine;      // "octile", "onednn"
  std::string precision;   // "int8", "float"
  std::string arithmetic;  // name_of(Activations), "" for floats
  std::string variant;     // the tactic, or oneDNN's layout and implementation
  std::string sequence;    // whose peak it is held to
  bool residual = false;
  std::function<void()> run;  // owns what it needs; REQUIRES: the thread count it was made under
};

/// Octile, 8-bit: each tactic that accepts the step on the device. Plain loops are left out where
/// there is another.
std::vector<Candidate> octile_candidates(const Layer& layer, Activations activations, bool residual,
                                         const Device& device);
/// oneDNN: u8 by s8 to u8 and float, scale, bias and ReLU fused, data as they lie in memory and in
/// the layout that it likes best; weights always in that.
std::vector<Candidate> onednn_candidates(const Layer& layer, bool residual);
/// Holds oneDNN to a level, before its first use.
void limit_onednn(const std::string& isa);

}  // namespace octile::bench
