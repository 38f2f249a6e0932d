// See quantize_chains.h.
#include "plan/quantize_chains.h"

#include "plan/single_reads.h"

namespace octile {
namespace {

/// What every byte of x in [lo, hi] grows by in y, where it is the same for all and leaves y's
/// grid as fine: the table does no more than move the zero point.
bool is_shift(const PlanData& plan, const LookupStep& step, const PlanTensor& x,
              const PlanTensor& y, int32_t lo, int32_t hi) {
  if (!is_8bit(x) || !is_8bit(y) || x.scale != y.scale || x.layout != y.layout) return false;
  const auto* table = plan.blobs[size_t(step.table)].as<uint8_t>();
  for (int32_t q = lo; q <= hi; ++q) {
    const uint8_t byte = table[q & 255];
    const int32_t made = y.type == DataType::kUInt8 ? byte : static_cast<int8_t>(byte);
    if (made != q + y.zero_point - x.zero_point) return false;
  }
  return true;
}

class Chains {
 public:
  explicit Chains(const PlanData& plan) : plan_(plan), reads_(plan) {}

  /// Fills the chain before convolution `reader`; false where there is none.
  bool find(size_t reader, QuantizeChain& chain) const {
    const PlanStep& conv = plan_.steps[reader];
    const PlanTensor& x = plan_.tensors[size_t(conv.inputs[0])];
    if (std::get<ConvStep>(conv.step).dynamic || !is_8bit(x)) return false;
    std::vector<size_t> tables;  // last first
    for (int32_t t = conv.inputs[0];; t = plan_.steps[tables.back()].inputs[0]) {
      const int32_t maker = reads_.maker(t);
      if (maker < 0) return false;
      const Step& step = plan_.steps[size_t(maker)].step;
      if (std::holds_alternative<LookupStep>(step)) {
        tables.push_back(size_t(maker));
      } else {
        const auto* quantize = std::get_if<QuantizeStep>(&step);
        return quantize != nullptr && !quantize->dynamic &&
               join(reader, size_t(maker), *quantize, tables, chain);
      }
    }
  }

 private:
  bool join(size_t reader, size_t maker, const QuantizeStep& quantize,
            const std::vector<size_t>& tables, QuantizeChain& chain) const {
    const PlanStep& first = plan_.steps[maker];
    const PlanTensor& source = plan_.tensors[size_t(first.inputs[0])];
    if (!is_float(source) || source.blob >= 0) return false;
    InnerQuantize inner{plan_.steps[reader].inputs[0], quantize.q_lo, quantize.q_hi};
    chain = {reader, {maker}, plan_.steps[reader]};
    for (auto table = tables.rbegin(); table != tables.rend(); ++table) {
      const PlanStep& step = plan_.steps[*table];
      const PlanTensor& x = plan_.tensors[size_t(step.inputs[0])];
      const PlanTensor& y = plan_.tensors[size_t(step.outputs[0])];
      if (!is_shift(plan_, std::get<LookupStep>(step.step), x, y, inner.q_lo, inner.q_hi))
        return false;
      inner.q_lo += y.zero_point - x.zero_point;
      inner.q_hi += y.zero_point - x.zero_point;
      chain.absorbed.push_back(*table);
    }
    chain.step.inputs[0] = first.inputs[0];
    chain.step.inner_quantize = inner;
    return true;
  }

  const PlanData& plan_;
  const SingleReads reads_;
};

}  // namespace

std::vector<QuantizeChain> quantize_chains(const PlanData& plan) {
  const Chains chains(plan);
  std::vector<QuantizeChain> found;
  QuantizeChain chain;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (std::holds_alternative<ConvStep>(plan.steps[s].step) && chains.find(s, chain))
      found.push_back(chain);
  }
  return found;
}

}  // namespace octile
