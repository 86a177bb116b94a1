// What JavaScript sees of TreeScan: arguments are checked here before C++ works with them.
#include <endian.h>
#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "arguments.h"
#include "system-error.h"
#include "tree-scan.h"

namespace afterimage {
namespace {

constexpr uint32_t kThreadsMax = 64;

std::vector<uint64_t> InodesAt(const Napi::CallbackInfo& info, size_t index) {
  const Bytes bytes = BytesAt(info, index);
  std::vector<uint64_t> inodes(bytes.size / sizeof(uint64_t));
  for (size_t n = 0; n < inodes.size(); n += 1) {
    std::memcpy(&inodes[n], bytes.data + n * sizeof(uint64_t), sizeof(uint64_t));
    inodes[n] = le64toh(inodes[n]);
  }
  return inodes;
}

class TreeScanObject : public Napi::ObjectWrap<TreeScanObject> {
 public:
  explicit TreeScanObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TreeScanObject>(info) {
    const int fd = DescriptorAt(info, 0);
    const uint32_t threads = Uint32At(info, 1);
    const int64_t bytes_max = CountAt(info, 2);
    if (threads == 0 || threads > kThreadsMax) {
      throw Napi::TypeError::New(info.Env(), "argument 1 must be 1 to 64 threads");
    }
    TreeScanOptions options{threads, static_cast<size_t>(bytes_max), InodesAt(info, 3)};
    const int root = OpenToScan(fd, ".");
    if (root < 0) throw SystemError(info.Env(), errno, "scandir");
    try {
      scan_ = std::make_unique<TreeScan>(root, std::move(options));
    } catch (const std::system_error& error) {
      throw SystemError(info.Env(), error.code().value(), "clone");
    }
  }

  Napi::Value Take(const Napi::CallbackInfo& info) {
    const Bytes room = BytesAt(info, 0);
    const uint32_t depth = Uint32At(info, 1);
    const int64_t filled = scan_ == nullptr ? 0 : scan_->Take(room.data, room.size, depth);
    return Napi::Number::New(info.Env(), static_cast<double>(filled));
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    scan_.reset();
    return info.Env().Undefined();
  }

 private:
  std::unique_ptr<TreeScan> scan_;
};

}  // namespace

Napi::Function TreeScanClass(Napi::Env env) {
  return TreeScanObject::DefineClass(
      env, "TreeScan",
      {TreeScanObject::InstanceMethod("take", &TreeScanObject::Take),
       TreeScanObject::InstanceMethod("close", &TreeScanObject::Close)});
}

}  // namespace afterimage
