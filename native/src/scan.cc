#include "scan.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "arguments.h"
#include "descriptor.h"
#include "status.h"
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

struct Entry {
  uint64_t ino;
  size_t name;  // offset into Listing::names; NUL-terminated there
  uint32_t length;
  bool gone;
};

struct Listing {
  std::vector<char> names;
  std::vector<Entry> entries;

  const char* NameOf(const Entry& entry) const { return names.data() + entry.name; }
};

/** Opens without touching the access time where that is allowed (own files, CAP_FOWNER). */
int OpenFolder(const char* path) {
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const int fd = open(path, flags | O_NOATIME);
  return fd >= 0 || errno != EPERM ? fd : open(path, flags);
}

/** 0 or a positive errno. */
int ReadNames(int fd, Listing* listing) {
  std::vector<char> buffer(kReadBytes);
  for (;;) {
    const long got = syscall(SYS_getdents64, fd, buffer.data(), buffer.size());
    if (got < 0) return errno;
    if (got == 0) return 0;
    for (size_t at = 0; at < static_cast<size_t>(got);) {
      DirentHead head;
      std::memcpy(&head, buffer.data() + at, kDirentName);
      const char* name = buffer.data() + at + kDirentName;
      at += head.bytes;
      if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
      const size_t length = std::strlen(name);
      const size_t offset = listing->names.size();
      listing->names.insert(listing->names.end(), name, name + length + 1);
      listing->entries.push_back({head.ino, offset, static_cast<uint32_t>(length), false});
    }
  }
}

/** By name bytes; a name met twice (renamed onto itself while reading) is kept once. */
void SortNames(Listing* listing) {
  auto& entries = listing->entries;
  const auto compare = [listing](const Entry& a, const Entry& b) {
    return std::strcmp(listing->NameOf(a), listing->NameOf(b));
  };
  std::sort(entries.begin(), entries.end(),
            [&](const Entry& a, const Entry& b) { return compare(a, b) < 0; });
  const auto same = [&](const Entry& a, const Entry& b) { return compare(a, b) == 0; };
  entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
}

/**
 * Asks in inode order, which is the order on disk: a cold scan reads the inode table forwards.
 * 0 or a positive errno, then `failed` names the entry.
 */
int ReadStatus(int fd, Fields fields, Listing* listing, uint8_t* out, std::string* failed) {
  auto& entries = listing->entries;
  std::vector<uint32_t> order(entries.size());
  for (uint32_t index = 0; index < order.size(); index += 1) order[index] = index;
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return entries[a].ino < entries[b].ino; });
  for (const uint32_t index : order) {
    Entry& entry = entries[index];
    struct statx status;
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (statx(fd, listing->NameOf(entry), flags, kStatxMask, &status) == 0) {
      PackStatus(status, fields, out + index * kStatusBytes);
    } else if (errno == ENOENT) {
      entry.gone = true;
    } else {
      *failed = listing->NameOf(entry);
      return errno;
    }
  }
  return 0;
}

Napi::Buffer<uint8_t> Pack(Napi::Env env, const Listing& listing, const uint8_t* status) {
  size_t bytes = 0;
  for (const Entry& entry : listing.entries) {
    if (!entry.gone) bytes += kStatusBytes + kLengthBytes + entry.length;
  }
  auto result = Napi::Buffer<uint8_t>::New(env, bytes);
  uint8_t* out = result.Data();
  for (const Entry& entry : listing.entries) {
    if (!entry.gone) {
      const uint32_t length = htole32(entry.length);
      std::memcpy(out, status, kStatusBytes);
      std::memcpy(out + kStatusBytes, &length, kLengthBytes);
      std::memcpy(out + kStatusBytes + kLengthBytes, listing.NameOf(entry), entry.length);
      out += kStatusBytes + kLengthBytes + entry.length;
    }
    status += kStatusBytes;
  }
  return result;
}

}  // namespace

Napi::Value ScanFolder(const Napi::CallbackInfo& info) {
  const std::string path = CStringAt(info, 0);
  const Fields fields =
      info[1].IsBoolean() && info[1].As<Napi::Boolean>() ? Fields::kAll : Fields::kFingerprint;
  const Descriptor folder(OpenFolder(path.c_str()));
  if (!folder.open()) throw SystemError(info.Env(), errno, "scandir", path);
  Listing listing;
  const int unread = ReadNames(folder.get(), &listing);
  if (unread != 0) throw SystemError(info.Env(), unread, "scandir", path);
  SortNames(&listing);
  std::vector<uint8_t> status(listing.entries.size() * kStatusBytes);
  std::string failed;
  const int unknown = ReadStatus(folder.get(), fields, &listing, status.data(), &failed);
  if (unknown != 0) throw SystemError(info.Env(), unknown, "lstat", path + "/" + failed);
  return Pack(info.Env(), listing, status.data());
}

}  // namespace afterimage
