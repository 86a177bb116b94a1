#include "small-files.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "descriptor.h"
#include "status.h"
#include "writers.h"

namespace afterimage {
namespace {

constexpr size_t kHeadBytes = 44;
constexpr size_t kNameBytesMax = 255;

constexpr uint8_t kOtherWay = 0;
constexpr uint8_t kRead = 1;
constexpr uint8_t kReadWithAttributes = 2;

uint64_t Get64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return le64toh(value);
}

uint32_t Get32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return le32toh(value);
}

/** A file as a scan saw it. */
struct Seen {
  uint64_t ino;
  uint64_t mtime;
  uint64_t ctime;
  uint64_t dev;
  uint32_t size;
};

/** True when the file is still what the scan saw. */
bool IsStill(int fd, const Seen& seen) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, kStatxMask, &status) != 0) return false;
  if (!S_ISREG(status.stx_mode)) return false;
  uint8_t now[kStatusBytes];
  PackStatus(status, Fields::kAll, now);
  return Get64(now + 24) == seen.dev && Get64(now + 32) == seen.ino &&
         Get64(now + 40) == seen.size && Get64(now + 56) == seen.mtime &&
         Get64(now + 64) == seen.ctime;
}

/** False when the file does not give as many bytes. */
bool Fill(int fd, uint8_t* into, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, into + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

uint8_t ReadOne(int folder, const char* name, const Seen& seen, uint8_t* into) {
  const int opened = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  const Descriptor file(opened);
  if (!file.open() || !IsStill(file.get(), seen)) return kOtherWay;
  const ssize_t attributes = flistxattr(file.get(), nullptr, 0);
  if (attributes < 0 && errno != ENOTSUP) return kOtherWay;
  // Between the status that counts and the first read.
  if (!FlushOtherWriters(file.get())) return kOtherWay;
  if (!Fill(file.get(), into, seen.size) || !IsStill(file.get(), seen)) return kOtherWay;
  return attributes > 0 ? kReadWithAttributes : kRead;
}

}  // namespace

Napi::Value ReadSmall(const Napi::CallbackInfo& info) {
  const int folder = DescriptorAt(info, 0);
  const Bytes files = BytesAt(info, 1);
  const Bytes room = BytesAt(info, 2);
  const Bytes codes = BytesAt(info, 3);
  const auto refuse = [&info](const char* why) {
    return Napi::RangeError::New(info.Env(), why);
  };
  size_t at = 0;
  for (size_t index = 0; at < files.size; index += 1) {
    if (files.size - at < kHeadBytes) throw refuse("the files are cut short");
    const uint8_t* head = files.data + at;
    Seen seen = {};
    seen.ino = Get64(head);
    seen.mtime = Get64(head + 8);
    seen.ctime = Get64(head + 16);
    seen.dev = Get64(head + 24);
    seen.size = Get32(head + 32);
    const size_t place = Get32(head + 36);
    const size_t length = Get32(head + 40);
    at += kHeadBytes;
    if (length == 0 || length > kNameBytesMax || length > files.size - at) {
      throw refuse("a name is cut short");
    }
    if (place > room.size || seen.size > room.size - place) throw refuse("no room for a file");
    if (index >= codes.size) throw refuse("no room for a code");
    char name[kNameBytesMax + 1] = {};
    std::memcpy(name, files.data + at, length);
    at += length;
    codes.data[index] = ReadOne(folder, name, seen, room.data + place);
  }
  return info.Env().Undefined();
}

}  // namespace afterimage
