#include "status.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "system-error.h"

namespace afterimage {
namespace {

void Put32(uint8_t* out, uint32_t value) {
  const uint32_t little = htole32(value);
  std::memcpy(out, &little, sizeof little);
}

void Put64(uint8_t* out, uint64_t value) {
  const uint64_t little = htole64(value);
  std::memcpy(out, &little, sizeof little);
}

/** Years 1678 to 2262 in ns; what lies outside is taken to the nearer end. */
int64_t Nanoseconds(const struct statx_timestamp& time) {
  int64_t result = 0;
  if (__builtin_mul_overflow(int64_t{time.tv_sec}, int64_t{1000000000}, &result) ||
      __builtin_add_overflow(result, int64_t{time.tv_nsec}, &result)) {
    return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
  }
  return result;
}

Bytes RoomAt(const Napi::CallbackInfo& info, size_t index) {
  const Bytes room = BytesAt(info, index);
  if (room.size < kStatusBytes) {
    throw Napi::TypeError::New(info.Env(), "the status buffer is too small");
  }
  return room;
}

}  // namespace

void PackStatus(const struct statx& status, Fields fields, uint8_t* out) {
  const bool all = fields == Fields::kAll;
  Put32(out, status.stx_mode);
  Put32(out + 4, all || !S_ISDIR(status.stx_mode) ? status.stx_nlink : 0);
  Put32(out + 8, status.stx_uid);
  Put32(out + 12, status.stx_gid);
  Put64(out + 16, makedev(status.stx_rdev_major, status.stx_rdev_minor));
  Put64(out + 24, makedev(status.stx_dev_major, status.stx_dev_minor));
  Put64(out + 32, status.stx_ino);
  Put64(out + 40, status.stx_size);
  Put64(out + 48, all ? status.stx_blocks : 0);
  Put64(out + 56, static_cast<uint64_t>(Nanoseconds(status.stx_mtime)));
  Put64(out + 64, static_cast<uint64_t>(Nanoseconds(status.stx_ctime)));
  const bool born = (status.stx_mask & STATX_BTIME) != 0;
  Put64(out + 72, born ? static_cast<uint64_t>(Nanoseconds(status.stx_btime)) : 0);
}

Napi::Value Lstat(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  const Bytes room = RoomAt(info, 1);
  struct statx status;
  if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, kStatxMask, &status) !=
      0) {
    throw SystemError(info.Env(), errno, "lstat", path);
  }
  PackStatus(status, Fields::kAll, room.data);
  return info.Env().Undefined();
}

Napi::Value Fstat(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  const Bytes room = RoomAt(info, 1);
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, kStatxMask, &status) != 0) {
    throw SystemError(info.Env(), errno, "fstat");
  }
  PackStatus(status, Fields::kAll, room.data);
  return info.Env().Undefined();
}

}  // namespace afterimage
