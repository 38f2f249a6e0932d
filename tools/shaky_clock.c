/* A clock that jumps ahead, for LD_PRELOAD: see check_clock.sh. Every reading of CLOCK_MONOTONIC adds
 * up to SHAKY_CLOCK_NS (mostly little, now and then much) to all later ones. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec* time) {
  static int (*_Atomic real)(clockid_t, struct timespec*);
  static _Atomic uint64_t state;
  static _Atomic int64_t ahead;
  if (!real) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  const int result = real(id, time);
  if (result != 0 || id != CLOCK_MONOTONIC) return result;
  /* SplitMix64, begun somewhere else in every process. */
  if (!state) state = (uint64_t)time->tv_nsec * 2654435761u + (uint64_t)getpid();
  uint64_t seed = state += 0x9e3779b97f4a7c15u;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebu;
  const double part = (double)((seed ^ (seed >> 31)) >> 11) * 0x1p-53;
  const char* most = getenv("SHAKY_CLOCK_NS");
  ahead += (int64_t)(part * part * part * part * (most ? atof(most) : 2e6));
  const int64_t ns = time->tv_sec * 1000000000LL + time->tv_nsec + ahead;
  time->tv_sec = ns / 1000000000LL;
  time->tv_nsec = ns % 1000000000LL;
  return 0;
}
