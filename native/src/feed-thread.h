// The thread of a feed: sleeps while the kernel merges events, reads all there are, and hands over
// batches. What is not taken is not read on: then the kernel's queue overflows, which is said.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "descriptor.h"
#include "feed-batch.h"
#include "feed-judge.h"
#include "feed-roots.h"

namespace afterimage {

struct FeedLimits {
  /** Bytes of a batch, about: one is handed over when it has as many. */
  size_t batch_bytes;
  /** Batches handed over and not taken, at most. */
  size_t batches;
  /** Events that the group's queue holds: when as many were read, all that was queued before was. */
  size_t queue_events;
};

struct FeedFigures {
  uint64_t events;
  uint64_t lookups;
  uint64_t cpu_ns;
};

class FeedThread {
 public:
  /** `group` and `wake` are closed with it. `ready` is called in the thread, and must not wait. */
  FeedThread(int group, int wake, std::vector<FeedRoot> roots, std::vector<std::string> own_folders,
             FeedLimits limits, std::function<void()> ready);
  ~FeedThread() { Stop(); }
  FeedThread(const FeedThread&) = delete;
  FeedThread& operator=(const FeedThread&) = delete;

  void Start();
  /** Joins it. */
  void Stop();
  /** The number that a `kDrained` record will hold. */
  uint64_t Drain();
  /** The oldest batch; empty for none. */
  std::vector<char> Take();
  FeedFigures figures() const;

 private:
  enum class Read { kEmpty, kEnough, kFailed };

  void Run();
  void Round();
  Read ReadAll(bool draining);
  void Fail(const char* what, int error);
  bool MarksAreThere();
  std::set<std::string> Marks() const;
  void Wait();
  void Rest(int ms) const;
  void HandOver();
  void Wake() const;

  Descriptor group_;
  Descriptor wake_;
  Descriptor mounts_;
  FeedRoots roots_;
  FeedBatch batch_;
  FeedJudge judge_;
  const FeedLimits limits_;
  const std::function<void()> ready_;
  std::set<std::string> marks_;
  std::vector<char> buffer_;
  bool failed_ = false;
  uint64_t drained_ = 0;
  int64_t handed_ms_ = 0;

  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> wanted_{0};
  std::atomic<uint64_t> events_{0};
  std::atomic<uint64_t> lookups_{0};
  std::atomic<uint64_t> cpu_ns_{0};
  std::mutex mutex_;
  std::condition_variable taken_;
  std::deque<std::vector<char>> batches_;
  std::thread thread_;
};

}  // namespace afterimage
