// See chains.h. A chain is convolutions and products of one image, each reading what the one before
// wrote, through a max pooling or a flattening perhaps: those are done as the input is read.
#include "kernels/cuda/chains.h"

#include <cstdlib>

#include "kernels/cuda/accelerator.h"
#include "kernels/cuda/conv_chain.h"
#include "kernels/cuda/rows.h"
#include "plan/geometry.h"

namespace octile::cuda {
namespace {

using Views = std::span<const std::optional<StepView>>;

constexpr double kLaunchUs = 2.3;  // that a small layer takes by itself (docs/gpu-notes.md)

bool chains_allowed() {
  static const bool allowed = [] {
    const char* value = std::getenv("OCTILE_GPU_CHAINS");
    return value == nullptr || std::string_view(value) != "0";
  }();
  return allowed;
}

/// One layer of a chain, by steps of the plan.
struct Link {
  size_t conv = 0;    // the step that multiplies
  int launches = 1;   // that it replaces
  ChainedConv layer;
};

class Finder {
 public:
  explicit Finder(Views views) : views_(views) {
    for (const auto& view : views_) {
      if (!view) continue;
      readers_.resize(view->plan.tensors.size(), 0);
      for (const int32_t t : view->step.inputs) ++readers_[static_cast<size_t>(t)];
      if (plan_ == nullptr) plan_ = &view->plan;
    }
    if (plan_ == nullptr) return;
    for (const int32_t t : plan_->outputs) ++readers_[static_cast<size_t>(t)];
  }

  /// The longest chain whose first layer is step `first`; empty: none.
  std::vector<Link> from(size_t first) const {
    std::vector<Link> links;
    if (!add(first, std::nullopt, false, links)) return {};
    while (links.size() < kMostChained && add_behind(links)) {
    }
    return links;
  }

 private:
  bool add_behind(std::vector<Link>& links) const {
    int32_t at = views_[links.back().conv]->step.outputs[0];
    if (readers_[static_cast<size_t>(at)] != 1) return false;
    size_t s = links.back().conv + 1;
    std::optional<size_t> pool;
    bool flattened = false;
    for (; s < views_.size(); ++s) {
      if (!views_[s]) continue;
      const StepView& view = *views_[s];
      if (view.step.inputs.empty() || view.step.inputs[0] != at) return false;
      const bool is_view = view.as<ViewStep>() != nullptr;
      if (!is_view && !(is_pool(view) && !pool && !flattened)) break;
      at = view.step.outputs[0];
      if (readers_[static_cast<size_t>(at)] != 1) return false;
      if (!is_view) pool = s;
      flattened |= is_view;
    }
    return s < views_.size() && add(s, pool, flattened, links);
  }

  bool add(size_t s, std::optional<size_t> pool, bool flattened, std::vector<Link>& links) const {
    if (!views_[s] || !takes(*views_[s], links.empty())) return false;
    Link link{.conv = s, .launches = pool ? 2 : 1, .layer = {}};
    ChainedConv& layer = link.layer;
    layer.problem = conv_problem(*views_[s]);
    const ConvProblem& p = layer.problem;
    layer.source_h = p.in_h, layer.source_w = p.in_w, layer.source_c = p.in_c;
    if (!links.empty()) {
      const ConvProblem& before = links.back().layer.problem;
      layer.source_h = before.out_h, layer.source_w = before.out_w, layer.source_c = before.out_c;
    }
    layer.image_h = layer.source_h, layer.image_w = layer.source_w;
    if (pool) read_through(*views_[*pool], layer);
    if (layer.image_h != p.in_h || layer.image_w != p.in_w || layer.source_c != p.in_c) {
      const int64_t values = int64_t{layer.image_h} * layer.image_w * layer.source_c;
      layer.flattened = flattened && values == p.in_c && p.in_h * p.in_w == 1 &&
                        p.kernel_h * p.kernel_w == 1 && layer.source_c % 4 == 0;
      if (!layer.flattened) return false;
    }
    const StepView& view = *views_[s];
    const auto& step = *view.as<ConvStep>();
    layer.weights = {view.blob(step.weights).as<int8_t>(), view.blob(step.bias).as<int32_t>(),
                     view.blob(step.multiplier).as<float>()};
    links.push_back(std::move(link));
    return true;
  }

  static bool is_close(const StepView& view) { return takes_rows_close(view); }

  static bool takes(const StepView& view, bool is_first) {
    if (!conv_refusal(view, false).empty() || !is_close(view)) return false;
    const ConvProblem p = conv_problem(view);
    if (p.batch != 1 || p.groups != 1 || p.residual) return false;
    return is_8bit(view.inputs[0]) || (is_first && StemQuantizer::takes(p));
  }

  /// A max pooling of bytes with few taps, each window of which holds a pixel.
  static bool is_pool(const StepView& view) {
    const auto* step = view.as<PoolStep>();
    if (step == nullptr || step->kind != PoolingKind::kMax || !is_close(view)) return false;
    const PlanTensor &x = view.inputs[0], &y = view.outputs[0];
    if (!is_8bit(x) || x.type != y.type || !is_image(x) || !is_image(y)) return false;
    if (x.shape.volume() == 0 || y.shape.volume() == 0) return false;
    const Geometry g = octile::geometry_of(*step, x.shape, y.shape);
    return g.n == 1 && g.kernel_h * g.kernel_w <= 9 && g.dilation_h == 1 && g.dilation_w == 1 &&
           g.pad_top < g.kernel_h && g.pad_left < g.kernel_w &&
           (g.out_h - 1) * g.stride_h - g.pad_top < g.h &&
           (g.out_w - 1) * g.stride_w - g.pad_left < g.w;
  }

  static void read_through(const StepView& view, ChainedConv& layer) {
    const Geometry g =
        octile::geometry_of(*view.as<PoolStep>(), view.inputs[0].shape, view.outputs[0].shape);
    const auto i = [](int64_t v) { return static_cast<int32_t>(v); };
    layer.image_h = i(g.out_h), layer.image_w = i(g.out_w);
    layer.pool = {i(g.kernel_h), i(g.kernel_w), i(g.stride_h),
                  i(g.stride_w), i(g.pad_top),  i(g.pad_left)};
  }

  Views views_;
  const PlanData* plan_ = nullptr;
  std::vector<int> readers_;  // by tensor; being an output counts
};

class CudaChain final : public Chain {
 public:
  CudaChain(const std::vector<Link>& links, const ChainPlan& plan, const Device& device)
      : params_(plan.params),
        last_(links.back().conv - links[0].conv),
        packed_(upload(device.accelerator, std::as_bytes(std::span(plan.packed)))) {
    for (size_t i = 0; i < links.size(); ++i) {
      params_.layers[i].packed = packed_.as<const uint8_t>() + plan.offsets[i];
    }
  }

  void run(std::span<const Buffers> steps) override {
    params_.layers[0].x = steps[0].inputs[0];
    params_.layers[params_.count - 1].tail.y = steps[last_].outputs[0];
    launch_chain(params_, steps[0].stream);
  }

 private:
  ChainParams params_;
  size_t last_;  // step of the chain
  Memory packed_;
};

/// As many of the layers, from the first on, as fit together and gain.
std::unique_ptr<Chain> make_chain(std::vector<Link>& links, const Device& device) {
  const GpuInfo& gpu = gpu_info(*device.accelerator);
  for (; links.size() > 1; links.pop_back()) {
    std::vector<ChainedConv> layers;
    int launches = 0;
    for (const Link& link : links) {
      layers.push_back(link.layer);
      launches += link.launches;
    }
    ChainPlan plan;
    if (!plan_chain(layers, gpu.shared_bytes, plan)) continue;
    if (plan.estimated_us > launches * kLaunchUs) continue;
    if (!can_launch_chain(plan.params.shared_bytes)) return nullptr;
    pack_chain(layers, plan);
    return std::make_unique<CudaChain>(links, plan, device);
  }
  return nullptr;
}

}  // namespace

std::vector<FoundChain> find_chains(Views views, const Device& device) {
  std::vector<FoundChain> found;
  if (device.isa != Isa::kWgmma || !chains_allowed()) return found;
  device.accelerator->make_current();
  const Finder finder(views);
  for (size_t s = 0; s < views.size(); ++s) {
    std::vector<Link> links = finder.from(s);
    if (links.size() < 2) continue;
    std::unique_ptr<Chain> chain = make_chain(links, device);
    if (chain == nullptr) continue;
    const size_t count = links.back().conv + 1 - s;
    found.push_back({s, count, std::move(chain)});
    s += count - 1;
  }
  return found;
}

}  // namespace octile::cuda
