// See contraction.h.
#include "formats/onnx/contraction.h"

#include "formats/onnx/rules.h"

namespace octile {

void Contraction::take_diagonals(Operand& x) {
  for (size_t i = 0; i < x.labels.size(); ++i) {
    const auto twin =
        std::find(x.labels.begin() + static_cast<int64_t>(i) + 1, x.labels.end(), x.labels[i]);
    if (twin == x.labels.end()) continue;
    take_diagonal(x, static_cast<int>(i), static_cast<int>(twin - x.labels.begin()));
    i = static_cast<size_t>(-1);  // the axes have moved: from the start
  }
}

void Contraction::reduce(Operand& x, const Labels& needed) {
  Reduce op;
  Labels left;
  for (size_t a = 0; a < x.labels.size(); ++a) {
    const bool kept = has(needed, x.labels[a]);
    if (kept) left.push_back(x.labels[a]);
    if (!kept) op.axes.push_back(static_cast<int64_t>(a));
  }
  if (op.axes.empty()) return;
  x = {node_.add(std::move(op), {x.id}), left};
}

Operand Contraction::product(const Operand& a, const Operand& b, const Labels& needed) {
  Labels batch, left, right, inner;
  for (const int label : a.labels) {
    (!has(b.labels, label) ? left : has(needed, label) ? batch : inner).push_back(label);
  }
  for (const int label : b.labels) {
    if (!has(a.labels, label)) right.push_back(label);
  }
  const bool matrices =
      !inner.empty() && node_.network().type(a.id) == DataType::kFloat32 &&
      std::all_of(inner.begin(), inner.end(), [&](int l) { return extent(a, l) == extent(b, l); });
  return matrices ? by_matrices(a, b, {batch, left, right, inner})
                  : by_elements(a, b, {batch, left, right, inner}, needed);
}

void Contraction::take_diagonal(Operand& x, int first, int second) {
  const int64_t extent = shape(x)[first];
  if (extent == kDynamic || shape(x)[second] != extent) {
    node_.unsupported("it takes the diagonal of {}, which must be square and of fixed extents",
                      shape(x).to_string());
  }
  node_.require(extent <= kMostMadeElements, "it takes the diagonal of {}", shape(x).to_string());
  Shuffle op;
  op.has_reshape = true;
  Labels labels;
  for (int a = 0; a < shape(x).rank(); ++a) {
    if (a == first || a == second) continue;
    op.first.push_back(a);
    op.dims.push_back(0);
    labels.push_back(x.labels[static_cast<size_t>(a)]);
  }
  op.first.insert(op.first.end(), {first, second});
  op.dims.push_back(extent * extent);
  labels.push_back(x.labels[static_cast<size_t>(first)]);
  std::vector<int64_t> places(static_cast<size_t>(extent));
  for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<int64_t>(i) * (extent + 1);
  const TensorId flat = node_.add(std::move(op), {x.id});
  const TensorId indices = node_.add_constant(Tensor::int64s(places), "diagonal");
  x = {node_.add(Gather{static_cast<int64_t>(labels.size()) - 1}, {flat, indices}), labels};
}

TensorId Contraction::arranged(const Operand& x, const Labels& singles,
                               const std::vector<Labels>& merged) {
  Shuffle op;
  for (const int label : singles) place(x, label, op);
  for (const Labels& group : merged) {
    int64_t extent_of_all = 1;
    for (const int label : group) {
      const int64_t one = extent(x, label);
      extent_of_all = one == kDynamic || extent_of_all == kDynamic ? kDynamic : extent_of_all * one;
    }
    if (group.size() == 1) {
      place(x, group[0], op);
      continue;
    }
    op.has_reshape = true;
    for (const int label : group) op.first.push_back(x.axis(label));
    op.dims.push_back(extent_of_all);
  }
  return shuffled(x.id, std::move(op));
}

void Contraction::place(const Operand& x, int label, Shuffle& op) {
  if (!has(x.labels, label)) {
    op.has_reshape = true;
    op.dims.push_back(1);
    return;
  }
  const bool in_place = op.first.size() == op.dims.size();
  op.first.push_back(x.axis(label));
  op.dims.push_back(in_place ? 0 : extent(x, label));
}

/// Leaves out what changes nothing; at most one extent may be unknown in a reshape.
TensorId Contraction::shuffled(TensorId x, Shuffle op) {
  if (std::is_sorted(op.first.begin(), op.first.end())) op.first.clear();
  if (!op.has_reshape) op.dims.clear();
  if (op.first.empty() && !op.has_reshape) return x;
  if (std::count(op.dims.begin(), op.dims.end(), kDynamic) > 1) {
    node_.unsupported("it merges several unknown extents; give the model's inputs fixed shapes");
  }
  return node_.add(std::move(op), {x});
}

Operand Contraction::by_matrices(const Operand& a, const Operand& b, const Split& s) {
  const TensorId left = arranged(a, s.batch, {s.left, s.inner});
  const TensorId right = arranged(b, s.batch, {s.inner, s.right});
  Operand y{node_.add(MatrixMultiply{}, {left, right}), s.batch};
  y.labels.insert(y.labels.end(), s.left.begin(), s.left.end());
  y.labels.insert(y.labels.end(), s.right.begin(), s.right.end());
  if (s.left.size() == 1 && s.right.size() == 1) return y;
  Shuffle op;
  op.has_reshape = true;
  op.dims.assign(s.batch.size(), 0);
  for (size_t i = 0; i < s.left.size(); ++i) {
    op.dims.push_back(s.left.size() == 1 ? 0 : extent(a, s.left[i]));
  }
  for (const int label : s.right) op.dims.push_back(extent(b, label));
  y.id = shuffled(y.id, std::move(op));
  return y;
}

Operand Contraction::by_elements(const Operand& a, const Operand& b, const Split& s,
                                 const Labels& needed) {
  Labels all = s.batch;
  for (const Labels* part : {&s.left, &s.right, &s.inner}) {
    all.insert(all.end(), part->begin(), part->end());
  }
  Operand y{node_.elementwise(ElementwiseKind::kMul, arranged(a, all, {}), arranged(b, all, {})),
            all};
  reduce(y, needed);
  return y;
}

}  // namespace octile
