// Files and hashing; see bytes.h.
#include "base/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"

namespace octile {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Of the last system call, which therefore stands in a statement of its own: arguments of check()
/// are evaluated in any order.
std::string reason() { return std::strerror(errno); }

int open_to_read(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check(fd >= 0, ErrorCode::kIo, "{}: cannot open to read: {}", path, reason());
  return fd;
}

int64_t regular_size(int fd, const std::string& path) {
  struct stat info {};
  const bool known = fstat(fd, &info) == 0;
  check(known, ErrorCode::kIo, "{}: {}", path, reason());
  check(S_ISREG(info.st_mode), ErrorCode::kIo, "{}: not a regular file; name a file", path);
  return info.st_size;
}

void write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    check(n > 0, ErrorCode::kIo, "{}: cannot write: {}", path, reason());
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

std::string read_file(const std::string& path) {
  const Descriptor file(open_to_read(path));
  std::string bytes(static_cast<size_t>(regular_size(file.get(), path)), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    check(n >= 0, ErrorCode::kIo, "{}: cannot read: {}", path, reason());
    if (n == 0) break;  // shrunk meanwhile
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

void write_file(const std::string& named, std::string_view bytes) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  // What a link points to is replaced, not the link; a device or pipe is written to.
  const std::string path =
      fs::is_symlink(named, ignored) ? fs::weakly_canonical(named, ignored).string() : named;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored) &&
      !fs::is_directory(path, ignored)) {
    const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    check(file.get() >= 0, ErrorCode::kIo, "{}: cannot write: {}", path, reason());
    write_all(file.get(), bytes, path);
    return;
  }
  const std::string temporary = fmt::format("{}.tmp{}", path, getpid());
  try {
    const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    check(file.get() >= 0, ErrorCode::kIo,
          "{}: cannot create: {}; is the directory there and "
          "writable?",
          path, reason());
    write_all(file.get(), bytes, path);
    const bool written = fsync(file.get()) == 0;
    check(written, ErrorCode::kIo, "{}: cannot write: {}", path, reason());
    const bool renamed = rename(temporary.c_str(), path.c_str()) == 0;
    check(renamed, ErrorCode::kIo, "{}: cannot replace: {}", path, reason());
  } catch (const Error&) {
    unlink(temporary.c_str());
    throw;
  }
}

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file(open_to_read(path));
  size_ = static_cast<size_t>(regular_size(file.get(), path));
  check(size_ > 0, ErrorCode::kInvalidFile, "{}: the file is empty", path);
  void* p = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  check(p != MAP_FAILED, ErrorCode::kIo, "{}: cannot map: {}", path, reason());
  data_ = static_cast<const std::byte*>(p);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

Hash& Hash::add(const void* data, size_t size) {
  constexpr uint64_t kPrime = 0x100000001b3ull;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    state_ = (state_ ^ word) * kPrime;
    state_ ^= state_ >> 29;  // FNV alone mixes upwards only
  }
  for (; size > 0; --size, ++bytes) state_ = (state_ ^ *bytes) * kPrime;
  return *this;
}

std::string Hash::hex() const {
  const uint64_t mixed = (state_ ^ (state_ >> 32)) * 0x9e3779b97f4a7c15ull;
  return fmt::format("{:016x}", mixed ^ (mixed >> 29));
}

}  // namespace octile
