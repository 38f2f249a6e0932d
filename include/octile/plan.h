// The plan: pure data, portable between machines. docs/plan_format.md describes the bytes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "octile/types.h"

namespace octile {

struct PlanData;  // src/plan/plan_data.h

/// One row of the plain table that `octile inspect` prints.
struct LayerInfo {
  std::string name;       // original layer names, fused ones joined by " + "
  std::string step;       // "Conv", "Pool", "Quantize", …
  std::string precision;  // "int8", "float32", "float16", "int8 -> float32"
  std::string tactic;     // preferred tactic of profile 0
  std::string output;     // tensor name
  Shape shape;            // kDynamic where it depends on the profile
  float scale = 0.0f;     // of the output; 0 when float
  int32_t zero_point = 0;
  int64_t weight_bytes = 0;
  std::string note;  // why a layer is float, for example
};

/// A Plan is what build() makes and an Engine loads: steps, canonical weights, preferred tactics
/// and memory offsets per profile. Immutable; safe to share between threads.
class Plan {
 public:
  explicit Plan(std::shared_ptr<const PlanData> data);
  /// Reads and checks a plan file (weights stay mapped). Throws kInvalidFile naming the file and
  /// what is wrong with it, kIo when it cannot be read.
  static Plan load(const std::string& file);
  /// The same from bytes in memory (copied).
  static Plan parse(std::string_view bytes);
  /// Writes through a temporary file, then renames.
  void save(const std::string& file) const;
  std::string serialize() const;

  std::vector<LayerInfo> layers() const;
  /// Preprocess::to_json() given at build, or "".
  const std::string& preprocess() const;
  /// What the build measured and why each layer has its precision, as JSON (docs/report_format.md);
  /// "" where nothing was measured.
  const std::string& precision() const;
  /// BuildOptions::metadata given at build.
  const std::map<std::string, std::string>& metadata() const;
  const std::string& name() const;
  /// The ISA that the tactics were chosen on ("avx512vnni"), and how ("timed", "first").
  const std::string& built_on() const;
  int profile_count() const;
  const PlanData& data() const { return *data_; }
  std::shared_ptr<const PlanData> shared_data() const { return data_; }

 private:
  std::shared_ptr<const PlanData> data_;
};

}  // namespace octile
