#include "writers.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/vfs.h>

#include <cerrno>

#include "arguments.h"
#include "system-error.h"

namespace afterimage {
namespace {

constexpr int kNobody = 0;
constexpr int kFlushed = 1;
constexpr int kBlind = 2;

/**
 * A read lease is refused while anybody has the file open for writing, a mapping included, also one
 * whose descriptor is closed. Whoever opens it in the moment that it is ours has it broken by a
 * signal, which would end us were it the usual SIGIO. False also when leases are not ours to take.
 */
bool NobodyWrites(int fd) {
  if (fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return false;
  fcntl(fd, F_SETLEASE, F_UNLCK);
  return true;
}

/** Memory is never written back: pages stay writable, and stores to them leave no trace. */
bool IsBlind(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<uint32_t>(status.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

/** Waits before, so that no page under way is left out; no journal is flushed. */
bool WriteBack(int fd) {
  const unsigned flags =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  return sync_file_range(fd, 0, 0, flags) == 0;
}

}  // namespace

bool FlushOtherWriters(int fd) {
  return NobodyWrites(fd) || (!IsBlind(fd) && WriteBack(fd));
}

Napi::Value FlushWriters(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  if (NobodyWrites(fd)) return Napi::Number::New(info.Env(), kNobody);
  if (IsBlind(fd)) return Napi::Number::New(info.Env(), kBlind);
  if (!WriteBack(fd)) throw SystemError(info.Env(), errno, "sync_file_range");
  return Napi::Number::New(info.Env(), kFlushed);
}

}  // namespace afterimage
