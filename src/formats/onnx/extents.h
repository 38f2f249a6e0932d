// Names for extents that are not known before run time. Two axes with the same symbol have the
// same extent whatever the inputs are; that is what a Reshape to "the batch of x" needs to know.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "octile/network.h"

namespace octile {

using Symbol = int;
inline constexpr Symbol kNoSymbol = -1;  // a known extent

/// Extents keeps a symbol for every kDynamic axis of a network's tensors. Values computed from
/// extents (Shape, Gather, Concat … of exporters) are evaluated twice, with two probe extents for
/// every symbol: entries that agree do not depend on any, an entry that is a symbol's probe both
/// times is that extent.
class Extents {
 public:
  /// A new symbol, or the one of that name when the name is not empty.
  Symbol symbol(const std::string& name = "");
  /// Symbols of a tensor's axes, for network inputs.
  void set(TensorId tensor, std::vector<Symbol> symbols);
  /// Derives the symbols of the layer's outputs from its inputs'.
  void follow(const Network& network, LayerId layer);
  /// Symbol of an axis; kNoSymbol when its extent is known.
  Symbol at(TensorId tensor, int axis) const;

  /// Stand-in for a symbol's extent; `which` is 0 or 1. Odd primes, and twice primes.
  int64_t probe(Symbol symbol, int which) const;
  /// The symbol with these probes, or kNoSymbol.
  Symbol from_probes(int64_t first, int64_t second) const;

 private:
  std::vector<Symbol> symbols_of(TensorId tensor, int rank) const;

  using Probes = std::array<int64_t, 2>;
  std::vector<Probes> probes_;  // by symbol
  std::unordered_map<int64_t, Symbol> by_probe_;
  std::unordered_map<std::string, Symbol> names_;
  std::unordered_map<int32_t, std::vector<Symbol>> tensors_;
};

}  // namespace octile
