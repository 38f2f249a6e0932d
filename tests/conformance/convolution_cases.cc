// Convolutions and matrix products with constant weights, 8-bit inputs: a table of chosen cases,
// each run in several arithmetics, and random ones.
#include <algorithm>
#include <cmath>

#include "conformance/case.h"
#include "conformance/convolution_table.h"

namespace octile {
namespace {

Window window_of(const Extents& e) {
  Window w;
  w.kernel = {e.kernel_h, e.kernel_w};
  w.stride = {e.stride, e.stride};
  w.dilation = {e.dilation, e.dilation};
  w.pad_before = {e.top, e.left};
  w.pad_after = {e.bottom, e.right};
  return w;
}

/// Largest bias that keeps Σ|w|·max|x − z| + |bias| under 2^31 (docs/arithmetic.md, the bound).
int64_t bias_limit(const Arithmetic& a, const std::vector<int8_t>& w, int64_t m, int64_t depth) {
  int64_t sum = 0;
  for (int64_t i = 0; i < depth; ++i) sum += std::abs(int{w[static_cast<size_t>(m * depth + i)]});
  const int64_t lo = a.x == kU8 ? 0 : -128, hi = a.x == kU8 ? 255 : 127;
  const int64_t largest = std::max<int64_t>(hi - a.x_zero, a.x_zero - lo);
  return (int64_t{1} << 31) - 1 - sum * largest;
}

/// Weights, bias and multipliers as lowering makes them.
void add_parameters(CaseBuilder& b, const Extents& e, const Arithmetic& a, bool huge_bias,
                    ConvStep& step) {
  const int64_t depth = e.depth();
  const std::vector<int8_t> w = b.weights(e.m * depth, a.w_fill);
  const float spread = 5000.0f * std::sqrt(static_cast<float>(depth));  // of the sums
  std::vector<float> multiplier, bias_float;
  std::vector<int32_t> bias;
  for (int64_t m = 0; m < e.m; ++m) {
    const float unit = a.y == kF32 ? 0.01f : 60.0f;
    multiplier.push_back(b.uniform(0.3f, 2.0f) * unit / (huge_bias ? 0x1p31f : spread));
    bias_float.push_back(b.uniform(-3.0f, 3.0f));
    int64_t sum = 0;
    for (int64_t i = 0; i < depth; ++i) sum += w[static_cast<size_t>(m * depth + i)];
    const int64_t limit = bias_limit(a, w, m, depth);
    int64_t value =
        std::clamp<int64_t>(static_cast<int64_t>(b.uniform(-spread, spread)), -limit, limit);
    if (huge_bias) value = b.integer(0, 1) == 0 ? limit : -limit;
    bias.push_back(static_cast<int32_t>(static_cast<uint32_t>(value - a.x_zero * sum)));
  }
  step.weights = b.blob(kS8, {e.m, e.kernel_h, e.kernel_w, e.c / e.groups}, w);
  step.bias = a.dynamic ? b.blob(kF32, {e.m}, bias_float) : b.blob(DataType::kInt32, {e.m}, bias);
  step.multiplier = b.blob(kF32, {e.m}, multiplier);
}

void add_dynamic_inputs(CaseBuilder& b, const Arithmetic& a, int64_t samples) {
  b.input(kF32, Layout::kPlain, {samples});
  b.fill_floats(1, 0.001f, 0.1f);
  if (a.x != kU8) return;
  b.input(DataType::kInt32, Layout::kPlain, {samples});
  for (int64_t i = 0; i < samples; ++i) {
    b.data(2).as<int32_t>()[i] = static_cast<int32_t>(b.integer(0, 255));
  }
}

Case convolution(const Extents& e, const Arithmetic& a, uint32_t seed, bool huge_bias = false) {
  CaseBuilder b(fmt::format("conv/{}/{}{}", e.name, a.name, huge_bias ? "_huge" : ""), seed);
  const Layout layout = e.rows ? Layout::kPlain : Layout::kChannelsLast;
  const Shape x = e.rows ? Shape{e.n, e.c} : Shape{e.n, e.c, e.h, e.w};
  const Shape y = e.rows ? Shape{e.n, e.m} : Shape{e.n, e.m, e.out_h(), e.out_w()};
  ConvStep step;
  step.window = window_of(e);
  step.groups = e.groups;
  step.in_channels = e.c;
  step.out_channels = e.m;
  step.rows = e.rows;
  step.residual = a.residual;
  step.dynamic = a.dynamic;
  add_parameters(b, e, a, huge_bias, step);
  const int32_t input = b.input(a.x, layout, x, a.dynamic ? 0.0f : 0.02f, a.x_zero);
  if (a.seven_bits) b.set_minimum(input, 0);
  const bool positive = a.x == kU8 || a.seven_bits;
  b.fill_integers(0, a.x_fill, positive ? 0 : -128, a.x == kU8 ? 255 : 127);
  if (a.residual) {
    b.input(a.r, layout, y, 0.05f, a.r_zero);
    b.fill_integers(1, Fill::kUniform, a.r == kU8 ? 0 : -128, a.r == kU8 ? 255 : 127);
    step.residual_multiplier = b.uniform(0.2f, 1.5f);
  }
  if (a.dynamic) add_dynamic_inputs(b, a, e.n);
  if (a.y == kU8) step.clamp.q_lo = 0, step.clamp.q_hi = 255;
  if (a.relu) step.clamp.q_lo = a.y_zero, step.clamp.lo = 0.0f;
  b.output(a.y, layout, y, a.y == kF32 ? 0.0f : 0.1f, a.y_zero);
  return b.build(step);
}

/// Sums whose bound lies just under 2^31, reached through wrap-around on the way.
void add_extreme(std::vector<Case>& cases) {
  const Extents deep{.name = "deepest", .n = 2, .c = 66000, .m = 3, .rows = true};
  for (const Arithmetic& a : kArithmetics) {
    if (a.x == kU8 && a.x_fill != Fill::kUniform) cases.push_back(convolution(deep, a, 91));
  }
  for (const Extents& e : kExtents) {
    for (const Arithmetic& a : kArithmetics) {
      if (!a.dynamic && a.w_fill == Fill::kUniform && !a.relu && !a.seven_bits) {
        cases.push_back(convolution(e, a, 92, true));
      }
    }
  }
}

/// Large enough for several blocks of every kernel's tiling.
void add_blocked(std::vector<Case>& cases) {
  const Extents blocked[] = {
      {.name = "blocked_rows", .n = 131, .c = 1030, .m = 259, .rows = true},
      {.name = "blocked_few_rows", .n = 2, .c = 4100, .m = 600, .rows = true},
      {.name = "blocked",
       .n = 2,
       .c = 96,
       .h = 19,
       .w = 21,
       .m = 100,
       .kernel_h = 3,
       .kernel_w = 3,
       .top = 1,
       .left = 1,
       .bottom = 1,
       .right = 1},
      {.name = "blocked_depthwise",
       .n = 2,
       .c = 200,
       .h = 21,
       .w = 20,
       .m = 200,
       .kernel_h = 3,
       .kernel_w = 3,
       .top = 1,
       .left = 1,
       .bottom = 1,
       .right = 1,
       .groups = 200},
  };
  uint32_t seed = 300;
  for (const Extents& e : blocked) {
    for (const Arithmetic& a : kArithmetics) {
      const std::string_view name = a.name;
      const bool others = name == "s8_residual" || name == "u8_dynamic" || name == "s8_float";
      if (name == "u8" || name == "u7_bell" || (others && !kThreadSanitizer)) {
        cases.push_back(convolution(e, a, seed++));
      }
    }
  }
}

/// Around the edges of tiles of 16 and 32 rows and columns and of 64 bytes of k; windows of few
/// channels that are copied in several panels; groups that are wide enough for tiles.
void add_tiles(std::vector<Case>& cases) {
  const auto rows = [](const char* name, int64_t n, int64_t c, int64_t m) {
    return Extents{.name = name, .n = n, .c = c, .m = m, .rows = true};
  };
  const auto image = [](const char* name, int64_t c, int64_t h, int64_t w, int64_t m,
                        int64_t groups) {
    return Extents{.name = name,
                   .n = 2,
                   .c = c,
                   .h = h,
                   .w = w,
                   .m = m,
                   .kernel_h = 3,
                   .kernel_w = 3,
                   .top = 1,
                   .left = 1,
                   .bottom = 1,
                   .right = 1,
                   .groups = groups};
  };
  Extents strided = image("tiles_strided", 64, 15, 14, 48, 1);
  strided.stride = 2;
  Extents panels = image("tiles_panels", 3, 61, 58, 40, 1);
  panels.kernel_h = panels.kernel_w = 5;
  panels.stride = 2;
  const Extents tiles[] = {rows("tiles_16_rows", 16, 64, 16),
                           rows("tiles_17_rows", 17, 128, 17),
                           rows("tiles_48_rows", 48, 192, 33),
                           rows("tiles_65_rows", 65, 65, 96),
                           image("tiles_image", 64, 16, 15, 64, 1),
                           image("tiles_narrow_image", 128, 4, 3, 49, 1),
                           image("tiles_groups", 128, 9, 10, 96, 4),
                           image("tiles_odd_groups", 51, 6, 7, 60, 3),
                           strided,
                           panels};
  uint32_t seed = 400;
  for (const Extents& e : tiles) {
    for (const Arithmetic& a : kArithmetics) {
      const std::string_view name = a.name;
      if (name == "u8" || name == "mixed_residual" || name == "u8_dynamic" || name == "s8_float") {
        cases.push_back(convolution(e, a, seed++));
      }
    }
  }
}

/// Depthwise windows: every channel tail × the windows that networks have, images narrower than the
/// window and no multiple of the rows made at once, several blocks of columns.
void add_depthwise(std::vector<Case>& cases) {
  struct Shape {
    const char* name;
    int64_t c, h, w, kernel, stride, dilation, pad;
  };
  const Shape shapes[] = {
      {"dw3_c8", 8, 5, 6, 3, 1, 1, 1},
      {"dw3_c16", 16, 17, 9, 3, 1, 1, 1},
      {"dw3_c24", 24, 7, 13, 3, 1, 1, 1},
      {"dw3_c40", 40, 9, 5, 3, 1, 1, 1},
      {"dw3_c56", 56, 6, 6, 3, 1, 1, 1},
      {"dw3_c64", 64, 25, 5, 3, 1, 1, 1},
      {"dw3_c96_s2", 96, 9, 11, 3, 2, 1, 1},
      {"dw3_c120", 120, 7, 7, 3, 1, 1, 1},
      {"dw3_c144_s2", 144, 9, 10, 3, 2, 1, 1},
      {"dw3_c16_s2", 16, 23, 8, 3, 2, 1, 1},
      {"dw3_wide", 64, 2, 180, 3, 1, 1, 1},
      {"dw3_wide_s2", 33, 3, 199, 3, 2, 1, 1},
      {"dw3_one_column", 70, 9, 1, 3, 1, 1, 1},
      {"dw3_one_pixel", 130, 1, 1, 3, 1, 1, 1},
      {"dw3_valid", 48, 6, 11, 3, 1, 1, 0},
      {"dw5_c16", 16, 19, 7, 5, 1, 1, 2},
      {"dw5_c240", 240, 3, 6, 5, 1, 1, 2},
      {"dw5_c96_s2", 96, 9, 9, 5, 2, 1, 2},
      {"dw5_narrow", 64, 5, 2, 5, 1, 1, 2},
      {"dw5_s2_narrow", 32, 9, 2, 5, 2, 1, 2},
      {"dw7", 80, 9, 8, 7, 1, 1, 3},
      {"dw7_s2", 17, 12, 11, 7, 2, 1, 3},
      {"dw2", 64, 5, 5, 2, 1, 1, 0},
      {"dw1", 20, 5, 5, 1, 1, 1, 0},
      {"dw3_dilated2", 96, 9, 9, 3, 1, 2, 2},
      {"dw5_dilated3", 32, 13, 9, 5, 1, 3, 6},
      {"dw3_s3", 72, 11, 11, 3, 3, 1, 1},
      {"dw13", 16, 9, 9, 13, 1, 1, 6},
      // Fewer channels than a kernel has.
      {"dw3_c2", 2, 11, 21, 3, 1, 1, 1},
      {"dw3_c2_narrow", 2, 9, 3, 3, 1, 1, 1},
      {"dw5_c2", 2, 10, 9, 5, 1, 1, 2},
      {"dw3_c3", 3, 9, 12, 3, 1, 1, 1},
      {"dw3_c3_s2", 3, 9, 13, 3, 2, 1, 1},
      {"dw3_c4", 4, 19, 10, 3, 1, 1, 1},
      {"dw3_c4_one_column", 4, 6, 1, 3, 1, 1, 1},
      {"dw3_c4_dilated", 4, 12, 11, 3, 1, 2, 2},
      {"dw3_c5", 5, 7, 30, 3, 1, 1, 0},
      {"dw5_c7_s2", 7, 12, 11, 5, 2, 1, 2},
      {"dw3_c8_odd", 8, 18, 15, 3, 1, 1, 1},
      {"dw3_c8_s2", 8, 17, 14, 3, 2, 1, 1},
      {"dw3_c8_wide", 8, 3, 300, 3, 1, 1, 1},
      {"dw7_c8", 8, 9, 8, 7, 1, 1, 3},
      {"dw3_c12", 12, 9, 7, 3, 1, 1, 1},
      {"dw3_c15_s3", 15, 10, 11, 3, 3, 1, 1},
  };
  uint32_t seed = 500;
  for (const Shape& s : shapes) {
    const Extents e{.name = s.name,
                    .n = s.h < 8 ? 2 : 1,
                    .c = s.c,
                    .h = s.h,
                    .w = s.w,
                    .m = s.c,
                    .kernel_h = s.kernel,
                    .kernel_w = s.kernel,
                    .stride = s.stride,
                    .dilation = s.dilation,
                    .top = s.pad,
                    .left = s.pad,
                    .bottom = s.pad,
                    .right = s.pad,
                    .groups = s.c};
    // What decides between kernels on every shape, the rest in turn.
    constexpr std::string_view kAlways[] = {"s8", "u8_relu"};
    constexpr std::string_view kInTurn[] = {"s8_relu", "u7", "u8", "u8_residual", "s8_zero"};
    constexpr std::string_view kFloats[] = {"s8_float",   "u8_dynamic",    "u7_float",
                                            "s8_dynamic", "u8_float_relu", "u7_dynamic"};
    const std::string_view names[] = {kAlways[0], kAlways[1], kInTurn[seed % std::size(kInTurn)],
                                      kFloats[seed % std::size(kFloats)]};
    for (const Arithmetic& a : kArithmetics) {
      if (std::find(std::begin(names), std::end(names), a.name) == std::end(names)) continue;
      cases.push_back(convolution(e, a, seed));
    }
    ++seed;
  }
}

Extents random_extents(CaseBuilder& b) {
  Extents e{.name = "random"};
  e.rows = b.integer(0, 4) == 0;
  e.n = b.integer(1, e.rows ? 20 : 3);
  e.groups = e.rows ? 1 : b.one_of<int64_t>({1, 1, 1, 2, 5, 4, 6, 40});
  const bool depthwise = e.groups == 4 || e.groups == 6 || e.groups == 40;
  e.c = e.groups * (depthwise ? 1 : b.integer(1, e.rows ? 300 : 24));
  e.m = e.groups * (depthwise ? 1 : b.integer(1, 40));
  if (e.rows) return e;
  e.h = b.integer(1, 10);
  e.w = b.integer(1, 10);
  e.stride = b.integer(1, 3);
  e.dilation = b.integer(1, 2);
  e.top = b.integer(0, 2);
  e.left = b.integer(0, 2);
  e.bottom = b.integer(0, 2);
  e.right = b.integer(0, 2);
  const auto kernel = [&](int64_t extent) {
    return b.integer(1, std::min<int64_t>(5, (extent - 1) / e.dilation + 1));
  };
  e.kernel_h = kernel(e.h + e.top + e.bottom);
  e.kernel_w = kernel(e.w + e.left + e.right);
  return e;
}

/// A one-dimensional image (N, C, W) and rows of rank 3: other ranks of the same thing. One sample
/// of several rows is no sample a row.
Case of_rank_3(bool rows, bool dynamic, int64_t samples, uint32_t seed) {
  Arithmetic a{.name = dynamic ? "dynamic" : "static",
               .x = kU8,
               .y = dynamic ? kF32 : kU8,
               .x_zero = dynamic ? 0 : 100,
               .y_zero = 4,
               .dynamic = dynamic};
  Extents e{.name = rows ? "rows_rank3" : "one_dimensional",
            .n = samples,
            .c = 18,
            .w = 11,
            .m = 21,
            .kernel_w = 3,
            .left = 1,
            .right = 1,
            .rows = rows};
  if (rows) e.kernel_w = 1, e.left = 0, e.right = 0;
  CaseBuilder b(fmt::format("conv/{}/{}/{}", e.name, a.name, samples), seed);
  const Layout layout = rows ? Layout::kPlain : Layout::kChannelsLast;
  ConvStep step;
  step.window = window_of(e);
  step.in_channels = e.c;
  step.out_channels = e.m;
  step.rows = rows;
  step.dynamic = dynamic;
  if (!dynamic) step.clamp.q_lo = 0, step.clamp.q_hi = 255;
  add_parameters(b, e, a, false, step);
  b.input(a.x, layout, rows ? Shape{e.n, 11, e.c} : Shape{e.n, e.c, 11}, dynamic ? 0.0f : 0.02f,
          a.x_zero);
  b.fill_integers(0, Fill::kUniform, 0, 255);
  if (dynamic) add_dynamic_inputs(b, a, e.n);
  b.output(a.y, layout, rows ? Shape{e.n, 11, e.m} : Shape{e.n, e.m, 11}, dynamic ? 0.0f : 0.1f,
           a.y_zero);
  return b.build(step);
}

}  // namespace

std::vector<Case> convolution_cases() {
  std::vector<Case> cases;
  uint32_t seed = 1;
  for (const Extents& e : kExtents) {
    for (const Arithmetic& a : kArithmetics) cases.push_back(convolution(e, a, seed++));
  }
  if (!kThreadSanitizer) add_extreme(cases);
  add_blocked(cases);
  add_tiles(cases);
  add_depthwise(cases);
  for (const bool rows : {false, true}) {
    for (const bool dynamic : {false, true}) {
      for (const int64_t samples : {1, 3}) {
        cases.push_back(of_rank_3(rows, dynamic, samples, seed++));
      }
    }
  }
  CaseBuilder random("", 2024);
  for (int i = 0; i < 150; ++i) {
    const Extents e = random_extents(random);
    const auto pick = random.integer(0, static_cast<int64_t>(std::size(kArithmetics)) - 1);
    cases.push_back(convolution(e, kArithmetics[pick], seed++));
  }
  return cases;
}

}  // namespace octile
