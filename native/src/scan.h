// A whole folder with the status of every entry in one call: what the agent runs at every sync.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "status.h"

namespace afterimage {

/** Opens `name` below `parent` (or AT_FDCWD) as a folder, without touching its access time where allowed. */
int OpenToScan(int parent, const char* name);

/** A folder within a scanned one. */
struct ChildFolder {
  uint64_t ino;
  std::string name;
};

/** One folder at a time, in buffers that are kept for the next one. */
class FolderScan {
 public:
  /** Reads names and status. 0, or a positive errno; then `failed()` names the entry, if it is one. */
  int Read(int fd, Fields fields, const std::atomic<bool>* stop = nullptr);

  const std::string& failed() const { return failed_; }

  size_t PackedBytes() const;

  /** Records sorted by name: a packed status, the name's length as u32, the name. */
  void Pack(uint8_t* out) const;

  /** By name, without those on other devices and those that something is mounted on. */
  std::vector<ChildFolder> ChildFolders(uint64_t device) const;

 private:
  struct Entry {
    uint64_t ino;
    size_t name;  // offset into names_; NUL-terminated there
    uint32_t length;
    bool gone;
    bool mount;
  };

  int ReadNames(int fd, const std::atomic<bool>* stop);
  void SortNames();
  int ReadStatus(int fd, Fields fields, const std::atomic<bool>* stop);
  const char* NameOf(const Entry& entry) const { return names_.data() + entry.name; }

  std::vector<char> room_;
  std::vector<char> names_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> order_;
  std::vector<uint8_t> status_;
  std::string failed_;
};

/** scanFolder(path, all: boolean): Buffer of the records of `FolderScan::Pack`. */
Napi::Value ScanFolder(const Napi::CallbackInfo& info);

}  // namespace afterimage
