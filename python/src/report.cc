// compare(), and the metrics that the command line prints.
#include "octile/report.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "batches.h"
#include "calls.h"
#include "convert.h"
#include "module.h"

namespace octile::python {

namespace {

nb::list to_list(std::span<const Tensor> tensors) {
  nb::list arrays;
  for (const Tensor& tensor : tensors) arrays.append(to_array(Tensor(tensor)));
  return arrays;
}

Comparison compare_any(const Network& network, const Plan& plan, const Batches& batches,
                       int threads, nb::object progress, nb::object log, nb::object outputs) {
  Calls calls;
  CompareOptions options;
  options.threads = threads;
  options.progress = calls.progress(std::move(progress));
  options.log = calls.log(std::move(log));
  if (!outputs.is_none()) {
    options.outputs = [&](std::span<const Tensor> reference, std::span<const Tensor> candidate,
                          int64_t rows) {
      calls.python([&] { outputs(to_list(reference), to_list(candidate), rows); });
    };
  }
  const Network copy = network;
  Samples samples(batches, copy, calls);
  return calls.run([&] {
    samples.get()->rewind();
    return compare(copy, plan, *samples.get(), options);
  });
}

std::span<const float> floats(const ArrayView& array) {
  return {array.view.as<float>(), static_cast<size_t>(array.view.shape.volume())};
}

template <double (*metric)(std::span<const float>, std::span<const float>)>
double metric_of(const ArrayLike& reference, const ArrayLike& value) {
  const ArrayView a = to_view(reference, DataType::kFloat32, "reference");
  const ArrayView b = to_view(value, DataType::kFloat32, "value");
  check(a.view.shape == b.view.shape, ErrorCode::kInvalidArgument,
        "the arrays have shapes {} and {}: they must be equal", a.view.shape.to_string(),
        b.view.shape.to_string());
  return metric(floats(a), floats(b));
}

void bind_metrics(nb::module_& m) {
  m.def("sqnr_db", &metric_of<&sqnr_db>, nb::arg("reference"), nb::arg("value"),
        "Signal-to-quantization-noise ratio in dB, 10*log10(sum r^2 / sum (r - x)^2); infinite "
        "when equal.");
  m.def("cosine", &metric_of<&cosine>, nb::arg("reference"), nb::arg("value"),
        "Cosine of the angle between the two as vectors; 1 when both are zero.");
  m.def(
      "top_k_accuracy",
      [](const ArrayLike& scores, const ArrayLike& labels, int k) {
        const ArrayView view = to_view(labels, DataType::kInt64, "labels");
        return top_k_accuracy(
            to_tensor(scores, DataType::kFloat32, "scores"),
            {view.view.as<int64_t>(), static_cast<size_t>(view.view.shape.volume())}, k);
      },
      nb::arg("scores"), nb::arg("labels"), nb::arg("k") = 1,
      "Share (0 to 1) of the rows of scores (N, classes) whose label is among the k best.");
  m.def(
      "top1_agreement",
      [](const ArrayLike& a, const ArrayLike& b) {
        return top1_agreement(to_tensor(a, DataType::kFloat32, "a"),
                              to_tensor(b, DataType::kFloat32, "b"));
      },
      nb::arg("a"), nb::arg("b"),
      "Share of rows (N, classes) whose best class is the same in both.");
}

}  // namespace

void bind_report(nb::module_& m) {
  nb::class_<TensorComparison>(m, "TensorComparison",
                               "How far one tensor of an engine is from the float network's.")
      .def_ro("tensor", &TensorComparison::tensor, "Its name in both.")
      .def_ro("layer", &TensorComparison::layer, "The step that makes it; '' for an input.")
      .def_ro("precision", &TensorComparison::precision, "'int8', 'float16' or 'float32'.")
      .def_ro("output", &TensorComparison::output, "Whether it is an output of the engine.")
      .def_ro("order", &TensorComparison::order, "In which tensors are made, inputs first.")
      .def_ro("sqnr_db", &TensorComparison::sqnr_db, "dB; infinite when equal.")
      .def_ro("cosine", &TensorComparison::cosine)
      .def_ro("max_abs_error", &TensorComparison::max_abs_error)
      .def("__repr__", [](const TensorComparison& t) {
        return fmt::format("<octile.TensorComparison '{}' {}: {:.2f} dB>", t.tensor, t.precision,
                           t.sqnr_db);
      });
  nb::class_<Comparison>(m, "Comparison", "What compare() found.")
      .def_ro("samples", &Comparison::samples)
      .def_ro("tensors", &Comparison::tensors, "Worst SQNR first; then the outputs, worst first.")
      .def(
          "output_sqnr_db", &Comparison::output_sqnr_db,
          "Of the worst output, in dB; infinite where all are equal, None where no output could be "
          "compared.")
      .def("accuracy", &Comparison::accuracy,
           "output_sqnr_db() and the skipped outputs as an Accuracy, which evaluate may return.")
      .def_ro(
          "skipped_outputs", &Comparison::skipped_outputs,
          "Outputs that could not be compared in all samples, since their shapes hang on values "
          "and differed: name -> in how many not.")
      .def_ro("only_reference", &Comparison::only_reference,
              "How many tensors of the network the engine does not have: fused or folded away.")
      .def_ro("only_candidate", &Comparison::only_candidate,
              "How many of the engine the network does not have: made by rewriting.")
      .def("__repr__", [](const Comparison& c) {
        return fmt::format("<octile.Comparison of {} tensors over {} samples>", c.tensors.size(),
                           c.samples);
      });
  m.def("compare", &compare_any, nb::arg("network"), nb::arg("plan"), nb::arg("batches"),
        nb::arg("threads") = 0, nb::arg("progress") = nb::none(), nb::arg("log") = nb::none(),
        nb::arg("outputs") = nb::none(),
        nb::sig("def compare(network: Network, plan: Plan, "
                "batches: collections.abc.Iterable | BatchSource, threads: int = 0, "
                "progress: collections.abc.Callable[[str, int, int], object] | bool | None = None, "
                "log: collections.abc.Callable[[str, str], object] | None = None, "
                "outputs: collections.abc.Callable[[list[numpy.ndarray], list[numpy.ndarray], int]"
                ", object] | None = None) -> Comparison"),
        "Runs the float network and an engine side by side and compares every tensor that both "
        "have by name, int8 ones dequantized.\n\n"
        "batches: as calibrate() takes them. outputs(reference, candidate, rows) sees the outputs "
        "of both after each batch; only their first `rows` samples count.");
  bind_metrics(m);
}

}  // namespace octile::python
