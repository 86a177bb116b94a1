// Reads what the kernel writes into a fanotify group's buffer. The layout is that of fanotify(7).
#pragma once

#include <sys/fanotify.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace afterimage {

/** Headers older than Linux 5.17 lack some of these. */
constexpr unsigned kReportFid = 0x200;
constexpr unsigned kReportDfidName = 0xc00;
constexpr unsigned kReportTargetFid = 0x1000;

/** Views into the buffer. */
struct FeedEvent {
  uint64_t mask = 0;
  /** Id of the folder: of its file system, then its handle. Empty when the kernel named none. */
  std::string_view folder;
  /** Name in the folder; "." or empty for the folder itself. */
  std::string_view name;
  /** Id of the object itself. Of changes of names only since Linux 5.17. */
  std::string_view file;

  bool OfFolder() const { return (mask & FAN_ONDIR) != 0; }
  bool OfItself() const { return name.empty() || name == "."; }
};

/** Walks the events of one read. */
class FeedEvents {
 public:
  FeedEvents(const char* data, size_t size) : data_(data), size_(size) {}

  /** False at the end, and when what follows cannot be read; `broken` tells which. */
  bool Next(FeedEvent* event);
  bool broken() const { return broken_; }

 private:
  const char* data_;
  size_t size_;
  bool broken_ = false;
};

}  // namespace afterimage
