// Keywords of build(), quantize() and retime(), one row each in build_options.cc.
#pragma once

#include <nanobind/nanobind.h>

#include "calls.h"
#include "octile/builder.h"

namespace octile::python {

namespace nb = nanobind;

/// Sets the options that `keywords` names and removes them from it. Callbacks are made by `calls`.
BuildOptions take_build_options(nb::dict& keywords, Calls& calls);
/// TypeError for a keyword that is left over.
void refuse_others(const nb::dict& keywords, const char* function);
/// keywords[name], removed; an invalid object where there is none, or None.
nb::object take(nb::dict& keywords, const char* name);

}  // namespace octile::python
