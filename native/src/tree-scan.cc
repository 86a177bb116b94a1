#include "tree-scan.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace afterimage {
namespace {

constexpr uint32_t kNoParent = UINT32_MAX;
/** A reader that must wait anyway waits for this much, but not for long. */
constexpr size_t kBatchBytes = 64 * 1024;
constexpr std::chrono::milliseconds kBatchWait(5);
/** id, parent, depth, error, bytes of name, bytes of scan: u32; ino: u64; scanned: f64 in ms. */
constexpr size_t kHeadBytes = 40;

double NowMs() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) * 1000 + static_cast<double>(now.tv_nsec / 1000000);
}

uint8_t* Put32(uint8_t* out, uint32_t value) {
  const uint32_t little = htole32(value);
  std::memcpy(out, &little, sizeof little);
  return out + sizeof little;
}

uint8_t* Put64(uint8_t* out, uint64_t value) {
  const uint64_t little = htole64(value);
  std::memcpy(out, &little, sizeof little);
  return out + sizeof little;
}

}  // namespace

TreeScan::TreeScan(int root, TreeScanOptions options) : options_(std::move(options)) {
  auto inside = std::make_shared<Descriptor>(root);
  struct stat status;
  if (fstat(root, &status) != 0) return;
  device_ = status.st_dev;
  Item range{State::kRange, 0, kNoParent, std::move(inside), {{status.st_ino, "."}}};
  items_.push_back(std::move(range));
  work_.push_back(items_.begin());
  threads_.reserve(options_.threads);
  try {
    for (size_t thread = 0; thread < options_.threads; thread += 1) {
      threads_.emplace_back([this] { Run(); });
    }
  } catch (const std::system_error&) {
    // No more to be had: those that run do the work.
    if (threads_.empty()) throw;
  }
}

TreeScan::~TreeScan() { Close(); }

void TreeScan::Close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    work_ready_.notify_all();
    scan_ready_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  items_.clear();
  work_.clear();
}

void TreeScan::Run() {
  FolderScan scan;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_ready_.wait(lock, [this] { return stop_ || work_.empty() || MayBegin(); });
    if (stop_ || work_.empty()) return;
    const Work::iterator at = Begin(FirstRange());
    Item& item = **at;
    lock.unlock();
    std::vector<ChildFolder> children = Scan(&scan, &item);
    lock.lock();
    Finish(at, std::move(children));
  }
}

TreeScan::Work::iterator TreeScan::FirstRange() {
  return std::find_if(work_.begin(), work_.end(),
                      [](const Items::iterator& at) { return at->state == State::kRange; });
}

/** What is wanted next is scanned however much waits behind it. */
bool TreeScan::MayBegin() {
  const bool wanted = !items_.empty() && items_.front().state == State::kRange;
  if (used_ >= options_.bytes_max && !wanted) return false;
  return FirstRange() != work_.end();
}

/** Splits the first folder off a range. */
TreeScan::Work::iterator TreeScan::Begin(Work::iterator range) {
  const Items::iterator from = *range;
  Item item{State::kScanning, from->depth, from->parent, from->inside, {}};
  ChildFolder& child = from->children[from->next++];
  item.ino = child.ino;
  item.name = std::move(child.name);
  item.id = next_id_++;
  const Items::iterator made = items_.insert(from, std::move(item));
  const Work::iterator at = work_.insert(range, made);
  if (from->next == from->children.size()) {
    work_.erase(range);
    items_.erase(from);
  }
  return at;
}

/** Without the lock: fills `item`, whose place nobody else touches, and tells what lies in it. */
std::vector<ChildFolder> TreeScan::Scan(FolderScan* scan, Item* item) {
  item->scanned_ms = NowMs();
  auto folder = std::make_shared<Descriptor>(OpenToScan(item->inside->get(), item->name.c_str()));
  struct stat status;
  if (!folder->open() || fstat(folder->get(), &status) != 0) {
    item->error = errno;
    return {};
  }
  item->inside = folder;
  if (status.st_ino != item->ino || status.st_dev != device_) {
    item->error = ESTALE;  // the name has another folder now
    return {};
  }
  try {
    item->error = scan->Read(folder->get(), Fields::kFingerprint, &stop_);
    if (item->error != 0) return {};
    item->packed.resize(scan->PackedBytes());
    scan->Pack(item->packed.data());
    std::vector<ChildFolder> children = scan->ChildFolders(device_);
    const auto skipped = [this](const ChildFolder& child) {
      const auto& skip = options_.skip;
      return std::find(skip.begin(), skip.end(), child.ino) != skip.end();
    };
    children.erase(std::remove_if(children.begin(), children.end(), skipped), children.end());
    return children;
  } catch (const std::bad_alloc&) {
    item->packed.clear();
    item->error = ENOMEM;
    return {};
  }
}

void TreeScan::Finish(Work::iterator at, std::vector<ChildFolder> children) {
  const Items::iterator item = *at;
  const std::shared_ptr<Descriptor> inside = std::move(item->inside);
  if (item->dropped) {
    work_.erase(at);
    dropped_.erase(item);
  } else {
    item->state = State::kDone;
    used_ += RecordBytes(*item);
    if (!children.empty()) {
      Item range{State::kRange, item->depth + 1, item->id, inside, std::move(children)};
      *at = items_.insert(std::next(item), std::move(range));
      work_ready_.notify_one();
    } else {
      work_.erase(at);
    }
  }
  if (work_.empty()) work_ready_.notify_all();
  if (wanted_ > 0 && FrontReady(wanted_)) scan_ready_.notify_one();
}

/** Nothing more comes, or the first scan is there and so much behind it. */
bool TreeScan::FrontReady(size_t bytes) const {
  if (items_.empty()) return true;
  return items_.front().state == State::kDone && (used_ >= bytes || work_.empty());
}

void TreeScan::DropDeeper(uint32_t depth) {
  while (!items_.empty() && items_.front().depth > depth) {
    Item& item = items_.front();
    if (item.state == State::kScanning) {
      item.dropped = true;
      dropped_.splice(dropped_.end(), items_, items_.begin());
      continue;
    }
    if (item.state == State::kDone) used_ -= RecordBytes(item);
    if (item.state == State::kRange) work_.remove(items_.begin());
    items_.pop_front();
  }
}

int64_t TreeScan::Take(uint8_t* room, size_t bytes, uint32_t depth) {
  Items taken;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    DropDeeper(depth);
    work_ready_.notify_all();
    wanted_ = std::min(kBatchBytes, options_.bytes_max);
    scan_ready_.wait_for(lock, kBatchWait, [this] { return stop_ || FrontReady(wanted_); });
    wanted_ = 1;
    scan_ready_.wait(lock, [this] { return stop_ || FrontReady(1); });
    wanted_ = 0;
    if (stop_ || items_.empty()) return 0;
    size_t filled = RecordBytes(items_.front());
    if (filled > bytes) return -static_cast<int64_t>(filled);
    for (filled = 0; !items_.empty() && items_.front().state == State::kDone;) {
      const size_t more = RecordBytes(items_.front());
      if (filled + more > bytes) break;
      filled += more;
      used_ -= more;
      taken.splice(taken.end(), items_, items_.begin());
    }
    work_ready_.notify_all();
  }
  uint8_t* out = room;
  for (const Item& item : taken) out += Write(item, out);
  return out - room;
}

size_t TreeScan::RecordBytes(const Item& item) {
  return kHeadBytes + item.name.size() + item.packed.size();
}

size_t TreeScan::Write(const Item& item, uint8_t* out) {
  uint64_t scanned;
  std::memcpy(&scanned, &item.scanned_ms, sizeof scanned);
  out = Put32(out, item.id);
  out = Put32(out, item.parent);
  out = Put32(out, item.depth);
  out = Put32(out, static_cast<uint32_t>(item.error));
  out = Put32(out, static_cast<uint32_t>(item.name.size()));
  out = Put32(out, static_cast<uint32_t>(item.packed.size()));
  out = Put64(out, item.ino);
  out = Put64(out, scanned);
  std::memcpy(out, item.name.data(), item.name.size());
  if (!item.packed.empty()) {
    std::memcpy(out + item.name.size(), item.packed.data(), item.packed.size());
  }
  return RecordBytes(item);
}

}  // namespace afterimage
