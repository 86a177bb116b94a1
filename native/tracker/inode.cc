#include "inode.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include "../src/arguments.h"
#include "../src/descriptor.h"
#include "../src/system-error.h"

namespace afterimage {
namespace {

constexpr size_t kDirectBytes = 4096;

std::string OwnPath(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

/** Why a file's changes do not all pass the programs; empty when they do. */
std::string RefusalOf(int fd, const struct statx& status) {
  if ((status.stx_attributes & STATX_ATTR_DAX) != 0) return "stores go to its memory directly (DAX)";
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_JOURNAL_DATA_FL) != 0) {
    return "its content is journalled";
  }
  return "";
}

}  // namespace

Napi::Value InodeOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = DescriptorAt(info, 0);
  struct statx status = {};
  struct statfs system = {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE, &status) != 0) {
    throw SystemError(env, errno, "statx");
  }
  if (fstatfs(fd, &system) != 0) throw SystemError(env, errno, "fstatfs");
  const auto magic = static_cast<unsigned long>(system.f_type);
  int generation = 0;
  std::string name = magic == EXT4_SUPER_MAGIC ? "ext4" : magic == XFS_SUPER_MAGIC ? "xfs" : "";
  if (!name.empty() && ioctl(fd, FS_IOC_GETVERSION, &generation) != 0) name.clear();
  Napi::Object inode = Napi::Object::New(env);
  inode.Set("inode", Napi::BigInt::New(env, static_cast<uint64_t>(status.stx_ino)));
  // as the kernel numbers devices inside, which is what the programs see
  inode.Set("device", Napi::Number::New(env, (static_cast<double>(status.stx_dev_major) * 1048576.0) +
                                                 status.stx_dev_minor));
  inode.Set("generation", Napi::Number::New(env, static_cast<uint32_t>(generation)));
  inode.Set("fileSystem", Napi::String::New(env, name));
  inode.Set("refusal", Napi::String::New(env, RefusalOf(fd, status)));
  return inode;
}

Napi::Value OpenWatch(const Napi::CallbackInfo& info) {
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch < 0) throw SystemError(info.Env(), errno, "inotify_init1");
  return Napi::Number::New(info.Env(), watch);
}

Napi::Value WatchInode(const Napi::CallbackInfo& info) {
  const int watch = DescriptorAt(info, 0);
  const std::string path = OwnPath(DescriptorAt(info, 1));
  // an unmount is told whatever is asked for
  const int number = inotify_add_watch(watch, path.c_str(), IN_DELETE_SELF);
  if (number < 0) throw SystemError(info.Env(), errno, "inotify_add_watch", path);
  return Napi::Number::New(info.Env(), number);
}

Napi::Value UnwatchInode(const Napi::CallbackInfo& info) {
  const int watch = DescriptorAt(info, 0);
  const auto number = static_cast<int>(Uint32At(info, 1));
  // EINVAL: it went by itself
  if (inotify_rm_watch(watch, number) != 0 && errno != EINVAL) {
    throw SystemError(info.Env(), errno, "inotify_rm_watch");
  }
  return info.Env().Undefined();
}

Napi::Value GoneInodes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int watch = DescriptorAt(info, 0);
  Napi::Array gone = Napi::Array::New(env);
  alignas(inotify_event) char events[4096];
  for (;;) {
    const ssize_t bytes = read(watch, events, sizeof events);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return gone;
    if (bytes < 0) throw SystemError(env, errno, "read");
    for (ssize_t at = 0; at < bytes;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      gone.Set(gone.Length(), Napi::Number::New(env, (event->mask & IN_Q_OVERFLOW) != 0 ? -1 : event->wd));
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
}

int FlushForLook(int fd) {
  const std::string path = OwnPath(fd);
  const Descriptor own(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!own.open()) return errno;
  // Each takes the inode's lock shared, on one of the file systems at least, and so waits for a writer
  // that was marked before it changed anything: SEEK_DATA on ext4, a read on XFS, a direct read on both.
  if (lseek(own.get(), 0, SEEK_DATA) < 0 && errno != ENXIO) return errno;
  char byte = 0;
  if (pread(own.get(), &byte, 1, 0) < 0) return errno;
  const Descriptor direct(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
  const std::unique_ptr<void, decltype(&free)> page(aligned_alloc(kDirectBytes, kDirectBytes), free);
  if (!direct.open() || page == nullptr) return direct.open() ? ENOMEM : errno;
  if (pread(direct.get(), page.get(), kDirectBytes, 0) < 0) return errno;
  return fdatasync(own.get()) == 0 ? 0 : errno;
}

}  // namespace afterimage
