// See fast_runner.h. Null until compile/ can build an engine that keeps its tensors.
#include "calibrate/fast_runner.h"

namespace octile {

std::unique_ptr<FloatRunner> make_fast_runner(const Network&) { return nullptr; }

}  // namespace octile
