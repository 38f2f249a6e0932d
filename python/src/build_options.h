// Keywords of build(), quantize() and retime(), one row each in build_options.cc.
#pragma once

#include <nanobind/nanobind.h>

#include "calls.h"
#include "octile/builder.h"

namespace octile::python {

namespace nb = nanobind;

/// Sets the options that `keywords` names and removes them from it. Callbacks are made by `calls`.
BuildOptions take_build_options(nb::dict& keywords, Calls& calls);

}  // namespace octile::python
