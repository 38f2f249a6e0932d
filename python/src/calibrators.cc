// See calibrators.h.
#include "calibrators.h"

#include <cstring>
#include <filesystem>

#include "base/bytes.h"
#include "base/error.h"
#include "convert.h"

namespace octile::python {

namespace {

// What the two ready-made ones share: a cache file.
class FileCalibrator : public Calibrator {
 public:
  FileCalibrator(CalibrationMethod method, std::string file)
      : method_(method), file_(std::move(file)) {}
  CalibrationMethod method() const override { return method_; }
  int64_t batch_size() const override { return 1; }
  std::optional<std::string> read_cache() override {
    if (file_.empty() || !std::filesystem::exists(file_)) return std::nullopt;
    return read_file(file_);
  }
  void write_cache(const std::string& bytes) override {
    if (!file_.empty()) write_file(file_, bytes);
  }

 private:
  CalibrationMethod method_;
  std::string file_;
};

class IterableCalibrator : public FileCalibrator {
 public:
  IterableCalibrator(nb::handle batches, const Network& network, CalibrationMethod method,
                     std::string file, Calls& calls)
      : FileCalibrator(method, std::move(file)),
        reader_(network),
        calls_(calls),
        iterable_(iterable_of(batches)) {}
  std::optional<Batch> next_batch() override {
    return calls_.python([&]() -> std::optional<Batch> {
      if (!iterator_.is_valid()) iterator_ = nb::iter(iterable_);
      const nb::object item = nb::steal(PyIter_Next(iterator_.ptr()));
      if (item.is_valid()) return reader_.read(item, index_++);
      if (PyErr_Occurred() != nullptr) nb::raise_python_error();
      return std::nullopt;
    });
  }

 private:
  BatchReader reader_;
  Calls& calls_;
  nb::object iterable_, iterator_;
  int64_t index_ = 0;
};

class DataCalibrator : public FileCalibrator {
 public:
  DataCalibrator(BatchSource& source, CalibrationMethod method, std::string file)
      : FileCalibrator(method, std::move(file)), source_(source) {
    source_.rewind();
  }
  std::optional<Batch> next_batch() override { return source_.next(); }
  std::string data_digest() override { return source_.digest(); }

 private:
  BatchSource& source_;
};

/// What the network and the options say about an input that comes as an address.
struct InputInfo {
  DataType type;
  Shape shape;  // of one batch
};

class ObjectCalibrator : public Calibrator {
 public:
  ObjectCalibrator(nb::handle object, const Network& network, const CalibrationOptions& options,
                   Calls& calls)
      : object_(nb::borrow(object)), reader_(network), calls_(calls), method_(options.method) {
    if (nb::hasattr(object, "method")) {
      const nb::object method = object.attr("method")();
      if (!method.is_none()) method_ = calibration_method_from_name(nb::cast<const char*>(method));
    }
    for (TensorId id : network.inputs()) {
      InputInfo info{network.type(id), network.shape(id)};
      const auto wanted = options.input_shapes.find(network.name(id));
      if (wanted != options.input_shapes.end()) info.shape = wanted->second;
      inputs_[network.name(id)] = info;
    }
  }

  CalibrationMethod method() const override { return method_; }
  int64_t batch_size() const override {
    return calls_.python([&] { return nb::cast<int64_t>(object_.attr("batch_size")()); });
  }
  std::optional<Batch> next_batch() override {
    return calls_.python([&]() -> std::optional<Batch> {
      const nb::object given = object_.attr("next_batch")();
      if (given.is_none()) return std::nullopt;
      const int64_t index = index_++;
      if (!PyDict_Check(given.ptr())) return reader_.read(given, index);
      Batch batch;
      nb::dict arrays;
      for (const auto& [key, value] : nb::borrow<nb::dict>(given)) {
        if (is_address(value)) {
          const std::string name = nb::cast<const char*>(key);
          batch[name] = from_address(name, value);
        } else {
          arrays[key] = value;
        }
      }
      batch.merge(reader_.read(arrays, index));
      return batch;
    });
  }
  std::optional<std::string> read_cache() override {
    return calls_.python([&]() -> std::optional<std::string> {
      if (!nb::hasattr(object_, "read_cache")) return std::nullopt;
      const nb::object bytes = object_.attr("read_cache")();
      if (bytes.is_none()) return std::nullopt;
      std::string text = to_bytes(bytes, "what read_cache() returns");
      if (text.empty()) return std::nullopt;
      return text;
    });
  }
  void write_cache(const std::string& bytes) override {
    calls_.python([&] {
      if (!nb::hasattr(object_, "write_cache")) return;
      object_.attr("write_cache")(nb::bytes(bytes.data(), bytes.size()));
    });
  }

 private:
  // (address, bytes)
  static bool is_address(nb::handle value) {
    return PyTuple_Check(value.ptr()) && PyTuple_Size(value.ptr()) == 2 &&
           PyLong_Check(PyTuple_GetItem(value.ptr(), 0)) &&
           PyLong_Check(PyTuple_GetItem(value.ptr(), 1));
  }

  Tensor from_address(const std::string& name, nb::handle value) const {
    const auto found = inputs_.find(name);
    check(found != inputs_.end(), ErrorCode::kInvalidArgument,
          "the calibrator gave a batch for '{}', which is no input of the network", name);
    InputInfo info = found->second;
    if (info.shape.rank() > 0 && info.shape[0] == kDynamic) info.shape[0] = batch_size();
    check(info.shape.is_static(), ErrorCode::kInvalidArgument,
          "input '{}': the shape {} of a batch in memory is not known; give it by input_shapes",
          name, info.shape.to_string());
    const auto address = nb::cast<uintptr_t>(nb::object(value[0]));
    const auto bytes = nb::cast<size_t>(nb::object(value[1]));
    const size_t needed = TensorView{info.type, info.shape, nullptr}.bytes();
    check(address != 0 || needed == 0, ErrorCode::kInvalidArgument,
          "input '{}': the calibrator gave a null address", name);
    check(bytes >= needed, ErrorCode::kInvalidArgument,
          "input '{}': a batch of shape {} needs {} bytes, but the calibrator's memory has {}",
          name, info.shape.to_string(), needed, bytes);
    return Tensor(info.type, info.shape, {reinterpret_cast<const std::byte*>(address), needed});
  }

  nb::object object_;
  BatchReader reader_;
  Calls& calls_;
  CalibrationMethod method_;
  std::map<std::string, InputInfo> inputs_;
  int64_t index_ = 0;
};

}  // namespace

std::unique_ptr<Calibrator> iterable_calibrator(nb::handle batches, const Network& network,
                                                const CalibrationOptions& options,
                                                std::string cache_file, Calls& calls) {
  return std::make_unique<IterableCalibrator>(batches, network, options.method,
                                              std::move(cache_file), calls);
}

std::unique_ptr<Calibrator> source_calibrator(BatchSource& source,
                                              const CalibrationOptions& options,
                                              std::string cache_file) {
  return std::make_unique<DataCalibrator>(source, options.method, std::move(cache_file));
}

std::unique_ptr<Calibrator> object_calibrator(nb::handle object, const Network& network,
                                              const CalibrationOptions& options, Calls& calls) {
  return std::make_unique<ObjectCalibrator>(object, network, options, calls);
}

}  // namespace octile::python
