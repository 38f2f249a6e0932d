// The runtime library alone: loading what is no plan is one clear error.
#include <octile/engine.h>

#include <cstdio>

int main() {
  try {
    octile::Plan::parse("not a plan");
  } catch (const octile::Error& error) {
    std::printf("octile runtime %s: %s\n", std::string(octile::version()).c_str(), error.what());
    return 0;
  }
  return 1;
}
