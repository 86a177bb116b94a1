#include "make-files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "arguments.h"

namespace afterimage {
namespace {

constexpr size_t kHeadBytes = 36;
constexpr size_t kPageBytes = 4096;
constexpr size_t kNameBytesMax = 255;
constexpr uint32_t kAsItIs = 0xffffffff;

/** Which call failed; shared/posix/make-files.ts has the names. */
enum Call : int32_t { kOpen = 0, kWrite = 1, kTruncate = 2, kOwner = 3, kMode = 4, kTime = 5, kClose = 6 };

struct Failure {
  int error;
  Call call;
};

struct File {
  std::string name;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  struct timespec time;
  const uint8_t* content;
  size_t length;
};

template <typename T>
T ReadAs(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

bool IsZero(const uint8_t* bytes, size_t length) {
  return bytes[0] == 0 && std::memcmp(bytes, bytes + 1, length - 1) == 0;
}

Failure WriteAll(int fd, const uint8_t* bytes, size_t length, size_t offset) {
  while (length > 0) {
    const ssize_t written = pwrite(fd, bytes, length, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return {errno, kWrite};
    bytes += written;
    offset += static_cast<size_t>(written);
    length -= static_cast<size_t>(written);
  }
  return {0, kWrite};
}

/** Pages that are not zero, in as few calls as they take; then the size, if a hole is at the end. */
Failure WriteContent(int fd, const File& file, size_t* written) {
  size_t end = 0;
  for (size_t at = 0; at < file.length;) {
    const auto page = [&](size_t from) { return std::min(kPageBytes, file.length - from); };
    if (IsZero(file.content + at, page(at))) {
      at += page(at);
      continue;
    }
    const size_t start = at;
    while (at < file.length && !IsZero(file.content + at, page(at))) at += page(at);
    const Failure failure = WriteAll(fd, file.content + start, at - start, start);
    if (failure.error != 0) return failure;
    *written += at - start;
    end = at;
  }
  if (end < file.length && ftruncate(fd, static_cast<off_t>(file.length)) != 0) {
    return {errno, kTruncate};
  }
  return {0, kWrite};
}

/** A change of owner clears setuid, and nearly everything the time: hence the order. */
Failure Fill(int fd, const File& file, size_t* written) {
  const Failure content = WriteContent(fd, file, written);
  if (content.error != 0) return content;
  if (file.uid != kAsItIs && fchown(fd, file.uid, file.gid) != 0) return {errno, kOwner};
  if (fchmod(fd, file.mode) != 0) return {errno, kMode};
  const struct timespec both[2] = {file.time, file.time};
  if (futimens(fd, both) != 0) return {errno, kTime};
  return {0, kClose};
}

Failure Make(int folder, const File& file, size_t* written) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const int fd = openat(folder, file.name.c_str(), flags, 0600);
  if (fd < 0) return {errno, kOpen};
  Failure failure = Fill(fd, file, written);
  if (close(fd) != 0 && failure.error == 0 && errno != EINTR) failure = {errno, kClose};
  if (failure.error != 0) unlinkat(folder, file.name.c_str(), 0);
  return failure;
}

/** A name of one component. */
bool IsName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

/** False when the record at `at` is cut off or points outside of `content`. */
bool ReadRecord(const Bytes& records, const Bytes& content, size_t* at, File* file) {
  if (records.size - *at < kHeadBytes) return false;
  const uint8_t* head = records.data + *at;
  const size_t name = ReadAs<uint32_t>(head);
  if (name > kNameBytesMax || records.size - *at - kHeadBytes < name) return false;
  file->mode = ReadAs<uint32_t>(head + 4) & 07777;
  file->uid = ReadAs<uint32_t>(head + 8);
  file->gid = ReadAs<uint32_t>(head + 12);
  file->time.tv_sec = static_cast<time_t>(ReadAs<int64_t>(head + 16));
  file->time.tv_nsec = ReadAs<uint32_t>(head + 24);
  const size_t offset = ReadAs<uint32_t>(head + 28);
  file->length = ReadAs<uint32_t>(head + 32);
  if (offset > content.size || content.size - offset < file->length) return false;
  file->content = content.data + offset;
  file->name.assign(reinterpret_cast<const char*>(head + kHeadBytes), name);
  *at += kHeadBytes + name;
  return true;
}

}  // namespace

Napi::Value MakeFiles(const Napi::CallbackInfo& info) {
  const int folder = DescriptorAt(info, 0);
  const Bytes records = BytesAt(info, 1);
  const Bytes content = BytesAt(info, 2);
  std::vector<int32_t> failed = {0};
  size_t written = 0;
  File file = {};
  int32_t index = 0;
  for (size_t at = 0; at < records.size; index += 1) {
    if (!ReadRecord(records, content, &at, &file)) {
      throw Napi::TypeError::New(info.Env(), "argument 1 must be whole records");
    }
    const Failure failure = IsName(file.name) ? Make(folder, file, &written) : Failure{EINVAL, kOpen};
    if (failure.error != 0) failed.insert(failed.end(), {index, failure.error, failure.call});
  }
  failed[0] = static_cast<int32_t>(std::min<size_t>(written, INT32_MAX));
  auto result = Napi::Int32Array::New(info.Env(), failed.size());
  std::copy(failed.begin(), failed.end(), result.Data());
  return result;
}

}  // namespace afterimage
