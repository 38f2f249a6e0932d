// Outputs of many batches, and their joining along axis 0. Batches may differ in shape: where the
// network's other axes are dynamic, each picture has its own.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "octile/tensor.h"

namespace octile::cli {

/// The first `rows` rows of a tensor; beyond its own, the last one again.
Tensor with_rows(const Tensor& tensor, int64_t rows);

class Collected {
 public:
  void add(const std::string& name, const Tensor& part) { parts_[name].push_back(part); }
  /// Its axis 0 is not that of samples (Binding::from_values): its parts are never joined.
  void keep_apart(const std::string& name) { apart_.insert(name); }
  /// Batch by batch; empty where nothing was kept.
  const std::vector<Tensor>& parts(const std::string& name) const;
  /// "" when the parts can be joined: one type, axes 1 … equal, a batch axis or a single part.
  /// Else what is in the way, naming the output and both shapes.
  std::string refusal(const std::string& name) const;
  /// All parts along axis 0. Throws kInvalidArgument with refusal().
  Tensor joined(const std::string& name) const;
  /// For an .npz: each output joined, or its batches as NAME.0, NAME.1 … where that is refused.
  std::map<std::string, Tensor> arrays() const;

 private:
  std::map<std::string, std::vector<Tensor>> parts_;
  std::set<std::string> apart_;
};

}  // namespace octile::cli
