// Files and bytes: whole-file reading, mapping, safe writing, hashing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace octile {

/// Whole file as bytes. Throws kIo naming the file.
std::string read_file(const std::string& path);

/// Writes to "<path>.tmp<pid>" beside it, flushes, renames. Throws kIo; the old file survives.
void write_file(const std::string& path, std::string_view bytes);

/// A read-only mapping of a file; empty files are refused with kInvalidFile.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// 64-bit hash of bytes (FNV-1a folded over 8-byte words): for digests and cache keys, not for
/// adversaries. Stable across machines and versions.
class Hash {
 public:
  Hash& add(const void* data, size_t size);
  Hash& add(std::string_view text) { return add(text.data(), text.size()).add_number(text.size()); }
  Hash& add_number(uint64_t value) { return add(&value, sizeof(value)); }
  uint64_t value() const { return state_; }
  /// 16 lower-case hex digits.
  std::string hex() const;

 private:
  uint64_t state_ = 0xcbf29ce484222325ull;
};

}  // namespace octile
