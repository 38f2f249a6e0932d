// compare(): two engines side by side, tensor by tensor. Start reading at compare().
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/parallel_for.h"
#include "compile/compile.h"
#include "octile/report.h"
#include "report/error_sums.h"
#include "report/tapped_engine.h"

namespace octile {
namespace {

/// An array with its last row repeated up to `rows`.
Tensor filled_up(const Tensor& array, int64_t rows) {
  const int64_t own = array.shape()[0];
  if (own == rows) return array;
  Shape shape = array.shape();
  shape[0] = rows;
  Tensor result(array.type(), shape);
  const size_t row = array.bytes() / size_t(own);
  std::memcpy(result.data(), array.data(), array.bytes());
  for (int64_t r = own; r < rows; ++r) {
    std::memcpy(result.as<std::byte>() + size_t(r) * row,
                array.as<std::byte>() + size_t(own - 1) * row, row);
  }
  return result;
}

bool within(const Shape& shape, const Shape& low, const Shape& high, int first_axis) {
  bool inside = shape.rank() == low.rank();
  for (int axis = first_axis; inside && axis < shape.rank(); ++axis) {
    inside = low[axis] <= shape[axis] && shape[axis] <= high[axis];
  }
  return inside;
}

/// One of the two engines, made anew when the samples change their shapes.
class Side {
 public:
  /// Makes a plan for samples of these shapes, and raises their axis 0 to what it needs.
  using Maker = std::function<std::shared_ptr<const PlanData>(std::vector<Shape>&)>;

  Side(std::string what, std::vector<std::string> inputs, Maker maker, int threads)
      : what_(std::move(what)),
        inputs_(std::move(inputs)),
        maker_(std::move(maker)),
        threads_(threads) {}

  /// Returns how many rows the batch has.
  int64_t run(const Batch& batch) {
    std::vector<Tensor> arrays;
    std::vector<Shape> shapes;
    for (const std::string& name : inputs_) {
      arrays.push_back(array_for(batch, name));
      shapes.push_back(arrays.back().shape());
      check(shapes.back().rank() > 0 && shapes.back()[0] > 0, ErrorCode::kInvalidArgument,
            "{}: input '{}' gets an array of shape {}, which holds no samples", what_, name,
            shapes.back().to_string());
    }
    if (!engine_ || shapes != given_) {
      given_ = loaded_ = shapes;
      engine_.emplace(maker_(loaded_), threads_);
    }
    for (size_t i = 0; i < arrays.size(); ++i) arrays[i] = filled_up(arrays[i], loaded_[i][0]);
    engine_->run(arrays);
    return given_.empty() ? 1 : given_[0][0];
  }
  const TappedEngine& engine() const { return *engine_; }
  /// Rows that really ran.
  int64_t rows() const { return loaded_.empty() ? 1 : loaded_[0][0]; }

 private:
  const Tensor& array_for(const Batch& batch, const std::string& name) const {
    auto found = batch.find(name);
    if (found == batch.end() && inputs_.size() == 1 && batch.size() == 1) found = batch.begin();
    check(found != batch.end(), ErrorCode::kInvalidArgument,
          "{}: the data has no array for the input '{}'", what_, name);
    return found->second;
  }

  std::string what_;
  std::vector<std::string> inputs_;
  Maker maker_;
  int threads_;
  std::vector<Shape> given_, loaded_;
  std::optional<TappedEngine> engine_;
};

Side reference_side(const Network& network, const CompareOptions& options) {
  std::vector<std::string> inputs;
  for (const TensorId id : network.inputs()) inputs.push_back(network.name(id));
  const auto make = [&network, &options](std::vector<Shape>& shapes) {
    CompileOptions compile_options;
    compile_options.keep_tensors = true;
    compile_options.build.threads = options.threads;
    compile_options.build.tactics = BuildOptions::Tactics::kFirst;
    Profile profile;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const TensorId id = network.inputs()[i];
      const Shape& wanted = network.shape(id);
      const int64_t fixed = wanted.rank() > 0 ? wanted[0] : kDynamic;
      check(fixed == kDynamic || shapes[i][0] <= fixed, ErrorCode::kInvalidArgument,
            "the reference's input '{}' has the fixed batch {}, but a batch holds {} samples; use "
            "batches of {}",
            network.name(id), fixed, shapes[i][0], fixed);
      if (fixed != kDynamic) shapes[i][0] = fixed;
      profile[network.name(id)] = {shapes[i], shapes[i], shapes[i]};
    }
    compile_options.build.profiles = {profile};
    return compile(network, nullptr, compile_options);
  };
  return {"the reference", std::move(inputs), make, options.threads};
}

Side candidate_side(const Plan& plan, const CompareOptions& options) {
  std::vector<std::string> inputs;
  for (int32_t t : plan.data().inputs) inputs.push_back(plan.data().tensors[size_t(t)].name);
  const auto make = [&data = plan.data()](std::vector<Shape>& shapes) {
    for (size_t p = 0; p < data.profiles.size(); ++p) {
      std::vector<Shape> raised = shapes;
      bool fits = true;
      for (size_t i = 0; i < shapes.size(); ++i) {
        const auto& [low, opt, high] = data.profiles[p].inputs[i];
        fits = fits && within(shapes[i], low, high, 1) && shapes[i][0] <= high[0];
        if (fits) raised[i][0] = std::max(shapes[i][0], low[0]);
      }
      if (!fits) continue;
      shapes = raised;
      return keeping_tensors(data, p, shapes);
    }
    std::string text;
    for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.to_string();
    fail(ErrorCode::kInvalidArgument,
         "the candidate '{}' has no profile for samples of shape {}; build it with one, or choose "
         "another batch",
         data.name, text);
  };
  return {"the candidate", std::move(inputs), make, options.threads};
}

/// What one tensor has gathered.
struct Row {
  Tap tap;  // the candidate's
  ErrorSums sums;
};

class Comparer {
 public:
  Comparer(const Network& network, const Plan& plan, const CompareOptions& options)
      : options_(options),
        reference_(reference_side(network, options)),
        candidate_(candidate_side(plan, options)) {}

  int64_t run(const Batch& batch) {
    const int64_t rows = reference_.run(batch);
    candidate_.run(batch);
    pair_up();
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
      result.tensors.push_back({name, row.tap.layer, row.tap.int8 ? "int8" : "float32",
                                row.tap.output, row.sums.sqnr_db(), row.sums.cosine(),
                                row.sums.max_abs_error()});
    }
    std::stable_sort(result.tensors.begin(), result.tensors.end(),
                     [](const auto& a, const auto& b) {
                       return a.output != b.output ? b.output : a.sqnr_db < b.sqnr_db;
                     });
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
    const auto& ours = reference_.engine().output_names();
    const auto& theirs = candidate_.engine().output_names();
    std::map<std::string, const Tap*> named;
    for (const Tap& tap : candidate_.engine().taps()) named[tap.name] = &tap;
    for (const Tap& tap : reference_.engine().taps()) {
      const auto output = std::find(ours.begin(), ours.end(), tap.name);
      const bool is_output = output != ours.end();
      const auto found =
          named.find(is_output ? theirs[outputs_[size_t(output - ours.begin())]] : tap.name);
      if (found == named.end() || !comparable(tap, *found->second)) continue;
      Row& row = rows_[tap.name];
      row.tap = *found->second;
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
  int64_t only_reference_ = 0, only_candidate_ = 0;
};

}  // namespace

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
