// See single_reads.h.
#include "plan/single_reads.h"

namespace octile {

SingleReads::SingleReads(const PlanData& plan) : maker_(plan.tensors.size(), -1) {
  std::vector<int32_t> readers(plan.tensors.size(), 0);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const int32_t t : plan.steps[s].inputs) ++readers[size_t(t)];
    for (const int32_t t : plan.steps[s].outputs) maker_[size_t(t)] = int32_t(s);
  }
  for (const int32_t t : plan.outputs) ++readers[size_t(t)];
  const std::vector<bool> late = late_tensors(plan);
  for (size_t t = 0; t < maker_.size(); ++t) {
    if (readers[t] != 1 || late[t]) maker_[t] = -1;
  }
}

}  // namespace octile
