// The ceiling of tdpbusd: four tiles of sums, so that each product finds its own ready. The thread
// configures its tiles itself; the process must have asked Linux for them (peaks.cc does).
#include <immintrin.h>

#include "peaks.h"

namespace octile::bench {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

void dot(int64_t iterations) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = 64;
    config.rows[tile] = 16;
  }
  asm volatile("" : "+m"(config));  // GCC 12 believes that ldtilecfg reads eight bytes
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t i = 0; i < iterations; ++i) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_release();
}

constexpr PeakLoop kRows[] = {{"tdpbusd", 4 * 16 * 16 * 64 * 2.0, dot}};

}  // namespace

const PeakLoops kPeaksAmx = {kRows, 1};

}  // namespace octile::bench
