#include "feed-folders.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "descriptor.h"
#include "feed-id.h"

namespace afterimage {
namespace {

/** In each half: about 3 MiB with paths of common length. */
constexpr size_t kFoldersMax = 8192;
/** A path holds no more folders than this, or it is not worth climbing. */
constexpr int kClimbMax = 65536;

bool IsRemoved(int error) { return error == ESTALE || error == ENOENT; }

/** The deepest folder above `fd` whose path can be said; empty when none is found. */
std::string Climb(int fd) {
  int at = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (int step = 0; at >= 0 && step < kClimbMax; step += 1) {
    const Descriptor folder(at);
    std::string path = PathOf(at);
    if (!path.empty()) return path;
    if (errno != ENAMETOOLONG) return path;
    at = openat(folder.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  return std::string();
}

}  // namespace

const FeedFolder& FeedFolders::Find(std::string_view id) {
  std::string key(id);
  const auto young = young_.find(key);
  if (young != young_.end()) return young->second;
  if (young_.size() >= kFoldersMax) {
    old_ = std::move(young_);
    young_ = Map();
  }
  FeedFolder folder;
  const auto old = old_.find(key);
  if (old != old_.end()) {
    folder = std::move(old->second);
    old_.erase(old);
  } else {
    lookups_ += 1;
    folder = Look(id);
    if (folder.where == FeedWhere::kUnknown) {
      unknown_ = std::move(folder);
      return unknown_;
    }
  }
  return young_.emplace(std::move(key), std::move(folder)).first->second;
}

void FeedFolders::Clear() {
  if (!young_.empty()) young_ = Map();
  if (!old_.empty()) old_ = Map();
  roots_->FindOwn();
}

void FeedFolders::Forget(std::string_view id) {
  const std::string key(id);
  young_.erase(key);
  old_.erase(key);
}

FeedFolder FeedFolders::Look(std::string_view id) const {
  FeedFolder folder;
  const auto& roots = roots_->all();
  for (size_t index = 0; index < roots.size(); index += 1) {
    const FeedRoot& root = roots[index];
    if (!root.open() || root.leader != index || root.system != SystemOf(id)) continue;
    if (!LookThrough(index, id, &folder)) {
      folder.where = FeedWhere::kUnknown;
      return folder;
    }
    if (folder.where == FeedWhere::kOwn) return folder;
  }
  return folder;
}

bool FeedFolders::LookThrough(size_t leader, std::string_view id, FeedFolder* folder) const {
  const Descriptor found(OpenById(roots_->all()[leader].fd, id, O_PATH));
  if (!found.open()) return IsRemoved(errno);
  struct stat status;
  if (fstat(found.get(), &status) != 0) return false;
  // Removed, and still open somewhere: nothing can be in it.
  if (status.st_nlink == 0) return true;
  bool deep = folder->where == FeedWhere::kDeep;
  std::string path = PathOf(found.get());
  if (path.empty()) {
    if (errno != ENAMETOOLONG) return false;
    deep = true;
    path = Climb(found.get());
    // Removed on the way up, or moved to where it can be read: what moved it is reported.
    if (path.empty()) return false;
  }
  if (roots_->IsOwn(leader, path)) {
    folder->where = FeedWhere::kOwn;
    return true;
  }
  std::vector<FeedPlace> places;
  roots_->Place(leader, path, &places);
  for (FeedPlace& place : places) {
    // A subvolume below a root is another file system to the agent.
    if (roots_->all()[place.root].dev != status.st_dev) continue;
    folder->places.push_back(std::move(place));
  }
  folder->paths.push_back({leader, std::move(path)});
  if (folder->places.empty()) folder->where = FeedWhere::kOutside;
  else folder->where = deep ? FeedWhere::kDeep : FeedWhere::kInside;
  return true;
}

}  // namespace afterimage
