// .npz: a zip archive of .npy members, through libzip.
#include <zip.h>

#include <algorithm>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"
#include "formats/data/npy.h"
#include "octile/data.h"

namespace octile {
namespace {

constexpr uint64_t kLargestMember = uint64_t{1} << 36;

/// What a member may inflate to: the archive's size times the best ratio of deflate.
constexpr uint64_t kLargestRatio = 1100;

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;

Archive open_archive(const std::string& bytes, const std::string& path) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* archive = source != nullptr ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  if (archive == nullptr) {
    if (source != nullptr) zip_source_free(source);
    fail(ErrorCode::kInvalidFile, "{}: not a readable .npz archive: {}", path, reason);
  }
  return Archive(archive);
}

std::string read_member(zip_t* archive, zip_uint64_t index, uint64_t archive_bytes,
                        const std::string& origin) {
  zip_stat_t info;
  zip_stat_init(&info);
  check(zip_stat_index(archive, index, 0, &info) == 0 && (info.valid & ZIP_STAT_SIZE) != 0,
        ErrorCode::kInvalidFile, "{}: unreadable member", origin);
  check(info.size <= kLargestMember && info.size <= (archive_bytes + 1024) * kLargestRatio,
        ErrorCode::kInvalidFile, "{}: claims {} bytes, more than its archive can hold", origin,
        info.size);
  const std::unique_ptr<zip_file_t, CloseMember> file(zip_fopen_index(archive, index, 0));
  check(file != nullptr, ErrorCode::kInvalidFile, "{}: cannot be opened: {}", origin,
        zip_strerror(archive));
  std::string bytes;  // grows as data come: the claimed size may be a lie
  while (bytes.size() < info.size) {
    const size_t done = bytes.size(), step = size_t{1} << 22;
    bytes.resize(size_t(std::min<uint64_t>(info.size, done + step)));
    const zip_int64_t got = zip_fread(file.get(), bytes.data() + done, bytes.size() - done);
    check(got > 0, ErrorCode::kInvalidFile, "{}: damaged (its data do not inflate)", origin);
    bytes.resize(done + size_t(got));
  }
  char more = 0;  // reaching the end makes libzip check the CRC
  check(zip_fread(file.get(), &more, 1) == 0, ErrorCode::kInvalidFile, "{}: damaged (checksum)",
        origin);
  return bytes;
}

}  // namespace

std::map<std::string, Tensor> load_npz(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.substr(0, 6) == "\x93NUMPY") return {{"", parse_npy(bytes, path)}};
  const Archive archive = open_archive(bytes, path);
  std::map<std::string, Tensor> arrays;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* stored = zip_get_name(archive.get(), zip_uint64_t(i), 0);
    check(stored != nullptr, ErrorCode::kInvalidFile, "{}: member {} has no readable name", path,
          i);
    std::string name = stored;
    const std::string origin = fmt::format("{}, member '{}'", path, name);
    if (name.size() > 4 && name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays[name] =
        parse_npy(read_member(archive.get(), zip_uint64_t(i), bytes.size(), origin), origin);
  }
  check(!arrays.empty(), ErrorCode::kInvalidFile, "{}: the archive holds no arrays", path);
  return arrays;
}

void save_npz(const std::string& path, const std::map<std::string, Tensor>& arrays) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  check(target != nullptr, ErrorCode::kIo, "{}: out of memory", path);
  zip_source_keep(target);
  zip_t* archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  check(archive != nullptr, ErrorCode::kIo, "{}: cannot make an archive: {}", path,
        zip_error_strerror(&error));
  std::map<std::string, std::string> members;  // alive until zip_close reads them
  for (const auto& [name, array] : arrays) members[name + ".npy"] = format_npy(array);
  for (const auto& [name, bytes] : members) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    check(index >= 0, ErrorCode::kIo, "{}: cannot add '{}': {}", path, name, zip_strerror(archive));
    zip_file_set_mtime(archive, zip_uint64_t(index), 315532800, 0);  // 1980: no clock in the bytes
  }
  check(zip_close(archive) == 0, ErrorCode::kIo, "{}: cannot finish the archive", path);
  zip_stat_t info;
  zip_source_stat(target, &info);
  std::string bytes(info.size, '\0');
  zip_source_open(target);
  zip_source_read(target, bytes.data(), bytes.size());
  zip_source_close(target);
  zip_source_free(target);
  zip_error_fini(&error);
  write_file(path, bytes);
}

}  // namespace octile
