// The module octile._native: one function a file registers its part.
#include <nanobind/nanobind.h>

#include "octile/types.h"

NB_MODULE(_native, m) {
  m.attr("__version__") = std::string(octile::version()).c_str();
}
