// Float products by cuBLASLt, float32 throughout or float16 summed in float32: with constant
// weights (bias and ReLU in the call, a residual as the matrix that is added to), and of two
// run-time operands.
//
// cuBLASLt's matrices have columns side by side: a row-major (rows, columns) matrix is its
// (columns, rows) one. So y = x · Wᵀ is asked for as yᵀ = W · xᵀ.
#include <algorithm>

#include "base/error.h"
#include "kernels/cuda/rows.h"
#include "kernels/cuda/vendor.h"
#include "ops/rows.h"
#include "plan/geometry.h"

namespace octile::cuda {
namespace {

constexpr size_t kScratch = size_t{32} << 20;  // bytes that algorithms may use

/// One matrix as cuBLASLt sees it, and how far apart those of a batch are.
struct Operand {
  int64_t rows = 0, columns = 0, leading = 0, stride = 0;
  bool transpose = false;
};

/// left · right, `batches` times: (m, k) · (k, n).
struct LtProblem {
  int64_t m = 0, n = 0;
  Operand left, right;
  int32_t batches = 1;
  const void* bias = nullptr;  // (m)
  bool add = false, relu = false;
  Real type = Real::kFloat;
};

class LtProduct {
 public:
  LtProduct(const LtProblem& p, cublasLtHandle_t handle) : problem_(p) {
    const CublasLt& c = cublas_lt();
    check_cublas(c.create_product(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a descriptor");
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.left.transpose ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.right.transpose ? CUBLAS_OP_T : CUBLAS_OP_N);
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    if (p.bias != nullptr) {
      epilogue = p.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    } else if (p.relu) {
      epilogue = CUBLASLT_EPILOGUE_RELU;
    }
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    a_ = layout(p.left);
    b_ = layout(p.right);
    y_ = layout({p.m, p.n, p.m, p.m * p.n});
    choose(handle);
  }
  ~LtProduct() {
    const CublasLt& c = cublas_lt();
    if (product_ != nullptr) (void)c.destroy_product(product_);
    for (cublasLtMatrixLayout_t l : {a_, b_, y_}) {
      if (l != nullptr) (void)c.destroy_layout(l);
    }
  }
  LtProduct(const LtProduct&) = delete;
  LtProduct& operator=(const LtProduct&) = delete;

  bool found() const { return found_; }
  size_t workspace_bytes() const { return chosen_.workspaceSize; }

  /// `added`: what the product is added to, or null.
  void run(cublasLtHandle_t handle, const void* left, const void* right, const void* added, void* y,
           void* workspace, octile::Stream stream) const {
    const float one = 1.0f, beta = added != nullptr ? 1.0f : 0.0f;
    check_cublas(
        cublas_lt().product(handle, product_, &one, left, a_, right, b_, &beta,
                            added != nullptr ? added : y, y_, y, y_, &chosen_.algo, workspace,
                            chosen_.workspaceSize, static_cast<cudaStream_t>(stream)),
        "a product");
  }

 private:
  template <typename T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check_cublas(cublas_lt().set_product(product_, attribute, &value, sizeof(value)),
                 "an attribute");
  }
  cublasLtMatrixLayout_t layout(const Operand& o) const {
    const CublasLt& c = cublas_lt();
    cublasLtMatrixLayout_t made = nullptr;
    const auto type = problem_.type == Real::kHalf ? CUDA_R_16F : CUDA_R_32F;
    check_cublas(c.create_layout(&made, type, uint64_t(o.rows), uint64_t(o.columns), o.leading),
                 "a layout");
    if (problem_.batches == 1) return made;
    check_cublas(c.set_layout(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &problem_.batches,
                              sizeof(problem_.batches)),
                 "a layout");
    check_cublas(c.set_layout(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &o.stride,
                              sizeof(o.stride)),
                 "a layout");
    return made;
  }
  void choose(cublasLtHandle_t handle) {
    const CublasLt& c = cublas_lt();
    cublasLtMatmulPreference_t preference = nullptr;
    check_cublas(c.create_preference(&preference), "a preference");
    (void)c.set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kScratch,
                           sizeof(kScratch));
    int count = 0;
    const cublasStatus_t status =
        c.heuristic(handle, product_, a_, b_, y_, y_, preference, 1, &chosen_, &count);
    (void)c.destroy_preference(preference);
    found_ = status == CUBLAS_STATUS_SUCCESS && count > 0;
  }

  LtProblem problem_;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, y_ = nullptr;
  cublasLtMatmulHeuristicResult_t chosen_{};
  bool found_ = false;
};

bool lt_relu(const Clamp& clamp) { return clamp.lo == 0.0f && clamp.hi == kInfinity; }
bool lt_open(const Clamp& clamp) { return clamp.lo == -kInfinity && clamp.hi == kInfinity; }

void clamp_after(const Clamp& clamp, Real type, void* y, int64_t count, octile::Stream stream) {
  if (lt_open(clamp) || lt_relu(clamp)) return;
  launch_activation(static_cast<int>(ActivationKind::kClip), clamp.lo, clamp.hi, type, y, y, count,
                    stream);
}

// --- constant weights ---

/// A product, or a convolution that is one: a window of one pixel, no padding, no stride.
bool is_product(const Geometry& g) {
  return g.kernel_h * g.kernel_w == 1 && g.stride_h * g.stride_w == 1 && g.groups == 1 &&
         g.pad_top + g.pad_left + g.pad_bottom + g.pad_right == 0;
}

LtProblem constant_problem(const StepView& view, const void* bias) {
  const auto& step = *view.as<ConvStep>();
  const Geometry g = geometry_of(step, view.inputs[0].shape, view.outputs[0].shape);
  const int64_t rows = g.n * g.out_h * g.out_w;
  return {.m = g.m,
          .n = rows,
          .left = {g.c, g.m, g.c, 0, true},  // W, row-major (m, c)
          .right = {g.c, rows, g.c, 0, false},
          .bias = bias,
          .add = step.residual,
          .relu = lt_relu(step.clamp),
          .type = real_type(view.outputs[0])};
}

// --- two run-time operands ---

Shape lt_leading(const Shape& shape) {
  Shape batch;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) batch.push_back(shape[axis]);
  return batch;
}

/// Batches of both operands are walked evenly: equal, or one matrix for all.
bool evenly_batched(const Shape& a, const Shape& y) {
  return lt_leading(a).volume() == 1 || lt_leading(a) == lt_leading(y);
}

LtProblem run_time_problem(const StepView& view) {
  const auto& step = *view.as<MatMulStep>();
  const Shape &a = view.inputs[0].shape, &b = view.inputs[1].shape, &y = view.outputs[0].shape;
  const auto operand = [](const Shape& s, bool transpose) {
    const int64_t outer = s[s.rank() - 2], inner = s[s.rank() - 1];
    return Operand{inner, outer, inner, lt_leading(s).volume() == 1 ? 0 : outer * inner, transpose};
  };
  // yᵀ = bᵀ · aᵀ: the row-major operands are transposed as they lie.
  return {.m = y[y.rank() - 1],
          .n = y[y.rank() - 2],
          .left = operand(b, step.op.transpose_b),
          .right = operand(a, step.op.transpose_a),
          .batches = static_cast<int32_t>(lt_leading(y).volume()),
          .relu = lt_relu(step.clamp),
          .type = real_type(view.outputs[0])};
}

class LtPrepared final : public Prepared {
 public:
  LtPrepared(const LtProblem& problem, const Clamp& clamp, const void* weights, int64_t count)
      : handle_(cublas_lt_handle()),
        product_(problem, handle_),
        clamp_(clamp),
        weights_(weights),
        add_(problem.add),
        type_(problem.type),
        count_(count) {
    check(product_.found(), ErrorCode::kDevice, "cuBLASLt has no algorithm for a product");
  }
  void run(const Buffers& b) override {
    const void* left = weights_ != nullptr ? weights_ : b.inputs[1];
    product_.run(handle_, left, b.inputs[0], add_ ? b.inputs[1] : nullptr, b.outputs[0],
                 b.workspace, b.stream);
    clamp_after(clamp_, type_, b.outputs[0], count_, b.stream);
  }

 private:
  cublasLtHandle_t handle_;
  LtProduct product_;
  Clamp clamp_;
  const void* weights_;
  bool add_;
  Real type_;
  int64_t count_;
};

/// "" or why not, asking cuBLASLt itself last.
template <typename Make>
std::string refusal_by_library(const Device& device, Make&& make) {
  if (!cublas_lt().refusal.empty()) return cublas_lt().refusal;
  try {
    device.accelerator->make_current();
    return LtProduct(make(), cublas_lt_handle()).found() ? "" : "cuBLASLt has no algorithm for it";
  } catch (const Error& error) {
    return error.what();
  }
}

class LtConstant final : public Tactic {
 public:
  std::string_view name() const override { return "cublaslt.product"; }
  Isa isa() const override { return Isa::kDp4a; }
  std::string refuse(const StepView& view, const Device& device) const override {
    const auto* step = view.as<ConvStep>();
    if (step == nullptr) return "not a convolution";
    for (const PlanTensor& t : view.inputs) {
      if (!is_real(t.type)) return "an input is not float";
    }
    const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
    if (!is_real(y.type)) return "the output is not float";
    for (const PlanTensor* t : {&x, &y}) {
      if (step->rows ? !is_plain(*t) : !is_image(*t)) return "the layout is not the step's";
      if (t->shape.volume() == 0 || t->shape.volume() > INT32_MAX) return "too large, or empty";
    }
    if (!is_product(geometry_of(*step, x.shape, y.shape))) return "not a product of rows";
    return refusal_by_library(device, [&] { return constant_problem(view, nullptr); });
  }
  std::unique_ptr<PackedWeights> pack(const StepView& view, const Device& device) const override {
    const auto& step = *view.as<ConvStep>();
    auto weights = std::make_unique<DeviceWeights>();
    const Real type = real_type(view.outputs[0]);
    weights->add_reals(device, view, step.weights, type);
    weights->add_reals(device, view, step.bias, type);
    return weights;
  }
  size_t workspace_bytes(const StepView&, const Device&) const override { return kScratch; }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights* packed,
                                    const Device& device) const override {
    device.accelerator->make_current();
    const auto& weights = static_cast<const DeviceWeights&>(*packed);
    return std::make_unique<LtPrepared>(constant_problem(view, weights.as<void>(1)),
                                        view.as<ConvStep>()->clamp, weights.as<void>(0),
                                        view.outputs[0].shape.volume());
  }
};

class LtRunTime final : public Tactic {
 public:
  std::string_view name() const override { return "cublaslt.matmul"; }
  Isa isa() const override { return Isa::kDp4a; }
  std::string refuse(const StepView& view, const Device& device) const override {
    if (view.as<MatMulStep>() == nullptr) return "not a product";
    for (const PlanTensor* t : {&view.inputs[0], &view.inputs[1], &view.outputs[0]}) {
      if (!is_plain(*t)) return "not a plain layout";
      if (!is_real(t->type)) return "an operand is not float";
      if (t->shape.rank() < 2) return "an operand is a vector";
      if (t->shape.volume() == 0 || t->shape.volume() > INT32_MAX) return "too large, or empty";
    }
    const Shape& y = view.outputs[0].shape;
    if (!evenly_batched(view.inputs[0].shape, y) || !evenly_batched(view.inputs[1].shape, y)) {
      return "a batch axis is broadcast";
    }
    return refusal_by_library(device, [&] { return run_time_problem(view); });
  }
  size_t workspace_bytes(const StepView&, const Device&) const override { return kScratch; }
  std::unique_ptr<Prepared> prepare(const StepView& view, const PackedWeights*,
                                    const Device& device) const override {
    device.accelerator->make_current();
    return std::make_unique<LtPrepared>(run_time_problem(view), view.as<MatMulStep>()->clamp,
                                        nullptr, view.outputs[0].shape.volume());
  }
};

}  // namespace

std::span<const Tactic* const> cublas_tactics() {
  static const LtConstant constant;
  static const LtRunTime run_time;
  static const Tactic* const rows[] = {&constant, &run_time};
  return rows;
}

}  // namespace octile::cuda
