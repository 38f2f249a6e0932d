// The plan file: preamble, FlatBuffers header, aligned weights (docs/plan_format.md).
#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/flexbuffers.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"
#include "base/round_up.h"
#include "plan/field_codec.h"
#include "plan/plan_data.h"
#include "plan_generated.h"

namespace octile {
namespace {

constexpr char kMagic[8] = {'O', 'C', 'T', 'P', 'L', 'A', 'N', '\0'};
constexpr uint32_t kFormatVersion = 1, kHalfVersion = 2;  // with float16 steps

/// Little-endian, at offset 0. `checksum` covers the whole file, itself taken as zero.
struct Preamble {
  char magic[8];
  uint32_t version;
  uint32_t preamble_bytes;
  uint64_t header_bytes, payload_offset, payload_bytes;
  uint64_t checksum;
  uint64_t reserved[2];
};
static_assert(sizeof(Preamble) == 64);

/// Readers of the first version take no steps that make float16, but for a model's own Casts.
uint32_t version_of(const PlanData& plan) {
  const auto makes_half = [&](const PlanStep& step) {
    const bool generic = std::holds_alternative<GenericStep>(step.step);
    return !generic && std::any_of(step.outputs.begin(), step.outputs.end(), [&](int32_t t) {
      return t >= 0 && plan.tensors[size_t(t)].type == DataType::kFloat16;
    });
  };
  const bool half = std::any_of(plan.steps.begin(), plan.steps.end(), makes_half);
  return half ? kHalfVersion : kFormatVersion;
}

uint64_t checksum_of(Preamble preamble, std::span<const std::byte> body) {
  preamble.checksum = 0;
  return Hash().add(&preamble, sizeof(preamble)).add(body.data(), body.size()).value();
}

// --- writing ---

using Flat = flatbuffers::FlatBufferBuilder;

auto flat_shape(Flat& flat, const Shape& shape) {
  return flat.CreateVector(std::vector<int64_t>(shape.begin(), shape.end()));
}

auto flat_tensors(Flat& flat, const PlanData& plan) {
  std::vector<flatbuffers::Offset<fbs::Tensor>> list;
  for (const PlanTensor& t : plan.tensors) {
    list.push_back(fbs::CreateTensor(flat, flat.CreateString(t.name), uint8_t(t.type),
                                     uint8_t(t.layout), flat_shape(flat, t.shape), t.scale,
                                     t.zero_point, t.blob));
  }
  return flat.CreateVector(list);
}

std::vector<uint8_t> attributes_of(const Step& step) {
  flexbuffers::Builder builder;
  std::visit([&](const auto& s) { write_fields(builder, s); }, step);
  builder.Finish();
  return builder.GetBuffer();
}

auto flat_steps(Flat& flat, const PlanData& plan) {
  std::vector<flatbuffers::Offset<fbs::Step>> list;
  for (const PlanStep& s : plan.steps) {
    std::vector<flatbuffers::Offset<flatbuffers::String>> tactics;
    for (const std::string& name : s.tactics) tactics.push_back(flat.CreateString(name));
    const std::vector<uint8_t> attributes = attributes_of(s.step);
    flat.ForceVectorAlignment(attributes.size(), 1, 8);  // FlexBuffers hold up to 8-byte numbers
    const auto bytes = flat.CreateVector(attributes);
    list.push_back(fbs::CreateStep(flat, flat.CreateString(s.name), uint8_t(s.step.index()), bytes,
                                   flat.CreateVector(s.inputs), flat.CreateVector(s.outputs),
                                   flat.CreateVector(tactics), flat.CreateString(s.note)));
  }
  return flat.CreateVector(list);
}

auto flat_blobs(Flat& flat, const PlanData& plan) {
  std::vector<flatbuffers::Offset<fbs::Blob>> list;
  size_t offset = 0;
  for (const Blob& b : plan.blobs) {
    list.push_back(
        fbs::CreateBlob(flat, uint8_t(b.type), flat_shape(flat, b.shape), offset, b.bytes.size()));
    offset += aligned(b.bytes.size());
  }
  return flat.CreateVector(list);
}

auto flat_profiles(Flat& flat, const PlanData& plan) {
  std::vector<flatbuffers::Offset<fbs::Profile>> list;
  for (const PlanProfile& p : plan.profiles) {
    std::vector<flatbuffers::Offset<fbs::Bounds>> bounds;
    for (const auto& b : p.inputs) {
      const auto min = flat_shape(flat, b.min), opt = flat_shape(flat, b.opt),
                 max = flat_shape(flat, b.max);
      bounds.push_back(fbs::CreateBounds(flat, min, opt, max));
    }
    list.push_back(fbs::CreateProfile(flat, flat.CreateVector(bounds), flat.CreateVector(p.offsets),
                                      p.arena_bytes));
  }
  return flat.CreateVector(list);
}

/// By key; nothing at all for a plan without, whose bytes are as they were before there was any.
flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<fbs::Entry>>> flat_metadata(
    Flat& flat, const PlanData& plan) {
  if (plan.metadata.empty()) return 0;
  std::vector<flatbuffers::Offset<fbs::Entry>> list;
  for (const auto& [key, value] : plan.metadata) {
    const auto flat_key = flat.CreateString(key), flat_value = flat.CreateString(value);
    list.push_back(fbs::CreateEntry(flat, flat_key, flat_value));
  }
  return flat.CreateVector(list);
}

// --- reading ---

[[noreturn]] void damaged(const std::string& origin, std::string_view what) {
  fail(ErrorCode::kInvalidFile, "{}: {}; the plan file is damaged, build it again", origin, what);
}

Preamble read_preamble(std::span<const std::byte> bytes, const std::string& origin) {
  Preamble p{};
  check(bytes.size() >= sizeof(kMagic) && std::memcmp(bytes.data(), kMagic, sizeof(kMagic)) == 0,
        ErrorCode::kInvalidFile, "{}: not a plan file", origin);
  if (bytes.size() < sizeof(p)) damaged(origin, "the file ends within its preamble");
  std::memcpy(&p, bytes.data(), sizeof(p));
  check(p.version == kFormatVersion || p.version == kHalfVersion, ErrorCode::kInvalidFile,
        "{}: written in plan format {}, this build reads formats {} and {}; build the plan again",
        origin, p.version, kFormatVersion, kHalfVersion);
  const bool consistent =
      p.preamble_bytes == sizeof(p) && p.reserved[0] == 0 && p.reserved[1] == 0 &&
      p.header_bytes <= bytes.size() - sizeof(p) &&
      p.payload_offset == uint64_t(aligned(int64_t(sizeof(p) + p.header_bytes))) &&
      p.payload_offset <= bytes.size() && p.payload_bytes == bytes.size() - p.payload_offset;
  if (!consistent) damaged(origin, "its length is not what its preamble says");
  if (p.checksum != checksum_of(p, bytes.subspan(sizeof(p)))) {
    damaged(origin, "its checksum is wrong");
  }
  return p;
}

template <typename E>
E enum_of(uint8_t value, size_t count, const std::string& origin) {
  if (value >= count) damaged(origin, "a type is out of range");
  return static_cast<E>(value);
}

DataType type_of(uint8_t value, const std::string& origin) {
  return enum_of<DataType>(value, enum_names<DataType>().size(), origin);
}

/// Copied as bytes: in a damaged file the elements of a vector may be misaligned, which the
/// verifier does not look at.
template <typename T>
std::vector<T> list_of(const flatbuffers::Vector<T>* list) {
  static_assert(std::endian::native == std::endian::little, "plan files are little-endian");
  std::vector<T> values(list != nullptr ? list->size() : 0);
  if (!values.empty()) std::memcpy(values.data(), list->Data(), values.size() * sizeof(T));
  return values;
}

Shape shape_of(const flatbuffers::Vector<int64_t>* list, const std::string& origin) {
  Shape shape;
  if (list == nullptr) return shape;
  if (list->size() > size_t{kMaxRank}) damaged(origin, "a shape has too many axes");
  constexpr int64_t kLargest = int64_t{1} << 40;
  for (const int64_t extent : list_of(list)) {
    if (extent < kDynamic || extent > kLargest) damaged(origin, "a shape is out of range");
    shape.push_back(extent);
  }
  return shape;
}

std::string text_of(const flatbuffers::String* text) { return text != nullptr ? text->str() : ""; }

template <size_t I = 0>
Step step_of(size_t kind, flexbuffers::Reference root, const std::string& origin) {
  if constexpr (I < std::variant_size_v<Step>) {
    if (kind != I) return step_of<I + 1>(kind, root, origin);
    std::variant_alternative_t<I, Step> step;
    read_fields(root, step, FieldPlace{origin, "step"});
    return step;
  } else {
    damaged(origin, "a step is of an unknown kind");
  }
}

PlanStep read_step(const fbs::Step& s, const std::string& origin) {
  const auto* attributes = s.attributes();
  if (attributes == nullptr || attributes->size() == 0 ||
      !flexbuffers::VerifyBuffer(attributes->data(), attributes->size())) {
    damaged(origin, "a step's attributes are unreadable");
  }
  PlanStep step{.name = text_of(s.name()),
                .step = step_of(
                    s.kind(), flexbuffers::GetRoot(attributes->data(), attributes->size()), origin),
                .inputs = list_of(s.inputs()),
                .outputs = list_of(s.outputs()),
                .tactics = {},
                .note = text_of(s.note())};
  if (s.tactics() != nullptr) {
    for (const auto* name : *s.tactics()) step.tactics.push_back(text_of(name));
  }
  return step;
}

Blob read_blob(const fbs::Blob& b, std::span<const std::byte> payload, const std::string& origin) {
  Blob blob{type_of(b.type(), origin), shape_of(b.shape(), origin), {}};
  if (b.offset() > payload.size() || b.size() > payload.size() - b.offset() ||
      b.offset() % kAlignment != 0) {
    damaged(origin, "a weight lies outside the file");
  }
  blob.bytes = payload.subspan(b.offset(), b.size());
  return blob;
}

PlanProfile read_profile(const fbs::Profile& p, const std::string& origin) {
  PlanProfile profile;
  if (p.inputs() != nullptr) {
    for (const auto* b : *p.inputs()) {
      profile.inputs.push_back(
          {shape_of(b->min(), origin), shape_of(b->opt(), origin), shape_of(b->max(), origin)});
    }
  }
  profile.offsets = list_of(p.offsets());
  profile.arena_bytes = p.arena_bytes();
  return profile;
}

/// Checked entry by entry: many of them may point at one string, so that a small file means more
/// than memory holds. No more than the header's own bytes are taken.
Metadata read_metadata(const fbs::Plan& flat, size_t header_bytes, const std::string& origin) {
  Metadata metadata;
  if (flat.metadata() == nullptr) return metadata;
  size_t left = header_bytes;
  for (const fbs::Entry* entry : *flat.metadata()) {
    const size_t key = entry->key() != nullptr ? entry->key()->size() : 0,
                 value = entry->value() != nullptr ? entry->value()->size() : 0;
    if (key > left || value > left - key) damaged(origin, "its metadata is too large");
    left -= key + value;
    if (!metadata.emplace(text_of(entry->key()), text_of(entry->value())).second) {
      damaged(origin, "its metadata has a key twice");
    }
  }
  return metadata;
}

template <typename List, typename F>
void each(const List* list, F&& f) {
  if (list == nullptr) return;
  for (const auto* entry : *list) f(*entry);
}

}  // namespace

std::string serialize(const PlanData& plan) {
  Flat flat(1 << 16);
  const auto name = flat.CreateString(plan.name), built = flat.CreateString(plan.built_on),
             preprocess = flat.CreateString(plan.preprocess);
  const auto precision = plan.precision.empty() ? flatbuffers::Offset<flatbuffers::String>()
                                                : flat.CreateString(plan.precision);
  const auto tensors = flat_tensors(flat, plan);
  const auto steps = flat_steps(flat, plan);
  const auto blobs = flat_blobs(flat, plan);
  const auto inputs = flat.CreateVector(plan.inputs), outputs = flat.CreateVector(plan.outputs);
  const auto profiles = flat_profiles(flat, plan);
  const auto metadata = flat_metadata(flat, plan);
  flat.Finish(fbs::CreatePlan(flat, name, built, preprocess, tensors, steps, blobs, inputs, outputs,
                              profiles, metadata, precision));
  Preamble p{};
  std::memcpy(p.magic, kMagic, sizeof(kMagic));
  p.version = version_of(plan);
  p.preamble_bytes = sizeof(p);
  p.header_bytes = flat.GetSize();
  p.payload_offset = aligned(sizeof(p) + flat.GetSize());
  for (const Blob& b : plan.blobs) p.payload_bytes += aligned(b.bytes.size());
  std::string bytes(p.payload_offset + p.payload_bytes, '\0');
  std::memcpy(bytes.data() + sizeof(p), flat.GetBufferPointer(), flat.GetSize());
  size_t at = p.payload_offset;
  for (const Blob& b : plan.blobs) {
    if (!b.bytes.empty()) std::memcpy(bytes.data() + at, b.bytes.data(), b.bytes.size());
    at += aligned(b.bytes.size());
  }
  p.checksum = checksum_of(p, std::as_bytes(std::span(bytes)).subspan(sizeof(p)));
  std::memcpy(bytes.data(), &p, sizeof(p));
  return bytes;
}

std::shared_ptr<const PlanData> deserialize(std::span<const std::byte> bytes,
                                            std::shared_ptr<const void> owner,
                                            const std::string& origin) {
  const Preamble p = read_preamble(bytes, origin);
  const auto header = bytes.subspan(sizeof(p), p.header_bytes);
  const auto payload = bytes.subspan(p.payload_offset, p.payload_bytes);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(header.data()), header.size(), 64,
                                 100'000'000);
  if (!fbs::VerifyPlanBuffer(verifier)) damaged(origin, "its header is unreadable");
  const fbs::Plan& flat = *fbs::GetPlan(header.data());
  auto plan = std::make_shared<PlanData>();
  plan->name = text_of(flat.name());
  plan->built_on = text_of(flat.built_on());
  plan->preprocess = text_of(flat.preprocess());
  plan->precision = text_of(flat.precision());
  plan->metadata = read_metadata(flat, header.size(), origin);
  each(flat.tensors(), [&](const fbs::Tensor& t) {
    plan->tensors.push_back({text_of(t.name()), type_of(t.type(), origin),
                             enum_of<Layout>(t.layout(), 2, origin), shape_of(t.shape(), origin),
                             t.scale(), t.zero_point(), t.blob()});
  });
  each(flat.steps(), [&](const fbs::Step& s) { plan->steps.push_back(read_step(s, origin)); });
  each(flat.blobs(),
       [&](const fbs::Blob& b) { plan->blobs.push_back(read_blob(b, payload, origin)); });
  plan->inputs = list_of(flat.inputs());
  plan->outputs = list_of(flat.outputs());
  each(flat.profiles(),
       [&](const fbs::Profile& f) { plan->profiles.push_back(read_profile(f, origin)); });
  plan->storage = std::move(owner);
  validate(*plan, origin);
  if (p.version != version_of(*plan)) damaged(origin, "its version is not that of its steps");
  annotate_minima(*plan);
  // Offsets are a pure function of the rest: computing them again makes hostile ones harmless.
  for (PlanProfile& profile : plan->profiles) plan_memory(*plan, profile);
  return plan;
}

}  // namespace octile
