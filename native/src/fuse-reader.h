// A thread that reads requests of the kernel from /dev/fuse and hands them over in batches, so that
// many that come together cost one turn of the event loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "descriptor.h"

namespace afterimage {

class FuseReader {
 public:
  struct Taken {
    std::vector<char> requests;
    bool ended;
  };

  /** Owns `fd`. `ready` is called from the thread when there is something to take. */
  FuseReader(int fd, size_t request_bytes, std::function<void()> ready);
  ~FuseReader();
  FuseReader(const FuseReader&) = delete;
  FuseReader& operator=(const FuseReader&) = delete;

  Taken Take();

 private:
  void Run();
  bool Wait() const;
  bool ReadAll();
  void HandOver(bool ended);

  const Descriptor device_;
  const Descriptor wake_;
  const std::function<void()> ready_;
  std::vector<char> buffer_;
  std::vector<char> batch_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable taken_;
  std::vector<char> waiting_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace afterimage
