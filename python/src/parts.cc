// CalibrationPart and PartCollector: collections that several processes share.
#include <nanobind/stl/map.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>

#include "batches.h"
#include "calibration_options.h"
#include "convert.h"
#include "module.h"
#include "values.h"

namespace octile::python {

namespace {

nb::bytes bytes_of(const CalibrationPart& part) {
  const std::string bytes = part.to_bytes();
  return nb::bytes(bytes.data(), bytes.size());
}

/// A PartCollector and what its network is read with.
struct Collecting {
  Network network;
  PartCollector collector;

  /// collector.*pass(samples, further..., progress)
  template <typename Pass>
  CalibrationPart run(const Batches& batches, Pass&& pass) {
    Calls calls;
    Samples samples(batches, network, calls);
    const ProgressFunction progress = calls.progress(nb::none());
    return calls.run([&] { return pass(*samples.get(), progress); });
  }
};

Collecting new_collecting(const Network& network, const nb::kwargs& given) {
  Calls calls;
  nb::dict keywords = copy_of(given);
  CalibrationOptions options = take_calibration_options(keywords);
  take_run_options(keywords, calls, options);
  refuse_others(keywords, "PartCollector");
  options.progress = nullptr;  // of one call each
  options.log = nullptr;
  return {network, PartCollector(network, options)};
}

void bind_part(nb::module_& m) {
  using Part = CalibrationPart;
  nb::class_<Part>(m, "CalibrationPart",
                   "What one process made of some of the samples, where several share a "
                   "collection. Parts merge exactly, in any order and grouping.")
      .def_ro("counted", &Part::counted, "False: ranges; True: counts, of the second round.")
      .def_ro("histograms", &Part::histograms, "By tensor name; without bins in the first round.")
      .def_ro("paths", &Part::paths,
              "The float paths that made it, a text each: equal texts, equal bits.")
      .def_ro("model_digest", &Part::model_digest)
      .def_ro("preprocess", &Part::preprocess)
      .def_ro("samples", &Part::samples)
      .def_ro("sample_hashes", &Part::sample_hashes,
              "Sum of the samples' hashes: shows that each is in, and is in once.")
      .def("merge", &Part::merge, nb::arg("other"), nb::arg("mixed") = false,
           "Adds another part. InvalidArgument for another round, model or preprocessing and, "
           "unless mixed, for another float path, naming both.")
      .def("to_bytes", &bytes_of, nb::sig("def to_bytes(self) -> bytes"),
           "The same on any machine.")
      .def_static(
          "from_bytes",
          [](nb::handle data, const std::string& origin) {
            return Part::from_bytes(to_bytes(data, "data"), origin);
          },
          nb::arg("data"), nb::arg("origin") = "calibration part",
          nb::sig("def from_bytes(data: bytes, origin: str = 'calibration part') -> "
                  "CalibrationPart"),
          "InvalidFile, beginning with `origin`, where it is damaged.")
      .def("__getstate__", &bytes_of)
      .def("__setstate__",
           [](Part& part, nb::handle state) {
             new (&part) Part(Part::from_bytes(to_bytes(state, "state"), "pickled part"));
           })
      .def("__eq__",
           [](const Part& a, nb::handle b) {
             return nb::isinstance<Part>(b) && a == nb::cast<const Part&>(b);
           })
      .def("__repr__", [](const Part& part) {
        return fmt::format("<octile.CalibrationPart: {} of {} tensors, {} samples>",
                           part.counted ? "counts" : "ranges", part.histograms.size(),
                           part.samples);
      });
}

}  // namespace

void bind_parts(nb::module_& m) {
  bind_part(m);
  nb::class_<Collecting>(m, "PartCollector",
                         "Makes parts, one after the other; its float engine stays compiled. Use "
                         "it from one thread at a time.")
      .def(nb::new_(&new_collecting), nb::arg("network"), nb::arg("options"),
           "Keywords: reproducible, device, threads, input_shapes, preprocess, as of collect(). "
           "InvalidArgument for a network "
           "with a fixed batch above 1: the result would depend on how samples are shared out.")
      .def(
          "ranges",
          [](Collecting& self, const Batches& batches) {
            return self.run(batches, [&](BatchSource& source, const ProgressFunction& progress) {
              return self.collector.ranges(source, progress);
            });
          },
          nb::arg("batches"), "First round: batches as calibrate() takes them.")
      .def(
          "counts",
          [](Collecting& self, const Batches& batches, const CalibrationPart& ranges) {
            return self.run(batches, [&](BatchSource& source, const ProgressFunction& progress) {
              return self.collector.counts(source, ranges, progress);
            });
          },
          nb::arg("batches"), nb::arg("ranges"),
          "Second round: `ranges` is merged over the parts of all samples.")
      .def_prop_ro(
          "path", [](const Collecting& self) { return self.collector.path(); },
          "The one text of its parts' `paths`.");
  m.def("whole_collection", &whole_collection, nb::arg("ranges"), nb::arg("counts"),
        "The collection that the merged parts of both rounds are, as collect() would have made it. "
        "InvalidArgument without samples, or where the rounds saw different ones.");
}

}  // namespace octile::python
