// Samples from Python: any iterable of arrays, sequences or dicts of arrays, and
// octile.BatchSource.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calls.h"
#include "octile/calibration.h"
#include "octile/data.h"
#include "octile/network.h"

namespace octile::python {

namespace nb = nanobind;

/// Any iterable of batches, or a BatchSource.
class Batches : public nb::object {
  NB_OBJECT_DEFAULT(Batches, nb::object, "collections.abc.Iterable | BatchSource", check_batches)
  static bool check_batches(PyObject* object) { return object != Py_None; }
};

/// A BatchSource as Python holds it.
struct Source {
  std::unique_ptr<BatchSource> source;
  std::string preprocess;  // Preprocess::to_json(), "" for none
  std::atomic<bool> in_use = false;

  Source(std::unique_ptr<BatchSource> made, std::string json)
      : source(std::move(made)), preprocess(std::move(json)) {}
};

/// Keeps other threads out of a Source. Throws kInvalidArgument when one is in it.
class UseSource {
 public:
  explicit UseSource(Source& source);
  ~UseSource();
  UseSource(const UseSource&) = delete;
  UseSource& operator=(const UseSource&) = delete;

 private:
  Source& source_;
};

/// What the inputs of a network are called, and of what type they are.
class BatchReader {
 public:
  explicit BatchReader(const Network& network);
  /// The batch that Python gave as number `index`: one array (one input), a sequence of arrays in
  /// the order of the inputs, or a dict by name. Copies. REQUIRES: the GIL.
  Batch read(nb::handle item, int64_t index) const;

 private:
  struct Input {
    std::string name;
    DataType type;
  };
  void put(Batch& batch, const std::string& name, nb::handle array, int64_t index) const;
  std::vector<Input> inputs_;
};

/// `batches` itself as an iterable: one array or one dict is one batch. TypeError for a path or
/// what cannot be iterated.
nb::object iterable_of(nb::handle batches);

/// A BatchSource over a Python iterable, which is iterated anew at each rewind(). Its methods are
/// called without the GIL.
class IterableSource : public BatchSource {
 public:
  /// A one-shot iterator is read into a list at once.
  IterableSource(nb::handle batches, const Network& network, Calls& calls);
  ~IterableSource() override;
  std::optional<Batch> next() override;
  void rewind() override;
  int64_t size() const override { return -1; }
  std::string digest() override;

 private:
  BatchReader reader_;
  Calls& calls_;
  nb::object iterable_, iterator_;
  int64_t index_ = 0;
};

/// A rewindable source over `batches`; it keeps a BatchSource of Python's in use while it lives.
/// `batches` None: nothing.
class Samples {
 public:
  Samples(nb::handle batches, const Network& network, Calls& calls);
  BatchSource* get() { return source_; }
  /// Runs f(), in which Python may read a BatchSource of its own; rewind() before reading on.
  template <typename F>
  auto lent(F&& f) {
    use_.reset();
    auto result = f();
    if (lent_ != nullptr) use_.emplace(*lent_);
    return result;
  }
  /// Preprocess::to_json() of a BatchSource, "" for none.
  const std::string& preprocess() const { return preprocess_; }

 private:
  std::unique_ptr<IterableSource> own_;
  Source* lent_ = nullptr;  // by Python; use_ keeps others out
  std::optional<UseSource> use_;
  BatchSource* source_ = nullptr;
  std::string preprocess_;
};

}  // namespace octile::python
