#include "new-files.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "descriptor.h"
#include "system-error.h"

namespace afterimage {
namespace {

constexpr double kNodeMax = 9007199254740991.0;  // 2^53 - 1
constexpr size_t kNameBytesMax = 255;
constexpr long kNanosecondsMax = 999999999;

enum Placed : uint8_t { kMoved = 0, kTaken = 1, kAbsent = 2, kUnable = 3 };

/** Does its work in the pool and keeps a promise; a failure has a call and, it may be, a path. */
class PromiseWorker : public Napi::AsyncWorker {
 public:
  explicit PromiseWorker(Napi::Env env)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise Promise() const { return deferred_.Promise(); }

 protected:
  virtual Napi::Value Result() = 0;

  void Fail(int error, const char* syscall, std::string path) {
    error_ = error;
    syscall_ = syscall;
    path_ = std::move(path);
  }
  bool failed() const { return error_ != 0; }

  void OnOK() override {
    if (failed()) {
      deferred_.Reject(SystemError(Env(), error_, syscall_, path_).Value());
    } else {
      deferred_.Resolve(Result());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  int error_ = 0;
  const char* syscall_ = "";
  std::string path_;
};

std::string NodeName(double node) {
  char text[24];
  std::snprintf(text, sizeof text, "%.0f", node);
  return text;
}

/** A whole number from 0 to 2^53 - 1. */
bool IsCount(double value) {
  return value >= 0 && value <= kNodeMax && std::trunc(value) == value;
}

struct Piece {
  std::string name;
  off_t offset;
  bool is_whole;
  const uint8_t* data;
  size_t size;
};

class WriteWorker : public PromiseWorker {
 public:
  /** `owner` holds the buffers that the pieces point into. */
  WriteWorker(Napi::Env env, int folder, std::vector<Piece> pieces, Napi::Array owner)
      : PromiseWorker(env),
        folder_(folder),
        pieces_(std::move(pieces)),
        owner_(Napi::Persistent(owner.As<Napi::Object>())) {}

 protected:
  void Execute() override {
    for (size_t at = 0; at < pieces_.size() && !failed();) {
      size_t end = at + 1;
      while (end < pieces_.size() && pieces_[end].name == pieces_[at].name) ++end;
      WriteFile(at, end);
      at = end;
    }
  }
  Napi::Value Result() override { return Env().Undefined(); }

 private:
  void WriteFile(size_t first, size_t end) {
    const std::string& name = pieces_[first].name;
    const int whole = pieces_[first].is_whole ? O_TRUNC : 0;
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | whole;
    const Descriptor file(openat(folder_.get(), name.c_str(), flags, 0600));
    if (file.get() < 0) return Fail(errno, "open", name);
    for (size_t at = first; at < end && !failed(); ++at) {
      const Piece& piece = pieces_[at];
      if (at > first && piece.is_whole && ftruncate(file.get(), 0) != 0) {
        return Fail(errno, "ftruncate", name);
      }
      WritePiece(file.get(), piece);
    }
  }

  void WritePiece(int fd, const Piece& piece) {
    for (size_t done = 0; done < piece.size;) {
      const ssize_t wrote = pwrite(fd, piece.data + done, piece.size - done,
                                   piece.offset + static_cast<off_t>(done));
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return Fail(errno, "write", piece.name);
      done += static_cast<size_t>(wrote);
    }
  }

  Descriptor folder_;
  std::vector<Piece> pieces_;
  Napi::ObjectReference owner_;
};

struct Move {
  std::string from;
  std::string to;
  timespec mtime;
};

class PlaceWorker : public PromiseWorker {
 public:
  PlaceWorker(Napi::Env env, int from, int to, std::vector<Move> moves)
      : PromiseWorker(env), from_(from), to_(to), moves_(std::move(moves)) {}

 protected:
  void Execute() override {
    placed_.reserve(moves_.size());
    for (const Move& move : moves_) {
      placed_.push_back(Place(move));
      if (failed()) return;
    }
  }

  Napi::Value Result() override {
    return Napi::Buffer<uint8_t>::Copy(Env(), placed_.data(), placed_.size());
  }

 private:
  uint8_t Place(const Move& move) {
    if (renameat2(from_.get(), move.from.c_str(), to_.get(), move.to.c_str(), RENAME_NOREPLACE) !=
        0) {
      if (errno == EEXIST) return kTaken;
      if (errno == ENOENT) return kAbsent;
      if (errno == EINVAL || errno == ENOSYS) return kUnable;
      Fail(errno, "rename", move.to);
      return kUnable;
    }
    const timespec times[2] = {move.mtime, move.mtime};
    if (utimensat(to_.get(), move.to.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      Fail(errno, "utimensat", move.to);
    }
    return kMoved;
  }

  Descriptor from_;
  Descriptor to_;
  std::vector<Move> moves_;
  std::vector<uint8_t> placed_;
};

int Duplicate(const Napi::CallbackInfo& info, size_t index, const char* syscall) {
  const int duplicate = fcntl(DescriptorAt(info, index), F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) throw SystemError(info.Env(), errno, syscall);
  return duplicate;
}

/** Reads the little-endian records of `placeNew`, none of which may lead past the end. */
class Records {
 public:
  Records(Napi::Env env, Bytes bytes) : env_(env), bytes_(bytes) {}

  bool AtEnd() const { return at_ == bytes_.size; }

  template <typename T>
  T Number() {
    T value;
    std::memcpy(&value, Take(sizeof value), sizeof value);
    return value;
  }

  std::string Text(size_t size) { return {reinterpret_cast<const char*>(Take(size)), size}; }

 private:
  const uint8_t* Take(size_t size) {
    if (bytes_.size - at_ < size) throw Napi::TypeError::New(env_, "a record that is cut off");
    at_ += size;
    return bytes_.data + at_ - size;
  }

  Napi::Env env_;
  Bytes bytes_;
  size_t at_ = 0;
};

bool IsEntryName(const std::string& name) {
  if (name.empty() || name.size() > kNameBytesMax || name == "." || name == "..") return false;
  return name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Move MoveOf(Napi::Env env, Records* records) {
  const double node = records->Number<double>();
  const double seconds = records->Number<double>();
  const auto nanoseconds = static_cast<long>(le32toh(records->Number<uint32_t>()));
  const std::string name = records->Text(le16toh(records->Number<uint16_t>()));
  const bool is_time = seconds >= -kNodeMax && seconds <= kNodeMax && nanoseconds <= kNanosecondsMax;
  if (!IsCount(node) || !is_time || !IsEntryName(name)) {
    throw Napi::TypeError::New(env, "a file with a number, time or name that cannot be");
  }
  return {NodeName(node), name, {static_cast<time_t>(seconds), nanoseconds}};
}

}  // namespace

Napi::Value WriteNew(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[1].IsTypedArray() || !info[2].IsArray() ||
      info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(env, "targets are a Float64Array, pieces an array");
  }
  const auto targets = info[1].As<Napi::Float64Array>();
  const auto owner = info[2].As<Napi::Array>();
  const uint32_t count = owner.Length();
  if (targets.ElementLength() != size_t{3} * count) {
    throw Napi::TypeError::New(env, "three numbers a piece");
  }
  std::vector<Piece> pieces;
  pieces.reserve(count);
  for (uint32_t at = 0; at < count; ++at) {
    const Napi::Value value = owner[at];
    const double node = targets[size_t{3} * at];
    const double offset = targets[size_t{3} * at + 1];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
        !IsCount(node) || !IsCount(offset)) {
      throw Napi::TypeError::New(env, "a piece without bytes, a number or an offset");
    }
    const auto bytes = value.As<Napi::Uint8Array>();
    const bool is_whole = targets[size_t{3} * at + 2] != 0;
    pieces.push_back({NodeName(node), static_cast<off_t>(offset), is_whole, bytes.Data(),
                      bytes.ByteLength()});
  }
  const int folder = Duplicate(info, 0, "write");
  auto* worker = new WriteWorker(env, folder, std::move(pieces), owner);
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

Napi::Value PlaceNew(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Records records(env, BytesAt(info, 2));
  std::vector<Move> moves;
  while (!records.AtEnd()) moves.push_back(MoveOf(env, &records));
  const int from = Duplicate(info, 0, "rename");
  const int to = fcntl(DescriptorAt(info, 1), F_DUPFD_CLOEXEC, 0);
  if (to < 0) {
    const int error = errno;
    close(from);
    throw SystemError(env, error, "rename");
  }
  auto* worker = new PlaceWorker(env, from, to, std::move(moves));
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

}  // namespace afterimage
