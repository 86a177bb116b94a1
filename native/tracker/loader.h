// Loads the BPF object, keeps its programs attached and its maps mapped for as long as it lives.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "layout.h"
}

namespace afterimage {

struct Sizes {
  uint32_t files;
  /** Words of marks: STRETCHES for each word of a file. */
  uint32_t words;
};

/** What one side of a slot held. */
struct Taken {
  std::vector<uint64_t> words;
  uint64_t tail_from;
  bool lost;
  /** Someone may store through a mapping, or could since the file is followed. */
  bool mapped = false;
};

/** Failures throw std::runtime_error with the reason in words. */
class Loader {
 public:
  Loader(const void* object, size_t bytes, Sizes sizes);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /** Why a program is not attached, by program number; empty for those that are. */
  const std::vector<std::string>& why_not() const { return why_not_; }

  void Follow(uint32_t slot, const file_key& key, uint32_t first_word, uint32_t words);
  void Unfollow(const file_key& key);
  /** Programs that begin from now on mark on the other side. */
  void Turn(uint32_t slot);
  /** Returns when no program runs that was running when it was called. Any thread. */
  void AwaitPrograms();
  /** Reads and empties the side that is not marked on; what it holds is final after AwaitPrograms. */
  Taken Take(uint32_t slot);
  /** Reads the side that is marked on. */
  Taken Peek(uint32_t slot) const;
  std::vector<uint64_t> Hits() const;
  /** How often the kernel left a program out, because it was running on that processor already. */
  uint64_t Missed() const;
  void Detach(uint32_t program);

 private:
  struct Close {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };

  void Release();
  void ChoosePrograms();
  void Attach();
  /** The one variable of a section of the object, in the memory that the programs see. */
  uint64_t* Variable(const char* section);
  void* Map(const char* name, size_t bytes, int* descriptor);
  void CheckSlot(uint32_t slot) const;
  /** True when no mapping of a followed file comes about unseen. */
  bool SeesMappings() const;
  Taken Read(uint32_t slot, uint32_t side) const;

  Sizes sizes_;
  std::unique_ptr<bpf_object, Close> object_;
  std::vector<std::string> why_not_;
  std::vector<bpf_program*> programs_;
  std::vector<bpf_link*> links_;
  std::vector<std::pair<void*, size_t>> mapped_;
  slot* slots_ = nullptr;
  uint64_t* marks_ = nullptr;
  uint64_t* hits_ = nullptr;
  uint64_t* direct_writes_lost_ = nullptr;
  int files_ = -1;
  int hits_map_ = -1;
  int barrier_ = -1;
};

}  // namespace afterimage
