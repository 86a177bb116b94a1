// The roots of a feed: opened by their paths for each round and closed after it, so that a feed
// never keeps a file system from being unmounted, and never takes another folder for a root.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "feed-batch.h"

namespace afterimage {

struct FeedRoot {
  std::string name;
  std::string path;
  /** What the folder at `path` must be. */
  dev_t dev = 0;
  ino_t ino = 0;
  /** Id of its file system in events. */
  std::string system;
  /** It was found to be something else; nothing is reported of it any more. */
  bool gone = false;

  /** During a round: the open folder, and its path without symbolic links. */
  int fd = -1;
  std::string top;
  /** Index of the first root on the same mount: one lookup serves them all. */
  size_t leader = 0;

  bool open() const { return fd >= 0; }
};

/** A place below a root; an empty path is the root itself. */
struct FeedPlace {
  size_t root;
  std::string below;

  bool operator==(const FeedPlace& other) const {
    return root == other.root && below == other.below;
  }
};

class FeedRoots {
 public:
  FeedRoots(std::vector<FeedRoot> roots, std::vector<std::string> own_folders)
      : roots_(std::move(roots)), own_folders_(std::move(own_folders)) {}
  ~FeedRoots() { Close(); }
  FeedRoots(const FeedRoots&) = delete;
  FeedRoots& operator=(const FeedRoots&) = delete;

  /** Begins a round. Says which roots are gone. True when paths known so far may be others now. */
  bool Open(FeedBatch* batch);
  /** Ends a round. A root whose own path changed meanwhile has lost events. */
  void Close(FeedBatch* batch);

  const std::vector<FeedRoot>& all() const { return roots_; }
  bool anyOpen() const;
  /** Where an absolute path lies; looks at the roots on the mount of `leader` only. */
  void Place(size_t leader, std::string_view path, std::vector<FeedPlace>* places) const;
  /** Whether the path is a root on that mount, or above one. */
  void RootsAtOrBelow(size_t leader, std::string_view path, std::vector<size_t>* found) const;
  /** Whether the path is one of the own folders or below it. */
  bool IsOwn(size_t leader, std::string_view path) const;
  std::string RealPath(const FeedPlace& place) const;
  /** Says the same of every root, or of those on one file system. */
  void Say(FeedBatch* batch, FeedRecord record, std::string_view system = {}) const;
  /** Calls every root gone, as after its file system was unmounted. */
  void SayGone(FeedBatch* batch);
  /** Looks anew for the own folders; to be called when folders moved. */
  void FindOwn();

 private:
  void Close();
  bool OpenOne(FeedRoot* root);

  struct Own {
    size_t leader;
    std::string path;
  };
  std::vector<FeedRoot> roots_;
  std::vector<std::string> own_folders_;
  std::vector<Own> own_;
};

/** What /proc says of an open file; empty with errno when it says nothing. */
std::string PathOf(int fd);

/** Whether `path` is `folder` or lies below it. */
bool IsBelow(std::string_view path, std::string_view folder);

}  // namespace afterimage
