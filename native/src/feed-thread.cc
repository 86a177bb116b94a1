#include "feed-thread.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <utility>

namespace afterimage {
namespace {

/** While it sleeps, the kernel merges events of the same name, and a writer is not switched out. */
constexpr int kMergeMs = 20;
/** Between batches while changes go on. */
constexpr int64_t kBatchMs = 80;
/** Roots can change where no event tells, as by a symbolic link on the way to one. */
constexpr int kLookMs = 1000;
constexpr size_t kReadBytes = 128 * 1024;
/** An event with the longest name and two handles takes less. */
constexpr size_t kEventBytesMax = 2048;

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

uint64_t CpuNs() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1000000000u + static_cast<uint64_t>(used.tv_nsec);
}

}  // namespace

FeedThread::FeedThread(int group, int wake, std::vector<FeedRoot> roots,
                       std::vector<std::string> own_folders, FeedLimits limits,
                       std::function<void()> ready)
    : group_(group),
      wake_(wake),
      mounts_(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)),
      roots_(std::move(roots), std::move(own_folders)),
      judge_(&roots_, &batch_),
      limits_(limits),
      ready_(std::move(ready)),
      marks_(Marks()),
      buffer_(kReadBytes) {}

void FeedThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void FeedThread::Stop() {
  stopping_ = true;
  Wake();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    taken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

uint64_t FeedThread::Drain() {
  const uint64_t number = ++wanted_;
  Wake();
  return number;
}

std::vector<char> FeedThread::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (batches_.empty()) return {};
  std::vector<char> batch = std::move(batches_.front());
  batches_.pop_front();
  taken_.notify_all();
  return batch;
}

FeedFigures FeedThread::figures() const { return {events_, lookups_, cpu_ns_}; }

void FeedThread::Run() {
  while (!stopping_) {
    Wait();
    if (stopping_) return;
    Round();
    lookups_ = judge_.lookups();
    cpu_ns_ = CpuNs();
  }
}

/** Until there is something to do; then a while longer, unless a drain waits. */
void FeedThread::Wait() {
  const int batch_ms = static_cast<int>(std::max<int64_t>(0, handed_ms_ + kBatchMs - NowMs()));
  pollfd polled[3] = {{wake_.get(), POLLIN, 0},
                      {failed_ ? -1 : group_.get(), POLLIN, 0},
                      {mounts_.get(), POLLPRI, 0}};
  poll(polled, 3, batch_.empty() ? kLookMs : std::min(batch_ms, kLookMs));
  // An edge that was seen is gone: what it told of is looked for in this round.
  if ((polled[2].revents & (POLLPRI | POLLERR)) != 0 && !MarksAreThere()) {
    roots_.SayGone(&batch_);
  }
  if ((polled[1].revents & POLLIN) != 0 && wanted_ == drained_) Rest(kMergeMs);
  uint64_t count = 0;
  if (read(wake_.get(), &count, sizeof count) < 0 && errno != EAGAIN) Fail("read", errno);
}

void FeedThread::Rest(int ms) const {
  pollfd polled{wake_.get(), POLLIN, 0};
  poll(&polled, 1, ms);
}

void FeedThread::Round() {
  // Asked for before the round looks at anything.
  const uint64_t wanted = wanted_;
  const bool draining = wanted != drained_;
  pollfd polled{mounts_.get(), POLLPRI, 0};
  if (poll(&polled, 1, 0) > 0 && !MarksAreThere()) roots_.SayGone(&batch_);
  if (roots_.Open(&batch_)) judge_.ForgetPaths();
  const Read read = failed_ ? Read::kFailed : ReadAll(draining);
  roots_.Close(&batch_);
  if (draining && read != Read::kEnough) {
    drained_ = wanted;
    batch_.Add(FeedRecord::kDrained, std::to_string(wanted));
    HandOver();
  } else if (!batch_.empty() && NowMs() - handed_ms_ >= kBatchMs) {
    HandOver();
  }
}

/** Until the queue was empty once; a drain ends also when all was read that the queue could hold. */
FeedThread::Read FeedThread::ReadAll(bool draining) {
  size_t count = 0;
  while (!stopping_) {
    const ssize_t got = read(group_.get(), buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Read::kEmpty;
    if (got <= 0) {
      Fail("read", got < 0 ? errno : EIO);
      return Read::kFailed;
    }
    FeedEvents events(buffer_.data(), static_cast<size_t>(got));
    FeedEvent event;
    for (; !stopping_ && events.Next(&event); count += 1) {
      events_ += 1;
      judge_.Judge(event);
      if (batch_.size() >= limits_.batch_bytes) HandOver();
    }
    if (events.broken()) {
      Fail("fanotify", EPROTO);
      return Read::kFailed;
    }
    // Room was left: the queue was empty. To ask again would take the events of a writer one by one,
    // before the kernel can merge them, and slow the writer down.
    if (buffer_.size() - static_cast<size_t>(got) >= kEventBytesMax) return Read::kEmpty;
    if (count > limits_.queue_events) return draining ? Read::kEmpty : Read::kEnough;
  }
  return Read::kEnough;
}

void FeedThread::Fail(const char* what, int error) {
  if (failed_) return;
  failed_ = true;
  roots_.Say(&batch_, FeedRecord::kLost);
  batch_.Add(FeedRecord::kFailed, std::string(what) + ": " + std::strerror(error));
}

/** Waits while too many are not taken. */
void FeedThread::HandOver() {
  if (batch_.empty()) return;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    taken_.wait(lock, [this] { return stopping_ || batches_.size() < limits_.batches; });
    if (stopping_) return;
    batches_.push_back(batch_.Take());
  }
  handed_ms_ = NowMs();
  ready_();
}

/** A file system that was unmounted takes its mark along, even if it is mounted again at once. */
bool FeedThread::MarksAreThere() {
  const std::set<std::string> now = Marks();
  for (const std::string& mark : marks_) {
    if (now.count(mark) == 0) return false;
  }
  return true;
}

/** Devices of the marked file systems, as /proc names them. */
std::set<std::string> FeedThread::Marks() const {
  std::set<std::string> marks;
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(group_.get()));
  const std::string prefix = "fanotify sdev:";
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, prefix.size(), prefix) != 0) continue;
    marks.insert(line.substr(prefix.size(), line.find(' ', prefix.size()) - prefix.size()));
  }
  return marks;
}

void FeedThread::Wake() const {
  const uint64_t one = 1;
  // Full means that it is awake already.
  while (write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) continue;
}

}  // namespace afterimage
