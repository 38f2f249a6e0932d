// Submodule octile._native.host_memory: the CPU device's memory for octile.cudart and the engine.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <cstring>
#include <string>
#include <tuple>

#include "device_memory.h"
#include "gil.h"

namespace nb = nanobind;

namespace octile::python {
namespace {

DeviceMemory& memory() { return DeviceMemory::get(); }

void copy(uintptr_t dst, uintptr_t src, size_t bytes, const std::string& what) {
  const auto to = memory().use(dst, bytes, what + ": dst", true);
  const auto from = memory().use(src, bytes, what + ": src", false);
  const ReleasedGil release;
  to.touch();
  from.touch();
  if (bytes != 0) std::memmove(to.data(), from.data(), bytes);
}

// The bytes between the first of the first row and the last of the last one.
size_t extent(size_t pitch, size_t width, size_t height) {
  return width == 0 || height == 0 ? 0 : (height - 1) * pitch + width;
}

void copy_rows(uintptr_t dst, size_t dst_pitch, uintptr_t src, size_t src_pitch, size_t width,
               size_t height, const std::string& what) {
  const auto to = memory().use(dst, extent(dst_pitch, width, height), what + ": dst", true);
  const auto from = memory().use(src, extent(src_pitch, width, height), what + ": src", false);
  const ReleasedGil release;
  to.touch();
  from.touch();
  if (width == 0) return;
  for (size_t row = 0; row < height; ++row) {
    std::memmove(to.data() + row * dst_pitch, from.data() + row * src_pitch, width);
  }
}

void set(uintptr_t address, int value, size_t bytes, const std::string& what) {
  const auto to = memory().use(address, bytes, what, true);
  const ReleasedGil release;
  to.touch();
  if (bytes != 0) std::memset(to.data(), value, bytes);
}

nb::bytes read(uintptr_t address, size_t bytes, const std::string& what) {
  const auto from = memory().use(address, bytes, what, false);
  from.touch();
  return nb::bytes(from.data(), bytes);
}

void check_bytes(uintptr_t address, size_t bytes, const std::string& what, bool write) {
  const auto use = memory().use(address, bytes, what, write);
  const ReleasedGil release;
  use.touch();
}

std::tuple<uintptr_t, size_t, std::string> find(uintptr_t address) {
  auto found = memory().find(address);
  return {found.base, found.bytes, std::move(found.state)};
}

bool try_free(nb::handle address, bool pinned) {
  uintptr_t where = 0;
  return nb::try_cast(address, where, false) && memory().try_release(where, pinned);
}

MemoryKind kind_from(const std::string& name) {
  for (const auto kind : {MemoryKind::kDevice, MemoryKind::kManaged, MemoryKind::kPinned}) {
    if (name == name_of(kind)) return kind;
  }
  throw nb::value_error("kind must be 'device', 'managed' or 'pinned'");
}

}  // namespace

void bind_device_memory(nb::module_& m) {
  auto part =
      m.def_submodule("host_memory", "Memory of the CPU device, where pointers are checked.");
  part.def(
      "alloc",
      [](size_t bytes, const std::string& kind) {
        return memory().allocate(bytes, kind_from(kind));
      },
      nb::arg("bytes"), nb::arg("kind") = "device",
      "The address of zeroed bytes (0 for none). Raises MemoryError when there are not so many.");
  part.def(
      "free",
      [](uintptr_t address, bool pinned, const std::string& what) {
        memory().release(address, pinned, what);
      },
      nb::arg("address"), nb::arg("pinned") = false, nb::arg("what") = "free",
      "Gives an allocation back. Raises InvalidArgument for what is no live allocation's address.");
  part.def("try_free", &try_free, nb::arg("address").none(), nb::arg("pinned") = false,
           "free() of an int that returns False instead of raising, and for any other object.");
  part.def("copy", &copy, nb::arg("dst"), nb::arg("src"), nb::arg("bytes"),
           nb::arg("what") = "copy",
           "Copies between checked addresses (device or host), without the GIL.");
  part.def("copy_rows", &copy_rows, nb::arg("dst"), nb::arg("dst_pitch"), nb::arg("src"),
           nb::arg("src_pitch"), nb::arg("width"), nb::arg("height"), nb::arg("what") = "copy_rows",
           "Copies `height` rows of `width` bytes.");
  part.def("set", &set, nb::arg("address"), nb::arg("value"), nb::arg("bytes"),
           nb::arg("what") = "set", "Fills checked bytes with the low byte of `value`.");
  part.def("read", &read, nb::arg("address"), nb::arg("bytes"), nb::arg("what") = "read",
           "A copy of checked bytes, device or host.");
  part.def("check", &check_bytes, nb::arg("address"), nb::arg("bytes"), nb::arg("what"),
           nb::arg("write") = false,
           "Raises InvalidArgument unless the bytes lie in a live allocation or in host memory.");
  part.def("find", &find, nb::arg("address"),
           "(base, size, state): state is 'device', 'managed', 'pinned', 'freed', 'host' (mapped "
           "memory of this process) or 'unknown'.");
  part.def(
      "live_count", [] { return memory().live_count(); }, "Allocations not yet freed.");
  part.def(
      "live_bytes", [] { return memory().live_bytes(); }, "Bytes not yet freed.");
  part.def(
      "total_bytes", [] { return memory().total_bytes(); }, "Bytes of the machine's memory.");
}

}  // namespace octile::python
