// One change of each kind to a file of the tracker's own: what is not reported here is not reported of
// other files either, and then the file system is not served.
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "../src/arguments.h"
#include "../src/descriptor.h"
#include "inode.h"

namespace afterimage {
namespace {

constexpr off_t kBlockBytes = 65536;
constexpr size_t kPageBytes = 4096;

int ErrorOf(long result) { return result < 0 ? errno : 0; }

int Store(int fd, off_t offset) {
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  if (page == MAP_FAILED) return errno;
  *static_cast<volatile char*>(page) = 's';
  return ErrorOf(munmap(page, kPageBytes));
}

enum class Direction { kRead, kWrite };

int Direct(int fd, off_t offset, Direction direction) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const Descriptor direct(open(path.c_str(), O_RDWR | O_CLOEXEC | O_DIRECT));
  if (!direct.open()) return errno;
  const std::unique_ptr<void, decltype(&free)> page(aligned_alloc(kPageBytes, kPageBytes), free);
  if (page == nullptr) return ENOMEM;
  std::memset(page.get(), 'd', kPageBytes);
  return ErrorOf(direction == Direction::kRead
                     ? pread(direct.get(), page.get(), kPageBytes, offset)
                     : pwrite(direct.get(), page.get(), kPageBytes, offset));
}

int Clone(int fd, off_t offset) {
  file_clone_range range = {fd, 0, static_cast<__u64>(kBlockBytes), static_cast<__u64>(offset)};
  return ErrorOf(ioctl(fd, FICLONERANGE, &range));
}

int Change(int fd, const std::string& kind, off_t offset) {
  static const std::map<std::string, int> allocations = {
      {"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
      {"zero", FALLOC_FL_ZERO_RANGE},
      {"collapse", FALLOC_FL_COLLAPSE_RANGE},
      {"insert", FALLOC_FL_INSERT_RANGE},
  };
  const auto allocation = allocations.find(kind);
  if (allocation != allocations.end()) {
    return ErrorOf(fallocate(fd, allocation->second, offset, kBlockBytes));
  }
  if (kind == "write") return ErrorOf(pwrite(fd, "w", 1, offset));
  if (kind == "store") return Store(fd, offset);
  if (kind == "direct") return Direct(fd, offset, Direction::kWrite);
  if (kind == "read") return Direct(fd, offset, Direction::kRead);
  if (kind == "truncate") return ErrorOf(ftruncate(fd, offset));
  if (kind == "clone") return Clone(fd, offset);
  return EINVAL;
}

}  // namespace

Napi::Value Exercise(const Napi::CallbackInfo& info) {
  const int fd = DescriptorAt(info, 0);
  const std::string kind = CStringAt(info, 1);
  const auto offset = static_cast<off_t>(CountAt(info, 2));
  return Napi::Number::New(info.Env(), Change(fd, kind, offset));
}

}  // namespace afterimage
