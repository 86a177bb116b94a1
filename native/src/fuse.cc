#include "fuse.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "arguments.h"
#include "descriptor.h"
#include "fuse-reader.h"
#include "system-error.h"

namespace afterimage {
namespace {

/** mount(2) or umount2(2): both may have to wait for the very process that makes them. */
class MountWorker : public Napi::AsyncWorker {
 public:
  struct Call {
    bool mounts;
    std::string type;
    std::string source;
    std::string target;
    uint32_t flags;
    std::string options;
  };

  MountWorker(Napi::Env env, Call call)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        call_(std::move(call)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    const int result = call_.mounts ? mount(call_.source.c_str(), call_.target.c_str(),
                                            call_.type.c_str(), call_.flags, call_.options.c_str())
                                    : umount2(call_.target.c_str(), static_cast<int>(call_.flags));
    if (result != 0) error_ = errno;
  }
  void OnOK() override {
    if (error_ == 0) {
      deferred_.Resolve(Env().Undefined());
    } else {
      const char* name = call_.mounts ? "mount" : "umount2";
      deferred_.Reject(SystemError(Env(), error_, name, call_.target).Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  const Call call_;
  int error_ = 0;
};

Napi::Value Queue(Napi::Env env, MountWorker::Call call) {
  auto* worker = new MountWorker(env, std::move(call));
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

/** What the calls of one reader share; its thread touches JavaScript through `ready` alone. */
class Reader {
 public:
  Reader(Napi::Env env, const Napi::Function& ready)
      : env_(env), ready_(Napi::ThreadSafeFunction::New(env, ready, "afterimage-fuse", 0, 1)) {
    napi_add_env_cleanup_hook(env_, Cleanup, this);
  }
  ~Reader() { Close(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void Start(int fd, size_t request_bytes) {
    thread_ = std::make_unique<FuseReader>(fd, request_bytes, [this] { ready_.NonBlockingCall(); });
  }
  void Close() {
    if (closed_) return;
    closed_ = true;
    thread_.reset();
    ready_.Release();
    napi_remove_env_cleanup_hook(env_, Cleanup, this);
  }
  FuseReader* thread() const { return thread_.get(); }

 private:
  static void Cleanup(void* reader) { static_cast<Reader*>(reader)->Close(); }

  napi_env env_;
  Napi::ThreadSafeFunction ready_;
  std::unique_ptr<FuseReader> thread_;
  bool closed_ = false;
};

}  // namespace

Napi::Value MountSystem(const Napi::CallbackInfo& info) {
  const std::string type = CStringAt(info, 0);
  const std::string source = CStringAt(info, 1);
  const std::string target = CStringAt(info, 2);
  const uint32_t flags = Uint32At(info, 3);
  return Queue(info.Env(), {true, type, source, target, flags, CStringAt(info, 4)});
}

Napi::Value UnmountSystem(const Napi::CallbackInfo& info) {
  const std::string target = CStringAt(info, 0);
  if (!info[1].IsBoolean()) throw Napi::TypeError::New(info.Env(), "argument 1 must be a boolean");
  const bool detach = info[1].As<Napi::Boolean>().Value();
  const uint32_t flags = UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0);
  return Queue(info.Env(), {false, "", "", target, flags, ""});
}

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw SystemError(info.Env(), errno, "socketpair");
  }
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, Napi::Number::New(info.Env(), ends[0]));
  result.Set(1u, Napi::Number::New(info.Env(), ends[1]));
  return result;
}

Napi::Value ReceiveDescriptor(const Napi::CallbackInfo& info) {
  const int socket = DescriptorAt(info, 0);
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && errno != EAGAIN) throw SystemError(info.Env(), errno, "recvmsg");
  const cmsghdr* header = got < 0 ? nullptr : CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return info.Env().Undefined();
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Napi::Number::New(info.Env(), fd);
}

Napi::Value ReadRequests(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int fd = DescriptorAt(info, 0);
  const uint32_t request_bytes = Uint32At(info, 1);
  constexpr uint32_t kLeast = 8192;
  constexpr uint32_t kMost = 4u << 20;
  if (request_bytes < kLeast || request_bytes > kMost) {
    throw Napi::TypeError::New(env, "argument 1 must be from 8 KiB to 4 MiB");
  }
  if (!info[2].IsFunction()) throw Napi::TypeError::New(env, "argument 2 must be a function");
  const int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw SystemError(env, errno, "fcntl");
  const auto reader = std::make_shared<Reader>(env, info[2].As<Napi::Function>());
  reader->Start(duplicate, request_bytes);
  Napi::Object calls = Napi::Object::New(env);
  const auto take = [reader](const Napi::CallbackInfo& call) -> Napi::Value {
    if (reader->thread() == nullptr) return call.Env().Null();
    const FuseReader::Taken taken = reader->thread()->Take();
    if (!taken.requests.empty()) {
      return Napi::Buffer<char>::Copy(call.Env(), taken.requests.data(), taken.requests.size());
    }
    return taken.ended ? call.Env().Null() : call.Env().Undefined();
  };
  const auto close = [reader](const Napi::CallbackInfo& call) -> Napi::Value {
    reader->Close();
    return call.Env().Undefined();
  };
  calls.Set("take", Napi::Function::New(env, take, "take"));
  calls.Set("close", Napi::Function::New(env, close, "close"));
  return calls;
}

}  // namespace afterimage
