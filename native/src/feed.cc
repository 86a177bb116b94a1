#include "feed.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "feed-events.h"
#include "feed-id.h"
#include "feed-thread.h"
#include "system-error.h"

namespace afterimage {
namespace {

constexpr uint64_t kMask = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_MODIFY |
                           FAN_ATTRIB | FAN_CLOSE_WRITE | FAN_ONDIR;

/** What the calls of one feed share; the thread never touches JavaScript but through `ready`. */
class Feed {
 public:
  Feed(Napi::Env env, const Napi::Function& ready)
      : env_(env), ready_(Napi::ThreadSafeFunction::New(env, ready, "afterimage-feed", 0, 1)) {
    napi_add_env_cleanup_hook(env_, Cleanup, this);
  }
  ~Feed() { Close(); }
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  void Start(std::unique_ptr<FeedThread> thread) {
    thread_ = std::move(thread);
    thread_->Start();
  }
  void Ready() { ready_.NonBlockingCall(); }
  /** After it, `thread` is null. */
  void Close() {
    if (closed_) return;
    closed_ = true;
    thread_.reset();
    ready_.Release();
    napi_remove_env_cleanup_hook(env_, Cleanup, this);
  }
  FeedThread* thread() const { return thread_.get(); }

 private:
  /** A process or worker that ends with the feed open. */
  static void Cleanup(void* feed) { static_cast<Feed*>(feed)->Close(); }

  napi_env env_;
  Napi::ThreadSafeFunction ready_;
  std::unique_ptr<FeedThread> thread_;
  bool closed_ = false;
};

[[noreturn]] void Refuse(Napi::Env env, const char* what) {
  throw Napi::TypeError::New(env, std::string("openFeed: ") + what);
}

std::string TextOf(Napi::Value value, const char* what) {
  if (!value.IsBuffer()) Refuse(value.Env(), what);
  const auto bytes = value.As<Napi::Buffer<char>>();
  std::string text(bytes.Data(), bytes.Length());
  if (text.empty() || text.find('\0') != std::string::npos) Refuse(value.Env(), what);
  return text;
}

int64_t NumberOf(Napi::Value value, const char* what) {
  if (!value.IsNumber()) Refuse(value.Env(), what);
  const int64_t number = value.As<Napi::Number>().Int64Value();
  if (number < 0 || number > INT32_MAX) Refuse(value.Env(), what);
  return number;
}

Napi::Array ListOf(Napi::Value value, const char* what) {
  if (!value.IsArray()) Refuse(value.Env(), what);
  return value.As<Napi::Array>();
}

Napi::Object ObjectOf(Napi::Value value, const char* what) {
  if (!value.IsObject()) Refuse(value.Env(), what);
  return value.As<Napi::Object>();
}

/** The kernel's own default when it does not say. */
size_t QueueEvents() {
  size_t events = 16384;
  std::ifstream file("/proc/sys/fs/fanotify/max_queued_events");
  file >> events;
  return events;
}

/** Older kernels do not say which object a change of names is about: 5.17, then 5.9. */
int OpenGroup(bool unlimited) {
  const unsigned flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | kReportDfidName |
                         kReportFid | (unlimited ? FAN_UNLIMITED_QUEUE : 0);
  const int group = fanotify_init(flags | kReportTargetFid, O_RDONLY | O_CLOEXEC);
  if (group >= 0 || errno != EINVAL) return group;
  return fanotify_init(flags, O_RDONLY | O_CLOEXEC);
}

FeedRoot MarkRoot(Napi::Env env, int group, const Napi::Object& described) {
  FeedRoot root;
  root.name = TextOf(described.Get("name"), "a name of bytes");
  root.path = TextOf(described.Get("path"), "a path of bytes");
  const int fd = static_cast<int>(NumberOf(described.Get("fd"), "a descriptor"));
  const int mark = static_cast<int>(NumberOf(described.Get("markFd"), "a descriptor"));
  struct stat status;
  struct statfs system;
  if (fstat(fd, &status) != 0) throw SystemError(env, errno, "fstat", root.path);
  if (fstatfs(mark, &system) != 0) throw SystemError(env, errno, "fstatfs", root.path);
  if (fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, kMask, mark, nullptr) != 0) {
    throw SystemError(env, errno, "fanotify_mark", root.path);
  }
  root.dev = status.st_dev;
  root.ino = status.st_ino;
  root.system = SystemOf(system);
  return root;
}

Napi::Object Calls(Napi::Env env, const std::shared_ptr<Feed>& feed) {
  Napi::Object calls = Napi::Object::New(env);
  const auto add = [&](const char* name, auto call) {
    calls.Set(name, Napi::Function::New(env, call, name));
  };
  add("take", [feed](const Napi::CallbackInfo& info) -> Napi::Value {
    if (feed->thread() == nullptr) return info.Env().Undefined();
    const std::vector<char> batch = feed->thread()->Take();
    if (batch.empty()) return info.Env().Undefined();
    return Napi::Buffer<char>::Copy(info.Env(), batch.data(), batch.size());
  });
  add("drain", [feed](const Napi::CallbackInfo& info) -> Napi::Value {
    if (feed->thread() == nullptr) Refuse(info.Env(), "the feed is closed");
    return Napi::Number::New(info.Env(), static_cast<double>(feed->thread()->Drain()));
  });
  add("figures", [feed](const Napi::CallbackInfo& info) -> Napi::Value {
    const FeedFigures figures =
        feed->thread() == nullptr ? FeedFigures{} : feed->thread()->figures();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("events", Napi::Number::New(info.Env(), static_cast<double>(figures.events)));
    result.Set("lookups", Napi::Number::New(info.Env(), static_cast<double>(figures.lookups)));
    result.Set("cpuNs", Napi::Number::New(info.Env(), static_cast<double>(figures.cpu_ns)));
    return result;
  });
  add("close", [feed](const Napi::CallbackInfo& info) -> Napi::Value {
    feed->Close();
    return info.Env().Undefined();
  });
  return calls;
}

}  // namespace

Napi::Value OpenFeed(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = ObjectOf(info[0], "options");
  if (!info[1].IsFunction()) Refuse(env, "a function");
  const bool unlimited = options.Get("unlimited").ToBoolean();
  const int group = OpenGroup(unlimited);
  if (group < 0) throw SystemError(env, errno, "fanotify_init");
  Descriptor owned(group);
  std::vector<FeedRoot> roots;
  const Napi::Array described = ListOf(options.Get("roots"), "a list of roots");
  for (uint32_t index = 0; index < described.Length(); index += 1) {
    roots.push_back(MarkRoot(env, group, ObjectOf(described.Get(index), "a root")));
  }
  std::vector<std::string> own;
  const Napi::Array folders = ListOf(options.Get("ownFolders"), "a list of own folders");
  for (uint32_t index = 0; index < folders.Length(); index += 1) {
    own.push_back(TextOf(folders.Get(index), "a folder as bytes"));
  }
  const FeedLimits limits{static_cast<size_t>(NumberOf(options.Get("batchBytes"), "a count")),
                          static_cast<size_t>(NumberOf(options.Get("batches"), "a count")),
                          unlimited ? SIZE_MAX : QueueEvents()};
  if (limits.batches == 0) Refuse(env, "at least one batch");
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0) throw SystemError(env, errno, "eventfd");
  auto feed = std::make_shared<Feed>(env, info[1].As<Napi::Function>());
  feed->Start(std::make_unique<FeedThread>(owned.Release(), wake, std::move(roots), std::move(own),
                                           limits, [raw = feed.get()] { raw->Ready(); }));
  return Calls(env, feed);
}

}  // namespace afterimage
