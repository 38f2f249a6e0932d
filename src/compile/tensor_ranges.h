// Which range each tensor is quantized with: the table, manual ranges, and tensors that must share
// one because values only move between them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arithmetic/quantize.h"
#include "compile/group.h"
#include "octile/calibration.h"

namespace octile {

/// TensorRanges is a union-find over the network's tensors: movement groups (max pooling, shuffle,
/// slice, …) join input and output; concatenation pushes its output's range to its inputs. A class
/// takes its range from a manual range (Network::set_dynamic_range) if it holds one, else from the
/// table; of several from the output of a concatenation in it, else from its first tensor in
/// running order.
class TensorRanges {
 public:
  TensorRanges(const Network& network, const std::vector<Group>& groups,
               const CalibrationTable* table);

  /// Representative of the tensor's class: equal for tensors that share scale and zero point.
  int32_t class_of(TensorId tensor) const;
  /// nullopt: neither the table nor the user gave one.
  std::optional<CalibrationTable::Entry> find(TensorId tensor) const;
  /// Scale and zero point under a static scheme; nullopt without a range.
  std::optional<QuantParams> params(TensorId tensor, Scheme scheme) const;
  /// The same without a method's cut: the ends of what the samples held, where the table knows them
  /// and nobody gave a range by hand. For tensors that int8 layers write and none reads.
  std::optional<QuantParams> uncut_params(TensorId tensor, Scheme scheme) const;
  /// Tensors whose manual range gave way to another one of their class.
  const std::vector<std::string>& overruled() const { return overruled_; }

 private:
  int32_t root(int32_t index) const;
  void join(TensorId a, TensorId b);
  void collect_overruled(const Network& network);

  mutable std::vector<int32_t> parent_;
  std::vector<std::optional<CalibrationTable::Entry>> entries_;  // by root
  std::vector<std::optional<Range>> seen_;                       // by tensor
  std::vector<std::string> overruled_;
};

}  // namespace octile
