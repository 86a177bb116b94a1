#include "clone.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "arguments.h"
#include "descriptor.h"
#include "system-error.h"

namespace afterimage {
namespace {

/** A call that may take long, on descriptors of its own: the caller may close its own meanwhile. */
class CallWorker : public Napi::AsyncWorker {
 public:
  /** `call` returns 0 or a positive errno. */
  CallWorker(Napi::Env env, const char* syscall, std::string path, std::function<int()> call)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        syscall_(syscall),
        path_(std::move(path)),
        call_(std::move(call)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    error_ = call_();
    call_ = nullptr;  // closes the descriptors before anybody hears of it
  }
  void OnOK() override {
    if (error_ == 0) {
      deferred_.Resolve(Env().Undefined());
    } else {
      deferred_.Reject(SystemError(Env(), error_, syscall_, path_).Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  const char* syscall_;
  std::string path_;
  std::function<int()> call_;
  int error_ = 0;
};

std::shared_ptr<Descriptor> Duplicate(Napi::Env env, int fd, const char* syscall) {
  const int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw SystemError(env, errno, syscall);
  return std::make_shared<Descriptor>(duplicate);
}

Napi::Value InPool(Napi::Env env, const char* syscall, const std::string& path,
                   std::function<int()> call) {
  auto* worker = new CallWorker(env, syscall, path, std::move(call));
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

int ErrnoOf(int result) { return result == 0 ? 0 : errno; }

/** A name of one component. Throws ENAMETOOLONG, EINVAL. */
std::string NameAt(const Napi::CallbackInfo& info, size_t index, const char* syscall) {
  const std::string name = CStringAt(info, index);
  if (name.size() > BTRFS_SUBVOL_NAME_MAX) throw SystemError(info.Env(), ENAMETOOLONG, syscall);
  if (name.find('/') != std::string::npos || name == "." || name == "..") {
    throw SystemError(info.Env(), EINVAL, syscall, name);
  }
  return name;
}

}  // namespace

Napi::Value Clone(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto from = Duplicate(env, DescriptorAt(info, 0), "ficlone");
  const auto to = Duplicate(env, DescriptorAt(info, 1), "ficlone");
  return InPool(env, "ficlone", "",
                [from, to] { return ErrnoOf(ioctl(to->get(), FICLONE, from->get())); });
}

Napi::Value CloneSync(const Napi::CallbackInfo& info) {
  const int from = DescriptorAt(info, 0);
  const int to = DescriptorAt(info, 1);
  if (ioctl(to, FICLONE, from) != 0) throw SystemError(info.Env(), errno, "ficlone");
  return info.Env().Undefined();
}

Napi::Value CreateSnapshot(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const char* syscall = "snapshot";
  const auto subvolume = Duplicate(env, DescriptorAt(info, 0), syscall);
  const auto folder = Duplicate(env, DescriptorAt(info, 1), syscall);
  const std::string name = NameAt(info, 2, syscall);
  return InPool(env, syscall, name, [subvolume, folder, name] {
    struct btrfs_ioctl_vol_args_v2 arguments = {};
    arguments.fd = subvolume->get();
    arguments.flags = BTRFS_SUBVOL_RDONLY;
    std::memcpy(arguments.name, name.data(), name.size());
    return ErrnoOf(ioctl(folder->get(), BTRFS_IOC_SNAP_CREATE_V2, &arguments));
  });
}

Napi::Value DestroySnapshot(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const char* syscall = "snapshot";
  const auto folder = Duplicate(env, DescriptorAt(info, 0), syscall);
  const std::string name = NameAt(info, 1, syscall);
  return InPool(env, syscall, name, [folder, name] {
    struct btrfs_ioctl_vol_args arguments = {};
    std::memcpy(arguments.name, name.data(), name.size());
    return ErrnoOf(ioctl(folder->get(), BTRFS_IOC_SNAP_DESTROY, &arguments));
  });
}

}  // namespace afterimage
