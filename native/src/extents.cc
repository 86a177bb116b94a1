#include "extents.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "arguments.h"
#include "descriptor.h"
#include "system-error.h"

namespace afterimage {
namespace {

/** Extents that one call asks for: 112 KiB. */
constexpr uint32_t kPageExtents = 2'000;
/** Flags that leave the physical place of written data certain. */
constexpr uint32_t kCertain = FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED | FIEMAP_EXTENT_SHARED;

enum class Holds { kZero, kData, kUnsure };

/** Bytes [start, end) of a file. `physical` counts for data only. */
struct Stretch {
  uint64_t start;
  uint64_t end;
  Holds holds;
  uint64_t physical;
};

bool operator==(const Stretch& a, const Stretch& b) {
  return a.start == b.start && a.end == b.end && a.holds == b.holds && a.physical == b.physical;
}

/** What lies between stretches is a hole. */
using Map = std::vector<Stretch>;

Holds HoldsOf(uint32_t flags) {
  // Reserved and never written reads as zeros, as a hole does.
  if ((flags & ~(kCertain | FIEMAP_EXTENT_UNWRITTEN)) != 0) return Holds::kUnsure;
  return (flags & FIEMAP_EXTENT_UNWRITTEN) != 0 ? Holds::kZero : Holds::kData;
}

/** Appends one extent; what an earlier page told of it already is left out. */
void Append(Map* map, const struct fiemap_extent& extent, uint64_t size) {
  uint64_t start = extent.fe_logical;
  const uint64_t end = std::min<uint64_t>(extent.fe_logical + extent.fe_length, size);
  if (!map->empty()) start = std::max(start, map->back().end);
  if (start >= end) return;
  const uint64_t physical = extent.fe_physical + (start - extent.fe_logical);
  map->push_back({start, end, HoldsOf(extent.fe_flags), physical});
}

enum class Read { kDone, kTooMany, kFailed };

/** Reads the map of [0, size). kFailed leaves errno. */
Read ReadMap(int fd, uint64_t size, size_t extents_max, Map* map) {
  std::vector<uint8_t> room(sizeof(struct fiemap) + kPageExtents * sizeof(struct fiemap_extent));
  auto* page = reinterpret_cast<struct fiemap*>(room.data());
  uint64_t at = 0;
  map->clear();
  while (at < size) {
    std::memset(page, 0, sizeof *page);
    page->fm_start = at;
    page->fm_length = size - at;
    page->fm_flags = FIEMAP_FLAG_SYNC;
    page->fm_extent_count = kPageExtents;
    if (ioctl(fd, FS_IOC_FIEMAP, page) != 0) return Read::kFailed;
    const uint32_t count = page->fm_mapped_extents;
    if (count == 0) break;
    for (uint32_t index = 0; index < count; index += 1) {
      Append(map, page->fm_extents[index], size);
    }
    if (map->size() > extents_max) return Read::kTooMany;
    const struct fiemap_extent& last = page->fm_extents[count - 1];
    if ((last.fe_flags & FIEMAP_EXTENT_LAST) != 0) break;
    const uint64_t next = last.fe_logical + last.fe_length;
    if (next <= at) break;
    at = next;
  }
  return Read::kDone;
}

/** Walks a map from its start; positions asked for ascend. */
class Cursor {
 public:
  explicit Cursor(const Map& map) : map_(map) {}

  /** What lies at `at`, cut to start there and to end before `size`. */
  Stretch At(uint64_t at, uint64_t size) {
    while (index_ < map_.size() && map_[index_].end <= at) index_ += 1;
    if (index_ == map_.size()) return {at, size, Holds::kZero, 0};
    const Stretch& next = map_[index_];
    if (next.start > at) return {at, next.start, Holds::kZero, 0};
    return {at, next.end, next.holds, next.physical + (at - next.start)};
  }

 private:
  const Map& map_;
  size_t index_ = 0;
};

bool Same(const Stretch& a, const Stretch& b) {
  if (a.holds != b.holds || a.holds == Holds::kUnsure) return false;
  return a.holds == Holds::kZero || a.physical == b.physical;
}

std::vector<double> Compare(const Map& before, const Map& after, uint64_t size) {
  std::vector<double> ranges;
  Cursor old_at(before);
  Cursor new_at(after);
  for (uint64_t at = 0; at < size;) {
    const Stretch a = old_at.At(at, size);
    const Stretch b = new_at.At(at, size);
    const uint64_t end = std::min(a.end, b.end);
    if (!Same(a, b)) {
      if (!ranges.empty() && ranges.back() == static_cast<double>(at)) {
        ranges.back() = static_cast<double>(end);
      } else {
        ranges.push_back(static_cast<double>(at));
        ranges.push_back(static_cast<double>(end));
      }
    }
    at = end;
  }
  return ranges;
}

class DifferencesWorker : public Napi::AsyncWorker {
 public:
  /** Takes its own duplicates, so that the caller may close its descriptors meanwhile. */
  DifferencesWorker(Napi::Env env, int before, int after, uint64_t size, size_t extents_max)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        before_(before),
        after_(after),
        size_(size),
        extents_max_(extents_max) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    Map before;
    Map after;
    Map again;
    if (!Take(before_, &before) || !Take(after_, &after) || !Take(before_, &again)) return;
    // Blocks that moved meanwhile (defragmenting, balancing) may have been given to the other file.
    if (!(before == again)) return;
    ranges_ = Compare(before, after, size_);
    known_ = true;
  }

  void OnOK() override {
    if (error_ != 0) {
      deferred_.Reject(SystemError(Env(), error_, "fiemap").Value());
    } else if (!known_) {
      deferred_.Resolve(Env().Undefined());
    } else {
      auto result = Napi::Float64Array::New(Env(), ranges_.size());
      std::copy(ranges_.begin(), ranges_.end(), result.Data());
      deferred_.Resolve(result);
    }
  }

 private:
  bool Take(const Descriptor& from, Map* map) {
    const Read read = ReadMap(from.get(), size_, extents_max_, map);
    if (read == Read::kFailed) error_ = errno;
    return read == Read::kDone;
  }

  Napi::Promise::Deferred deferred_;
  Descriptor before_;
  Descriptor after_;
  uint64_t size_;
  size_t extents_max_;
  std::vector<double> ranges_;
  bool known_ = false;
  int error_ = 0;
};

int Duplicate(Napi::Env env, int fd) {
  const int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw SystemError(env, errno, "fiemap");
  return duplicate;
}

}  // namespace

Napi::Value Differences(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int before_fd = DescriptorAt(info, 0);
  const int after_fd = DescriptorAt(info, 1);
  const auto size = static_cast<uint64_t>(CountAt(info, 2));
  const auto extents_max = static_cast<size_t>(CountAt(info, 3));
  const int before = Duplicate(env, before_fd);
  int after = -1;
  try {
    after = Duplicate(env, after_fd);
  } catch (...) {
    close(before);
    throw;
  }
  auto* worker = new DifferencesWorker(env, before, after, size, extents_max);
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

Napi::Value CountExtents(const Napi::CallbackInfo& info) {
  struct fiemap request = {};
  request.fm_length = FIEMAP_MAX_OFFSET;
  if (ioctl(DescriptorAt(info, 0), FS_IOC_FIEMAP, &request) != 0) {
    throw SystemError(info.Env(), errno, "fiemap");
  }
  return Napi::Number::New(info.Env(), request.fm_mapped_extents);
}

}  // namespace afterimage
