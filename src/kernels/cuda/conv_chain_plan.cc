// How a chain of layers is laid out: who multiplies what, where everything lies in shared memory,
// when weights are sent for, and what it will take. Start reading at plan_chain().
#include <algorithm>
#include <cstring>

#include "kernels/cuda/conv_chain.h"

namespace octile::cuda {
namespace {

constexpr int kWarps = kChainThreads / 32, kTileBytes = 32 * 16;  // of a group
constexpr int kMostScratch = 64 << 10;
// Guesses, in cycles: a layer's waits (the meeting, reading its input, the first loads), a group's
// turn in a warp; and bytes that arrive from the L2 cache in a cycle.
constexpr double kLayerCycles = 1500, kGroupCycles = 45, kLoadBytes = 40, kCyclesPerUs = 1700;

int32_t up(int32_t value, int32_t step) { return (value + step - 1) / step * step; }
int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

// --- the layer by itself ---

/// What is staged: as much as the windows reach.
void set_image(const ChainedConv& conv, ChainLayer& l) {
  const ConvProblem& p = conv.problem;
  l.source_h = conv.source_h, l.source_w = conv.source_w, l.source_c = conv.source_c;
  l.image_h = conv.image_h, l.image_w = conv.image_w;
  l.staged_words = ceil_div(conv.source_c, 4);
  l.staged_h = conv.image_h, l.staged_w = conv.image_w;
  if (conv.flattened) return;
  l.staged_h = (p.out_h - 1) * p.stride_h + (p.kernel_h - 1) * p.dilation_h + 1;
  l.staged_w = (p.out_w - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1;
  l.pad_top = p.pad_top, l.pad_left = p.pad_left;
}

void set_windows(const ChainedConv& conv, ChainLayer& l) {
  const ConvProblem& p = conv.problem;
  l.pixel_words = conv.flattened ? l.staged_h * l.staged_w * l.staged_words : l.staged_words;
  l.line_words = l.staged_w * l.staged_words;
  l.kernel_w = p.kernel_w;
  l.stride_h = p.stride_h, l.stride_w = p.stride_w;
  l.dilation_h = p.dilation_h, l.dilation_w = p.dilation_w;
  l.out_w = p.out_w;
  l.k_words = p.kernel_h * p.kernel_w * l.pixel_words;
  l.groups = ceil_div(l.k_words, kGroupWords);
  l.wide = l.pixel_words % 4 == 0;
}

/// The quickest of the ways to share it out.
double share_out(const ConvProblem& p, ChainLayer& l) {
  const int32_t rows = p.out_h * p.out_w, tiles = ceil_div(p.out_c, kChainColumns);
  double least = 0.0;
  for (int32_t column_parts = 1; column_parts <= kChainBlocks; column_parts *= 2) {
    if (column_parts > tiles) break;
    const int32_t part_tiles = ceil_div(tiles, column_parts);
    const int32_t part_rows = ceil_div(rows, std::min(rows, kChainBlocks / column_parts));
    const int32_t turns = ceil_div(ceil_div(part_rows, 16) * part_tiles, kWarps);
    const int32_t bytes = part_tiles * l.groups * kTileBytes;
    const double cycles = turns * l.groups * kGroupCycles + bytes / kLoadBytes / 4;
    if (least > 0.0 && cycles >= least) continue;
    least = cycles;
    l.column_parts = column_parts, l.row_parts = ceil_div(rows, part_rows);
    l.part_tiles = part_tiles, l.part_rows = part_rows;
    l.weight_bytes = bytes;
  }
  return least;
}

ChainLayer layer_of(const ChainedConv& conv) {
  const ConvProblem& p = conv.problem;
  ChainLayer l;
  set_image(conv, l);
  set_windows(conv, l);
  l.pool = conv.pool;
  ConvType bytes = p.x_type;
  if (p.x_type == ConvType::kFloat) {
    l.source = p.x_planar ? ChainSource::kPlanarFloats : ChainSource::kFloats;
    l.quantizer = StemQuantizer(p);
    l.quantizer_base = static_cast<uint32_t>(p.x_zero_point);
    bytes = p.x_stored;
  }
  l.is_unsigned = bytes == ConvType::kU8;
  l.border = 0x01010101u * static_cast<uint32_t>(p.x_zero_point & 255);
  l.tail = conv_tail(p);
  return l;
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

/// What a layer works on first, then weights, each as early as its place is free.
bool place_all(ChainParams& params, int32_t limit) {
  SharedMemory memory(limit);
  for (int i = 0; i < params.count; ++i) {
    ChainLayer& l = params.layers[i];
    const int32_t image = up(l.staged_h * l.staged_w * l.staged_words * 4, 16);
    const int32_t table = l.groups * kGroupWords / (l.wide ? 4 : 1) * 2;
    if (image + table > kMostScratch) return false;
    l.s_image = memory.place(up(image + table, 128), i, i);
    if (l.s_image < 0) return false;
    l.s_table = l.s_image + image;
  }
  for (int i = 0; i < params.count; ++i) {
    ChainLayer& l = params.layers[i];
    l.s_weights = -1;
    for (l.load_at = 0; l.load_at <= i; ++l.load_at) {
      l.s_weights = memory.place(up(l.weight_bytes, 128), l.load_at, i);
      if (l.s_weights >= 0) break;
    }
    if (l.s_weights < 0) return false;
  }
  params.shared_bytes = memory.used();
  return true;
}

// --- weights ---

size_t append(std::vector<uint8_t>& packed, const void* bytes, size_t count) {
  const size_t at = (packed.size() + 255) / 256 * 256;
  packed.resize(at + count);
  if (bytes != nullptr) std::memcpy(packed.data() + at, bytes, count);
  return at;
}

void pack_tiles(const ChainedConv& conv, const ChainLayer& l, uint8_t* target) {
  const ConvProblem& p = conv.problem;
  const int64_t taps = int64_t{p.kernel_h} * p.kernel_w;
  for (int tile = 0; tile < l.column_parts * l.part_tiles; ++tile) {
    for (int group = 0; group < l.groups; ++group) {
      for (int at = 0; at < kTileBytes; ++at) {
        const int lane = at / 16, channel = tile * kChainColumns + lane / 4;
        const int word = word_of(l.wide, group, lane % 4, at % 16 / 4);
        const int c = word % l.pixel_words * 4 + at % 4;
        if (channel >= p.out_c || word >= l.k_words || c >= p.in_c) continue;
        const int64_t from = (channel * taps + word / l.pixel_words) * p.in_c + c;
        target[(int64_t{tile} * l.groups + group) * kTileBytes + at] =
            static_cast<uint8_t>(conv.weights.weights[from]);
      }
    }
  }
}

void pack(const ChainedConv& conv, const ChainLayer& l, ChainPlan& plan) {
  const auto channels = static_cast<size_t>(conv.problem.out_c);
  plan.bias.push_back(append(plan.packed, conv.weights.bias, channels * sizeof(int32_t)));
  plan.multiplier.push_back(append(plan.packed, conv.weights.multiplier, channels * sizeof(float)));
  plan.weights.push_back(
      append(plan.packed, nullptr, static_cast<size_t>(l.column_parts) * l.weight_bytes));
  pack_tiles(conv, l, plan.packed.data() + plan.weights.back());
}

}  // namespace

bool plan_chain(const std::vector<ChainedConv>& convs, int shared_bytes, ChainPlan& plan) {
  if (convs.size() > kMostChained) return false;
  plan = {};
  double cycles = 0.0;
  for (const ChainedConv& conv : convs) {
    ChainLayer& l = plan.params.layers[plan.params.count++];
    l = layer_of(conv);
    if (int64_t{l.staged_h} * l.staged_w * l.staged_words * 4 > kMostScratch) return false;
    cycles += kLayerCycles + share_out(conv.problem, l);
  }
  constexpr int kStatic = 1024;  // barriers, and what the system keeps
  if (!place_all(plan.params, shared_bytes - kStatic)) return false;
  plan.estimated_us = cycles / kCyclesPerUs;
  return true;
}

void pack_chain(const std::vector<ChainedConv>& convs, ChainPlan& plan) {
  for (size_t i = 0; i < convs.size(); ++i) pack(convs[i], plan.params.layers[i], plan);
}

}  // namespace octile::cuda
