// Every other step that reads or writes 8 bits: pooling, element-wise, tables, quantization,
// softmax, products of two operands, and the moving of bytes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "arithmetic/quantize.h"
#include "conformance/case.h"

namespace octile {
namespace {

int32_t lo_of(DataType type) { return type == kU8 ? 0 : -128; }
int32_t hi_of(DataType type) { return type == kU8 ? 255 : 127; }

void add_bytes(CaseBuilder& b, DataType type, Layout layout, const Shape& shape, float scale,
               int32_t zero, Fill fill = Fill::kUniform) {
  const size_t index = static_cast<size_t>(b.input(type, layout, shape, scale, zero));
  b.fill_integers(index, fill, lo_of(type), hi_of(type));
}

// --- pooling ---

struct PoolExtents {
  const char* name;
  int64_t n, c, h, w, kernel, stride, dilation, before, after;
  PaddingMode mode = PaddingMode::kExplicit;
};

constexpr PoolExtents kPools[] = {
    {"2x2", 2, 32, 8, 8, 2, 2, 1, 0, 0},
    {"3x3", 1, 64, 9, 7, 3, 2, 1, 1, 1},
    {"overlapping", 1, 100, 6, 6, 3, 1, 1, 1, 1},
    {"ceil", 2, 17, 8, 8, 3, 2, 1, 0, 0, PaddingMode::kCeil},
    {"ceil_padded", 1, 7, 7, 10, 3, 2, 1, 1, 1, PaddingMode::kCeil},
    {"ceil_padded_wide", 1, 48, 7, 10, 3, 2, 1, 1, 1, PaddingMode::kCeil},
    {"dilated", 1, 33, 9, 9, 3, 1, 2, 2, 2},
    {"dilated_wide", 2, 16, 9, 9, 3, 1, 2, 2, 2},
    {"one_channel", 3, 1, 7, 7, 3, 2, 1, 0, 1},
    {"three_channels", 1, 3, 5, 5, 2, 1, 1, 0, 1},
    {"same", 1, 130, 5, 8, 3, 2, 1, 0, 0, PaddingMode::kSameUpper},
};

int64_t pooled(const PoolExtents& e, int64_t in) {
  const int64_t reach = e.dilation * (e.kernel - 1) + 1, room = in + e.before + e.after - reach;
  if (e.mode == PaddingMode::kSameUpper) return (in + e.stride - 1) / e.stride;
  if (e.mode == PaddingMode::kExplicit) return room / e.stride + 1;
  const int64_t out = (room + e.stride - 1) / e.stride + 1;
  return (out - 1) * e.stride >= in + e.before ? out - 1 : out;
}

Case pool(const PoolExtents& e, PoolingKind kind, DataType type, bool count_padding, Fill fill,
          uint32_t seed) {
  const bool max = kind == PoolingKind::kMax;
  CaseBuilder b(fmt::format("pool/{}/{}/{}{}", max ? "max" : "average", e.name, name_of(type),
                            count_padding ? "/count_padding" : ""),
                seed);
  const int32_t zero = type == kU8 ? 120 : -3;
  add_bytes(b, type, kLast, {e.n, e.c, e.h, e.w}, 0.03f, zero, fill);
  b.output(type, kLast, {e.n, e.c, pooled(e, e.h), pooled(e, e.w)}, max ? 0.03f : 0.021f,
           max ? zero : zero + 5);
  PoolStep step{.kind = kind, .window = {}, .count_padding = count_padding};
  step.window = {{e.kernel, e.kernel}, {e.stride, e.stride}, {e.dilation, e.dilation},
                 {e.before, e.before}, {e.after, e.after},   e.mode};
  return b.build(step);
}

Case global_pool(PoolingKind kind, DataType x, DataType y, const Shape& shape, Fill fill,
                 uint32_t seed) {
  CaseBuilder b(fmt::format("pool/global/{}/{}/{}", kind == PoolingKind::kMax ? "max" : "average",
                            name_of(x), shape.to_string()),
                seed);
  const bool max = kind == PoolingKind::kMax;
  add_bytes(b, x, kLast, shape, 0.03f, x == kU8 ? 255 : -128, fill);
  Shape out = shape;
  for (int axis = 2; axis < shape.rank(); ++axis) out[axis] = 1;
  const int32_t zero = max ? (x == kU8 ? 255 : -128) : (y == kU8 ? 200 : -4);
  b.output(y, kLast, out, max ? 0.03f : 0.02f, zero);
  return b.build(PoolStep{.kind = kind, .window = {}, .global = true});
}

void add_pools(std::vector<Case>& cases) {
  uint32_t seed = 1000;
  for (const PoolExtents& e : kPools) {
    for (const DataType type : {kS8, kU8}) {
      cases.push_back(pool(e, PoolingKind::kMax, type, false, Fill::kUniform, seed++));
      cases.push_back(pool(e, PoolingKind::kAverage, type, false, Fill::kUniform, seed++));
      cases.push_back(pool(e, PoolingKind::kAverage, type, true, Fill::kUniform, seed++));
      cases.push_back(pool(e, PoolingKind::kMax, type, false, Fill::kLow, seed++));
      cases.push_back(pool(e, PoolingKind::kAverage, type, true, Fill::kEnds, seed++));
    }
  }
  for (const Shape& shape : {Shape{2, 64, 7, 7}, Shape{1, 5, 3, 4}, Shape{1, 130, 1, 1},
                             Shape{1, 19, 40, 50}, Shape{2, 24, 9}, Shape{1, 1, 300, 300}}) {
    for (const Fill fill : {Fill::kUniform, Fill::kHigh, Fill::kLow}) {
      cases.push_back(global_pool(PoolingKind::kAverage, kS8, kS8, shape, fill, seed++));
      cases.push_back(global_pool(PoolingKind::kAverage, kU8, kU8, shape, fill, seed++));
      cases.push_back(global_pool(PoolingKind::kAverage, kU8, kS8, shape, fill, seed++));
      cases.push_back(global_pool(PoolingKind::kMax, kU8, kU8, shape, fill, seed++));
      cases.push_back(global_pool(PoolingKind::kMax, kS8, kS8, shape, fill, seed++));
    }
  }
}

// --- element-wise ---

struct Grid {
  DataType type;
  float scale;
  int32_t zero;
};

Case eltwise(ElementwiseKind kind, const Shape& a, const Shape& b_shape, Layout layout,
             const Grid& ga, const Grid& gb, const Grid& gy, Fill fill, uint32_t seed) {
  CaseBuilder b(fmt::format("eltwise/{}/{}+{}/{}", name_of(kind), a.to_string(),
                            b_shape.to_string(), name_of(ga.type)),
                seed);
  add_bytes(b, ga.type, layout, a, ga.scale, ga.zero, fill);
  add_bytes(b, gb.type, b_shape.rank() < 3 ? kPlain : layout, b_shape, gb.scale, gb.zero, fill);
  b.output(gy.type, layout, a, gy.scale, gy.zero);
  EltwiseStep step{.kind = kind, .clamp = {}};
  if (kind == ElementwiseKind::kAdd) {
    step.m_a = static_cast<float>(double(ga.scale) / double(gy.scale));
    step.m_b = static_cast<float>(double(gb.scale) / double(gy.scale));
  } else {
    step.m_a = output_multiplier(ga.scale, gb.scale, gy.scale);
  }
  step.clamp.q_lo = seed % 3 == 0 ? gy.zero : lo_of(gy.type);
  step.clamp.q_hi = hi_of(gy.type);
  return b.build(step);
}

void add_eltwise(std::vector<Case>& cases) {
  uint32_t seed = 2000;
  const Grid s8{kS8, 0.031f, 0}, s8z{kS8, 0.02f, -17}, u8{kU8, 0.017f, 131}, u8y{kU8, 0.04f, 60};
  for (const ElementwiseKind kind : {ElementwiseKind::kAdd, ElementwiseKind::kMul}) {
    for (const Shape& shape : {Shape{1}, Shape{3, 7}, Shape{1, 16, 4, 4}, Shape{2, 33, 5, 3},
                               Shape{1, 64, 9, 9}, Shape{5, 200}}) {
      const Layout layout = shape.rank() > 2 ? kLast : kPlain;
      for (const Fill fill : {Fill::kUniform, Fill::kEnds}) {
        cases.push_back(eltwise(kind, shape, shape, layout, s8, s8, s8, fill, seed++));
        cases.push_back(eltwise(kind, shape, shape, layout, u8, u8, u8y, fill, seed++));
        cases.push_back(eltwise(kind, shape, shape, layout, s8z, u8, u8y, fill, seed++));
        cases.push_back(eltwise(kind, shape, shape, layout, u8, s8z, s8, fill, seed++));
      }
    }
    for (const Shape& b : {Shape{1, 21, 1, 1}, Shape{1, 1, 1, 1}, Shape{21, 1, 1}, Shape{1},
                           Shape{2, 21, 1, 1}, Shape{1, 21, 4, 5}, Shape{5}}) {
      for (const Layout layout : {kPlain, kLast}) {
        cases.push_back(
            eltwise(kind, {2, 21, 4, 5}, b, layout, s8, u8, s8z, Fill::kUniform, seed++));
      }
    }
  }
}

Case lookup(DataType x, DataType y, Layout layout, const Shape& shape, uint32_t seed) {
  CaseBuilder b(fmt::format("lookup/{}/{}", name_of(x), shape.to_string()), seed);
  std::vector<uint8_t> table(256);
  for (uint8_t& entry : table) entry = static_cast<uint8_t>(b.integer(0, 255));
  const int32_t blob = b.blob(kU8, {256}, table);
  add_bytes(b, x, layout, shape, 0.03f, 0);
  b.output(y, layout, shape, 0.05f, 0);
  return b.build(LookupStep{blob});
}

// --- quantization ---

/// Values that decide rounding and clamping: exact halves of the scale, ends, NaN, infinities.
void fill_special(CaseBuilder& b, float scale) {
  Tensor& x = b.data(0);
  const float special[] = {0.0f,
                           -0.0f,
                           0.5f * scale,
                           1.5f * scale,
                           -0.5f * scale,
                           2.5f * scale,
                           127.5f * scale,
                           -128.5f * scale,
                           1e30f,
                           -1e30f,
                           0x1p-149f,
                           255.5f * scale,
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN()};
  for (int64_t i = 0; i < x.volume(); ++i) {
    x.as<float>()[i] = i % 3 == 0   ? special[static_cast<size_t>(i / 3) % std::size(special)]
                       : i % 3 == 1 ? scale * (static_cast<float>(b.integer(-300, 300)) + 0.5f)
                                    : b.uniform(-200.0f, 200.0f) * scale;
  }
}

Case quantize(DataType type, Layout from, Layout to, const Shape& shape, bool relu, uint32_t seed) {
  CaseBuilder b(fmt::format("quantize/{}/{}{}", name_of(type), shape.to_string(),
                            from == to ? "" : "/reordered"),
                seed);
  const float scale = 0.0123f;
  b.input(kF32, from, shape);
  fill_special(b, scale);
  const int32_t zero = type == kU8 ? 93 : 0;
  b.output(type, to, shape, scale, zero);
  return b.build(QuantizeStep{.q_lo = relu ? zero : lo_of(type), .q_hi = hi_of(type)});
}

/// What a dynamic scheme must survive; `kind` as in quantize_dynamic.
void make_extreme(CaseBuilder& b, float* x, int64_t sample, int64_t volume, int kind) {
  const float inf = std::numeric_limits<float>::infinity(), odd[] = {inf, -inf, NAN};
  for (int64_t i = 0; i < sample; ++i) {
    if (kind == 3) x[i] = 0.0f;                                // the first sample is all zeros
    if (kind == 6 && i % 5 == 2) x[i] = odd[b.integer(0, 2)];  // at every place of a vector
    if (kind == 7) x[i] = odd[i % 3];                          // nothing finite
  }
  if (kind == 4) x[sample - 1] = NAN;
  if (kind == 5) x[sample / 2] = -inf;
  if (kind == 5 && sample > 1) x[sample - 1] = inf;
  for (int64_t i = 0; i < volume; ++i) {
    if (kind == 8) x[i] *= 4.7e37f;  // max − min overflows
    if (kind == 9) x[i] *= 1e-44f;   // max / 127 is 0
    if (kind == 10) x[i] *= 1e-37f;  // max / 127 is subnormal
  }
}

Case quantize_dynamic(DataType type, Layout from, Layout to, const Shape& shape, int values,
                      uint32_t seed) {
  CaseBuilder b(fmt::format("quantize/dynamic/{}/{}/{}{}", name_of(type), shape.to_string(), values,
                            from == to ? "" : "/reordered"),
                seed);
  b.input(kF32, from, shape);
  b.fill_floats(0, values == 1 ? 0.5f : -3.0f, values == 2 ? -1.0f : 7.0f);
  Tensor& x = b.data(0);
  const int64_t sample = x.volume() / shape[0];
  make_extreme(b, x.as<float>(), sample, x.volume(), values);
  b.output(type, to, shape);
  b.output(kF32, kPlain, {shape[0]});
  if (type == kU8) b.output(DataType::kInt32, kPlain, {shape[0]});
  return b.build(QuantizeStep{.q_lo = lo_of(type), .q_hi = hi_of(type), .dynamic = true});
}

Case dequantize(DataType type, Layout from, Layout to, const Shape& shape, bool dynamic,
                uint32_t seed) {
  CaseBuilder b(fmt::format("dequantize/{}/{}{}", name_of(type), shape.to_string(),
                            dynamic ? "/dynamic" : ""),
                seed);
  add_bytes(b, type, from, shape, dynamic ? 0.0f : 0.0137f, dynamic || type == kS8 ? 0 : 77);
  if (dynamic) {
    b.input(kF32, kPlain, {shape[0]});
    b.fill_floats(1, 0.001f, 0.3f);
  }
  if (dynamic && type == kU8) {
    b.input(DataType::kInt32, kPlain, {shape[0]});
    for (int64_t i = 0; i < shape[0]; ++i) {
      b.data(2).as<int32_t>()[i] = static_cast<int32_t>(b.integer(0, 255));
    }
  }
  b.output(kF32, to, shape);
  return b.build(DequantizeStep{.dynamic = dynamic});
}

void add_quantization(std::vector<Case>& cases) {
  uint32_t seed = 3000;
  const Shape shapes[] = {{1},           {3, 50},      {2, 1, 28, 28}, {1, 3, 9, 11}, {2, 37, 5, 5},
                          {1, 64, 8, 8}, {1, 4, 6, 7}, {3, 8, 21},     {1, 16, 1, 1}};
  for (const DataType type : {kS8, kU8}) {
    for (const Shape& shape : shapes) {
      for (const Layout from : {kPlain, kLast}) {
        for (const Layout to : {kPlain, kLast}) {
          if (shape.rank() < 3 && (from == kLast || to == kLast)) continue;
          cases.push_back(quantize(type, from, to, shape, seed % 2 == 0, seed));
          cases.push_back(dequantize(type, from, to, shape, false, seed));
          cases.push_back(dequantize(type, from, to, shape, true, seed));
          for (int values = 0; values <= 10; ++values) {
            cases.push_back(quantize_dynamic(type, from, to, shape, values, seed++));
          }
        }
      }
    }
    for (int values = 0; values <= 10; ++values) {  // what several blocks of a GPU share
      cases.push_back(quantize_dynamic(type, kLast, kLast, {2, 16, 47, 45}, values, seed++));
    }
    for (const Shape& shape : {Shape{1}, Shape{2, 33, 3, 5}, Shape{1, 64, 4, 4}, Shape{7, 129}}) {
      const Layout layout = shape.rank() > 2 ? kLast : kPlain;
      cases.push_back(lookup(type, kS8, layout, shape, seed++));
      cases.push_back(lookup(type, kU8, layout, shape, seed++));
    }
  }
}

// --- softmax and products ---

Case softmax(DataType type, const Shape& shape, std::vector<int64_t> axes, float scale, Fill fill,
             uint32_t seed) {
  CaseBuilder b(fmt::format("softmax/{}/{}/{}", name_of(type), shape.to_string(), scale), seed);
  std::vector<int32_t> table(256);
  for (int d = 0; d < 256; ++d) {
    table[static_cast<size_t>(d)] = static_cast<int32_t>(softmax_entry(scale, d));
  }
  const int32_t blob = b.blob(DataType::kInt32, {256}, table);
  add_bytes(b, type, kPlain, shape, scale, 0, fill);
  b.output(kF32, kPlain, shape);
  return b.build(SoftmaxStep{std::move(axes), blob});
}

Case matmul(const Shape& a, const Shape& b_shape, const Shape& y, MatrixMultiply op, DataType x,
            DataType out, Fill fill, uint32_t seed) {
  CaseBuilder b(fmt::format("matmul/{}x{}/{}", a.to_string(), b_shape.to_string(), name_of(out)),
                seed);
  add_bytes(b, x, kPlain, a, 0.02f, x == kU8 ? 88 : 0, fill);
  b.input(kS8, kPlain, b_shape, 0.03f, 0);
  b.fill_integers(1, fill, -127, 127);
  b.output(out, kPlain, y, out == kF32 ? 0.0f : 1.3f, out == kU8 ? 140 : 0);
  MatMulStep step{.op = op, .clamp = {}};
  step.multiplier =
      out == kF32 ? product_scale(0.02f, 0.03f) : output_multiplier(0.02f, 0.03f, 1.3f);
  step.clamp.q_lo = lo_of(out);
  step.clamp.q_hi = hi_of(out);
  return b.build(step);
}

void add_products(std::vector<Case>& cases) {
  uint32_t seed = 4000;
  for (const DataType type : {kS8, kU8}) {
    for (const float scale : {0.001f, 0.05f, 3.0f}) {
      cases.push_back(softmax(type, {3, 10}, {1}, scale, Fill::kUniform, seed++));
      cases.push_back(softmax(type, {2, 1000}, {-1}, scale, Fill::kUniform, seed++));
      cases.push_back(softmax(type, {2, 5, 7, 3}, {1}, scale, Fill::kEnds, seed++));
      cases.push_back(softmax(type, {4, 33, 17}, {1, 2}, scale, Fill::kHigh, seed++));
      cases.push_back(softmax(type, {1, 1}, {1}, scale, Fill::kLow, seed++));
    }
    for (const DataType out : {kS8, kU8, kF32}) {
      for (const Fill fill : {Fill::kUniform, Fill::kEnds}) {
        cases.push_back(matmul({5, 7}, {7, 9}, {5, 9}, {}, type, out, fill, seed++));
        cases.push_back(matmul({2, 3, 17, 64}, {2, 3, 33, 64}, {2, 3, 17, 33}, {false, true}, type,
                               out, fill, seed++));
        cases.push_back(matmul({6, 5, 13}, {13, 8}, {6, 5, 8}, {}, type, out, fill, seed++));
        cases.push_back(
            matmul({2, 19, 4}, {1, 19, 6}, {2, 4, 6}, {true, false}, type, out, fill, seed++));
        cases.push_back(matmul({1, 130}, {130, 1}, {1, 1}, {}, type, out, fill, seed++));
        cases.push_back(
            matmul({3, 30, 64}, {3, 64, 100}, {3, 30, 100}, {}, type, out, fill, seed++));
        cases.push_back(matmul({2, 1, 15, 70}, {3, 67, 70}, {2, 3, 15, 67}, {false, true}, type,
                               out, fill, seed++));
        cases.push_back(
            matmul({37, 66}, {41, 37}, {66, 41}, {true, true}, type, out, fill, seed++));
        cases.push_back(matmul({300, 33}, {33, 16}, {300, 16}, {}, type, out, fill, seed++));
      }
    }
  }
}

// --- moving bytes ---

Case concat(DataType type, Layout layout, std::vector<Shape> shapes, int64_t axis, uint32_t seed) {
  CaseBuilder b(fmt::format("concat/{}/axis{}/{}", name_of(type), axis, shapes[0].to_string()),
                seed);
  Shape out = shapes[0];
  out[static_cast<int>(axis)] = 0;
  for (size_t i = 0; i < shapes.size(); ++i) {
    b.input(type, layout, shapes[i], size_of(type) == 1 ? 0.1f : 0.0f, 0);
    Tensor& data = b.data(i);
    for (size_t byte = 0; byte < data.bytes(); ++byte) {
      data.as<uint8_t>()[byte] = static_cast<uint8_t>(b.integer(0, 120));
    }
    out[static_cast<int>(axis)] += shapes[i][static_cast<int>(axis)];
  }
  b.output(type, layout, out, size_of(type) == 1 ? 0.1f : 0.0f, 0);
  return b.build(ConcatStep{axis});
}

Case reorder(DataType type, Layout from, Layout to, const Shape& shape, uint32_t seed) {
  CaseBuilder b(fmt::format("reorder/{}/{}", name_of(type), shape.to_string()), seed);
  b.input(type, from, shape);
  Tensor& data = b.data(0);
  for (size_t byte = 0; byte < data.bytes(); ++byte) {
    data.as<uint8_t>()[byte] = static_cast<uint8_t>(b.integer(0, 120));
  }
  b.output(type, to, shape);
  return b.build(ReorderStep{});
}

/// Long and short runs, strides, constants at both ends, single elements; enough for two threads.
void add_generic_movement(std::vector<Case>& cases, uint32_t seed) {
  const auto add = [&](const char* name, const Op& op, const Shape& from, const Shape& to) {
    for (DataType type : {kS8, kU8}) {
      CaseBuilder b(fmt::format("generic/{}/{}", name, name_of(type)), seed++);
      add_bytes(b, type, kPlain, from, 0.1f, 0);
      b.output(type, kPlain, to, 0.1f, 0);
      cases.push_back(b.build(GenericStep{op}));
    }
  };
  add("slice_channels", Slice{{3}, {1}, {6}, {2}}, {2, 40, 41, 12}, {2, 40, 41, 6});
  add("slice_rows", Slice{{}, {0, 39, 0, 0}, {2, 20, 41, 12}, {1, -2, 1, 1}}, {2, 40, 41, 12},
      {2, 20, 41, 12});
  add("slice_one", Slice{{0}, {5}, {1}, {1}}, {9}, {1});
  add("pad", Padding{PaddingKind::kConstant, {0, 1, 2, 3}, {1, 0, 3, 0}, 5.0f}, {2, 33, 40, 9},
      {3, 34, 45, 12});
  add("crop", Padding{PaddingKind::kConstant, {0, -1, 0}, {0, 2, 0}, 5.0f}, {2, 4, 3}, {2, 5, 3});
  Resize twice;
  twice.scales = {1, 2, 2, 1};
  add("resize", twice, {2, 21, 20, 24}, {2, 42, 40, 24});
  Resize columns;
  columns.scales = {1, 1, 1.5f};
  add("resize_columns", columns, {1, 3, 10}, {1, 3, 15});
}

void add_movement(std::vector<Case>& cases) {
  uint32_t seed = 5000;
  for (const DataType type : {kS8, kU8, kF32, DataType::kInt64}) {
    for (const Layout layout : {kPlain, kLast}) {
      cases.push_back(concat(type, layout, {{2, 3, 4, 5}, {2, 6, 4, 5}, {2, 1, 4, 5}}, 1, seed++));
      cases.push_back(concat(type, layout, {{1, 64, 7, 7}, {1, 32, 7, 7}}, 1, seed++));
      cases.push_back(concat(type, layout, {{2, 5, 3, 4}, {2, 5, 1, 4}}, 2, seed++));
      cases.push_back(concat(type, layout, {{2, 5, 3, 4}, {2, 5, 3, 9}}, 3, seed++));
      cases.push_back(concat(type, layout, {{2, 5, 3, 4}, {1, 5, 3, 4}}, 0, seed++));
    }
    cases.push_back(concat(type, kPlain, {{7}, {3}}, 0, seed++));
    for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1, 64, 4, 4}, Shape{1, 33, 17, 9},
                               Shape{2, 5, 6}, Shape{1, 1, 3, 3}}) {
      cases.push_back(reorder(type, kPlain, kLast, shape, seed++));
      cases.push_back(reorder(type, kLast, kPlain, shape, seed++));
    }
    CaseBuilder b(fmt::format("view/{}", name_of(type)), seed++);
    b.input(type, kPlain, {2, 3, 4});
    b.output(type, kPlain, {6, 4});
    cases.push_back(b.build(ViewStep{}));
  }
  add_generic_movement(cases, seed);
  CaseBuilder b("generic/gather", seed);
  add_bytes(b, kS8, kPlain, {6, 4}, 0.1f, 0);
  b.input(DataType::kInt64, kPlain, {3});
  b.data(1) = Tensor::int64s({5, 0, 2});
  b.output(kS8, kPlain, {3, 4}, 0.1f, 0);
  cases.push_back(b.build(GenericStep{Gather{0}}));
}

}  // namespace

std::vector<Case> integer_cases() {
  std::vector<Case> cases;
  add_pools(cases);
  add_eltwise(cases);
  add_quantization(cases);
  add_products(cases);
  add_movement(cases);
  return cases;
}

}  // namespace octile
