// Chains of layers: what the host lays out, multiplied by a plain loop, against a plain convolution
// (no device needed); and the kernel, on a device, against the layers one by one.
#include "kernels/cuda/conv_chain.h"

#include <gtest/gtest.h>

#include "conv_case.h"

namespace octile::cuda::testing {
namespace {

/// A layer that reads an image of (h, w, c), and what came before it.
struct Layer {
  ConvCase one;  // its x: what is read behind the pooling
  ChainedConv chained;
};

ChainPool random_pool(Random& random) {
  ChainPool pool;
  pool.kernel_h = pick(random, {1, 2, 2, 3}), pool.kernel_w = pick(random, {2, 2, 3});
  pool.stride_h = pick(random, {1, 2, 2}), pool.stride_w = pick(random, {1, 2, 2, 3});
  pool.pad_top = static_cast<int>(random() % static_cast<unsigned>(pool.kernel_h));
  pool.pad_left = static_cast<int>(random() % static_cast<unsigned>(pool.kernel_w));
  return pool;
}

int pooled(int extent, int kernel, int stride, int pad) {
  return std::max(1, (extent + pad - kernel) / stride + 1);
}

std::vector<uint8_t> pool_bytes(const std::vector<uint8_t>& x, const ChainedConv& l,
                                bool is_unsigned) {
  std::vector<uint8_t> y(static_cast<size_t>(l.image_h) * l.image_w * l.source_c);
  for (int h = 0; h < l.image_h; ++h) {
    for (int w = 0; w < l.image_w; ++w) {
      for (int c = 0; c < l.source_c; ++c) {
        int largest = -1000;
        for (int kh = 0; kh < l.pool.kernel_h; ++kh) {
          for (int kw = 0; kw < l.pool.kernel_w; ++kw) {
            const int sh = h * l.pool.stride_h - l.pool.pad_top + kh;
            const int sw = w * l.pool.stride_w - l.pool.pad_left + kw;
            if (sh < 0 || sh >= l.source_h || sw < 0 || sw >= l.source_w) continue;
            const uint8_t byte = x[(static_cast<size_t>(sh) * l.source_w + sw) * l.source_c + c];
            largest = std::max<int>(largest, is_unsigned ? byte : static_cast<int8_t>(byte));
          }
        }
        y[(static_cast<size_t>(h) * l.image_w + w) * l.source_c + c] =
            static_cast<uint8_t>(largest);
      }
    }
  }
  return y;
}

void choose_output(Random& random, ConvProblem& p, bool last) {
  p.out_c = pick(random, {1, 8, 10, 16, 20, 30, 32, 50, 64, 100});
  p.y_type = last && random() % 3 == 0 ? static_cast<ConvType>(2 + random() % 2)
                                       : static_cast<ConvType>(random() % 2);
  const bool is_unsigned = p.y_type == ConvType::kU8;
  p.q_lo = is_unsigned ? 0 : -128, p.q_hi = is_unsigned ? 255 : 127;
  if (random() % 2 == 0) {
    p.y_zero_point = is_unsigned ? static_cast<int>(random() % 256) : 3;
    p.q_lo = p.y_zero_point, p.lo = 0.0f, p.hi = 50.0f;
  }
}

void choose_window(Random& random, ConvProblem& p) {
  const auto fits = [](int kernel, int dilation, int pad, int extent) {
    return (kernel - 1) * dilation + 1 <= extent + pad;
  };
  const auto axis = [&](int extent, int& kernel, int& stride, int& dilation, int& pad, int& out) {
    kernel = pick(random, {1, 2, 3, 3, 5}), dilation = pick(random, {1, 1, 1, 2});
    pad = static_cast<int>(random() % 3) % kernel, stride = pick(random, {1, 1, 2});
    if (!fits(kernel, dilation, pad, extent)) kernel = dilation = 1, pad = 0;
    const int behind = static_cast<int>(random() % 2) * pad;
    out = (extent + pad + behind - (kernel - 1) * dilation - 1) / stride + 1;
  };
  axis(p.in_h, p.kernel_h, p.stride_h, p.dilation_h, p.pad_top, p.out_h);
  axis(p.in_w, p.kernel_w, p.stride_w, p.dilation_w, p.pad_left, p.out_w);
}

/// The next layer behind `before` (null: the first, which may quantize floats).
Layer random_layer(Random& random, const Layer* before, bool last) {
  Layer layer;
  ConvProblem p;
  ChainedConv& l = layer.chained;
  if (before == nullptr) {
    l.source_h = pick(random, {1, 5, 9, 14, 20}), l.source_w = pick(random, {1, 4, 7, 16, 28});
    l.source_c = pick(random, {1, 3, 4, 6, 16, 32});
    p.x_type = static_cast<ConvType>(random() % 3);
    p.x_stored = p.x_type == ConvType::kU8 || random() % 2 == 0 ? ConvType::kU8 : ConvType::kS8;
    if (p.x_type == ConvType::kS8) p.x_stored = ConvType::kS8;
    if (p.x_stored == ConvType::kU8) p.x_q_lo = 0, p.x_q_hi = 255;
    p.x_zero_point = p.x_stored == ConvType::kU8 ? static_cast<int>(random() % 256) : -7;
    p.x_scale = 0.03f, p.x_planar = random() % 2 == 0;
  } else {
    const ConvProblem& b = before->one.problem;
    l.source_h = b.out_h, l.source_w = b.out_w, l.source_c = b.out_c;
    p.x_type = p.x_stored = b.y_type, p.x_zero_point = b.y_zero_point;
    if (random() % 2 == 0) l.pool = random_pool(random);
  }
  l.image_h = pooled(l.source_h, l.pool.kernel_h, l.pool.stride_h, l.pool.pad_top);
  l.image_w = pooled(l.source_w, l.pool.kernel_w, l.pool.stride_w, l.pool.pad_left);
  l.flattened = l.source_c % 4 == 0 && l.image_h * l.image_w * l.source_c <= 4096 &&
                p.x_type != ConvType::kFloat && random() % 4 == 0;
  p.in_h = l.image_h, p.in_w = l.image_w, p.in_c = l.source_c;
  if (l.flattened) p.in_c *= p.in_h * p.in_w, p.in_h = p.in_w = 1;
  choose_output(random, p, last);
  if (!l.flattened) choose_window(random, p);
  layer.one = make_case(p, random());
  if (before != nullptr) {
    layer.one.x = pool_bytes(before->one.expected, l, p.x_type == ConvType::kU8);
    finish_case(layer.one);
  }
  return layer;
}

std::vector<Layer> random_chain(Random& random, size_t count) {
  std::vector<Layer> layers;
  for (size_t i = 0; i < count; ++i) {
    layers.push_back(random_layer(random, i > 0 ? &layers.back() : nullptr, i + 1 == count));
  }
  return layers;
}

std::vector<ChainedConv> chained(const std::vector<Layer>& layers) {
  std::vector<ChainedConv> list;
  for (const Layer& layer : layers) {
    list.push_back(layer.chained);
    list.back().problem = layer.one.problem;
    list.back().weights = {layer.one.weights.data(), layer.one.bias.data(),
                           layer.one.multiplier.data()};
  }
  return list;
}

/// What a part stages, as bytes; padded channels hold anything.
std::vector<uint8_t> staged(const ConvCase& c, const ChainLayer& l, bool flattened, int first_line) {
  std::vector<uint8_t> bytes(static_cast<size_t>(l.most_lines) * l.line_words * 4, 0xcd);
  for (int line = 0; line < l.most_lines; ++line) {
    for (int x = 0; x < l.staged_w; ++x) {
      for (int channel = 0; channel < l.source_c; ++channel) {
        const int h = first_line + line - l.pad_top, w = x - l.pad_left;
        const bool inside = h >= 0 && h < l.image_h && w >= 0 && w < l.image_w;
        const int flat = (h * l.image_w + w) * l.source_c + channel;
        const int value = !inside     ? c.problem.x_zero_point
                          : flattened ? value_at(c, 0, 0, 0, flat)
                                      : value_at(c, 0, h, w, channel);
        bytes[(static_cast<size_t>(line) * l.staged_w + x) * l.staged_words * 4 + channel] =
            static_cast<uint8_t>(value);
      }
    }
  }
  return bytes;
}

/// The sum of one output, from what lies packed for its part and staged by it.
int32_t sum_of(const ChainLayer& l, const uint8_t* packed, const std::vector<uint8_t>& image,
               int first_line, int out_w, int row, int channel) {
  const int begin = (row / out_w * l.stride_h - first_line) * l.line_words +
                    row % out_w * l.stride_w * l.pixel_words;
  const auto* table = reinterpret_cast<const uint16_t*>(packed + l.table_at());
  const int tile = channel / kChainColumns;
  int32_t sum = 0;
  for (int group = 0; group < l.groups; ++group) {
    for (int i = 0; i < 4; ++i) {
      for (int t = 0; t < 4; ++t) {
        const int lane = channel % kChainColumns * 4 + t;
        const uint8_t* w = packed + l.weights_at() +
                           ((int64_t{tile} * l.groups + group) * 32 + lane) * 16 + 4 * i;
        const int at = begin + (l.wide ? table[4 * group + t] + i : table[16 * group + 4 * i + t]);
        for (int b = 0; b < 4; ++b) {
          if (w[b] == 0) continue;
          const uint8_t x = image.at(static_cast<size_t>(at) * 4 + static_cast<size_t>(b));
          sum += (l.is_unsigned ? int32_t{x} : static_cast<int8_t>(x)) * static_cast<int8_t>(w[b]);
        }
      }
    }
  }
  return sum;
}

/// Every output once: parts cover all rows and channels.
void expect_shared_out(const ChainLayer& l, const ConvProblem& p) {
  EXPECT_LE(l.share.row_parts * l.share.column_parts, kChainBlocks);
  EXPECT_GE(l.share.row_parts * l.share.part_rows, p.out_h * p.out_w);
  EXPECT_LT((l.share.row_parts - 1) * l.share.part_rows, p.out_h * p.out_w);
  EXPECT_GE(l.share.column_parts * l.share.channels(), p.out_c);
  EXPECT_EQ(l.part_bytes, l.weights_at() + l.share.part_tiles * l.groups * 512);
}

TEST(ConvChain, DivisorsDivide) {
  for (int by = 1; by < 70; ++by) {
    const ChainDivisor divisor(by);
    for (int n = 0; n < 1 << 16; n += 1 + n % 7) ASSERT_EQ(divisor.quotient(n), n / by);
  }
  for (const int by : {1000, 32767, 32768, 65535}) {
    for (int n = 0; n < 1 << 16; ++n) ASSERT_EQ(ChainDivisor(by).quotient(n), n / by);
  }
}

TEST(ConvChain, WhatIsPackedAndStagedGivesTheSums) {
  Random random(3);
  for (int round = 0; round < 60; ++round) {
    const std::vector<Layer> layers = random_chain(random, 2);
    const std::vector<ChainedConv> convs = chained(layers);
    ChainPlan plan;
    ASSERT_TRUE(plan_chain(convs, 232448, plan)) << round;
    pack_chain(convs, plan);
    for (size_t i = 0; i < layers.size(); ++i) {
      const ConvCase& c = layers[i].one;
      const ChainLayer& l = plan.params.layers[i];
      expect_shared_out(l, c.problem);
      std::vector<int16_t> window(
          static_cast<size_t>(c.problem.kernel_h * c.problem.kernel_w * c.problem.in_c));
      std::vector<uint8_t> image;
      int first_line = 0;
      for (int row = 0; row < c.problem.out_h * c.problem.out_w; ++row) {
        if (row % l.share.part_rows == 0) {
          first_line = l.first_line(row);
          image = staged(c, l, convs[i].flattened, first_line);
        }
        fill_window(c, row, window);
        for (int m = 0; m < c.problem.out_c; ++m) {
          int32_t expected = 0;
          for (size_t k = 0; k < window.size(); ++k) {
            expected += window[k] * c.weights[static_cast<size_t>(m) * window.size() + k];
          }
          const int part = m / l.share.channels(), channel = m % l.share.channels();
          const uint8_t* packed =
              plan.packed.data() + plan.offsets[i] + static_cast<size_t>(part) * l.part_bytes;
          int32_t bias = 0;
          std::memcpy(&bias, packed + channel * 4, 4);
          ASSERT_EQ(bias, c.bias[static_cast<size_t>(m)]);
          ASSERT_EQ(sum_of(l, packed, image, first_line, c.problem.out_w, row, channel), expected)
              << round << ": " << describe(c.problem) << ", row " << row << " channel " << m;
        }
      }
    }
  }
}

TEST(ConvChain, PlacesInSharedMemoryDoNotOverlapWhileTheyAreInUse) {
  Random random(4);
  int tight = 0;
  for (int round = 0; round < 100; ++round) {
    const std::vector<ChainedConv> convs = chained(random_chain(random, 4));
    ChainPlan plan;
    for (int bytes = 40 << 10; !plan_chain(convs, bytes, plan); bytes += 1 << 10) {
    }
    struct Use {
      int begin, end, first, last;
    };
    std::vector<Use> uses;
    for (int i = 0; i < plan.params.count; ++i) {
      const ChainLayer& l = plan.params.layers[i];
      uses.push_back({l.s_image, l.s_image + l.most_lines * l.line_words * 4, i, i});
      uses.push_back({l.s_part, l.s_part + l.part_bytes, l.load_at, i});
      const int made = l.share.part_rows * l.share.channels();
      if (i + 1 < plan.params.count) {
        uses.push_back({l.share.s_made, l.share.s_made + made, i, i + 1});
        EXPECT_EQ(plan.params.layers[i + 1].from.s_made, l.share.s_made);
      } else {
        EXPECT_EQ(l.share.s_made, -1);
      }
      EXPECT_EQ(l.s_part % 16, 0);
      EXPECT_EQ(l.s_image % 16, 0);
      tight += l.load_at > 0;
    }
    for (size_t a = 0; a < uses.size(); ++a) {
      EXPECT_LE(uses[a].end, plan.params.shared_bytes);
      for (size_t b = 0; b < a; ++b) {
        const bool together = uses[a].first <= uses[b].last && uses[b].first <= uses[a].last;
        EXPECT_FALSE(together && uses[a].begin < uses[b].end && uses[b].begin < uses[a].end);
      }
    }
  }
  EXPECT_GT(tight, 0) << "no weights had to wait for a place";
}

// --- on a device ---

std::string run_chain(const std::vector<Layer>& layers) {
  const std::vector<ChainedConv> convs = chained(layers);
  ChainPlan plan;
  if (!plan_chain(convs, current_conv_device().shared_bytes, plan)) return "does not fit";
  if (!can_launch_chain(plan.params.shared_bytes)) return "cannot be launched";
  pack_chain(convs, plan);
  const ConvCase& last = layers.back().one;
  const DeviceBytes packed(plan.packed), x(layers[0].one.x);
  const DeviceBytes y(last.expected.size() + 16, 0xa5);
  for (size_t i = 0; i < layers.size(); ++i) {
    plan.params.layers[i].packed = packed.data() + plan.offsets[i];
  }
  plan.params.layers[0].x = x.data();
  plan.params.layers[layers.size() - 1].tail.y = y.data();
  for (int run = 0; run < 2; ++run) {
    launch_chain(plan.params, nullptr);
    const cudaError_t error = cudaDeviceSynchronize();
    if (error != cudaSuccess) return std::string("CUDA: ") + cudaGetErrorString(error);
    std::vector<uint8_t> got = y.read();
    for (size_t k = last.expected.size(); k < got.size(); ++k) {
      if (got[k] != 0xa5) return "something was written behind the output";
    }
    got.resize(last.expected.size());
    if (got != last.expected) return "differs: " + describe(last.problem);
  }
  return "";
}

TEST(ConvChain, OnADeviceTheLastLayerGivesItsBits) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    (void)cudaGetLastError();
    GTEST_SKIP() << "chains of layers did not run: there is no CUDA device";
  }
  if (current_conv_device().level != 90) GTEST_SKIP() << "chains need compute capability 9.0";
  Random random(5);
  for (int round = 0; round < 200; ++round) {
    const auto layers = random_chain(random, 1 + random() % 6);
    ASSERT_EQ(run_chain(layers), "") << "round " << round;
  }
}

}  // namespace
}  // namespace octile::cuda::testing
