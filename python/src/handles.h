// Handles: a tensor or layer of a network, which they keep alive.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>

#include <memory>
#include <vector>

#include "base/error.h"
#include "octile/network.h"

namespace octile::python {

namespace nb = nanobind;

struct NetTensor {
  std::shared_ptr<Network> network;
  TensorId id;
  bool operator==(const NetTensor& other) const {
    return network.get() == other.network.get() && id == other.id;
  }
};

struct NetLayer {
  std::shared_ptr<Network> network;
  LayerId id;
  bool operator==(const NetLayer& other) const {
    return network.get() == other.network.get() && id == other.id;
  }
};

/// The id, checked to be alive and of `network`.
inline TensorId id_in(const std::shared_ptr<Network>& network, const NetTensor& tensor) {
  check(tensor.network.get() == network.get(), ErrorCode::kInvalidArgument,
        "a tensor of network '{}' was given to network '{}': use the handles of one network",
        tensor.network->name(), network->name());
  check(network->alive(tensor.id), ErrorCode::kInvalidArgument,
        "network '{}': the tensor was removed", network->name());
  return tensor.id;
}
inline LayerId id_in(const std::shared_ptr<Network>& network, const NetLayer& layer) {
  check(layer.network.get() == network.get(), ErrorCode::kInvalidArgument,
        "a layer of network '{}' was given to network '{}': use the handles of one network",
        layer.network->name(), network->name());
  check(network->alive(layer.id), ErrorCode::kInvalidArgument,
        "network '{}': the layer was removed", network->name());
  return layer.id;
}
/// The handle's own id, checked to be alive.
inline TensorId live(const NetTensor& tensor) { return id_in(tensor.network, tensor); }
inline LayerId live(const NetLayer& layer) { return id_in(layer.network, layer); }

}  // namespace octile::python
