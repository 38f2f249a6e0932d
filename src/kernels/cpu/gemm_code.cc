// INT8 tiles with vpdpbusd on 512-bit registers, written at run time: a compiler spills what has to
// stay in 28 registers, and every offset of a step is known when it is prepared.
//
//   rows r = 0 … m−1, vectors v = 0 … V−1 of 16 columns:
//     zmm31 … zmm(32 − m·V)   sums (r, v); where those are few, several sets take turns
//     zmm0 … zmm(V−1)         weights of one group of k (4 values)
//     the rest                a row's 4 bytes, broadcast
//
// Start reading at generate().
#include "kernels/cpu/gemm_code.h"

#include <xbyak/xbyak.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace octile {
namespace {

using Xbyak::Label;
using Xbyak::Reg64;
using Xbyak::Zmm;

constexpr size_t kMostCode = 96 << 10;
constexpr int kUnroll = 4;             // groups of k a round
constexpr int64_t kUnrolled = 16;      // as many in all are written out
constexpr int64_t kLevel1 = 24 << 10;  // weights of a tile beyond it are fetched ahead
constexpr int kAhead = 2048;           // bytes

class Generator : public Xbyak::CodeGenerator, public GemmCode {
 public:
  Generator(const GemmShape& tile_shape, int nr)
      : Xbyak::CodeGenerator(kMostCode, Xbyak::DontSetProtectRWE),
        s_(tile_shape),
        stride_(nr / 16),
        vectors_((tile_shape.n + 15) / 16),
        sets_(tile_shape.rows * vectors_ >= 10  ? 1
              : tile_shape.rows * vectors_ >= 5 ? 2
                                                : 4) {
    generate();
    ready();
    if (!setProtectModeRE(false)) throw Xbyak::Error(Xbyak::ERR_CANT_PROTECT);
  }
  GemmFunction function() const override {
    return reinterpret_cast<GemmFunction>(const_cast<uint8_t*>(getCode()));
  }

 private:
  // The arguments, and what walks.
  const Reg64 shape = rdi, call_ = rsi, x = r8, tiles = r9, first_weights = r10, bias = r11;
  const Reg64 scale = rax, addend = rcx, out = rdx, residual = rbx;
  const Reg64 weights = r12, at = r13, left = r14, segment = r15, segments = rbp;

  Zmm sum(int row, int vector, int set = 0) const {
    return Zmm(31 - (set * s_.rows + row) * vectors_ - vector);
  }
  int spare() const { return 32 - sets_ * s_.rows * vectors_ - vectors_; }

  void generate() {
    for (const Reg64& r : {rbx, rbp, r12, r13, r14, r15}) push(r);
    mov(x, ptr[call_ + offsetof(GemmCall, x)]);
    mov(tiles, ptr[call_ + offsetof(GemmCall, tiles)]);
    mov(first_weights, ptr[call_ + offsetof(GemmCall, weights)]);
    mov(bias, ptr[call_ + offsetof(GemmCall, bias)]);
    mov(scale, ptr[call_ + offsetof(GemmCall, scale)]);
    if (s_.addend) mov(addend, ptr[call_ + offsetof(GemmCall, addend)]);
    mov(out, ptr[call_ + offsetof(GemmCall, out)]);
    if (s_.residual) mov(residual, ptr[call_ + offsetof(GemmCall, residual)]);
    set_masks();
    Label next;
    L(next);
    start_sums();
    products();
    for (int set = 1; set < sets_; ++set) {
      for (int r = 0; r < s_.rows; ++r) {
        for (int v = 0; v < vectors_; ++v) vpaddd(sum(r, v), sum(r, v), sum(r, v, set));
      }
    }
    s_.floats ? store_floats() : store_bytes();
    step(x, s_.tile_step);
    step(out, s_.rows * s_.out_stride);
    if (s_.residual) step(residual, s_.rows * s_.residual_stride);
    if (s_.table_stride != 0) {
      step(bias, s_.rows * s_.table_stride * 4);
      step(scale, s_.rows * s_.table_stride * 4);
    }
    dec(tiles);
    jnz(next, T_NEAR);
    for (const Reg64& r : {r15, r14, r13, r12, rbp, rbx}) pop(r);
    vzeroupper();
    ret();
    write_constants();
  }

  /// Adds a constant of any size.
  void step(const Reg64& to, int64_t bytes) {
    if (bytes >= INT32_MIN && bytes <= INT32_MAX) {
      add(to, static_cast<uint32_t>(bytes));
    } else {
      mov(left, bytes);
      add(to, left);
    }
  }

  // --- the sums ---

  void start_sums() {
    for (int v = 0; v < vectors_; ++v) vmovups(sum(0, v), ptr[bias + 64 * v]);
    for (int r = 1; r < s_.rows; ++r) {
      for (int v = 0; v < vectors_; ++v) {
        if (s_.table_stride == 0) {
          vmovdqa32(sum(r, v), sum(0, v));
        } else {
          vmovups(sum(r, v), ptr[bias + size_t(r * s_.table_stride * 4 + 64 * v)]);
        }
      }
    }
    for (int set = 1; set < sets_; ++set) {
      for (int r = 0; r < s_.rows; ++r) {
        for (int v = 0; v < vectors_; ++v) {
          vpxord(sum(r, v, set), sum(r, v, set), sum(r, v, set));
        }
      }
    }
  }

  /// One group of k, `ahead` groups behind `weights` and `from`.
  void group(const Reg64& from, int64_t offset, int ahead) {
    for (int v = 0; v < vectors_; ++v) {
      vmovups(Zmm(v), ptr[weights + size_t((ahead * stride_ + v) * 64)]);
    }
    if (s_.segments * s_.groups * stride_ * 64 > kLevel1) {
      for (int v = 0; v < vectors_; ++v) {
        prefetcht0(ptr[weights + size_t((ahead * stride_ + v) * 64 + kAhead)]);
      }
    }
    for (int r = 0; r < s_.rows; ++r) {
      const Zmm a(vectors_ + r % spare());
      vpbroadcastd(a, ptr[from + size_t(s_.row_offset[r] + offset + 4 * ahead)]);
      for (int v = 0; v < vectors_; ++v) vpdpbusd(sum(r, v, ahead % sets_), a, Zmm(v));
    }
  }

  void products() {
    mov(weights, first_weights);
    if (s_.segments == 1 && s_.groups <= kUnrolled) {
      for (int g = 0; g < s_.groups; ++g) group(x, s_.segment_offset[0], g);
      return;
    }
    mov(segment, ptr[shape + offsetof(GemmShape, segment_offset)]);
    mov(segments, s_.segments);
    Label next_segment;
    L(next_segment);
    mov(at, ptr[segment]);
    add(at, x);
    const int64_t rounds = s_.groups / kUnroll;
    const int rest = static_cast<int>(s_.groups % kUnroll);
    if (rounds > 0) {
      mov(left, rounds);
      Label next_round;
      L(next_round);
      for (int g = 0; g < kUnroll; ++g) group(at, 0, g);
      add(weights, kUnroll * stride_ * 64);
      add(at, 4 * kUnroll);
      dec(left);
      jnz(next_round, T_NEAR);
    }
    for (int g = 0; g < rest; ++g) group(at, 0, g);
    if (rest > 0) add(weights, rest * stride_ * 64);
    add(segment, 8);
    dec(segments);
    jnz(next_segment, T_NEAR);
  }

  // --- from sums to outputs ---

  /// k1: columns of one row as bytes; k2: those of the last vector.
  void set_masks() {
    mov(left, s_.n >= 64 ? ~uint64_t{0} : (uint64_t{1} << s_.n) - 1);
    kmovq(k1, left);
    const int last = s_.n - 16 * (vectors_ - 1);
    mov(left, last >= 16 ? 0xffff : (1 << last) - 1);
    kmovq(k2, left);
  }
  bool cut(int vector) const { return vector == vectors_ - 1 && s_.n % 16 != 0; }

  Xbyak::Address constant(const Label& label) { return ptr[rip + label]; }
  Xbyak::Address broadcast(const Label& label) { return ptr_b[rip + label]; }

  /// (r, v) → v of docs/arithmetic.md, as float.
  void scale_sum(int r, int v) {
    const Zmm y = sum(r, v);
    vcvtdq2ps(y, y);
    vmulps(y, y, ptr[scale + size_t(r * s_.table_stride * 4 + 64 * v)]);
    if (s_.residual) {
      const Zmm value(1);
      const auto source = ptr[residual + size_t(r * s_.residual_stride + 16 * v)];
      const Zmm to = cut(v) ? value | k2 | T_z : value;
      s_.residual_signed ? vpmovsxbd(to, source) : vpmovzxbd(to, source);
      if (s_.residual_zero != 0) vpsubd(value, value, broadcast(residual_zero_));
      vcvtdq2ps(value, value);
      vmulps(value, value, broadcast(residual_multiplier_));
      vaddps(y, y, value);
    }
  }

  void store_floats() {
    for (int r = 0; r < s_.rows; ++r) {
      for (int v = 0; v < vectors_; ++v) {
        const Zmm y = sum(r, v);
        scale_sum(r, v);
        if (s_.addend) vaddps(y, y, ptr[addend + 64 * v]);
        vmaxps(y, y, broadcast(lo_));
        vminps(y, y, broadcast(hi_));
        const auto to = ptr[out + size_t(r * s_.out_stride + 64 * v)];
        cut(v) ? vmovups(to | k2, y) : vmovups(to, y);
      }
    }
  }

  /// Four vectors (of one row, two, or four) become 64 bytes. Packing leaves 4 bytes of each of the
  /// four in every 128-bit lane; one permutation sets them side by side. Saturation clamps to the
  /// type's range, so only tighter clamps are left to do.
  void store_bytes() {
    const int rows_at_once = vectors_ > 2 ? 1 : vectors_ == 2 ? 2 : 4;
    vmovdqa32(Zmm(0), constant(order_));
    for (int r = 0; r < s_.rows; r += rows_at_once) {
      const int rows = std::min(rows_at_once, s_.rows - r);
      Zmm q[4] = {Zmm(0), Zmm(0), Zmm(0), Zmm(0)};
      int count = 0;
      for (int i = 0; i < rows; ++i) {
        for (int v = 0; v < vectors_; ++v) {
          scale_sum(r + i, v);
          const Zmm y = sum(r + i, v);
          if (s_.may_leave_int32) vminps(y, y, broadcast(hi_));
          vcvtps2dq(y, y);
          q[count++] = y;
        }
      }
      pack(q, count);
      for (int i = 0; i < rows; ++i) store_row(q[0], r + i, i);
    }
  }

  void pack(const Zmm (&q)[4], int count) {
    const bool positive = s_.q_lo >= 0;
    vpackssdw(q[0], q[0], q[count > 1 ? 1 : 0]);
    if (s_.zero != 0) vpaddsw(q[0], q[0], constant(zero_));
    Zmm upper = q[0];
    if (count > 2) {
      upper = q[2];
      vpackssdw(q[2], q[2], q[count > 3 ? 3 : 2]);
      if (s_.zero != 0) vpaddsw(q[2], q[2], constant(zero_));
    }
    if (positive) {
      vpackuswb(q[0], q[0], upper);
      if (s_.q_lo > 0) vpmaxub(q[0], q[0], constant(q_lo_));
      if (s_.q_hi < 255) vpminub(q[0], q[0], constant(q_hi_));
    } else {
      vpacksswb(q[0], q[0], upper);
      if (s_.q_lo > -128) vpmaxsb(q[0], q[0], constant(q_lo_));
      if (s_.q_hi < 127) vpminsb(q[0], q[0], constant(q_hi_));
    }
    vpermd(q[0], Zmm(0), q[0]);
  }

  /// Part `part` of the 64 bytes to row r.
  void store_row(const Zmm& q, int r, int part) {
    const auto to = ptr[out + size_t(r * s_.out_stride)];
    const int i = q.getIdx();
    if (vectors_ > 2) {
      s_.n == 64 ? vmovdqu8(to, q) : vmovdqu8(to | k1, q);
    } else if (vectors_ == 2) {
      if (s_.n == 32) {
        part == 0 ? vmovdqu8(to, Xbyak::Ymm(i)) : vextracti64x4(to, q, 1);
      } else {
        if (part > 0) vextracti64x4(Xbyak::Ymm(1), q, 1);
        vmovdqu8(to | k1, part == 0 ? Xbyak::Ymm(i) : Xbyak::Ymm(1));
      }
    } else if (s_.n == 16) {
      part == 0 ? vmovdqu8(to, Xbyak::Xmm(i)) : vextracti32x4(to, q, static_cast<uint8_t>(part));
    } else {
      if (part > 0) vextracti32x4(Xbyak::Xmm(1), q, static_cast<uint8_t>(part));
      vmovdqu8(to | k1, part == 0 ? Xbyak::Xmm(i) : Xbyak::Xmm(1));
    }
  }

  // --- constants, behind the code ---

  void write_constants() {
    align(64);
    L(order_);
    for (int i = 0; i < 16; ++i) dd(static_cast<uint32_t>(i % 4 * 4 + i / 4));
    L(zero_);
    for (int i = 0; i < 32; ++i) dw(static_cast<uint16_t>(s_.zero));
    L(q_lo_);
    for (int i = 0; i < 64; ++i) db(static_cast<uint8_t>(s_.q_lo));
    L(q_hi_);
    for (int i = 0; i < 64; ++i) db(static_cast<uint8_t>(s_.q_hi));
    L(residual_zero_);
    dd(static_cast<uint32_t>(s_.residual_zero));
    L(residual_multiplier_);
    float_constant(s_.residual_multiplier);
    L(lo_);
    float_constant(s_.lo);
    L(hi_);
    float_constant(s_.hi);
  }
  void float_constant(float value) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    dd(bits);
  }

  const GemmShape& s_;
  const int stride_, vectors_;  // of packed weights, of this tile
  const int sets_;
  Label order_, zero_, q_lo_, q_hi_, residual_zero_, residual_multiplier_, lo_, hi_;
};

constexpr GemmVariant kReads{false, 0, nullptr, nullptr}, kFlips{true, 128, nullptr, nullptr};
constexpr GemmKernel kList[] = {{14, 32, {kReads, kFlips, kReads}},
                                {6, 64, {kReads, kFlips, kReads}},
                                {28, 16, {kReads, kFlips, kReads}}};

/// Wide tiles load the fewest bytes a product. Where a tile's weights come from level 2 again and
/// again, more rows a tile matter more.
int choose(int64_t rows, int64_t k, int64_t n) {
  constexpr int64_t kLargeTile = 128 << 10;
  if (rows <= kList[1].mr) return 1;
  if (n <= 16) return 2;
  const int64_t rest = n % 64;
  return n <= 32 || (rest > 0 && rest <= 32) || k * 64 > kLargeTile ? 0 : 1;
}

std::string try_code() {
  try {
    struct Probe : Xbyak::CodeGenerator {
      Probe() : Xbyak::CodeGenerator(4096, Xbyak::DontSetProtectRWE) {
        mov(eax, 1);
        ret();
      }
    } probe;
    if (probe.setProtectModeRE(false)) return "";
  } catch (const Xbyak::Error&) {
  }
  return "the system lets this process run no code that it writes";
}

}  // namespace

std::unique_ptr<GemmCode> make_avx512vnni_code(const GemmShape& shape, int nr) {
  return std::make_unique<Generator>(shape, nr);
}

const std::string& avx512_code_refusal() {
  static const std::string refusal = try_code();
  return refusal;
}

const GemmKernels kGemmAvx512Vnni{kList, 3, choose};

}  // namespace octile
