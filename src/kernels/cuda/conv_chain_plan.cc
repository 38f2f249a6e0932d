// How a chain of layers is laid out: who multiplies what, where everything lies in shared memory,
// when weights are sent for, and what it will take. Start reading at plan_chain().
#include <algorithm>
#include <cstring>

#include "kernels/cuda/conv_chain.h"

namespace octile::cuda {
namespace {

constexpr int kWarps = kChainThreads / 32, kTileBytes = 32 * 16;  // of a group
constexpr int kMostPieces = 1 << 16;                              // ChainDivisor's range
constexpr int kStatic = 4 << 10;  // of shared memory: barriers, the layers, what the system keeps
// Measured (docs/gpu-notes.md), in cycles: a layer's waits (the meeting, the first loads); a group's
// turn in a warp; fetching a piece for each thread; and bytes that arrive from the L2 cache in a
// cycle.
constexpr double kLayerCycles = 1500, kGroupCycles = 45, kPieceCycles = 400, kLoadBytes = 40;
constexpr double kCyclesPerUs = 1700;

int32_t up(int32_t value, int32_t step) { return (value + step - 1) / step * step; }
int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

// --- the layer by itself ---

/// What is staged: as much as the windows reach.
void set_image(const ChainedConv& conv, ChainLayer& l) {
  const ConvProblem& p = conv.problem;
  l.source_h = conv.source_h, l.source_w = conv.source_w, l.source_c = conv.source_c;
  l.image_h = conv.image_h, l.image_w = conv.image_w;
  l.staged_words = ceil_div(conv.source_c, 4);
  l.window_lines = conv.image_h, l.staged_w = conv.image_w;
  if (!conv.flattened) {
    l.window_lines = (p.kernel_h - 1) * p.dilation_h + 1;
    l.staged_w = (p.out_w - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1;
    l.pad_top = p.pad_top, l.pad_left = p.pad_left;
  }
  l.by_staged_w = ChainDivisor(l.staged_w);
}

void set_windows(const ChainedConv& conv, ChainLayer& l) {
  const ConvProblem& p = conv.problem;
  l.pixel_words = conv.flattened ? conv.image_h * conv.image_w * l.staged_words : l.staged_words;
  l.line_words = l.staged_w * l.staged_words;
  l.kernel_w = p.kernel_w;
  l.stride_h = p.stride_h, l.stride_w = p.stride_w;
  l.dilation_h = p.dilation_h, l.dilation_w = p.dilation_w;
  l.by_out_w = ChainDivisor(p.out_w);
  l.k_words = p.kernel_h * p.kernel_w * l.pixel_words;
  l.groups = ceil_div(l.k_words, kGroupWords);
  l.wide = l.pixel_words % 4 == 0;
  l.table_bytes = up(l.groups * kGroupWords / (l.wide ? 4 : 1) * 2, 16);
}

/// How the input comes. Behind the share of the layer before.
void set_source(const ChainedConv& conv, ChainLayer& l, const ChainLayer* before) {
  const ConvProblem& p = conv.problem;
  ConvType bytes = p.x_type;
  if (before != nullptr) {
    l.source = ChainSource::kBlocks;
    l.from = before->share;
    l.wide_pieces = l.source_c % 16 == 0 && l.from.channels() % 16 == 0;
  } else if (p.x_type == ConvType::kFloat) {
    l.source = p.x_planar ? ChainSource::kPlanarFloats : ChainSource::kFloats;
    l.quantizer = StemQuantizer(p);
    l.quantizer_base = static_cast<uint32_t>(p.x_zero_point);
    bytes = p.x_stored;
  } else {
    l.wide_pieces = l.source_c % 16 == 0;
  }
  l.by_pieces = ChainDivisor(l.staged_words / (l.wide_pieces ? 4 : 1));
  l.is_unsigned = bytes == ConvType::kU8;
  l.border = 0x01010101u * static_cast<uint32_t>(p.x_zero_point & 255);
}

/// The most lines that a part stages.
int32_t lines_of(const ChainLayer& l, int32_t rows, int32_t part_rows) {
  int32_t most = 0;
  for (int32_t first = 0; first < rows; first += part_rows) {
    most = std::max(most, l.lines(first, std::min(part_rows, rows - first)));
  }
  return most;
}

/// The quickest of the ways to share it out. Two tiles and more stay together where the next layer
/// reads them: 16 channels are one fetch.
double share_out(const ConvProblem& p, bool is_last, ChainLayer& l) {
  const int32_t rows = p.out_h * p.out_w, tiles = ceil_div(p.out_c, kChainColumns);
  double least = 0.0;
  for (int32_t column_parts = 1; column_parts <= kChainBlocks; column_parts *= 2) {
    const int32_t part_tiles = ceil_div(tiles, column_parts);
    if (column_parts > tiles) break;
    if (!is_last && tiles % 2 == 0 && part_tiles % 2 != 0) break;
    const int32_t part_rows = ceil_div(rows, std::min(rows, kChainBlocks / column_parts));
    const int32_t turns = ceil_div(ceil_div(part_rows, 16) * part_tiles, kWarps);
    const int32_t lines = lines_of(l, rows, part_rows);
    const int32_t pieces = lines * l.staged_w * static_cast<int32_t>(l.by_pieces.by);
    const int32_t bytes = part_tiles * (l.groups * kTileBytes + kChainColumns * 8) + l.table_bytes;
    const double cycles = turns * l.groups * kGroupCycles +
                          ceil_div(pieces, kChainThreads) * kPieceCycles + bytes / kLoadBytes / 4;
    if (least > 0.0 && cycles >= least) continue;
    least = cycles;
    l.share.column_parts = column_parts, l.share.row_parts = ceil_div(rows, part_rows);
    l.share.part_tiles = part_tiles, l.share.part_rows = part_rows;
    l.share.by_rows = ChainDivisor(part_rows), l.share.by_words = ChainDivisor(part_tiles * 2);
    l.part_bytes = bytes, l.most_lines = lines;
  }
  return least;
}

// --- shared memory ---

/// Bytes that are in use while layers first to last run.
struct Piece {
  int32_t begin, size;
  int first, last;
};

class SharedMemory {
 public:
  explicit SharedMemory(int32_t limit) : limit_(limit) {}
  int32_t used() const { return used_; }

  /// The lowest place, or −1.
  int32_t place(int32_t size, int first, int last) {
    int32_t best = -1;
    std::vector<int32_t> candidates{0};
    for (const Piece& p : pieces_) candidates.push_back(p.begin + p.size);
    for (const int32_t at : candidates) {
      const bool free = std::none_of(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
        return p.first <= last && first <= p.last && at < p.begin + p.size && p.begin < at + size;
      });
      if (free && at + size <= limit_ && (best < 0 || at < best)) best = at;
    }
    if (best < 0) return best;
    pieces_.push_back({best, size, first, last});
    used_ = std::max(used_, best + size);
    return best;
  }

 private:
  int32_t limit_, used_ = 0;
  std::vector<Piece> pieces_;
};

/// What a layer works on and makes first, then weights, each as early as its place is free.
bool place_all(ChainParams& params, int32_t limit) {
  SharedMemory memory(limit);
  const auto place = [&](int32_t bytes, int first, int last) {
    return memory.place(up(bytes, 128), first, last);
  };
  for (int i = 0; i < params.count; ++i) {
    ChainLayer& l = params.layers[i];
    l.s_image = place(l.most_lines * l.line_words * 4, i, i);
    if (l.s_image < 0) return false;
    if (i + 1 == params.count) continue;
    l.share.s_made = place(l.share.part_rows * l.share.channels(), i, i + 1);
    if (l.share.s_made < 0) return false;
    params.layers[i + 1].from = l.share;
  }
  for (int i = 0; i < params.count; ++i) {
    ChainLayer& l = params.layers[i];
    l.s_part = -1;
    for (l.load_at = 0; l.load_at <= i; ++l.load_at) {
      l.s_part = place(l.part_bytes, l.load_at, i);
      if (l.s_part >= 0) break;
    }
    if (l.s_part < 0) return false;
  }
  params.shared_bytes = memory.used();
  return true;
}

// --- weights ---

/// Where words of K lie, from a window's first on: of each word, or of each four where l.wide.
/// What pads K meets weights of zero.
void pack_table(const ChainLayer& l, uint16_t* table) {
  const int each = l.wide ? 4 : 1;
  for (int word = 0; word < l.k_words; word += each) {
    const int tap = word / l.pixel_words;
    table[word / each] = static_cast<uint16_t>(tap / l.kernel_w * l.dilation_h * l.line_words +
                                               tap % l.kernel_w * l.dilation_w * l.pixel_words +
                                               word % l.pixel_words);
  }
}

void pack_tile(const ChainedConv& conv, const ChainLayer& l, int first_channel, uint8_t* target) {
  const ConvProblem& p = conv.problem;
  const int64_t taps = int64_t{p.kernel_h} * p.kernel_w;
  for (int group = 0; group < l.groups; ++group) {
    for (int at = 0; at < kTileBytes; ++at) {
      const int lane = at / 16, channel = first_channel + lane / 4;
      const int word = word_of(l.wide, group, lane % 4, at % 16 / 4);
      const int c = word % l.pixel_words * 4 + at % 4;
      if (channel >= p.out_c || word >= l.k_words || c >= p.in_c) continue;
      const int64_t from = (channel * taps + word / l.pixel_words) * p.in_c + c;
      target[group * kTileBytes + at] = static_cast<uint8_t>(conv.weights.weights[from]);
    }
  }
}

/// Channels beyond out_c get zeros.
void pack_part(const ChainedConv& conv, const ChainLayer& l, int column_part, uint8_t* target) {
  const int channels = l.share.channels();
  const int first = std::min(column_part * channels, conv.problem.out_c);
  const auto count = static_cast<size_t>(std::min(conv.problem.out_c - first, channels));
  std::memcpy(target, conv.weights.bias + first, count * sizeof(int32_t));
  std::memcpy(target + l.bias_bytes(), conv.weights.multiplier + first, count * sizeof(float));
  pack_table(l, reinterpret_cast<uint16_t*>(target + l.table_at()));
  for (int tile = 0; tile < l.share.part_tiles; ++tile) {
    pack_tile(conv, l, first + tile * kChainColumns,
              target + l.weights_at() + int64_t{tile} * l.groups * kTileBytes);
  }
}

}  // namespace

bool plan_chain(const std::vector<ChainedConv>& convs, int shared_bytes, ChainPlan& plan) {
  if (convs.size() > kMostChained) return false;
  plan = {};
  double cycles = 0.0;
  for (const ChainedConv& conv : convs) {
    const ChainLayer* before = plan.params.count > 0 ? &plan.params.layers[plan.params.count - 1] : nullptr;
    ChainLayer& l = plan.params.layers[plan.params.count++];
    const ConvProblem& p = conv.problem;
    set_image(conv, l);
    set_windows(conv, l);
    set_source(conv, l, before);
    l.pool = conv.pool;
    l.pool.by_kernel_w = ChainDivisor(l.pool.kernel_w);
    l.tail = conv_tail(p);
    const int64_t lines = int64_t{p.out_h - 1} * p.stride_h + l.window_lines;
    const int64_t source = int64_t{l.source_h} * l.source_w, rows = int64_t{p.out_h} * p.out_w;
    if (std::max({source, rows, lines * l.staged_w * l.staged_words}) >= kMostPieces) return false;
    cycles += kLayerCycles + share_out(p, &conv == &convs.back(), l);
  }
  if (!place_all(plan.params, shared_bytes - kStatic)) return false;
  plan.estimated_us = cycles / kCyclesPerUs;
  return true;
}

void pack_chain(const std::vector<ChainedConv>& convs, ChainPlan& plan) {
  for (size_t i = 0; i < convs.size(); ++i) {
    const ChainLayer& l = plan.params.layers[i];
    const size_t at = (plan.packed.size() + 255) / 256 * 256;
    const auto bytes = static_cast<size_t>(l.part_bytes);
    plan.offsets.push_back(at);
    plan.packed.resize(at + static_cast<size_t>(l.share.column_parts) * bytes);
    for (int part = 0; part < l.share.column_parts; ++part) {
      pack_part(convs[i], l, part, plan.packed.data() + at + static_cast<size_t>(part) * bytes);
    }
  }
}

}  // namespace octile::cuda
