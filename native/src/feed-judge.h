// Makes reports of events: which paths below the roots they speak of, and what is in doubt.
#pragma once

#include <sys/stat.h>

#include <cstddef>

#include "feed-batch.h"
#include "feed-events.h"
#include "feed-folders.h"
#include "feed-roots.h"

namespace afterimage {

class FeedJudge {
 public:
  FeedJudge(FeedRoots* roots, FeedBatch* batch)
      : roots_(roots), folders_(roots), batch_(batch) {}

  void Judge(const FeedEvent& event);
  /** Paths known so far may be others now. */
  void ForgetPaths() { folders_.Clear(); }
  size_t lookups() const { return folders_.lookups() + located_; }

 private:
  void JudgeInside(const FeedEvent& event, const FeedFolder& folder);
  void JudgeAbove(const FeedEvent& event, const FeedFolder& folder);
  /** Finds a file that is not, or not only, where its event says. */
  void Locate(const FeedEvent& event, const FeedFolder* folder);
  bool LocateThrough(size_t leader, const FeedEvent& event, const FeedFolder* folder);
  bool IsFound(size_t leader, int file, const struct statx& status);
  bool IsStillThere(const FeedEvent& event, const FeedFolder& folder) const;
  bool IsIn(size_t leader, const FeedEvent& event) const;
  void Say(FeedRecord record, const FeedPlace& place, std::string_view name);

  FeedRoots* roots_;
  FeedFolders folders_;
  FeedBatch* batch_;
  size_t located_ = 0;
};

}  // namespace afterimage
