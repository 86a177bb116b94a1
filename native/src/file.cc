#include "file.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "arguments.h"
#include "descriptor.h"
#include "system-error.h"

namespace afterimage {
namespace {

/** Linux 6.5: a handle that identifies only, which is all that is asked of it here. */
constexpr int kHandleForIdentity = 0x200;
constexpr unsigned kHandleBytesMax = 128;  // MAX_HANDLE_SZ

class SyncfsWorker : public Napi::AsyncWorker {
 public:
  /** Takes its own duplicate, so that the caller may close `fd` meanwhile. */
  SyncfsWorker(Napi::Env env, int duplicate)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        descriptor_(duplicate) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    if (syncfs(descriptor_.get()) != 0) error_ = errno;
  }
  void OnOK() override {
    if (error_ == 0) {
      deferred_.Resolve(Env().Undefined());
    } else {
      deferred_.Reject(SystemError(Env(), error_, "syncfs").Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  Descriptor descriptor_;
  int error_ = 0;
};

/** Puts the descriptor's offset back, whatever SEEK_DATA and SEEK_HOLE did to it. */
class KeptOffset {
 public:
  explicit KeptOffset(int fd) : fd_(fd), offset_(lseek(fd, 0, SEEK_CUR)) {}
  ~KeptOffset() {
    if (offset_ >= 0) lseek(fd_, offset_, SEEK_SET);
  }
  KeptOffset(const KeptOffset&) = delete;
  KeptOffset& operator=(const KeptOffset&) = delete;

 private:
  int fd_;
  off_t offset_;
};

}  // namespace

Napi::Value Syncfs(const Napi::CallbackInfo& info) {
  const int duplicate = fcntl(DescriptorAt(info, 0), F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw SystemError(info.Env(), errno, "syncfs");
  auto* worker = new SyncfsWorker(info.Env(), duplicate);
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

Napi::Value SyncfsSync(const Napi::CallbackInfo& info) {
  if (syncfs(DescriptorAt(info, 0)) != 0) throw SystemError(info.Env(), errno, "syncfs");
  return info.Env().Undefined();
}

Napi::Value DataRanges(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  const off_t size = CountAt(info, 1);
  const KeptOffset kept(fd);
  std::vector<double> ranges;
  off_t at = 0;
  while (at < size) {
    const off_t start = lseek(fd, at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;  // nothing but a hole from here on
    if (start < 0 && errno == EINVAL) {      // the file system cannot tell
      ranges = {0, static_cast<double>(size)};
      break;
    }
    if (start < 0) throw SystemError(info.Env(), errno, "lseek");
    if (start >= size) break;
    off_t end = lseek(fd, start, SEEK_HOLE);
    if (end < 0 && errno == ENXIO) end = start;  // cut off meanwhile
    if (end < 0) throw SystemError(info.Env(), errno, "lseek");
    end = std::min(end, size);
    if (end <= start) break;
    ranges.push_back(static_cast<double>(start));
    ranges.push_back(static_cast<double>(end));
    at = end;
  }
  auto result = Napi::Float64Array::New(info.Env(), ranges.size());
  std::copy(ranges.begin(), ranges.end(), result.Data());
  return result;
}

Napi::Value HandleOf(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  alignas(struct file_handle) uint8_t room[sizeof(struct file_handle) + kHandleBytesMax];
  auto* handle = reinterpret_cast<struct file_handle*>(room);
  handle->handle_bytes = kHandleBytesMax;
  int mount = 0;
  int result = name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, 0);
  if (result != 0 && errno == EOPNOTSUPP) {
    handle->handle_bytes = kHandleBytesMax;
    result = name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount, kHandleForIdentity);
    if (result != 0 && errno == EINVAL) return info.Env().Undefined();
  }
  if (result != 0) {
    const bool unsupported = errno == EOPNOTSUPP || errno == EOVERFLOW || errno == ENOSYS;
    if (unsupported) return info.Env().Undefined();
    throw SystemError(info.Env(), errno, "name_to_handle_at", path);
  }
  const uint32_t type = htole32(static_cast<uint32_t>(handle->handle_type));
  auto buffer = Napi::Buffer<uint8_t>::New(info.Env(), sizeof type + handle->handle_bytes);
  std::memcpy(buffer.Data(), &type, sizeof type);
  std::memcpy(buffer.Data() + sizeof type, handle->f_handle, handle->handle_bytes);
  return buffer;
}

Napi::Value OpenTemporary(const Napi::CallbackInfo& info) {
  const std::string folder = CStringAt(info, 0);
  const uint32_t mode = Uint32At(info, 1);
  const int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd >= 0) return Napi::Number::New(info.Env(), fd);
  const bool unsupported = errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
  if (unsupported) return info.Env().Undefined();
  throw SystemError(info.Env(), errno, "open", folder);
}

Napi::Value LinkTemporary(const Napi::CallbackInfo& info) {
  const std::string source = "/proc/self/fd/" + std::to_string(DescriptorAt(info, 0));
  const std::string path = CStringAt(info, 1);
  if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    throw SystemError(info.Env(), errno, "linkat", path);
  }
  return info.Env().Undefined();
}

}  // namespace afterimage
