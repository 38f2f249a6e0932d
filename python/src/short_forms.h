// The short forms of Network, one a layer: in weighted_forms.cc those with weights or a window, in
// movement_forms.cc those that move values, in plain_forms.cc the others.
#pragma once

#include <nanobind/nanobind.h>

#include "octile/network.h"

namespace octile::python {

void bind_weighted_forms(nanobind::class_<Network>& cls);
void bind_plain_forms(nanobind::class_<Network>& cls);
void bind_movement_forms(nanobind::class_<Network>& cls);
void bind_onnx_node(nanobind::class_<Network>& cls);      // onnx_node.cc
void bind_network_state(nanobind::class_<Network>& cls);  // network_state.cc

}  // namespace octile::python
