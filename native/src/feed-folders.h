// Where the folders are that events name by their ids, as of now, and remembered: bounded, and
// forgotten whenever a folder moves.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "feed-roots.h"

namespace afterimage {

enum class FeedWhere {
  kInside,
  /** Below a root, but deeper than a path can say: `places` are the deepest folders above it. */
  kDeep,
  kOutside,
  /** The agent's own. */
  kOwn,
  /** Removed. */
  kGone,
  /** The system did not say. */
  kUnknown,
};

/** What lies at a path on the mount of a root. */
struct FeedPath {
  size_t leader;
  std::string path;
};

struct FeedFolder {
  FeedWhere where = FeedWhere::kGone;
  std::vector<FeedPlace> places;
  /** One for each mount that was asked. */
  std::vector<FeedPath> paths;
};

class FeedFolders {
 public:
  explicit FeedFolders(FeedRoots* roots) : roots_(roots) {}

  /** Valid until the next call. */
  const FeedFolder& Find(std::string_view id);
  /** All may be somewhere else now. */
  void Clear();
  void Forget(std::string_view id);
  size_t lookups() const { return lookups_; }

 private:
  using Map = std::unordered_map<std::string, FeedFolder>;

  FeedFolder Look(std::string_view id) const;
  /** False when this mount does not say. */
  bool LookThrough(size_t leader, std::string_view id, FeedFolder* folder) const;

  FeedRoots* roots_;
  /** Two halves: what is asked for moves to the young one, and the old one is dropped whole. */
  Map young_;
  Map old_;
  FeedFolder unknown_;
  size_t lookups_ = 0;
};

}  // namespace afterimage
