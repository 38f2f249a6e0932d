// compare(): two engines side by side, tensor by tensor. Start reading at compare().
#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/parallel_for.h"
#include "octile/report.h"
#include "report/error_sums.h"
#include "report/side.h"

namespace octile {
namespace {

/// What one tensor has gathered.
struct Row {
  Tap tap;  // the candidate's
  int64_t order = 0;
  ErrorSums sums;
};

class Comparer {
 public:
  Comparer(const Network& network, const Plan& plan, const CompareOptions& options)
      : options_(options),
        reference_(reference_side(network, options.threads)),
        candidate_(candidate_side(plan.data(), options.threads, options.device)) {}

  int64_t run(const Batch& batch) {
    const int64_t rows = reference_.run(batch);
    candidate_.run(batch);
    pair_up();
    for (const std::string& name : unlike_) skipped_[name] += rows;
    for (const std::string& name : unlike_outputs_) skipped_outputs_[name] += rows;
    parallel_for(int64_t(pairs_.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) add(pairs_[size_t(i)], rows);
    });
    if (options_.outputs) options_.outputs(reference_.engine().outputs(), outputs_in_order(), rows);
    return rows;
  }

  Comparison result(int64_t samples) const {
    Comparison result;
    result.samples = samples;
    for (const auto& [name, row] : rows_) {
      const char* type = row.tap.int8 ? "int8" : row.tap.half ? "float16" : "float32";
      result.tensors.push_back({name, row.tap.layer, type, row.tap.output, row.order,
                                row.sums.sqnr_db(), row.sums.cosine(), row.sums.max_abs_error()});
    }
    std::stable_sort(result.tensors.begin(), result.tensors.end(),
                     [](const auto& a, const auto& b) {
                       if (a.output != b.output) return b.output;
                       return a.sqnr_db != b.sqnr_db ? a.sqnr_db < b.sqnr_db : a.order < b.order;
                     });
    result.skipped_outputs = skipped_outputs_;
    warn_skipped(samples);
    result.only_reference = only_reference_;
    result.only_candidate = only_candidate_;
    return result;
  }

 private:
  struct Pair {
    const Tap* reference;
    const Tap* candidate;
    Row* row;
  };

  /// Shapes that hang on values may differ in some samples: those cannot be compared.
  void warn_skipped(int64_t samples) const {
    if (!options_.log) return;
    std::string list;
    for (const auto& [name, count] : skipped_) {
      if (!rows_.contains(name) && !skipped_outputs_.contains(name)) continue;
      list += fmt::format("\n  {}: {} of {}", name, count, samples);
    }
    if (list.empty()) return;
    options_.log(LogLevel::kWarning,
                 "the figures of these tensors leave out samples in which their shapes differ "
                 "between the two:" +
                     list);
  }

  bool comparable(const Tap& a, const Tap& b) const {
    const Shape& x = reference_.engine().shape(a);
    const Shape& y = candidate_.engine().shape(b);
    bool same = x.rank() == y.rank();
    for (int axis = 0; same && axis < x.rank(); ++axis) {
      const bool batch = axis == 0 && x[0] == reference_.rows() && y[0] == candidate_.rows();
      same = batch || x[axis] == y[axis];
    }
    return same;
  }

  /// The candidate's output for each of the reference's: by name, else by position.
  void match_outputs() {
    const auto& theirs = candidate_.engine().output_names();
    const auto& ours = reference_.engine().output_names();
    outputs_.clear();
    for (size_t i = 0; i < ours.size(); ++i) {
      const auto found = std::find(theirs.begin(), theirs.end(), ours[i]);
      check(found != theirs.end() || theirs.size() == ours.size(), ErrorCode::kInvalidArgument,
            "the candidate has no output '{}' and {} outputs for the reference's {}; compare two "
            "forms of one model",
            ours[i], theirs.size(), ours.size());
      outputs_.push_back(found != theirs.end() ? size_t(found - theirs.begin()) : i);
    }
  }

  void pair_up() {
    match_outputs();
    pairs_.clear();
    unlike_.clear();
    unlike_outputs_.clear();
    const auto& ours = reference_.engine().output_names();
    const auto& theirs = candidate_.engine().output_names();
    std::map<std::string, const Tap*> named;
    for (const Tap& tap : candidate_.engine().taps()) named[tap.name] = &tap;
    for (const Tap& tap : reference_.engine().taps()) {
      const auto output = std::find(ours.begin(), ours.end(), tap.name);
      const bool is_output = output != ours.end();
      const auto found =
          named.find(is_output ? theirs[outputs_[size_t(output - ours.begin())]] : tap.name);
      if (found == named.end()) {
        if (is_output) unlike_outputs_.push_back(tap.name);
        continue;
      }
      if (!comparable(tap, *found->second)) {
        unlike_.push_back(tap.name);
        if (is_output) unlike_outputs_.push_back(tap.name);
        continue;
      }
      Row& row = rows_[tap.name];
      row.tap = *found->second;
      row.order = found->second - candidate_.engine().taps().data();
      pairs_.push_back({&tap, found->second, &row});
    }
    const auto paired = int64_t(pairs_.size());
    only_reference_ = int64_t(reference_.engine().taps().size()) - paired;
    only_candidate_ = int64_t(named.size()) - paired;
  }

  std::vector<Tensor> outputs_in_order() const {
    const std::vector<Tensor> all = candidate_.engine().outputs();
    std::vector<Tensor> list;
    for (size_t i : outputs_) list.push_back(all[i]);
    return list;
  }

  void add(const Pair& pair, int64_t rows) const {
    const Tensor r = reference_.engine().values(*pair.reference);
    const Tensor x = candidate_.engine().values(*pair.candidate);
    const auto count = [&](const Tensor& t, int64_t ran) {
      const bool batched = t.shape().rank() > 0 && t.shape()[0] == ran && ran > 0;
      return size_t(batched ? t.volume() / ran * std::min(rows, ran) : t.volume());
    };
    const size_t n = std::min(count(r, reference_.rows()), count(x, candidate_.rows()));
    pair.row->sums.add({r.as<float>(), n}, {x.as<float>(), n});
  }

  const CompareOptions& options_;
  Side reference_, candidate_;
  std::vector<Pair> pairs_;
  std::vector<size_t> outputs_;  // the candidate's, in the reference's order
  std::map<std::string, Row> rows_;
  std::vector<std::string> unlike_;          // in both, but of other shapes in this batch
  std::vector<std::string> unlike_outputs_;  // outputs that are not compared in this batch
  std::map<std::string, int64_t> skipped_;   // samples that a tensor's figures leave out
  std::map<std::string, int64_t> skipped_outputs_;
  int64_t only_reference_ = 0, only_candidate_ = 0;
};

}  // namespace

std::optional<double> Comparison::output_sqnr_db() const {
  std::optional<double> worst;
  for (const TensorComparison& t : tensors) {
    if (t.output) worst = std::min(worst.value_or(t.sqnr_db), t.sqnr_db);
  }
  return worst;
}

Accuracy Comparison::accuracy() const {
  Accuracy accuracy{.sqnr_db = output_sqnr_db(), .metric = {}, .reference = {}};
  for (const auto& [name, count] : skipped_outputs) {
    accuracy.not_compared.push_back(fmt::format("{} ({} of {} samples)", name, count, samples));
  }
  return accuracy;
}

Comparison compare(const Network& reference, const Plan& candidate, BatchSource& source,
                   const CompareOptions& options) {
  const ThreadCountScope threads(options.threads);
  Comparer comparer(reference, candidate, options);
  int64_t samples = 0;
  while (const std::optional<Batch> batch = source.next()) {
    samples += comparer.run(*batch);
    if (options.progress) options.progress("compare", samples, source.size());
  }
  check(samples > 0, ErrorCode::kInvalidArgument,
        "the data to compare on hold no samples; give at least one");
  return comparer.result(samples);
}

}  // namespace octile
