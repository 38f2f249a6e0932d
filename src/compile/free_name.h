// Names for what passes add.
#pragma once

#include <string>

#include "octile/network.h"

namespace octile {

/// `base`, or with a number where a layer or tensor has that name already.
inline std::string free_name(const Network& network, const std::string& base) {
  std::string name = base;
  for (int i = 2; network.find_layer(name) || network.find_tensor(name); ++i) {
    name = base + "." + std::to_string(i);
  }
  return name;
}

}  // namespace octile
