// Fourier: the discrete Fourier transform in binary64, rounded once. Even lengths are halved first.
#include <complex>
#include <numbers>
#include <vector>

#include "ops/families.h"

namespace octile {
namespace {

using Complex = std::complex<double>;

/// e^(∓2πi·k/n) for k in [0, n).
std::vector<Complex> roots_of_unity(int64_t n, bool inverse) {
  std::vector<Complex> roots(static_cast<size_t>(n));
  const double turn = (inverse ? 2.0 : -2.0) * std::numbers::pi / static_cast<double>(n);
  for (int64_t k = 0; k < n; ++k) {
    roots[static_cast<size_t>(k)] = std::polar(1.0, turn * static_cast<double>(k));
  }
  return roots;
}

/// y[0 … n) = Σ x[j·stride] · root^(k·j·step), where root is of order n · step.
void transform(const Complex* x, int64_t stride, int64_t n, const std::vector<Complex>& roots,
               int64_t step, Complex* y) {
  if (n % 2 != 0) {
    for (int64_t k = 0; k < n; ++k) {
      Complex sum = 0.0;
      for (int64_t j = 0; j < n; ++j) {
        sum += x[j * stride] * roots[static_cast<size_t>(k * j % n * step)];
      }
      y[k] = sum;
    }
    return;
  }
  const int64_t half = n / 2;
  transform(x, 2 * stride, half, roots, 2 * step, y);
  transform(x + stride, 2 * stride, half, roots, 2 * step, y + half);
  for (int64_t k = 0; k < half; ++k) {
    const Complex even = y[k], odd = y[half + k] * roots[static_cast<size_t>(k * step)];
    y[k] = even + odd;
    y[half + k] = even - odd;
  }
}

int64_t length_of(const Fourier& op, int64_t extent) { return op.length > 0 ? op.length : extent; }

int64_t kept(const Fourier& op, int64_t length) { return op.onesided ? length / 2 + 1 : length; }

}  // namespace

Inferred infer_op(const Fourier& op, Infos in) {
  require_inputs(in, {"x"});
  require_type(in, 0, {DataType::kFloat32});
  Shape out = in[0].shape;
  const int rank = out.rank();
  check(rank >= 2 && (out[rank - 1] == 1 || out[rank - 1] == 2), ErrorCode::kInvalidArgument,
        "x has the shape {}, but its last axis must have 1 (real) or 2 (complex) elements",
        out.to_string());
  const auto axis = static_cast<int>(resolve_axis(op.axis, rank, "axis"));
  check(axis < rank - 1, ErrorCode::kInvalidArgument,
        "axis {} is the last one, which holds the parts of a number", op.axis);
  check(op.length >= 0 && op.length <= kMostExtent, ErrorCode::kInvalidArgument, "its length is {}",
        op.length);
  const int64_t length = length_of(op, out[axis]);
  out[axis] = length == kDynamic ? kDynamic : kept(op, length);
  out[rank - 1] = 2;
  return {{DataType::kFloat32, out, nullptr}};
}

void evaluate_op(const Fourier& op, Views in, Outs out) {
  const Shape& shape = in[0].shape;
  const int rank = shape.rank();
  const auto axis = static_cast<int>(resolve_axis(op.axis, rank, "axis"));
  const int64_t extent = shape[axis], parts = shape[rank - 1], n = length_of(op, extent);
  int64_t outer = 1, inner = 1;  // inner: numbers between two of the axis
  for (int a = 0; a < axis; ++a) outer *= shape[a];
  for (int a = axis + 1; a < rank - 1; ++a) inner *= shape[a];
  const std::vector<Complex> roots = roots_of_unity(n, op.inverse);
  std::vector<Complex> x(static_cast<size_t>(n)), y(static_cast<size_t>(n));
  const double scale = op.inverse ? 1.0 / static_cast<double>(n) : 1.0;
  for (int64_t run = 0; run < outer * inner; ++run) {
    const int64_t o = run / inner, i = run % inner;
    for (int64_t j = 0; j < n; ++j) {
      const float* from = in[0].as<float>() + ((o * extent + j) * inner + i) * parts;
      x[static_cast<size_t>(j)] =
          j < extent ? Complex(from[0], parts == 2 ? from[1] : 0.0f) : Complex();
    }
    if (n > 0) transform(x.data(), 1, n, roots, 1, y.data());
    for (int64_t k = 0; k < kept(op, n); ++k) {
      const Complex value = n > 0 ? y[static_cast<size_t>(k)] * scale : Complex();
      float* to = out[0].as<float>() + ((o * kept(op, n) + k) * inner + i) * 2;
      to[0] = static_cast<float>(value.real());
      to[1] = static_cast<float>(value.imag());
    }
  }
}

}  // namespace octile
