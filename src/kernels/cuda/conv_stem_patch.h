// How a block of a first layer gets its patch (conv_stem_plan.h): floats are copied to shared
// memory as they are, by copies that do not wait, and quantized once into words. Padding is copied
// as zeros, which quantize to the zero point.
#pragma once

#include <type_traits>

#include "kernels/cuda/conv_stem_plan.h"
#include "kernels/cuda/device/copy.h"
#include "kernels/cuda/device/tma.h"

namespace octile::cuda {

#if __CUDA_ARCH__ >= 800

/// A thread's part in copying patches.
struct StemCopies {
  int line, value;  // of its first piece
  __device__ __forceinline__ explicit StemCopies(const StemPatch& p) {
    const int thread = static_cast<int>(threadIdx.x);
    line = thread / p.pieces;
    value = (thread - line * p.pieces) * p.piece;
    if (line >= p.pass) line = p.lines;
  }
};

/// The copy engine: a box of the image, zeros outside of it, started by one thread.
class StemEngine {
 public:
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  __device__ __forceinline__ StemEngine(uint64_t* s_barrier, bool wanted)
      : s_barrier_(s_barrier), is_on_(wanted) {
    if (!wanted) return;
    if (threadIdx.x == 0) {
      barrier_init(s_barrier, 1);
      barrier_init_done();
    }
    __syncthreads();
  }
  __device__ __forceinline__ bool is_on() const { return is_on_; }
  __device__ __forceinline__ void copy(const ConvParams& c, const StemPatch& p,
                                       const CUtensorMap& map, int n, int h, int w,
                                       float* s_stage) const {
    if (threadIdx.x != 0) return;
    barrier_expect(s_barrier_, static_cast<uint32_t>(4 * p.planes * p.lines * p.row_values));
    copy_image_box(s_stage, &map, p.planar != 0 ? w : w * c.in_c, h, 0, n, s_barrier_);
  }
  __device__ __forceinline__ void wait() {
    barrier_wait(s_barrier_, parity_);
    parity_ ^= 1;
  }

 private:
  uint64_t* s_barrier_;
  bool is_on_;
  uint32_t parity_ = 0;
#else
  __device__ __forceinline__ StemEngine(uint64_t*, bool) {}
  __device__ __forceinline__ bool is_on() const { return false; }
  __device__ __forceinline__ void copy(const ConvParams&, const StemPatch&, const CUtensorMap&, int,
                                       int, int, float*) const {}
  __device__ __forceinline__ void wait() {}
#endif
};

/// Zeros for a thread's pieces of one plane, but those in lines [begin, end).
template <class Piece>
__device__ __forceinline__ void clear_lines(const StemPatch& p, const StemCopies& part,
                                            float* s_plane, int begin, int end) {
  for (int line = part.line; line < p.lines; line += p.pass) {
    if (line >= begin && line < end) continue;
    *reinterpret_cast<Piece*>(s_plane + line * p.row_values) = Piece{};
  }
}

/// Starts copying the patch whose first line is line h of image n and whose first pixel is w.
template <int kPiece>
__device__ __forceinline__ void copy_patch(const ConvParams& c, const StemPatch& p,
                                           const StemCopies& part, int n, int h, int w,
                                           float* s_stage) {
  using Piece = std::conditional_t<kPiece == 4, float4, float>;
  const float* image =
      reinterpret_cast<const float*>(c.x) + static_cast<int64_t>(n) * p.image_values;
  const int first = p.planar != 0 ? w : w * c.in_c;
  const int begin = max(0, -h), end = min(p.lines, c.in_h - h);  // lines of the image
  const int64_t step = static_cast<int64_t>(p.pass) * p.image_row;
  for (int at = part.value; at < p.row_values; at += kStemThreads * kPiece) {  // mostly once
    const int value = first + at;
    const bool in_row = static_cast<unsigned>(value) < static_cast<unsigned>(p.image_row);
    for (int plane = 0; plane < p.planes; ++plane) {
      float* s_plane = s_stage + plane * p.lines * p.row_values + at;
      int line = begin + part.line;
      const float* source =
          image + (static_cast<int64_t>(plane * c.in_h + h + line) * p.image_row + value);
      float* s_target = s_plane + line * p.row_values;
      for (; in_row && line < end; line += p.pass) {
        copy_async<4 * kPiece>(s_target, source);
        source += step, s_target += p.pass * p.row_values;
      }
      if (!in_row) {
        clear_lines<Piece>(p, part, s_plane, 0, 0);
      } else if (begin > 0 || end < p.lines) {
        clear_lines<Piece>(p, part, s_plane, begin, end);
      }
    }
  }
}

/// Bytes of a word from its values, the first lowest.
template <int kValues>
__device__ __forceinline__ uint32_t quantized_word(const StemPatch& p, const float (&v)[kValues]) {
  uint32_t word = p.word_base;
#pragma unroll
  for (int k = 0; k < kValues; ++k) word += p.quantizer.bits(v[k]) << (8 * k);
  return word ^ p.word_flip;
}

__device__ __forceinline__ void load_four(const float* s_source, float* values) {
  const float4 v = *reinterpret_cast<const float4*>(s_source);
  values[0] = v.x, values[1] = v.y, values[2] = v.z, values[3] = v.w;
}

/// Four pixels a thread.
template <int kChannels, bool kPlanar>
__device__ __forceinline__ void quantize_pixels(const StemPatch& p, const float* s_stage,
                                                uint4* s_words) {
  const int fours = p.lines * p.line_pixels / 4;
  for (int i = static_cast<int>(threadIdx.x); i < fours; i += static_cast<int>(blockDim.x)) {
    float v[4 * kChannels];
#pragma unroll
    for (int k = 0; k < kChannels; ++k) {
      load_four(s_stage + 4 * (kPlanar ? i + k * fours : i * kChannels + k), v + 4 * k);
    }
    uint32_t words[4];
#pragma unroll
    for (int pixel = 0; pixel < 4; ++pixel) {
      float channels[kChannels];
#pragma unroll
      for (int k = 0; k < kChannels; ++k) {
        channels[k] = v[kPlanar ? 4 * k + pixel : kChannels * pixel + k];
      }
      words[pixel] = quantized_word(p, channels);
    }
    s_words[i] = make_uint4(words[0], words[1], words[2], words[3]);
  }
}

/// Behind a line's last pixels come the next line's: no window wants those words.
__device__ __forceinline__ void quantize_runs(const StemPatch& p, const float* s_stage,
                                              uint4* s_words) {
  const int fours = p.lines * p.line_pixels / 4;
  for (int i = static_cast<int>(threadIdx.x); i < fours; i += static_cast<int>(blockDim.x)) {
    float own[4], right[4];
    load_four(s_stage + 4 * i, own), load_four(s_stage + 4 * i + 4, right);
    const uint32_t low = quantized_word(p, own), high = quantized_word(p, right);
    s_words[i] = make_uint4(low, __funnelshift_r(low, high, 8), __funnelshift_r(low, high, 16),
                            __funnelshift_r(low, high, 24));
  }
}

/// Staged floats into words.
__device__ __forceinline__ void quantize_patch(const ConvParams& c, const StemPatch& p,
                                               const float* s_stage, uint4* s_words) {
  const bool planar = p.planar != 0;
  if (c.in_c == 1) {
    quantize_runs(p, s_stage, s_words);
  } else if (c.in_c == 3) {
    planar ? quantize_pixels<3, true>(p, s_stage, s_words)
           : quantize_pixels<3, false>(p, s_stage, s_words);
  } else if (c.in_c == 4) {
    planar ? quantize_pixels<4, true>(p, s_stage, s_words)
           : quantize_pixels<4, false>(p, s_stage, s_words);
  } else {
    planar ? quantize_pixels<2, true>(p, s_stage, s_words)
           : quantize_pixels<2, false>(p, s_stage, s_words);
  }
}

/// The same from an image of bytes, a word a thread, four of them under way together.
__device__ __forceinline__ void gather_patch(const ConvParams& c, const StemPatch& p, int n, int h0,
                                             int w0, uint32_t* s_words) {
  const uint8_t* image = c.x + static_cast<int64_t>(n) * p.image_values;
  const uint32_t border = *c.border;
  const bool is_run = c.in_c == 1;  // bytes of four pixels, else of four channels
  const int bytes = is_run ? 4 : c.in_c, words = p.lines * p.line_pixels;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < words; i += static_cast<int>(blockDim.x)) {
    uint32_t line, pixel;
    p.line.split(static_cast<uint32_t>(i), line, pixel);
    const int h = h0 + static_cast<int>(line), w = w0 + static_cast<int>(pixel);
    const bool in_image = static_cast<unsigned>(h) < static_cast<unsigned>(c.in_h);
    const uint8_t* source = image + static_cast<int64_t>(h * c.in_w + w) * c.in_c;
    uint32_t word = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const int column = is_run ? w + k : w;
      const bool exists =
          in_image && k < bytes && static_cast<unsigned>(column) < static_cast<unsigned>(c.in_w);
      word |= (exists ? source[k] : border) << (8 * k);
    }
    s_words[i] = word;
  }
}

#endif  // __CUDA_ARCH__ >= 800

}  // namespace octile::cuda
