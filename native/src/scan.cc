#include "scan.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "descriptor.h"
#include "system-error.h"

namespace afterimage {
namespace {

/** The kernel's linux_dirent64; glibc declares its twin only as `struct dirent`. */
struct DirentHead {
  uint64_t ino;
  int64_t offset;
  uint16_t bytes;
  uint8_t type;
};
constexpr size_t kDirentName = 19;
constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kLengthBytes = 4;
/** Buffers larger than this are given back after the folder that needed them. */
constexpr size_t kKeptEntries = 16 * 1024;

uint32_t Get32(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return le32toh(value);
}

uint64_t Get64(const uint8_t* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return le64toh(value);
}

bool Stopped(const std::atomic<bool>* stop) {
  return stop != nullptr && stop->load(std::memory_order_relaxed);
}

}  // namespace

int OpenToScan(int parent, const char* name) {
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const int fd = openat(parent, name, flags | O_NOATIME);
  return fd >= 0 || errno != EPERM ? fd : openat(parent, name, flags);
}

int FolderScan::Read(int fd, Fields fields, const std::atomic<bool>* stop) {
  if (entries_.capacity() > kKeptEntries) *this = FolderScan();
  names_.clear();
  entries_.clear();
  failed_.clear();
  const int unread = ReadNames(fd, stop);
  if (unread != 0) return unread;
  SortNames();
  return ReadStatus(fd, fields, stop);
}

int FolderScan::ReadNames(int fd, const std::atomic<bool>* stop) {
  room_.resize(kReadBytes);
  for (;;) {
    if (Stopped(stop)) return ECANCELED;
    const long got = syscall(SYS_getdents64, fd, room_.data(), room_.size());
    if (got < 0) return errno;
    if (got == 0) return 0;
    for (size_t at = 0; at < static_cast<size_t>(got);) {
      DirentHead head;
      std::memcpy(&head, room_.data() + at, kDirentName);
      const char* name = room_.data() + at + kDirentName;
      at += head.bytes;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      const size_t length = std::strlen(name);
      const size_t offset = names_.size();
      names_.insert(names_.end(), name, name + length + 1);
      entries_.push_back({head.ino, offset, static_cast<uint32_t>(length), false, false});
    }
  }
}

/** By name bytes; a name met twice (renamed onto itself while reading) is kept once. */
void FolderScan::SortNames() {
  const auto compare = [this](const Entry& a, const Entry& b) {
    return std::strcmp(NameOf(a), NameOf(b));
  };
  std::sort(entries_.begin(), entries_.end(),
            [&](const Entry& a, const Entry& b) { return compare(a, b) < 0; });
  const auto same = [&](const Entry& a, const Entry& b) { return compare(a, b) == 0; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
}

/** Asks in inode order, which is the order on disk: a cold scan reads the inode table forwards. */
int FolderScan::ReadStatus(int fd, Fields fields, const std::atomic<bool>* stop) {
  status_.resize(entries_.size() * kStatusBytes);
  order_.resize(entries_.size());
  for (uint32_t index = 0; index < order_.size(); index += 1) order_[index] = index;
  std::sort(order_.begin(), order_.end(),
            [&](uint32_t a, uint32_t b) { return entries_[a].ino < entries_[b].ino; });
  for (const uint32_t index : order_) {
    if (Stopped(stop)) return ECANCELED;
    Entry& entry = entries_[index];
    struct statx status;
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (statx(fd, NameOf(entry), flags, kStatxMask, &status) == 0) {
      PackStatus(status, fields, status_.data() + index * kStatusBytes);
      entry.mount = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    } else if (errno == ENOENT) {
      entry.gone = true;
    } else {
      failed_ = NameOf(entry);
      return errno;
    }
  }
  return 0;
}

size_t FolderScan::PackedBytes() const {
  size_t bytes = 0;
  for (const Entry& entry : entries_) {
    if (!entry.gone) bytes += kStatusBytes + kLengthBytes + entry.length;
  }
  return bytes;
}

void FolderScan::Pack(uint8_t* out) const {
  const uint8_t* status = status_.data();
  for (const Entry& entry : entries_) {
    if (!entry.gone) {
      const uint32_t length = htole32(entry.length);
      std::memcpy(out, status, kStatusBytes);
      std::memcpy(out + kStatusBytes, &length, kLengthBytes);
      std::memcpy(out + kStatusBytes + kLengthBytes, NameOf(entry), entry.length);
      out += kStatusBytes + kLengthBytes + entry.length;
    }
    status += kStatusBytes;
  }
}

std::vector<ChildFolder> FolderScan::ChildFolders(uint64_t device) const {
  std::vector<ChildFolder> folders;
  const uint8_t* status = status_.data();
  for (const Entry& entry : entries_) {
    if (!entry.gone && !entry.mount && S_ISDIR(Get32(status)) && Get64(status + 24) == device) {
      folders.push_back({Get64(status + 32), std::string(NameOf(entry), entry.length)});
    }
    status += kStatusBytes;
  }
  return folders;
}

Napi::Value ScanFolder(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  const Fields fields =
      info[1].IsBoolean() && info[1].As<Napi::Boolean>() ? Fields::kAll : Fields::kFingerprint;
  const Descriptor folder(OpenToScan(AT_FDCWD, path.c_str()));
  if (!folder.open()) throw SystemError(info.Env(), errno, "scandir", path);
  FolderScan scan;
  const int error = scan.Read(folder.get(), fields);
  if (error != 0) {
    const bool one = !scan.failed().empty();
    throw SystemError(info.Env(), error, one ? "lstat" : "scandir",
                      one ? path + "/" + scan.failed() : path);
  }
  auto result = Napi::Buffer<uint8_t>::New(info.Env(), scan.PackedBytes());
  scan.Pack(result.Data());
  return result;
}

}  // namespace afterimage
