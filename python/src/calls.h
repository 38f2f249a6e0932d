// Long calls: C++ runs without the GIL, Python callbacks take it again, and what they raise comes
// out of the call as it is, whatever the library in between makes of an exception.
#pragma once

#include <nanobind/nanobind.h>

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "gil.h"
#include "octile/calibration.h"

namespace octile::python {

namespace nb = nanobind;

/// The callbacks of one long call. It must outlive the C++ functions made from it.
class Calls {
 public:
  /// Thrown through the library in the place of a Python exception.
  struct Stopped {};

  /// Runs f() with the GIL held. After a first exception further callbacks stop at once.
  template <typename F>
  auto python(F&& f) {
    const AcquiredGil gil;
    if (error_) throw Stopped{};
    try {
      return or_sleep(f);
    } catch (const Stopped&) {  // of a call inside this one
      throw;
    } catch (...) {
      error_ = std::current_exception();
      throw Stopped{};
    }
  }

  /// Runs f() without the GIL. REQUIRES: the GIL is held by the caller.
  template <typename F>
  auto run(F&& f) {
    try {
      const ReleasedGil released;
      return f();
    } catch (...) {
      if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
      throw;
    }
  }

  /// Progress to progress(phase, done, total); True: to a line on stderr. Without a callback (None)
  /// it still lets Ctrl-C end the call, now and then.
  ProgressFunction progress(nb::object callback);
  /// Messages to log(level, message), levels "debug", "info", "warning", "error"; None: to the
  /// logger "octile" of Python's logging.
  LogCallback log(nb::object callback);

 private:
  std::exception_ptr error_;
  std::chrono::steady_clock::time_point checked_{};
};

}  // namespace octile::python
