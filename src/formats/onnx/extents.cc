// See extents.h. One rule an op says which axes of its outputs are axes of its inputs; every other
// dynamic axis gets a symbol of its own, which is always right and only says less.
#include "formats/onnx/extents.h"

#include <algorithm>

#include "base/error.h"

namespace octile {
namespace {

using Symbols = std::vector<Symbol>;

struct ExtentOperand {
  const Shape& shape;
  Symbols symbols;
};

Symbols permuted(const Symbols& symbols, const std::vector<int64_t>& permutation) {
  if (permutation.empty()) return symbols;
  Symbols result;
  for (const int64_t axis : permutation) result.push_back(symbols[static_cast<size_t>(axis)]);
  return result;
}

/// Reshape: a 0 copies its axis; what a −1 takes is one axis when all else cancels.
Symbols reshaped(const Shuffle& op, const Shape& shape, const Symbols& in) {
  Symbols out(op.dims.size(), kNoSymbol);
  Symbols left;  // unknown extents of the input that no 0 copied
  int64_t known_in = 1, known_out = 1;
  int inferred = -1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto a = static_cast<size_t>(axis);
    const bool copied = op.zero_is_placeholder && a < op.dims.size() && op.dims[a] == 0;
    if (shape[axis] != kDynamic) {
      if (!copied) known_in *= std::max<int64_t>(shape[axis], 1);
    } else if (copied) {
      out[a] = in[a];
    } else {
      left.push_back(in[a]);
    }
  }
  for (size_t a = 0; a < op.dims.size(); ++a) {
    if (op.dims[a] == -1) inferred = static_cast<int>(a);
    if (op.dims[a] > 0) known_out *= op.dims[a];
  }
  if (inferred >= 0 && left.size() == 1 && known_in == known_out) {
    out[static_cast<size_t>(inferred)] = left[0];
  }
  return out;
}

/// Which symbols of the inputs the output of each op keeps. `out` is the output's shape.
struct Follower {
  const std::vector<ExtentOperand>& in;
  const Shape& out;
  Symbols result;

  void keep(int axis, Symbol symbol) { result[static_cast<size_t>(axis)] = symbol; }
  Symbol of(size_t input, int axis) const { return in[input].symbols[static_cast<size_t>(axis)]; }
  void same() { result = in[0].symbols; }
  void batch() { keep(0, of(0, 0)); }
  void same_but(const std::vector<int64_t>& axes) {
    same();
    for (const int64_t axis : axes)
      keep(static_cast<int>(axis < 0 ? axis + out.rank() : axis), kNoSymbol);
  }
  void broadcast(size_t first, int last_axes_kept) {
    for (size_t i = first; i < in.size(); ++i) {
      const int shift = out.rank() - in[i].shape.rank();
      for (int axis = 0; axis < in[i].shape.rank() - last_axes_kept; ++axis) {
        if (shift + axis < 0 || in[i].shape[axis] != kDynamic) continue;
        const Symbol before = result[static_cast<size_t>(shift + axis)];
        const bool differs = before != kNoSymbol && before != of(i, axis);
        keep(shift + axis, differs ? kNoSymbol : of(i, axis));
        if (differs) return;  // one of the two may be 1: neither is the output's for certain
      }
    }
  }

  void operator()(const Convolution&) { batch(); }
  void operator()(const Deconvolution&) { batch(); }
  void operator()(const Pooling&) { batch(); }
  void operator()(const Activation&) { same(); }
  void operator()(const Scale&) { same(); }
  void operator()(const Unary&) { same(); }
  void operator()(const Softmax&) { same(); }
  void operator()(const Cast&) { same(); }
  void operator()(const Identity&) { same(); }
  void operator()(const Quantize&) { same(); }
  void operator()(const Dequantize&) { same(); }
  void operator()(const Constant&) {}
  void operator()(const Elementwise&) { broadcast(0, 0); }
  void operator()(const Select&) { broadcast(0, 0); }
  void operator()(const TopK& op) { same_but({op.axis}); }
  void operator()(const Slice& op) { same_but(op.axes); }
  void operator()(const Fourier& op) { same_but({op.axis, -1}); }
  void operator()(const Recurrent&) {
    if (out.rank() == 4) keep(0, of(0, 0));
    keep(out.rank() - 2, of(0, 1));
  }
  void operator()(const MatrixMultiply& op) {
    if (in[0].shape.rank() < 2 || in[1].shape.rank() < 2) return;
    if (out.rank() > 2) broadcast(0, 2);
    const int row = in[0].shape.rank() - (op.transpose_a ? 1 : 2);
    const int column = in[1].shape.rank() - (op.transpose_b ? 2 : 1);
    keep(out.rank() - 2, of(0, row));
    keep(out.rank() - 1, of(1, column));
  }
  void operator()(const Reduce& op) {
    int to = 0;
    for (int axis = 0; axis < in[0].shape.rank(); ++axis) {
      const bool reduced =
          op.axes.empty() || std::any_of(op.axes.begin(), op.axes.end(), [&](int64_t a) {
            return (a < 0 ? a + in[0].shape.rank() : a) == axis;
          });
      if (!reduced) keep(to, of(0, axis));
      to += !reduced || op.keep_dims;
    }
  }
  void operator()(const Shuffle& op) {
    const Symbols first = permuted(in[0].symbols, op.first);
    Shape shape = in[0].shape;
    for (size_t i = 0; i < op.first.size(); ++i) {
      shape[static_cast<int>(i)] = in[0].shape[static_cast<int>(op.first[i])];
    }
    result = permuted(op.has_reshape ? reshaped(op, shape, first) : first, op.second);
  }
  void operator()(const Concatenation& op) {
    for (int axis = 0; axis < out.rank(); ++axis) {
      if (axis == (op.axis < 0 ? op.axis + out.rank() : op.axis)) continue;
      for (size_t i = 0; i < in.size(); ++i) {
        if (in[i].shape[axis] == kDynamic) keep(axis, of(i, axis));
      }
    }
  }
  void operator()(const Padding& op) {
    same();
    for (int axis = 0; axis < out.rank(); ++axis) {
      const auto a = static_cast<size_t>(axis);
      if (op.before[a] != 0 || op.after[a] != 0) keep(axis, kNoSymbol);
    }
  }
  void operator()(const Resize& op) {
    for (int axis = 0; axis < out.rank(); ++axis) {
      const auto a = static_cast<size_t>(axis);
      const bool kept = op.sizes.empty() ? op.scales[a] == 1.0f : op.sizes[a] == -1;
      if (kept) keep(axis, of(0, axis));
    }
  }
  void operator()(const Gather& op) {
    const int rank = in[0].shape.rank();
    const int axis = static_cast<int>(op.axis < 0 ? op.axis + rank : op.axis);
    const int inserted = in[1].shape.rank();
    for (int a = 0; a < axis; ++a) keep(a, of(0, a));
    for (int a = 0; a < inserted; ++a) keep(axis + a, of(1, a));
    for (int a = axis + 1; a < rank; ++a) keep(a - 1 + inserted, of(0, a));
  }
  void operator()(const GatherElements&) { result = in[1].symbols; }
  void operator()(const GatherNd& op) {
    const int list = in[1].shape.rank() - 1;
    const int first = static_cast<int>(op.batch_dims + in[1].shape[list]);
    for (int a = 0; a < list; ++a) keep(a, of(1, a));
    for (int a = first; a < in[0].shape.rank(); ++a) keep(list + a - first, of(0, a));
  }
  void operator()(const ScatterElements&) { same(); }
  void operator()(const ScatterNd&) { same(); }
  void operator()(const PoolingIndices&) { batch(); }
  void operator()(const GridSample&) {
    keep(0, of(0, 0));
    keep(1, of(0, 1));
    for (int a = 2; a < out.rank(); ++a) keep(a, of(1, a - 1));
  }
  void operator()(const RoiAlign&) {
    keep(0, of(1, 0));
    keep(1, of(0, 1));
  }
  void operator()(const CumulativeSum&) { same(); }
  void operator()(const Determinant&) {
    for (int a = 0; a < out.rank(); ++a) keep(a, of(0, a));
  }
  void operator()(const NonZero&) {}
  void operator()(const Compress& op) {
    if (!op.flat) same_but({op.axis});
  }
  void operator()(const Unique&) {}
  void operator()(const NonMaxSuppression&) {}
  void operator()(const ShapeOf&) {}
  void operator()(const Counting&) {}
  void operator()(const Expand&) {}
  void operator()(const ReshapeTo&) {}
  void operator()(const SliceBetween& op) {
    if (!op.axes.empty()) same_but(op.axes);
  }
  void operator()(const TopKOf& op) { same_but({op.axis}); }
};

bool is_prime(int64_t n) {
  for (int64_t d = 3; d * d <= n; d += 2) {
    if (n % d == 0) return false;
  }
  return n % 2 != 0;
}

/// The first prime after the odd number `n`.
int64_t next_prime(int64_t n) {
  do n += 2;
  while (!is_prime(n));
  return n;
}

}  // namespace

Symbol Extents::symbol(const std::string& name) {
  const auto next = static_cast<Symbol>(probes_.size());
  if (!name.empty()) {
    const auto [place, fresh] = names_.emplace(name, next);
    if (!fresh) return place->second;
  }
  const Probes last = probes_.empty() ? Probes{1007, 2 * 2001} : probes_.back();
  probes_.push_back({next_prime(last[0]), 2 * next_prime(last[1] / 2)});
  by_probe_.emplace(probes_.back()[0], next);
  return next;
}

void Extents::set(TensorId tensor, std::vector<Symbol> symbols) {
  tensors_[tensor.index] = std::move(symbols);
}

Symbols Extents::symbols_of(TensorId tensor, int rank) const {
  const auto found = tensors_.find(tensor.index);
  return found != tensors_.end() ? found->second : Symbols(static_cast<size_t>(rank), kNoSymbol);
}

void Extents::follow(const Network& network, LayerId layer) {
  std::vector<ExtentOperand> operands;
  for (const TensorId id : network.inputs(layer)) {
    operands.push_back({network.shape(id), symbols_of(id, network.shape(id).rank())});
  }
  const Op& op = network.op(layer);
  const bool per_output = network.outputs(layer).size() == 1 || std::holds_alternative<TopK>(op) ||
                          std::holds_alternative<Recurrent>(op);
  for (const TensorId id : network.outputs(layer)) {
    const Shape& shape = network.shape(id);
    if (shape.is_static()) continue;
    Follower follower{operands, shape, Symbols(static_cast<size_t>(shape.rank()), kNoSymbol)};
    if (per_output) std::visit(follower, op);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      Symbol& s = follower.result[static_cast<size_t>(axis)];
      s = shape[axis] != kDynamic ? kNoSymbol : s == kNoSymbol ? symbol() : s;
    }
    set(id, std::move(follower.result));
  }
}

Symbol Extents::at(TensorId tensor, int axis) const {
  const auto found = tensors_.find(tensor.index);
  return found == tensors_.end() ? kNoSymbol : found->second[static_cast<size_t>(axis)];
}

int64_t Extents::probe(Symbol symbol, int which) const {
  return probes_[static_cast<size_t>(symbol)][static_cast<size_t>(which)];
}

Symbol Extents::from_probes(int64_t first, int64_t second) const {
  const auto found = by_probe_.find(first);
  return found != by_probe_.end() && probe(found->second, 1) == second ? found->second : kNoSymbol;
}

}  // namespace octile
