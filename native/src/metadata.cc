#include "metadata.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "arguments.h"
#include "system-error.h"

namespace afterimage {
namespace {

/** The list of names, each NUL-terminated; asks again when it grew between the two calls. */
std::vector<char> ListNames(Napi::Env env, const std::string& path) {
  for (;;) {
    const ssize_t room = llistxattr(path.c_str(), nullptr, 0);
    if (room == 0 || (room < 0 && errno == ENOTSUP)) return {};
    if (room < 0) throw SystemError(env, errno, "llistxattr", path);
    std::vector<char> names(static_cast<size_t>(room));
    const ssize_t got = llistxattr(path.c_str(), names.data(), names.size());
    if (got >= 0) {
      names.resize(static_cast<size_t>(got));
      return names;
    }
    if (errno != ERANGE) throw SystemError(env, errno, "llistxattr", path);
  }
}

/** False when the attribute is gone by now. */
bool ReadValue(Napi::Env env, const std::string& path, const char* name,
               std::vector<uint8_t>* value) {
  for (;;) {
    const ssize_t room = lgetxattr(path.c_str(), name, nullptr, 0);
    if (room < 0 && errno == ENODATA) return false;
    if (room < 0) throw SystemError(env, errno, "lgetxattr", path);
    value->resize(static_cast<size_t>(room));
    if (room == 0) return true;
    const ssize_t got = lgetxattr(path.c_str(), name, value->data(), value->size());
    if (got >= 0) {
      value->resize(static_cast<size_t>(got));
      return true;
    }
    if (errno == ENODATA) return false;
    if (errno != ERANGE) throw SystemError(env, errno, "lgetxattr", path);
  }
}

}  // namespace

Napi::Value GetXattrs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = CStringAt(info, 0);
  const std::vector<char> names = ListNames(env, path);
  Napi::Array result = Napi::Array::New(env);
  uint32_t count = 0;
  std::vector<uint8_t> value;
  for (size_t at = 0; at < names.size();) {
    const char* name = names.data() + at;
    const size_t length = strnlen(name, names.size() - at);
    at += length + 1;
    if (!ReadValue(env, path, name, &value)) continue;
    result.Set(count, Napi::Buffer<char>::Copy(env, name, length));
    result.Set(count + 1, Napi::Buffer<uint8_t>::Copy(env, value.data(), value.size()));
    count += 2;
  }
  return result;
}

Napi::Value SetXattr(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  const std::string name = CStringAt(info, 1);
  const Bytes value = BytesAt(info, 2);
  if (lsetxattr(path.c_str(), name.c_str(), value.data, value.size, 0) != 0) {
    throw SystemError(info.Env(), errno, "lsetxattr", path);
  }
  return info.Env().Undefined();
}

Napi::Value RemoveXattr(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  const std::string name = CStringAt(info, 1);
  if (lremovexattr(path.c_str(), name.c_str()) != 0) {
    throw SystemError(info.Env(), errno, "lremovexattr", path);
  }
  return info.Env().Undefined();
}

Napi::Value SetMtime(const Napi::CallbackInfo& info) {
  constexpr int64_t kSecond = 1000000000;
  const std::string path = CStringAt(info, 0);
  const int64_t ns = BigIntAt(info, 1);
  struct timespec time = {};
  time.tv_sec = ns / kSecond;
  time.tv_nsec = ns % kSecond;
  if (time.tv_nsec < 0) {
    time.tv_sec -= 1;
    time.tv_nsec += kSecond;
  }
  const struct timespec both[2] = {time, time};
  if (utimensat(AT_FDCWD, path.c_str(), both, AT_SYMLINK_NOFOLLOW) != 0) {
    throw SystemError(info.Env(), errno, "lutimes", path);
  }
  return info.Env().Undefined();
}

Napi::Value Mknod(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  const uint32_t mode = Uint32At(info, 1);
  const int64_t rdev = CountAt(info, 2);
  const bool special = S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
  if (!special) throw SystemError(info.Env(), EINVAL, "mknod", path);
  if (mknod(path.c_str(), mode, static_cast<dev_t>(rdev)) != 0) {
    throw SystemError(info.Env(), errno, "mknod", path);
  }
  return info.Env().Undefined();
}

}  // namespace afterimage
