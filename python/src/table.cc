// CalibrationTable as a mapping: tensor name -> Entry.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "calls.h"
#include "convert.h"
#include "module.h"
#include "octile/calibration.h"

namespace octile::python {

namespace {

using Table = CalibrationTable;
using Entry = CalibrationTable::Entry;
using Pair = std::pair<float, float>;

nb::tuple pair_of(const Range& range) { return nb::make_tuple(range.min, range.max); }

Entry entry_of(Pair range, std::optional<float> threshold, std::optional<Pair> seen) {
  check(range.first <= range.second, ErrorCode::kInvalidArgument,
        "a range must be (lo, hi) with lo <= hi, not ({}, {})", range.first, range.second);
  Entry entry;
  entry.range = {range.first, range.second};
  entry.threshold = threshold.value_or(std::max(std::abs(range.first), std::abs(range.second)));
  if (seen) entry.seen = Range{seen->first, seen->second};
  return entry;
}

void bind_entry(nb::module_& m) {
  nb::class_<Entry>(m, "Entry", "The range of one tensor.")
      .def(nb::new_(&entry_of), nb::arg("range"), nb::arg("threshold") = nb::none(),
           nb::arg("seen") = nb::none(), "threshold: max(|lo|, |hi|) where it is not given.")
      .def_prop_ro(
          "range", [](const Entry& e) { return pair_of(e.range); },
          nb::sig("def range(self) -> tuple[float, float]"),
          "(lo, hi); affine schemes use both ends.")
      .def_ro("threshold", &Entry::threshold,
              "T of the symmetric schemes; T / 127 is the scale of TensorRT's caches.")
      .def_prop_ro(
          "seen",
          [](const Entry& e) -> nb::object {
            return e.seen ? nb::object(pair_of(*e.seen)) : nb::none();
          },
          nb::sig("def seen(self) -> tuple[float, float] | None"),
          "Least and largest value of the samples, where it is known.")
      .def("__eq__",
           [](const Entry& a, nb::handle b) {
             return nb::isinstance<Entry>(b) && a == nb::cast<const Entry&>(b);
           })
      .def("__repr__", [](const Entry& e) {
        std::string seen;
        if (e.seen) seen = fmt::format(", seen=({}, {})", e.seen->min, e.seen->max);
        return fmt::format("Entry(range=({}, {}), threshold={}{})", e.range.min, e.range.max,
                           e.threshold, seen);
      });
}

[[noreturn]] void raise_key_error(const std::string& name) { throw nb::key_error(name.c_str()); }

nb::object view(const char* kind, nb::handle table) {
  return nb::module_::import_("collections.abc").attr(kind)(table);
}

void bind_mapping(nb::class_<Table>& cls) {
  cls.def(nb::init<>())
      .def("__len__", [](const Table& t) { return t.entries.size(); })
      .def(
          "__contains__",
          [](const Table& t, nb::handle name) {
            return PyUnicode_Check(name.ptr()) && t.find(nb::cast<std::string>(name)) != nullptr;
          },
          nb::arg("name").none())
      .def("__getitem__",
           [](const Table& t, const std::string& name) {
             const Entry* entry = t.find(name);
             if (entry == nullptr) raise_key_error(name);
             return *entry;
           })
      .def("__setitem__",
           [](Table& t, const std::string& name, const Entry& entry) { t.entries[name] = entry; })
      .def("__setitem__",
           [](Table& t, const std::string& name, Pair range) {
             t.entries[name] = entry_of(range, std::nullopt, std::nullopt);
           })
      .def("__delitem__",
           [](Table& t, const std::string& name) {
             if (t.entries.erase(name) == 0) raise_key_error(name);
           })
      .def(
          "get",
          [](const Table& t, const std::string& name, nb::object fallback) {
            const Entry* entry = t.find(name);
            return entry != nullptr ? nb::cast(*entry) : std::move(fallback);
          },
          nb::arg("name"), nb::arg("default") = nb::none(),
          nb::sig("def get(self, name: str, default: Entry | None = None) -> Entry | None"))
      .def(
          "keys", [](nb::object self) { return view("KeysView", self); },
          nb::sig("def keys(self) -> collections.abc.KeysView[str]"))
      .def(
          "values", [](nb::object self) { return view("ValuesView", self); },
          nb::sig("def values(self) -> collections.abc.ValuesView[Entry]"))
      .def(
          "items", [](nb::object self) { return view("ItemsView", self); },
          nb::sig("def items(self) -> collections.abc.ItemsView[str, Entry]"))
      .def(
          "__iter__",
          [](const Table& t) {
            nb::list names;
            for (const auto& [name, entry] : t.entries) names.append(name);
            return nb::iter(names);
          },
          nb::sig("def __iter__(self) -> collections.abc.Iterator[str]"));
}

void bind_files(nb::class_<Table>& cls) {
  cls.def_static(
         "load",
         [](const PathLike& path) {
           const std::string file = to_path(path);
           return Calls().run([&] { return Table::load_any(file); });
         },
         nb::arg("path"), "Reads a cache, Octile's or TensorRT's. InvalidFile, IoError.")
      .def_static(
          "parse",
          [](nb::handle data, const std::string& origin) {
            const bool text = PyUnicode_Check(data.ptr());
            const std::string bytes = text ? nb::cast<std::string>(data) : to_bytes(data, "data");
            return Table::parse(bytes, origin);
          },
          nb::arg("data"), nb::arg("origin") = "calibration cache",
          nb::sig("def parse(data: bytes | str, origin: str = 'calibration cache') -> "
                  "CalibrationTable"),
          "The same from bytes; messages begin with `origin`.")
      .def_static(
          "from_tensorrt",
          [](nb::handle text, const std::string& origin) {
            const bool is_text = PyUnicode_Check(text.ptr());
            return Table::from_tensorrt(
                is_text ? nb::cast<std::string>(text) : to_bytes(text, "text"), origin);
          },
          nb::arg("text"), nb::arg("origin") = "calibration cache",
          nb::sig("def from_tensorrt(text: str | bytes, origin: str = 'calibration cache') -> "
                  "CalibrationTable"),
          "Reads TensorRT's text form, which carries thresholds alone.")
      .def(
          "save",
          [](const Table& t, const PathLike& path) {
            const std::string file = to_path(path);
            Calls().run([&] { t.save(file); });
          },
          nb::arg("path"), "Writes Octile's cache (JSON) through a temporary file.")
      .def("to_json", &Table::to_json, "The text of Octile's cache.")
      .def("to_tensorrt", &Table::to_tensorrt, nb::arg("version") = "8601",
           "TensorRT's text form 'TRT-<version>-<algorithm>'.");
}

}  // namespace

void bind_table(nb::module_& m) {
  bind_entry(m);
  nb::class_<Table> cls(m, "CalibrationTable",
                        "A mapping: tensor name -> Entry, and where the ranges came from. A pair "
                        "(lo, hi) may be assigned.");
  bind_mapping(cls);
  bind_files(cls);
  cls.def_rw("method", &Table::method, "'entropy', …; TensorRT's word for its caches.")
      .def_rw("percentile", &Table::percentile, "Of method 'percentile'; else 0.")
      .def_rw("path", &Table::path, "Which float path made it: 'onednn', 'reproducible', 'cache'.")
      .def_rw("model_digest", &Table::model_digest, "'' where it is not known.")
      .def_rw("data_digest", &Table::data_digest, "'' where it is not known.")
      .def_rw("preprocess", &Table::preprocess, "JSON; '' for none.")
      .def_rw("samples", &Table::samples, "How many samples were run.")
      .def_ro("warnings", &Table::warnings, "Constant, NaN, clipped … tensors: a message each.")
      .def("copy", [](const Table& t) { return Table(t); })
      .def("__copy__", [](const Table& t) { return Table(t); })
      .def(
          "__deepcopy__", [](const Table& t, nb::handle) { return Table(t); }, nb::arg("memo"))
      .def("__getstate__", &Table::to_json)
      .def("__setstate__",
           [](Table& t, const std::string& json) {
             new (&t) Table(Table::from_json(json, "pickled table"));
           })
      .def("__eq__",
           [](const Table& a, nb::handle b) {
             return nb::isinstance<Table>(b) && a.to_json() == nb::cast<const Table&>(b).to_json();
           })
      .def("__repr__", [](const Table& t) {
        return fmt::format("<octile.CalibrationTable: {} tensors, {}>", t.entries.size(), t.method);
      });
}

}  // namespace octile::python
