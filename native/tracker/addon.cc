// The tracker's door: an addon of its own, so that one without libbpf lacks this and nothing else.
#include <fcntl.h>
#include <napi.h>

#include <cerrno>
#include <memory>
#include <stdexcept>

#include "../src/arguments.h"
#include "../src/descriptor.h"
#include "../src/system-error.h"
#include "inode.h"
#include "loader.h"
#include "programs.h"

namespace afterimage {
namespace {

/** Awaits the programs that run and, with a file, makes it ready to be read. */
class LookWorker : public Napi::AsyncWorker {
 public:
  LookWorker(Napi::Env env, std::shared_ptr<Loader> loader, int duplicate)
      : Napi::AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        loader_(std::move(loader)),
        descriptor_(duplicate) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    loader_->AwaitPrograms();
    if (descriptor_.open()) error_ = FlushForLook(descriptor_.get());
  }
  void OnOK() override {
    if (error_ == 0) {
      deferred_.Resolve(Env().Undefined());
    } else {
      deferred_.Reject(SystemError(Env(), error_, "fdatasync").Value());
    }
  }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Loader> loader_;
  Descriptor descriptor_;
  int error_ = 0;
};

class Tracker : public Napi::ObjectWrap<Tracker> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Tracker",
                       {
                           InstanceMethod<&Tracker::Programs>("programs"),
                           InstanceMethod<&Tracker::Follow>("follow"),
                           InstanceMethod<&Tracker::Unfollow>("unfollow"),
                           InstanceMethod<&Tracker::Turn>("turn"),
                           InstanceMethod<&Tracker::Await>("await"),
                           InstanceMethod<&Tracker::Take>("take"),
                           InstanceMethod<&Tracker::Peek>("peek"),
                           InstanceMethod<&Tracker::Hits>("hits"),
                           InstanceMethod<&Tracker::Missed>("missed"),
                           InstanceMethod<&Tracker::Detach>("detach"),
                           InstanceMethod<&Tracker::Close>("close"),
                       });
  }

  /** object: Buffer, files, words. */
  explicit Tracker(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Tracker>(info) {
    const Bytes object = BytesAt(info, 0);
    const Sizes sizes = {Uint32At(info, 1), Uint32At(info, 2)};
    if (sizes.files == 0 || sizes.words == 0) throw Napi::TypeError::New(info.Env(), "sizes of 0");
    Do(info, [&] { loader_ = std::make_shared<Loader>(object.data, object.size, sizes); });
  }

 private:
  /** Runs `work`; what it throws becomes an error of JavaScript. */
  template <typename Work>
  void Do(const Napi::CallbackInfo& info, Work work) {
    try {
      work();
    } catch (const std::runtime_error& error) {
      throw Napi::Error::New(info.Env(), error.what());
    }
  }

  Loader& Open(const Napi::CallbackInfo& info) {
    if (!loader_) throw Napi::Error::New(info.Env(), "the tracker is closed");
    return *loader_;
  }

  /** Of arguments `first` and the two after it: inode, device, generation. */
  static file_key KeyAt(const Napi::CallbackInfo& info, size_t first) {
    return {static_cast<unsigned long long>(BigIntAt(info, first)), Uint32At(info, first + 1),
            Uint32At(info, first + 2)};
  }

  /** → [{ name, fileSystem: 'ext4' | 'xfs' | '', optional, whyNot }] by program number. */
  Napi::Value Programs(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Loader& loader = Open(info);
    Napi::Array programs = Napi::Array::New(env, PROGRAM_COUNT);
    for (uint32_t number = 0; number < PROGRAM_COUNT; number++) {
      const ProgramFact& fact = kPrograms[number];
      const char* of = fact.group == Group::kExt4 ? "ext4" : fact.group == Group::kXfs ? "xfs" : "";
      Napi::Object program = Napi::Object::New(env);
      program.Set("name", fact.name);
      program.Set("fileSystem", of);
      program.Set("optional", fact.optional);
      program.Set("whyNot", loader.why_not()[number]);
      programs.Set(number, program);
    }
    return programs;
  }

  /** slot, inode, device, generation, first word, words a stretch. */
  Napi::Value Follow(const Napi::CallbackInfo& info) {
    const uint32_t slot = Uint32At(info, 0);
    const file_key key = KeyAt(info, 1);
    const uint32_t first_word = Uint32At(info, 4);
    const uint32_t words = Uint32At(info, 5);
    Do(info, [&] { Open(info).Follow(slot, key, first_word, words); });
    return info.Env().Undefined();
  }

  Napi::Value Unfollow(const Napi::CallbackInfo& info) {
    const file_key key = KeyAt(info, 0);
    Do(info, [&] { Open(info).Unfollow(key); });
    return info.Env().Undefined();
  }

  Napi::Value Turn(const Napi::CallbackInfo& info) {
    const uint32_t slot = Uint32At(info, 0);
    Do(info, [&] { Open(info).Turn(slot); });
    return info.Env().Undefined();
  }

  /** fd or nothing → Promise. */
  Napi::Value Await(const Napi::CallbackInfo& info) {
    Open(info);
    int duplicate = -1;
    if (!info[0].IsUndefined()) {
      duplicate = fcntl(DescriptorAt(info, 0), F_DUPFD_CLOEXEC, 0);
      if (duplicate < 0) throw SystemError(info.Env(), errno, "fcntl");
    }
    auto* worker = new LookWorker(info.Env(), loader_, duplicate);
    worker->Queue();
    return worker->Promise();
  }

  /** slot → { bits: Buffer, tailFrom: number or -1, lost } of the side not marked on, emptied. */
  Napi::Value Take(const Napi::CallbackInfo& info) {
    const uint32_t slot = Uint32At(info, 0);
    Taken taken = {};
    Do(info, [&] { taken = Open(info).Take(slot); });
    return Rendered(info.Env(), taken);
  }

  Napi::Value Peek(const Napi::CallbackInfo& info) {
    const uint32_t slot = Uint32At(info, 0);
    Taken taken = {};
    Do(info, [&] { taken = Open(info).Peek(slot); });
    return Rendered(info.Env(), taken);
  }

  static Napi::Value Rendered(Napi::Env env, const Taken& taken) {
    Napi::Object result = Napi::Object::New(env);
    const auto* bytes = reinterpret_cast<const uint8_t*>(taken.words.data());
    result.Set("bits", Napi::Buffer<uint8_t>::Copy(env, bytes, taken.words.size() * sizeof(uint64_t)));
    const bool tail = taken.tail_from <= 9007199254740991ULL;
    result.Set("tailFrom", tail ? static_cast<double>(taken.tail_from) : -1.0);
    result.Set("lost", taken.lost);
    result.Set("mapped", taken.mapped);
    return result;
  }

  Napi::Value Hits(const Napi::CallbackInfo& info) {
    Napi::Array hits = Napi::Array::New(info.Env(), PROGRAM_COUNT);
    uint32_t number = 0;
    for (const uint64_t count : Open(info).Hits()) {
      hits.Set(number++, Napi::Number::New(info.Env(), static_cast<double>(count)));
    }
    return hits;
  }

  Napi::Value Missed(const Napi::CallbackInfo& info) {
    uint64_t missed = 0;
    Do(info, [&] { missed = Open(info).Missed(); });
    return Napi::Number::New(info.Env(), static_cast<double>(missed));
  }

  Napi::Value Detach(const Napi::CallbackInfo& info) {
    const uint32_t program = Uint32At(info, 0);
    Do(info, [&] { Open(info).Detach(program); });
    return info.Env().Undefined();
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    loader_.reset();
    return info.Env().Undefined();
  }

  std::shared_ptr<Loader> loader_;
};

}  // namespace
}  // namespace afterimage

static Napi::Object InitTracker(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, call, name));
  };
  // the shape of what is exported; shared/posix/tracker.ts wants the same
  exports.Set("version", Napi::Number::New(env, 1));
  exports.Set("Tracker", afterimage::Tracker::Define(env));
  add("inodeOf", afterimage::InodeOf);
  add("openWatch", afterimage::OpenWatch);
  add("watchInode", afterimage::WatchInode);
  add("unwatchInode", afterimage::UnwatchInode);
  add("goneInodes", afterimage::GoneInodes);
  add("exercise", afterimage::Exercise);
  return exports;
}

NODE_API_MODULE(afterimage_tracker, InitTracker)
