// A team of threads (team.h) that waits for the loops of a whole run.
#pragma once

#include <type_traits>

namespace octile {

/// While body() runs, parallel_for of this thread finds its team waiting: a loop begins and ends
/// in half a microsecond, where gathering the team for it alone takes three times as long. OpenMP's
/// own parallel regions get one thread inside. Inside a loop or another team body() runs as it is.
void run_with_team(void (*body)(void* context), void* context);

template <typename Body>
void with_team(Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  run_with_team([](void* context) { (*static_cast<Plain*>(context))(); },
                const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace octile
