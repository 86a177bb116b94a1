// What a feed has to say, gathered until it is handed over: each thing once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace afterimage {

/** shared/posix/feed.ts reads the same numbers. */
enum class FeedRecord : uint8_t {
  /** `<root name>/<path>` may have changed. */
  kChanged = 1,
  /** So may all that lies below. */
  kArrived = 2,
  /** A root's name: something in it changed, and which file is not known. */
  kUnclear = 3,
  /** A root's name: events of it were lost. */
  kLost = 4,
  /** A root's name: it is not the folder any more that it was. */
  kRootGone = 5,
  /** A number: all that happened before this drain was asked for stands before it. */
  kDrained = 6,
  /** A message: nothing is reported any more. */
  kFailed = 7,
  /** Device, inode and birth time in ns, with spaces between: a file changed by an unknown name. */
  kElsewhere = 8,
};

class FeedBatch {
 public:
  void Add(FeedRecord record, std::string_view path);

  bool empty() const { return bytes_.empty(); }
  size_t size() const { return bytes_.size(); }
  /** Records, each: kind as a byte, length as u32, path. The batch is empty then. */
  std::vector<char> Take();

 private:
  std::unordered_set<std::string> seen_;
  std::vector<char> bytes_;
};

}  // namespace afterimage
