#include "feed-judge.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "descriptor.h"
#include "feed-id.h"

namespace afterimage {
namespace {

constexpr uint64_t kMoves = FAN_MOVED_FROM | FAN_MOVED_TO;
constexpr uint64_t kWrites = FAN_MODIFY | FAN_ATTRIB | FAN_CLOSE_WRITE;

/** Of a write through a file, not of a change of a folder: the file may have other names. */
bool IsWrite(const FeedEvent& event) {
  return (event.mask & kWrites) != 0 && !event.OfFolder() && !event.file.empty();
}

}  // namespace

/**
 * Ids are looked up late, so what is reported are the paths of now; what moved meanwhile has an
 * event of its own, later in the queue. A remembered path can be wrong only until that event is
 * read: then the place it moved to is reported whole, as arrived.
 */
void FeedJudge::Judge(const FeedEvent& event) {
  if ((event.mask & FAN_Q_OVERFLOW) != 0) {
    roots_->Say(batch_, FeedRecord::kLost);
    return;
  }
  if (event.OfFolder() && (event.mask & kMoves) != 0) folders_.Clear();
  if (event.OfFolder() && (event.mask & FAN_DELETE) != 0 && !event.file.empty()) {
    folders_.Forget(event.file);
  }
  if (event.folder.empty()) {
    // A write through a handle, as a file server's, or a count of links that changed.
    if (!event.file.empty()) Locate(event, nullptr);
    return;
  }
  const FeedFolder& folder = folders_.Find(event.folder);
  switch (folder.where) {
    case FeedWhere::kOwn:
      return;
    case FeedWhere::kInside:
    case FeedWhere::kDeep:
      JudgeAbove(event, folder);
      JudgeInside(event, folder);
      return;
    case FeedWhere::kOutside:
      JudgeAbove(event, folder);
      if (IsWrite(event)) Locate(event, &folder);
      return;
    case FeedWhere::kGone:
      // Names in it are gone with it, and the removal names its parent. What was moved out of it
      // before has an event where it went. Only a write may be to a file that lives on elsewhere.
      if (IsWrite(event)) Locate(event, nullptr);
      return;
    case FeedWhere::kUnknown:
      roots_->Say(batch_, FeedRecord::kUnclear, SystemOf(event.folder));
  }
}

void FeedJudge::JudgeInside(const FeedEvent& event, const FeedFolder& folder) {
  const bool deep = folder.where == FeedWhere::kDeep;
  const bool arrived = event.OfFolder() && (event.mask & FAN_MOVED_TO) != 0;
  for (const FeedPlace& place : folder.places) {
    if (deep) Say(FeedRecord::kArrived, place, {});
    else if (event.OfItself()) Say(FeedRecord::kChanged, place, {});
    else Say(arrived ? FeedRecord::kArrived : FeedRecord::kChanged, place, event.name);
  }
  // A name that was made since the last round needs no second look: a file had no other name before
  // it, or its count of links changed when it got this one, and again when it lost it. Each change
  // of the count is an event of the file itself, later than the writes before it.
  if ((event.mask & FAN_CREATE) != 0) return;
  if (IsWrite(event) && !IsStillThere(event, folder)) Locate(event, &folder);
}

/**
 * A root, or a folder above it, that moved and may be back: what was looked up meanwhile was
 * compared with a path that the root did not have.
 */
void FeedJudge::JudgeAbove(const FeedEvent& event, const FeedFolder& folder) {
  if (!event.OfFolder() || (event.mask & kMoves) == 0 || event.OfItself()) return;
  std::vector<size_t> roots;
  for (const FeedPath& at : folder.paths) {
    std::string path = at.path == "/" ? at.path : at.path + "/";
    roots_->RootsAtOrBelow(at.leader, path.append(event.name), &roots);
  }
  for (const size_t root : roots) Say(FeedRecord::kArrived, {root, ""}, {});
}

/** The name may have been removed, or given to another file, before the write. */
bool FeedJudge::IsStillThere(const FeedEvent& event, const FeedFolder& folder) const {
  if (folder.where != FeedWhere::kInside || event.OfItself()) return false;
  const std::string path = roots_->RealPath(folder.places.front());
  return IsNamed(AT_FDCWD, (path + "/").append(event.name).c_str(), 0, event.file);
}

void FeedJudge::Locate(const FeedEvent& event, const FeedFolder* folder) {
  located_ += 1;
  const auto& roots = roots_->all();
  for (size_t index = 0; index < roots.size(); index += 1) {
    const FeedRoot& root = roots[index];
    if (!root.open() || root.leader != index || root.system != SystemOf(event.file)) continue;
    if (LocateThrough(index, event, folder)) continue;
    roots_->Say(batch_, FeedRecord::kUnclear, root.system);
    return;
  }
}

/** False when the system does not say what became of the file. */
bool FeedJudge::LocateThrough(size_t leader, const FeedEvent& event, const FeedFolder* folder) {
  const Descriptor file(OpenById(roots_->all()[leader].fd, event.file, O_PATH));
  if (!file.open()) return errno == ESTALE || errno == ENOENT;
  struct statx status;
  const unsigned fields = STATX_BASIC_STATS | STATX_BTIME;
  if (statx(file.get(), "", AT_EMPTY_PATH, fields, &status) != 0) return false;
  if (status.stx_nlink == 0 || IsFound(leader, file.get(), status)) return true;
  // Only there, or in a place of which the folder is reported already.
  const bool there = folder != nullptr && !event.name.empty() && IsIn(leader, event);
  if (there && (folder->where != FeedWhere::kOutside || status.stx_nlink == 1)) return true;
  const auto birth = static_cast<uint64_t>(status.stx_btime.tv_sec) * 1000000000u +
                     status.stx_btime.tv_nsec;
  batch_->Add(FeedRecord::kElsewhere,
              std::to_string(makedev(status.stx_dev_major, status.stx_dev_minor)) + " " +
                  std::to_string(status.stx_ino) + " " + std::to_string(birth));
  return true;
}

/**
 * By the path that the kernel remembers. Its other names, if any, are the same file to the agent;
 * of a file that is found outside the roots only they may be inside.
 */
bool FeedJudge::IsFound(size_t leader, int file, const struct statx& status) {
  const std::string path = PathOf(file);
  struct statx there;
  if (path.empty() ||
      statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &there) != 0) {
    return false;
  }
  // A file whose name is not remembered has a path that leads elsewhere.
  if (there.stx_ino != status.stx_ino || there.stx_dev_major != status.stx_dev_major ||
      there.stx_dev_minor != status.stx_dev_minor) {
    return false;
  }
  if (roots_->IsOwn(leader, path)) return true;
  std::vector<FeedPlace> places;
  roots_->Place(leader, path, &places);
  const dev_t dev = makedev(status.stx_dev_major, status.stx_dev_minor);
  bool inside = false;
  for (const FeedPlace& place : places) {
    if (roots_->all()[place.root].dev != dev) continue;
    inside = true;
    Say(FeedRecord::kChanged, place, {});
  }
  return inside || status.stx_nlink == 1;
}

/** By folder and name, for paths that are too long to be said or not known. */
bool FeedJudge::IsIn(size_t leader, const FeedEvent& event) const {
  const Descriptor folder(OpenById(roots_->all()[leader].fd, event.folder, O_PATH));
  if (!folder.open()) return false;
  return IsNamed(folder.get(), std::string(event.name).c_str(), 0, event.file);
}

void FeedJudge::Say(FeedRecord record, const FeedPlace& place, std::string_view name) {
  std::string path = roots_->all()[place.root].name;
  if (!place.below.empty()) path.append("/").append(place.below);
  if (!name.empty()) path.append("/").append(name);
  batch_->Add(record, path);
}

}  // namespace afterimage
