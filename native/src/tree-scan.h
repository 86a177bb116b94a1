// A whole tree, scanned by threads ahead of the walk that reads it.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "descriptor.h"
#include "scan.h"

namespace afterimage {

/** What a tree is scanned with. */
struct TreeScanOptions {
  size_t threads;
  /** Of scans that nobody took yet; one folder more may be under way in each thread. */
  size_t bytes_max;
  /** Inodes of folders that are not entered. */
  std::vector<uint64_t> skip;
};

/**
 * Folders come out parents first, siblings in the order of their names' bytes: the order of the
 * agent's walk. Threads take the first folder in that order that nobody scanned yet, so that what
 * is wanted next is never behind what is wanted later.
 */
class TreeScan {
 public:
  /** `root` is a folder opened for this scan. */
  TreeScan(int root, TreeScanOptions options);
  ~TreeScan();
  TreeScan(const TreeScan&) = delete;
  TreeScan& operator=(const TreeScan&) = delete;

  /**
   * Drops folders deeper than `depth` at the front, waits for the first of the others and fills
   * `room` with records of as many as fit. Bytes filled; 0 at the end; or, negative, the bytes that
   * the first record needs.
   */
  int64_t Take(uint8_t* room, size_t bytes, uint32_t depth);

  /** Stops the threads and waits for them. */
  void Close();

 private:
  enum class State { kRange, kScanning, kDone };

  /** One folder, or, as a range, those children of one that nobody began with. */
  struct Item {
    State state;
    uint32_t depth;
    uint32_t parent;
    std::shared_ptr<Descriptor> inside;
    std::vector<ChildFolder> children;
    size_t next = 0;
    uint32_t id = 0;
    int error = 0;
    bool dropped = false;
    uint64_t ino = 0;
    double scanned_ms = 0;
    std::string name = {};
    std::vector<uint8_t> packed = {};
  };
  using Items = std::list<Item>;
  using Work = std::list<Items::iterator>;

  static size_t RecordBytes(const Item& item);
  static size_t Write(const Item& item, uint8_t* out);

  void Run();
  Work::iterator FirstRange();
  bool MayBegin();
  Work::iterator Begin(Work::iterator range);
  std::vector<ChildFolder> Scan(FolderScan* scan, Item* item);
  void Finish(Work::iterator at, std::vector<ChildFolder> children);
  void DropDeeper(uint32_t depth);
  bool FrontReady(size_t bytes) const;

  const TreeScanOptions options_;
  uint64_t device_ = 0;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable scan_ready_;
  /** In the order in which they are taken; below, those that wait or are under way. */
  Items items_;
  Work work_;
  /** Under way, and not wanted any more. */
  Items dropped_;
  size_t used_ = 0;
  size_t wanted_ = 0;
  uint32_t next_id_ = 0;
  std::vector<std::thread> threads_;
};

/** `new TreeScan(fd, threads, bytesMax, skip: Buffer of u64)`, `take(room, depth)`, `close()`. */
Napi::Function TreeScanClass(Napi::Env env);

}  // namespace afterimage
