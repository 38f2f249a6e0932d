// Convolution and deconvolution as direct sums in binary64 over explicit index arithmetic: the
// oracle of their tests (shares nothing with src/ops).
#pragma once

#include <vector>

#include "ops/run.h"

namespace octile::test {

inline int64_t at_or(const std::vector<int64_t>& list, size_t i, int64_t otherwise) {
  return list.empty() ? otherwise : list[i];
}

/// Everything as 3-d: leading spatial axes of extent 1.
struct Direct {
  int64_t n, c, m, groups;
  int64_t in[3] = {1, 1, 1}, k[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t s[3] = {1, 1, 1}, d[3] = {1, 1, 1}, p[3] = {0, 0, 0};

  Direct(const Shape& x, const Shape& y, const Window& w, int64_t group_count)
      : n(x[0]), c(x[1]), m(y[1]), groups(group_count) {
    const int rank = x.rank() - 2;
    for (int axis = 0; axis < rank; ++axis) {
      const int to = 3 - rank + axis;
      const auto from = static_cast<size_t>(axis);
      in[to] = x[axis + 2];
      out[to] = y[axis + 2];
      k[to] = w.kernel[from];
      s[to] = at_or(w.stride, from, 1);
      d[to] = at_or(w.dilation, from, 1);
      p[to] = at_or(w.pad_before, from, 0);
    }
  }
  static int64_t flat(int64_t lead, const int64_t (&extent)[3], int64_t a, int64_t b, int64_t e) {
    return ((lead * extent[0] + a) * extent[1] + b) * extent[2] + e;
  }
  /// Calls f(x index, weight index of a convolution, of a deconvolution, y index) for every
  /// product of a convolution whose input and output change roles when `transposed`.
  template <typename F>
  void products(bool transposed, F&& f) const {
    const int64_t cg = c / groups, mg = m / groups;
    const auto& big = transposed ? out : in;
    const auto& small = transposed ? in : out;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t row = 0; row < m; ++row)
        for (int64_t ch = 0; ch < cg; ++ch)
          for (int64_t o0 = 0; o0 < small[0]; ++o0)
            for (int64_t o1 = 0; o1 < small[1]; ++o1)
              for (int64_t o2 = 0; o2 < small[2]; ++o2)
                for (int64_t k0 = 0; k0 < k[0]; ++k0)
                  for (int64_t k1 = 0; k1 < k[1]; ++k1)
                    for (int64_t k2 = 0; k2 < k[2]; ++k2) {
                      const int64_t b0 = o0 * s[0] + k0 * d[0] - p[0];
                      const int64_t b1 = o1 * s[1] + k1 * d[1] - p[1];
                      const int64_t b2 = o2 * s[2] + k2 * d[2] - p[2];
                      if (b0 < 0 || b1 < 0 || b2 < 0) continue;
                      if (b0 >= big[0] || b1 >= big[1] || b2 >= big[2]) continue;
                      const int64_t channel = row / mg * cg + ch;
                      const int64_t w_conv = flat(row * cg + ch, k, k0, k1, k2);
                      const int64_t w_deconv = flat(channel * mg + row % mg, k, k0, k1, k2);
                      const int64_t at_big = flat(0, big, b0, b1, b2);
                      const int64_t at_small = flat(0, small, o0, o1, o2);
                      const int64_t plane_x = (i * c + channel) * in[0] * in[1] * in[2];
                      const int64_t plane_y = (i * m + row) * out[0] * out[1] * out[2];
                      f(plane_x + (transposed ? at_small : at_big), transposed ? w_deconv : w_conv,
                        plane_y + (transposed ? at_big : at_small));
                    }
  }
};

/// The result for output shape `y`, biased where `bias` is not null.
inline std::vector<double> direct(const Tensor& x, const Tensor& w, const Tensor* bias,
                                  const Shape& y, const Window& win, int64_t groups,
                                  bool transposed) {
  const Direct form(x.shape(), y, win, groups);
  std::vector<double> sums(static_cast<size_t>(y.volume()), 0.0);
  form.products(transposed, [&](int64_t ix, int64_t iw, int64_t iy) {
    sums[static_cast<size_t>(iy)] +=
        static_cast<double>(x.as<float>()[ix]) * static_cast<double>(w.as<float>()[iw]);
  });
  const int64_t plane = form.out[0] * form.out[1] * form.out[2];
  for (size_t i = 0; bias != nullptr && i < sums.size(); ++i) {
    sums[i] += bias->as<float>()[static_cast<int64_t>(i) / plane % form.m];
  }
  return sums;
}

}  // namespace octile::test
