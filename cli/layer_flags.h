// Flags that build and quantize share: what is asked of single layers, tensors and passes.
#pragma once

#include <string>
#include <vector>

#include "session.h"

namespace octile::cli {

struct LayerFlags {
  std::vector<std::string> precisions, schemes, ranges, disabled;
  std::string precision_from;
  /// --precision, --range, --disable-pass.
  void add(CLI::App& command);
  /// --range. A usage error naming the flag where the network has no such tensor.
  void apply_ranges(Network& network) const;
  /// The others; options.int8 must be set before.
  void set(BuildOptions& options, const Network& network) const;
};

}  // namespace octile::cli
