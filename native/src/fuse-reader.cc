#include "fuse-reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace afterimage {
namespace {

/** Requests that wait for JavaScript; past it they stay in the kernel. */
constexpr size_t kWaitingBytes = 8u << 20;
constexpr size_t kBatchBytes = 1u << 20;

}  // namespace

FuseReader::FuseReader(int fd, size_t request_bytes, std::function<void()> ready)
    : device_(fd),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      ready_(std::move(ready)),
      buffer_(request_bytes) {
  fcntl(device_.get(), F_SETFL, fcntl(device_.get(), F_GETFL) | O_NONBLOCK);
  thread_ = std::thread([this] { Run(); });
}

FuseReader::~FuseReader() {
  stopping_ = true;
  const uint64_t one = 1;
  if (write(wake_.get(), &one, sizeof one) < 0) {
    // The counter is full: the thread is woken already.
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    taken_.notify_all();
  }
  thread_.join();
}

FuseReader::Taken FuseReader::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Taken taken{std::move(waiting_), ended_};
  waiting_.clear();
  taken_.notify_all();
  return taken;
}

void FuseReader::Run() {
  bool more = true;
  while (more && !stopping_ && Wait()) {
    more = ReadAll();
    HandOver(!more);
  }
  if (more) HandOver(true);
}

bool FuseReader::Wait() const {
  pollfd both[2] = {{device_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  while (poll(both, 2, -1) < 0) {
    if (errno != EINTR) return false;
  }
  return both[1].revents == 0;
}

/** Everything that waits now, up to the size of a batch. False once there will be no more. */
bool FuseReader::ReadAll() {
  while (batch_.size() < kBatchBytes) {
    const ssize_t got = read(device_.get(), buffer_.data(), buffer_.size());
    if (got > 0) {
      batch_.insert(batch_.end(), buffer_.data(), buffer_.data() + got);
      continue;
    }
    if (got < 0 && errno == EAGAIN) return true;
    // ENOENT: whoever asked was interrupted before the request was read.
    if (got < 0 && (errno == EINTR || errno == ENOENT)) continue;
    return false;
  }
  return true;
}

void FuseReader::HandOver(bool ended) {
  std::unique_lock<std::mutex> lock(mutex_);
  taken_.wait(lock, [this] { return waiting_.size() < kWaitingBytes || stopping_; });
  const bool asleep = waiting_.empty();
  waiting_.insert(waiting_.end(), batch_.begin(), batch_.end());
  batch_.clear();
  ended_ = ended_ || ended;
  const bool tells = (asleep && !waiting_.empty()) || ended_;
  lock.unlock();
  if (tells && !stopping_) ready_();
}

}  // namespace afterimage
