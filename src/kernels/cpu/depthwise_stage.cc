// See depthwise_stage.h.
#include "kernels/cpu/depthwise_stage.h"

#include <algorithm>
#include <cstring>

#include "base/round_up.h"

namespace octile {
namespace {

/// Memory that a copy may touch, from its first piece on.
struct Pieces {
  int64_t step, bytes;  // from piece to piece; until the end
};

/// Copies `count` pieces of `n` bytes in their order, as kWhole ≥ n bytes each while there is room:
/// what is too much the next piece overwrites, or nobody reads.
template <int64_t kWhole>
void copy_pieces(const uint8_t* from, const Pieces& source, uint8_t* to, const Pieces& target,
                 int64_t count, int64_t n) {
  const auto fitting = [](const Pieces& p) {
    return p.bytes < kWhole ? 0 : (p.bytes - kWhole) / p.step + 1;
  };
  const int64_t whole = std::min({count, fitting(source), fitting(target)});
  int64_t i = 0;
  for (; i < whole; ++i) std::memcpy(to + i * target.step, from + i * source.step, kWhole);
  for (; i < count; ++i) {
    std::memcpy(to + i * target.step, from + i * source.step, static_cast<size_t>(n));
  }
}

}  // namespace

DepthwiseStage::DepthwiseStage(const Geometry& g, const DepthwiseCut& cut, int64_t out_element)
    : g_(g),
      staged_(cut.staged),
      pixels_(cut.pixels),
      element_(out_element),
      out_rows_(cut.out_rows * cut.chunks.front().kernel->lanes),
      in_rows_((out_rows_ - 1) * g.stride_h + (g.kernel_h - 1) * g.dilation_h + 1),
      columns_((g.out_w + cut.pixels - 1) / cut.pixels),
      slots_((columns_ - 1) * cut.stride + (g.kernel_w - 1) * g.dilation_w + cut.pixels),
      in_line_(aligned(slots_ * cut.staged)) {}

void DepthwiseStage::copy_in(const uint8_t* image, int64_t first, uint8_t padding,
                             uint8_t* to) const {
  const int64_t rows = in_rows_ - std::max<int64_t>(0, first + out_rows_ - g_.out_h) * g_.stride_h;
  const int64_t left = std::min(g_.pad_left, slots_), count = std::min(g_.w, slots_ - left);
  const int64_t line = g_.w * g_.c, top = first * g_.stride_h - g_.pad_top;
  for (int64_t row = top; row < top + rows; ++row, to += in_line_) {
    const bool outside = row < 0 || row >= g_.h;
    const int64_t before = (outside ? slots_ : left) * staged_;
    std::memset(to, padding, static_cast<size_t>(before));
    if (outside) continue;
    const uint8_t* from = image + row * line;
    if (pixels_ > 1) {
      std::memcpy(to + before, from, static_cast<size_t>(count * g_.c));
    } else {
      copy_pieces<kValues>(from, {g_.c, (g_.h - row) * line}, to + before,
                           {staged_, count * staged_}, count, g_.c);
    }
    const int64_t end = before + count * staged_;
    std::memset(to + end, padding, static_cast<size_t>(slots_ * staged_ - end));
  }
}

void DepthwiseStage::copy_out(const uint8_t* from, uint8_t* row) const {
  const int64_t n = g_.c * element_, bytes = g_.out_w * n;
  if (pixels_ > 1) {
    std::memcpy(row, from, static_cast<size_t>(bytes));
  } else if (element_ == 1) {
    copy_pieces<kValues>(from, {kValues, out_line()}, row, {n, bytes}, g_.out_w, n);
  } else {
    copy_pieces<4 * kValues>(from, {4 * kValues, out_line()}, row, {n, bytes}, g_.out_w, n);
  }
}

void DepthwiseStage::copy_residual(const uint8_t* row, uint8_t* to) const {
  const int64_t bytes = g_.out_w * g_.c;
  if (pixels_ > 1) {
    std::memcpy(to, row, static_cast<size_t>(bytes));
  } else {
    copy_pieces<kValues>(row, {g_.c, bytes}, to, {kValues, residual_line()}, g_.out_w, g_.c);
  }
}

}  // namespace octile
