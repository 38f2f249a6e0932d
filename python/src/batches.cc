// See batches.h.
#include "batches.h"

#include "base/bytes.h"
#include "base/error.h"
#include "convert.h"

namespace octile::python {

namespace {
bool is_array(nb::handle object) {
  return nb::hasattr(object, "__array__") || nb::hasattr(object, "__dlpack__") ||
         nb::hasattr(object, "__array_interface__");
}
}  // namespace

UseSource::UseSource(Source& source) : source_(source) {
  check(!source_.in_use.exchange(true), ErrorCode::kInvalidArgument,
        "this BatchSource is in use by another call: open one a thread");
}
UseSource::~UseSource() { source_.in_use = false; }

BatchReader::BatchReader(const Network& network) {
  for (TensorId id : network.inputs()) inputs_.push_back({network.name(id), network.type(id)});
}

void BatchReader::put(Batch& batch, const std::string& name, nb::handle array,
                      int64_t index) const {
  std::optional<DataType> type;
  for (const Input& input : inputs_) {
    if (input.name == name || (name.empty() && inputs_.size() == 1)) type = input.type;
  }
  batch[name] = to_tensor(array, type, fmt::format("batch {}, input '{}'", index, name));
}

Batch BatchReader::read(nb::handle item, int64_t index) const {
  Batch batch;
  if (PyDict_Check(item.ptr())) {
    for (const auto& [key, array] : nb::borrow<nb::dict>(item)) {
      if (!PyUnicode_Check(key.ptr())) throw nb::type_error("names of inputs must be strings");
      put(batch, nb::cast<const char*>(key), array, index);
    }
    return batch;
  }
  if (PyList_Check(item.ptr()) || PyTuple_Check(item.ptr())) {
    const auto arrays = nb::borrow<nb::sequence>(item);
    check(nb::len(arrays) == inputs_.size(), ErrorCode::kInvalidArgument,
          "batch {} has {} arrays, but the network has {} inputs", index, nb::len(arrays),
          inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      put(batch, inputs_[i].name, nb::object(arrays[i]), index);
    }
    return batch;
  }
  check(inputs_.size() == 1, ErrorCode::kInvalidArgument,
        "batch {} is one array, but the network has {} inputs: give a sequence in their order or a "
        "dict by name",
        index, inputs_.size());
  put(batch, inputs_[0].name, item, index);
  return batch;
}

nb::object iterable_of(nb::handle batches) {
  if (PyUnicode_Check(batches.ptr()) || PyBytes_Check(batches.ptr()) ||
      nb::hasattr(batches, "__fspath__")) {
    throw nb::type_error(
        "batches must be an iterable of arrays, not a path: octile.open_data() "
        "reads files and directories");
  }
  if (PyDict_Check(batches.ptr()) || is_array(batches)) return nb::make_tuple(batches);
  if (!nb::hasattr(batches, "__iter__") && !nb::hasattr(batches, "__getitem__")) {
    const std::string given = nb::type_name(batches.type()).c_str();
    throw nb::type_error(("batches must be an iterable of arrays, not " + given).c_str());
  }
  return nb::borrow(batches);
}

IterableSource::IterableSource(nb::handle batches, const Network& network, Calls& calls)
    : reader_(network), calls_(calls), iterable_(iterable_of(batches)) {
  if (PyIter_Check(iterable_.ptr())) {
    iterable_ = nb::steal(PySequence_List(iterable_.ptr()));
    if (!iterable_.is_valid()) nb::raise_python_error();
  }
}

// Constructed and destroyed by the thread that holds the GIL.
IterableSource::~IterableSource() = default;

std::optional<Batch> IterableSource::next() {
  return calls_.python([&]() -> std::optional<Batch> {
    if (!iterator_.is_valid()) iterator_ = nb::iter(iterable_);
    const nb::object item = nb::steal(PyIter_Next(iterator_.ptr()));
    if (!item.is_valid()) {
      if (PyErr_Occurred() != nullptr) nb::raise_python_error();
      return std::nullopt;
    }
    return reader_.read(item, index_++);
  });
}

void IterableSource::rewind() {
  calls_.python([&] { iterator_.reset(); });
  index_ = 0;
}

std::string IterableSource::digest() {
  Hash hash;
  rewind();
  while (const std::optional<Batch> batch = next()) {
    for (const auto& [name, array] : *batch) {
      hash.add(name).add(name_of(array.type())).add(array.shape().to_string());
      hash.add(array.data(), array.bytes());
    }
  }
  rewind();
  return hash.hex();
}

Samples::Samples(nb::handle batches, const Network& network, Calls& calls) {
  if (batches.is_none() || !batches.is_valid()) return;
  if (nb::isinstance<Source>(batches)) {
    Source& source = nb::cast<Source&>(batches);
    lent_ = &source;
    use_.emplace(source);
    source_ = source.source.get();
    preprocess_ = source.preprocess;
    return;
  }
  own_ = std::make_unique<IterableSource>(batches, network, calls);
  source_ = own_.get();
}

}  // namespace octile::python
