// See select_tactics.h.
#include "compile/select_tactics.h"

#include <algorithm>

#include "backend/step_runner.h"
#include "base/bytes.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/parallel_for.h"
#include "compile/store_unsigned.h"
#include "ops/fields.h"
#include "plan/quantize_chains.h"

namespace octile {
namespace {

constexpr double kMustWinBy = 1.02;
constexpr double kBudgetNs = 20e6;   // aimed at, a candidate and step
constexpr double kSampleNs = 200e3;  // short steps are repeated, so that a sample is measurable
constexpr double kHopeless = 8;      // times slower than the quickest: not worth the build's time
constexpr double kColdNs = 1e6;      // a longer first run is no longer due to cold caches
constexpr int kMinTimedRounds = 3, kMaxTimedRounds = 15;

/// The step without what changes no time: indices of blobs, multipliers.
Step without_values(Step step) {
  const auto forget = [](int32_t& blob) { blob = std::min(blob, 0); };
  if (auto* conv = std::get_if<ConvStep>(&step)) {
    for (int32_t* blob : {&conv->weights, &conv->bias, &conv->multiplier}) forget(*blob);
    conv->residual_multiplier = 0.0f;
  } else if (auto* deconv = std::get_if<DeconvStep>(&step)) {
    for (int32_t* blob : {&deconv->weights, &deconv->bias}) forget(*blob);
  } else if (auto* eltwise = std::get_if<EltwiseStep>(&step)) {
    eltwise->m_a = eltwise->m_b = 0.0f;
  } else if (auto* matmul = std::get_if<MatMulStep>(&step)) {
    matmul->multiplier = 0.0f;
  } else if (auto* lookup = std::get_if<LookupStep>(&step)) {
    forget(lookup->table);
  } else if (auto* softmax = std::get_if<SoftmaxStep>(&step)) {
    forget(softmax->table);
  }
  return step;
}

/// Equal layers of a network, and of the same network calibrated anew, share their times.
std::string signature(const StepView& view) {
  Hash hash;
  hash_field(hash, without_values(view.step.step));
  for (const auto* list : {&view.inputs, &view.outputs}) {
    for (const PlanTensor& t : *list) {
      hash.add(name_of(t.type)).add(t.shape.to_string());
      hash.add_number(static_cast<uint64_t>(t.layout)).add_number(uint64_t(t.zero_point != 0));
      hash.add_number(uint64_t(t.q_min >= 0));  // read as unsigned
    }
  }
  if (view.quantized) {
    hash.add("quantizes").add(name_of(view.quantized->type));
    hash.add_number(uint64_t(view.quantized->zero_point != 0));
  }
  return fmt::format("{} {}", name_of(view.step.step), hash.hex());
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + int(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Rows worth timing: where a row for a real instruction set accepts an int8 step, the plain loops
/// (a hundred times slower) are no candidates, whatever a busy machine would measure.
std::vector<const Tactic*> candidates(const Backend& backend, const StepView& bound,
                                      const Device& device) {
  std::vector<const Tactic*> rows = accepting(backend, bound, device);
  const bool vectorized = std::any_of(
      rows.begin(), rows.end(), [](const Tactic* row) { return row->isa() != Isa::kPortable; });
  if (vectorized) {
    std::erase_if(rows, [](const Tactic* row) { return row->isa() == Isa::kPortable; });
  }
  return rows;
}

/// With a zero point of 128 it is a symmetric one as store_unsigned() keeps it.
bool is_affine(const PlanTensor& t) { return t.type == DataType::kUInt8 && t.zero_point != 128; }

/// The plan with a step's affine tensors as symmetric ones would be, for as long as this lives.
class AsSymmetric {
 public:
  AsSymmetric(PlanData& plan, const PlanStep& step) : plan_(plan) {
    for (const auto* list : {&step.inputs, &step.outputs}) {
      for (int32_t t : *list) {
        PlanTensor& tensor = plan.tensors[size_t(t)];
        if (!is_affine(tensor)) continue;
        saved_.emplace_back(t, tensor);
        tensor.q_min = tensor.q_min >= tensor.zero_point ? 0 : -128;
        tensor.type = DataType::kInt8;
        tensor.zero_point = 0;
      }
    }
  }
  ~AsSymmetric() {
    for (auto& [t, tensor] : saved_) plan_.tensors[size_t(t)] = std::move(tensor);
  }
  AsSymmetric(const AsSymmetric&) = delete;
  AsSymmetric& operator=(const AsSymmetric&) = delete;

 private:
  PlanData& plan_;
  std::vector<std::pair<int32_t, PlanTensor>> saved_;
};

bool is_empty(const PlanStep& step, const std::vector<Shape>& shapes) {
  return std::ranges::any_of(step.outputs,
                             [&](int32_t t) { return shapes[size_t(t)].volume() == 0; });
}

class Selector {
 public:
  Selector(PlanData& plan, const Backend& backend, const Device& device,
           const BuildOptions& options, TimingCache& times)
      : plan_(plan),
        backend_(backend),
        device_(device),
        options_(options),
        chains_(quantize_chains(plan)),
        cache_(times),
        place_(place_of(device)) {}

  void run() {
    const bool timed = options_.tactics == BuildOptions::Tactics::kTimed;
    int64_t done = 0;
    const auto total = static_cast<int64_t>(plan_.steps.size() * plan_.profiles.size());
    for (PlanStep& step : plan_.steps) step.tactics.clear();
    const std::vector<bool> late = late_tensors(plan_);
    for (const PlanProfile& profile : plan_.profiles) {
      std::vector<Shape> opt, max;
      for (const auto& bounds : profile.inputs) {
        opt.push_back(bounds.opt);
        max.push_back(bounds.max);
      }
      const auto opt_shapes = infer_all_shapes(plan_, opt);
      const auto max_shapes = infer_all_shapes(plan_, max);
      for (PlanStep& step : plan_.steps) {
        if (late[size_t(step.outputs[0])]) {
          step.tactics.emplace_back(kLateTactic);
          continue;
        }
        const StepView bound = make_view(plan_, step, max_shapes);
        const Tactic& best = timed ? fastest_or_fused(step, bound, max_shapes, opt_shapes)
                                   : first_accepting(backend_, bound, device_);
        step.tactics.emplace_back(best.name());
        if (options_.progress) options_.progress("select tactics", ++done, total);
      }
      if (timed && options_.log) tell_affine_cost(max_shapes, opt_shapes);
    }
  }

 private:
  const Tactic& fastest(const PlanStep& step, const StepView& bound,
                        const std::vector<Shape>& shapes) {
    const auto rows = candidates(backend_, bound, device_);
    if (rows.size() <= 1 || is_empty(step, shapes))
      return first_accepting(backend_, bound, device_);
    const std::vector<double> times = times_of(step, rows, shapes);
    return *rows[best_of(times)];
  }

  static size_t best_of(const std::vector<double>& times) {
    size_t best = 0;
    for (size_t i = 1; i < times.size(); ++i) {
      if (times[i] * kMustWinBy < times[best]) best = i;
    }
    return best;
  }

  /// Where rows of a convolution can quantize on the way, naming one of them means that it shall
  /// (runtime/fuse_quantize.h): they compete with the others and the Quantize step together.
  const Tactic& fastest_or_fused(const PlanStep& step, const StepView& bound,
                                 const std::vector<Shape>& max_shapes,
                                 const std::vector<Shape>& shapes) {
    const auto chain = std::ranges::find_if(
        chains_, [&](const QuantizeChain& c) { return &plan_.steps[c.reader] == &step; });
    if (chain == chains_.end() || is_empty(step, shapes)) return fastest(step, bound, shapes);
    const auto fused = candidates(backend_, make_view(plan_, chain->step, max_shapes), device_);
    auto apart = candidates(backend_, bound, device_);
    std::erase_if(apart, [&](const Tactic* row) { return std::ranges::count(fused, row) > 0; });
    if (fused.empty()) return fastest(step, bound, shapes);
    const std::vector<double> fused_times = times_of(chain->step, fused, shapes);
    const size_t best = best_of(fused_times);
    if (apart.empty()) return *fused[best];
    double before = 0;
    for (const size_t s : chain->absorbed) {
      const PlanStep& absorbed = plan_.steps[s];
      const auto rows = candidates(backend_, make_view(plan_, absorbed, max_shapes), device_);
      before += std::ranges::min(times_of(absorbed, rows, shapes));
    }
    const std::vector<double> times = times_of(step, apart, shapes);
    const size_t other = best_of(times);
    return (before + times[other]) * kMustWinBy < fused_times[best] ? *apart[other] : *fused[best];
  }

  /// Nanoseconds of each row, from the cache or measured.
  std::vector<double> times_of(const PlanStep& step, const std::vector<const Tactic*>& rows,
                               const std::vector<Shape>& shapes) {
    const std::string key = signature(make_view(plan_, step, shapes)) + " " + place_ + " ";
    std::vector<double> times;
    for (const Tactic* row : rows) {
      const auto known = cache_.find(key + std::string(row->name()));
      if (!known) break;
      times.push_back(*known);
    }
    if (times.size() != rows.size()) {
      times = measure(step, rows, shapes);
      for (size_t i = 0; i < rows.size(); ++i) {
        times[i] = cache_.put(key + std::string(rows[i]->name()), times[i]);
      }
    }
    return times;
  }

  /// Where the CPU has instructions for signed bytes alone, affine activations take a longer way
  /// through convolutions: the same steps are timed as if they were symmetric. The plan stays as it
  /// is.
  void tell_affine_cost(const std::vector<Shape>& max_shapes, const std::vector<Shape>& shapes) {
    if (device_.isa == Isa::kPortable || device_.accelerator != nullptr ||
        multiplies_unsigned(device_.isa))
      return;
    const auto least = [&](const PlanStep& step) {
      const auto rows = candidates(backend_, make_view(plan_, step, max_shapes), device_);
      return std::ranges::min(times_of(step, rows, shapes));
    };
    int count = 0;
    double affine = 0, symmetric = 0;
    for (const PlanStep& step : plan_.steps) {
      const auto* conv = std::get_if<ConvStep>(&step.step);
      if (!conv || conv->dynamic || !is_affine(plan_.tensors[size_t(step.inputs[0])]) ||
          step.tactics.back() == kLateTactic || is_empty(step, shapes)) {
        continue;
      }
      affine += least(step);
      const AsSymmetric twin(plan_, step);
      symmetric += least(step);
      ++count;
    }
    if (count == 0) return;
    options_.log(
        LogLevel::kInfo,
        fmt::format("affine activations on {}: {} convolutions take {:.3g} ms, {:.2f} times what "
                    "symmetric activations would take",
                    name_of(device_.isa), count, affine / 1e6, affine / symmetric));
  }

  std::vector<double> measure(const PlanStep& step, const std::vector<const Tactic*>& rows,
                              const std::vector<Shape>& shapes) const {
    const ThreadCountScope threads(device_.threads);
    std::vector<std::unique_ptr<StepRunner>> runners;
    std::vector<double> first;
    double quickest = kInfinity;
    for (const Tactic* row : rows) {
      runners.push_back(std::make_unique<StepRunner>(plan_, step, shapes, *row, device_));
      double least = runners.back()->time(1);  // warm-up
      if (least < std::max(kColdNs, kHopeless * quickest)) {
        least = runners.back()->time(1);
        for (int i = 0; i < 2; ++i) least = std::min(least, runners.back()->time(1));
      }
      first.push_back(least);
      quickest = std::min(quickest, least);
    }
    std::vector<std::vector<double>> samples(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) samples[i].push_back(first[i]);
    for (int round = 0; round < kMaxTimedRounds; ++round) {
      for (size_t i = 0; i < rows.size(); ++i) {
        const bool hopeless = first[i] > kHopeless * quickest;
        const double sample = std::max(first[i], kSampleNs);
        const bool enough = round >= kMinTimedRounds && round * sample > kBudgetNs;
        if (hopeless || enough) continue;
        samples[i].push_back(runners[i]->time(std::max(1, int(kSampleNs / first[i]))));
      }
    }
    std::vector<double> times;
    for (auto& s : samples) times.push_back(median(std::move(s)));
    return times;
  }

  PlanData& plan_;
  const Backend& backend_;
  const Device& device_;
  const BuildOptions& options_;
  std::vector<QuantizeChain> chains_;
  TimingCache& cache_;
  std::string place_;
};

}  // namespace

void select_tactics(PlanData& plan, const Backend& backend, const Device& device,
                    const BuildOptions& options, TimingCache& times) {
  Selector(plan, backend, device, options, times).run();
}

std::string place_of(const Device& device) {
  return device.accelerator != nullptr
             ? fmt::format("{} {}", device.accelerator->name(), name_of(device.isa))
             : fmt::format("{} {} t{}", cpu_name(), name_of(device.isa), device.threads);
}

}  // namespace octile
