// The fuzz target: whatever the bytes are, import_onnx_bytes gives a network or one Error of the
// file. With Clang it is a libFuzzer target (and changes models by mutate.h, not only bytes); with
// GCC, driver.cc calls it. `make fuzz` runs either.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz/mutate.h"
#include "octile/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  octile::OnnxOptions options;
  options.dynamic_batch = size % 2 == 0;
  try {
    octile::import_onnx_bytes({reinterpret_cast<const char*>(data), size}, options, "fuzz.onnx");
  } catch (const octile::Error& error) {
    const bool of_the_file = error.code() == octile::ErrorCode::kInvalidFile ||
                             error.code() == octile::ErrorCode::kUnsupported;
    if (!of_the_file || std::strstr(error.what(), "fuzz.onnx") == nullptr) {
      std::fprintf(stderr, "not an error of the file: %s\n", error.what());
      std::abort();
    }
  }
  return 0;
}

#ifdef OCTILE_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (seed % 4 == 0) return LLVMFuzzerMutate(data, size, most);
  octile::fuzz::Generator random(seed);
  const std::string changed =
      octile::fuzz::mutate_model({reinterpret_cast<const char*>(data), size}, random);
  if (changed.empty() || changed.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, changed.data(), changed.size());
  return changed.size();
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* a, size_t a_size, const uint8_t* b,
                                            size_t b_size, uint8_t* out, size_t most,
                                            unsigned seed) {
  octile::fuzz::Generator random(seed);
  const std::string both = octile::fuzz::cross({reinterpret_cast<const char*>(a), a_size},
                                               {reinterpret_cast<const char*>(b), b_size}, random);
  if (both.size() > most) return 0;
  std::memcpy(out, both.data(), both.size());
  return both.size();
}
#endif
