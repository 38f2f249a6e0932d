// The GIL for a scope, also in daemon threads of an interpreter that is ending: Python before 3.14
// ends a thread that asks for the GIL then by pthread_exit(), whose unwinding no noexcept frame
// (nanobind's are) survives. Such a thread sleeps here instead, until the process has ended.
#pragma once

#include <cxxabi.h>
#include <nanobind/nanobind.h>
#include <unistd.h>

namespace octile::python {

/// Runs f(), which may ask for the GIL; does not return where the interpreter ends the thread.
template <typename F>
auto or_sleep(F&& f) {
  try {
    return f();
  } catch (const abi::__forced_unwind&) {
    for (;;) pause();
  }
}

/// Holds no GIL while it lives. REQUIRES: the GIL is held before.
class ReleasedGil {
 public:
  ReleasedGil() : state_(PyEval_SaveThread()) {}
  ~ReleasedGil() {
    or_sleep([&] { PyEval_RestoreThread(state_); });
  }
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  PyThreadState* state_;
};

/// Holds the GIL while it lives, whichever thread this is.
class AcquiredGil {
 public:
  AcquiredGil() : state_(or_sleep([] { return PyGILState_Ensure(); })) {}
  ~AcquiredGil() { PyGILState_Release(state_); }
  AcquiredGil(const AcquiredGil&) = delete;
  AcquiredGil& operator=(const AcquiredGil&) = delete;

 private:
  PyGILState_STATE state_;
};

}  // namespace octile::python
