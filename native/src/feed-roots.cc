#include "feed-roots.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

#include "descriptor.h"
#include "feed-id.h"

namespace afterimage {
namespace {

/** Of two open files on one file system: whether one lookup by handle serves both. */
uint64_t MountOf(int fd) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) return 0;
  return (status.stx_mask & STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0;
}

}  // namespace

std::string PathOf(int fd) {
  char link[64];
  char path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path);
  if (length < 0) return std::string();
  if (length == static_cast<ssize_t>(sizeof path)) {
    errno = ENAMETOOLONG;
    return std::string();
  }
  return std::string(path, static_cast<size_t>(length));
}

bool IsBelow(std::string_view path, std::string_view folder) {
  if (folder == "/") return true;
  if (path.size() < folder.size() || path.substr(0, folder.size()) != folder) return false;
  return path.size() == folder.size() || path[folder.size()] == '/';
}

bool FeedRoots::OpenOne(FeedRoot* root) {
  root->fd = open(root->path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  if (!root->open()) return false;
  struct stat status;
  if (fstat(root->fd, &status) == 0 && status.st_dev == root->dev && status.st_ino == root->ino) {
    std::string top = PathOf(root->fd);
    if (!top.empty()) {
      root->top.swap(top);
      return true;
    }
  }
  close(root->fd);
  root->fd = -1;
  return false;
}

bool FeedRoots::Open(FeedBatch* batch) {
  bool moved = false;
  std::vector<uint64_t> mounts(roots_.size());
  for (size_t index = 0; index < roots_.size(); index += 1) {
    FeedRoot& root = roots_[index];
    if (root.gone) continue;
    const std::string before = root.top;
    const size_t led = root.leader;
    if (!OpenOne(&root)) {
      root.gone = true;
      batch->Add(FeedRecord::kRootGone, root.name);
      continue;
    }
    root.leader = index;
    mounts[index] = MountOf(root.fd);
    for (size_t first = 0; first < index; first += 1) {
      const FeedRoot& other = roots_[first];
      if (!other.open() || mounts[first] == 0 || mounts[first] != mounts[index]) continue;
      root.leader = first;
      break;
    }
    moved = moved || root.top != before || root.leader != led;
  }
  if (moved) FindOwn();
  return moved;
}

void FeedRoots::Close(FeedBatch* batch) {
  for (FeedRoot& root : roots_) {
    if (!root.open() || PathOf(root.fd) == root.top) continue;
    // Its mount point moved, or the root itself did: paths of this round were compared with the
    // wrong one. A root that moved is gone at the next round.
    batch->Add(FeedRecord::kLost, root.name);
    root.top.clear();
  }
  Close();
}

void FeedRoots::Close() {
  for (FeedRoot& root : roots_) {
    if (root.open()) close(root.fd);
    root.fd = -1;
  }
}

bool FeedRoots::anyOpen() const {
  return std::any_of(roots_.begin(), roots_.end(), [](const FeedRoot& root) { return root.open(); });
}

void FeedRoots::Place(size_t leader, std::string_view path,
                      std::vector<FeedPlace>* places) const {
  for (size_t index = leader; index < roots_.size(); index += 1) {
    const FeedRoot& root = roots_[index];
    if (!root.open() || root.leader != leader || !IsBelow(path, root.top)) continue;
    const size_t skip = root.top == "/" ? 1 : root.top.size() + 1;
    places->push_back({index, std::string(path.substr(std::min(skip, path.size())))});
  }
}

void FeedRoots::RootsAtOrBelow(size_t leader, std::string_view path,
                               std::vector<size_t>* found) const {
  for (size_t index = leader; index < roots_.size(); index += 1) {
    const FeedRoot& root = roots_[index];
    if (root.open() && root.leader == leader && IsBelow(root.top, path)) found->push_back(index);
  }
}

bool FeedRoots::IsOwn(size_t leader, std::string_view path) const {
  return std::any_of(own_.begin(), own_.end(), [&](const Own& own) {
    return own.leader == leader && IsBelow(path, own.path);
  });
}

std::string FeedRoots::RealPath(const FeedPlace& place) const {
  const std::string& top = roots_[place.root].top;
  if (place.below.empty()) return top;
  return (top == "/" ? top : top + "/") + place.below;
}

void FeedRoots::Say(FeedBatch* batch, FeedRecord record, std::string_view system) const {
  for (const FeedRoot& root : roots_) {
    if (!root.gone && (system.empty() || root.system == system)) batch->Add(record, root.name);
  }
}

void FeedRoots::SayGone(FeedBatch* batch) {
  for (FeedRoot& root : roots_) {
    if (root.gone) continue;
    root.gone = true;
    batch->Add(FeedRecord::kRootGone, root.name);
  }
}

/** By handle, as the path to an own folder may lead through another mount than the root's. */
void FeedRoots::FindOwn() {
  own_.clear();
  for (const std::string& folder : own_folders_) {
    struct stat wanted;
    if (stat(folder.c_str(), &wanted) != 0) continue;
    for (size_t index = 0; index < roots_.size(); index += 1) {
      const FeedRoot& root = roots_[index];
      if (!root.open() || root.leader != index) continue;
      const std::string id = IdOf(AT_FDCWD, folder.c_str(), AT_SYMLINK_FOLLOW, root.system);
      if (id.empty()) continue;
      const Descriptor found(OpenById(root.fd, id, O_PATH));
      struct stat status;
      if (!found.open() || fstat(found.get(), &status) != 0) continue;
      // The handle of another file system may fit a folder of this one.
      if (status.st_dev != wanted.st_dev || status.st_ino != wanted.st_ino) continue;
      std::string path = PathOf(found.get());
      if (!path.empty()) own_.push_back({index, std::move(path)});
    }
  }
}

}  // namespace afterimage
