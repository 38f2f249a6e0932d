// Activation: one float function a kind (formulas in ops.h). Transcendental ones are computed in
// binary64 and rounded once, so that libm versions hardly ever show.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/parallel_for.h"
#include "ops/families.h"
#include "ops/sum_tile.h"

namespace octile {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
/// log(1 + e^x) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
/// min(max(x, lo), hi); NaN stays.
float clip(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

double gelu_tanh(double x) {
  const double inner = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(inner));
}

float transcendental(const Activation& op, double x) {
  const double alpha = op.alpha, beta = op.beta;
  switch (op.kind) {
    case ActivationKind::kSigmoid: return static_cast<float>(sigmoid(x));
    case ActivationKind::kTanh: return static_cast<float>(std::tanh(x));
    case ActivationKind::kElu: return static_cast<float>(x < 0 ? alpha * std::expm1(x) : x);
    case ActivationKind::kSelu:
      return static_cast<float>(beta * (x < 0 ? alpha * std::expm1(x) : x));
    case ActivationKind::kSoftplus: return static_cast<float>(alpha * softplus(beta * x));
    case ActivationKind::kScaledTanh: return static_cast<float>(alpha * std::tanh(beta * x));
    case ActivationKind::kGeluErf:
      return static_cast<float>(0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)));
    case ActivationKind::kGeluTanh: return static_cast<float>(gelu_tanh(x));
    case ActivationKind::kSwish: return static_cast<float>(x * sigmoid(alpha * x));
    case ActivationKind::kMish: return static_cast<float>(x * std::tanh(softplus(x)));
    default: fail(ErrorCode::kInternal, "activation {} has no formula", name_of(op.kind));
  }
}

}  // namespace

float activate(const Activation& op, float x) {
  switch (op.kind) {
    case ActivationKind::kRelu: return x <= 0.0f ? 0.0f : x;  // NaN stays
    case ActivationKind::kLeakyRelu: return x < 0.0f ? op.alpha * x : x;
    case ActivationKind::kSoftsign: return x / (1.0f + std::fabs(x));
    case ActivationKind::kClip: return clip(x, op.alpha, op.beta);
    case ActivationKind::kHardSigmoid: return clip(op.alpha * x + op.beta, 0.0f, 1.0f);
    case ActivationKind::kThresholdedRelu: return x <= op.alpha ? 0.0f : x;
    case ActivationKind::kAffine: return op.alpha * x + op.beta;
    case ActivationKind::kHardSwish: return x * clip(x / 6.0f + 0.5f, 0.0f, 1.0f);
    default: return transcendental(op, x);
  }
}

Inferred infer_op(const Activation& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32});
  check(op.kind != ActivationKind::kClip || op.alpha <= op.beta, ErrorCode::kInvalidArgument,
        "clip needs alpha (the least) <= beta (the most), but got {} and {}", op.alpha, op.beta);
  return {{in[0].type, in[0].shape, nullptr}};
}

void evaluate_op(const Activation& op, Views in, Outs out) {
  const float* x = in[0].as<float>();
  float* y = out[0].as<float>();
  parallel_for(in[0].shape.volume(), grain_for(8), [&](int64_t begin, int64_t end, int) {
    if (op.kind == ActivationKind::kRelu) {
      for (int64_t i = begin; i < end; ++i) y[i] = x[i] <= 0.0f ? 0.0f : x[i];
    } else {
      for (int64_t i = begin; i < end; ++i) y[i] = activate(op, x[i]);
    }
  });
}

}  // namespace octile
