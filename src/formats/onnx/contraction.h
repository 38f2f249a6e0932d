// The layers of an Einsum over tensors whose axes have labels: what two operands have in common and
// nobody needs any more is contracted by one product of matrices; diagonals are Gathers, the rest
// sums, products and permutations.
#pragma once

#include <algorithm>
#include <vector>

#include "formats/onnx/node.h"

namespace octile {

using Labels = std::vector<int>;  // a letter's code, or kEllipsis + axes to the ellipsis' end
inline constexpr int kEllipsis = 256;

inline bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// A tensor whose axes have labels.
struct Operand {
  TensorId id;
  Labels labels;
  int axis(int label) const {
    return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
  }
};

class Contraction {
 public:
  explicit Contraction(Node& node) : node_(node) {}
  /// Axes with the same label become one.
  void take_diagonals(Operand& x);
  /// Sums over the labels that `needed` lacks.
  void reduce(Operand& x, const Labels& needed);
  /// a · b, summed over what both have and `needed` lacks. Each has only labels that the other or
  /// `needed` has.
  Operand product(const Operand& a, const Operand& b, const Labels& needed);
  TensorId ordered(const Operand& x, const Labels& result) { return arranged(x, result, {}); }

 private:
  struct Split {
    Labels batch, left, right, inner;
  };

  Shape shape(const Operand& x) { return node_.network().shape(x.id); }
  int64_t extent(const Operand& x, int label) { return shape(x)[x.axis(label)]; }
  void take_diagonal(Operand& x, int first, int second);
  /// x's axes in the order of `singles`, a 1 for a label that x lacks; then each of `merged` as
  /// one.
  TensorId arranged(const Operand& x, const Labels& singles, const std::vector<Labels>& merged);
  void place(const Operand& x, int label, Shuffle& op);
  TensorId shuffled(TensorId x, Shuffle op);
  Operand by_matrices(const Operand& a, const Operand& b, const Split& s);
  Operand by_elements(const Operand& a, const Operand& b, const Split& s, const Labels& needed);

  Node& node_;
};

}  // namespace octile
