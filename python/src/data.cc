// Samples from files: open_data(), BatchSource, .npz.
#include "octile/data.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "batches.h"
#include "calibration_options.h"
#include "calls.h"
#include "convert.h"
#include "module.h"

namespace octile::python {

namespace {

nb::object to_dict(std::map<std::string, Tensor> arrays) {
  nb::dict result;
  for (auto& [name, tensor] : arrays) result[name.c_str()] = to_array(std::move(tensor));
  return result;
}

nb::object batch_of(Batch batch) {
  if (batch.size() == 1 && batch.begin()->first.empty()) {
    return to_array(std::move(batch.begin()->second));
  }
  return to_dict(std::move(batch));
}

std::shared_ptr<Source> open(const PathLike& path, const Network* network, int64_t batch,
                             int64_t first, int64_t samples, std::optional<uint64_t> seed,
                             const std::string& preprocess) {
  DataOptions options;
  options.batch = batch;
  options.first = first;
  options.samples = samples;
  options.seed = seed;
  const std::string json = preprocess_json(preprocess);
  if (!json.empty()) options.preprocess = Preprocess::from_json(json);
  if (network != nullptr) {
    for (TensorId id : network->inputs()) {
      options.input_shapes[network->name(id)] = network->shape(id);
      options.input_types[network->name(id)] = network->type(id);
    }
  }
  const std::string file = to_path(path);
  return std::make_shared<Source>(Calls().run([&] { return open_data(file, options); }), json);
}

void bind_source(nb::module_& m) {
  nb::class_<Source>(m, "BatchSource",
                     "Samples of files in batches: iterate over it, anew as often as wanted, or "
                     "give it to calibrate(), compare() or build(). An array has the batch on axis "
                     "0; several, or named ones, come as a dict.")
      .def(
          "__iter__",
          [](nb::object self) {
            Source& source = nb::cast<Source&>(self);
            const UseSource use(source);
            source.source->rewind();
            return self;
          },
          nb::sig("def __iter__(self) -> BatchSource"))
      .def(
          "__next__",
          [](Source& self) {
            const UseSource use(self);
            std::optional<Batch> batch = Calls().run([&] { return self.source->next(); });
            if (!batch) throw nb::stop_iteration();
            return batch_of(std::move(*batch));
          },
          nb::sig("def __next__(self) -> numpy.ndarray | dict[str, numpy.ndarray]"))
      .def_prop_ro(
          "size", [](const Source& self) { return self.source->size(); },
          "Number of samples; -1 where it is not known.")
      .def(
          "labels", [](const Source& self) { return self.source->labels(); },
          "Labels of the samples in order, where the source has them.")
      .def(
          "digest",
          [](Source& self) {
            const UseSource use(self);
            return Calls().run([&] { return self.source->digest(); });
          },
          "16 hex digits over the samples and their preprocessing.")
      .def_ro("preprocess", &Source::preprocess, "How samples are prepared, JSON; '' for none.");
}

}  // namespace

void bind_data_files(nb::module_& m) {
  bind_source(m);
  m.def("open_data", &open, nb::arg("path"), nb::arg("network") = nb::none(), nb::arg("batch") = 1,
        nb::arg("first") = 0, nb::arg("samples") = -1, nb::arg("seed") = nb::none(),
        nb::arg("preprocess") = "",
        "Opens a directory of pictures, .npy, .npz, IDX files, CIFAR-10's .bin or a text file that "
        "lists pictures.\n\n"
        "network: the one to prepare samples for: pictures are fitted to its input and arrays "
        "converted to its type. batch: samples a batch. first, samples, seed: skip so many, at "
        "most so many (-1: all), drawn at random by the seed. preprocess: 'scale=1/255,mean=…', "
        "JSON, or a JSON file. InvalidFile, IoError and InvalidArgument name the path.");
  m.def(
      "load_npz",
      [](const PathLike& path) {
        const std::string file = to_path(path);
        return to_dict(Calls().run([&] { return load_npz(file); }));
      },
      nb::arg("path"), nb::sig("def load_npz(path: str | os.PathLike) -> dict[str, numpy.ndarray]"),
      "All arrays of an .npz, or the one of an .npy under ''.");
  m.def(
      "save_npz",
      [](const PathLike& path, const nb::dict& arrays) {
        std::map<std::string, Tensor> tensors;
        for (const auto& [name, array] : arrays) {
          if (!PyUnicode_Check(name.ptr())) throw nb::type_error("names of arrays must be strings");
          const std::string key = nb::cast<std::string>(name);
          tensors[key] = to_tensor(array, std::nullopt, "array '" + key + "'");
        }
        const std::string file = to_path(path);
        Calls().run([&] { save_npz(file, tensors); });
      },
      nb::arg("path"), nb::arg("arrays"),
      nb::sig("def save_npz(path: str | os.PathLike, arrays: dict[str, numpy.typing.ArrayLike]) -> "
              "None"),
      "Writes a deflated .npz through a temporary file.");
}

}  // namespace octile::python
