// The rows int8.matmul.*: products of two run-time operands over the tiles of int8.gemm.*.
#include <algorithm>

#include "kernels/cpu/matmul_prepared.h"
#include "kernels/cpu/rows.h"

namespace octile {
namespace {

class MatmulTactic : public Tactic {
 public:
  MatmulTactic(std::string_view name, Isa isa, const GemmKernels& kernels)
      : name_(name), isa_(isa), kernels_(kernels) {}
  std::string_view name() const override { return name_; }
  Isa isa() const override { return isa_; }

  std::string refuse(const StepView& view, const Device&) const override {
    const auto* step = view.as<MatMulStep>();
    if (step == nullptr) return "not a product of run-time operands";
    const PlanTensor &a = view.inputs[0], &b = view.inputs[1], &y = view.outputs[0];
    for (const PlanTensor* t : {&a, &b, &y}) {
      if (t->layout != Layout::kPlain) return "not a plain layout";
      if (t->shape.rank() < 2) return "an operand is a vector";
      if (t->shape.volume() == 0) return "an operand is empty";
    }
    if (!is_8bit(a) || b.type != DataType::kInt8) return "an operand is not 8-bit";
    if (!is_8bit(y) && !is_float(y)) return "the output is neither 8-bit nor float";
    if (b.zero_point != 0) return "the right operand has a zero point";
    const int64_t k = a.shape[a.shape.rank() - (step->op.transpose_a ? 2 : 1)];
    constexpr int64_t kLargestK = (int64_t{1} << 31) / (255 * 127) - 1;
    if (k > kLargestK) return "the int32 sums could overflow";
    if (isa_ == Isa::kAvx512Vnni && !avx512_code_refusal().empty()) return avx512_code_refusal();
    return "";
  }

  size_t workspace_bytes(const StepView& view, const Device& device) const override {
    return MatmulPrepared::workspace_bytes(view, kernels_, device);
  }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights*,
                                    const Device& device) const override {
    return std::make_unique<MatmulPrepared>(view, kernels_, device);
  }

 private:
  std::string_view name_;
  Isa isa_;
  const GemmKernels& kernels_;
};

}  // namespace

const Tactic& matmul_avx512vnni_tactic() {
  static const MatmulTactic tactic("int8.matmul.avx512vnni", Isa::kAvx512Vnni, kGemmAvx512Vnni);
  return tactic;
}
const Tactic& matmul_avxvnni_tactic() {
  static const MatmulTactic tactic("int8.matmul.avxvnni", Isa::kAvxVnni, kGemmAvxVnni);
  return tactic;
}
const Tactic& matmul_avx2_tactic() {
  static const MatmulTactic tactic("int8.matmul.avx2", Isa::kAvx2, kGemmAvx2Unproved);
  return tactic;
}

}  // namespace octile
