#include "loader.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <stdexcept>

#include "kernel-types.h"
#include "programs.h"

namespace afterimage {
namespace {

/** The last thing libbpf said, for the reason of a failure: it prints, and returns only a number. */
thread_local std::string said;

int KeepWhatIsSaid(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char line[512];
  const int length = vsnprintf(line, sizeof line, format, arguments);
  std::string text(line);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (said.empty() && text.find('\n') == std::string::npos) said = text;
  return length;
}

[[noreturn]] void Fail(const std::string& what, int error) {
  std::string reason = what + ": " + std::strerror(error);
  if (!said.empty()) reason += " (" + said + ")";
  throw std::runtime_error(reason);
}

size_t PageAligned(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

Loader::Loader(const void* object, size_t bytes, Sizes sizes)
    : sizes_(sizes),
      why_not_(PROGRAM_COUNT),
      programs_(PROGRAM_COUNT, nullptr),
      links_(PROGRAM_COUNT, nullptr) {
  if (sysconf(_SC_PAGESIZE) != 4096) throw std::runtime_error("pages are not of 4 KiB");
  said.clear();
  libbpf_set_print(KeepWhatIsSaid);
  object_.reset(bpf_object__open_mem(object, bytes, nullptr));
  if (!object_) Fail("the tracker's object cannot be read", errno);
  ChoosePrograms();
  const auto resize = [&](const char* name, uint32_t entries) {
    bpf_map* map = bpf_object__find_map_by_name(object_.get(), name);
    if (map == nullptr || bpf_map__set_max_entries(map, entries) != 0) Fail(name, EINVAL);
  };
  resize("files", sizes.files);
  resize("slots", sizes.files);
  resize("marks", sizes.words);
  const int loaded = bpf_object__load(object_.get());
  if (loaded != 0) Fail("the kernel does not take the tracker", -loaded);
  try {
    files_ = bpf_object__find_map_fd_by_name(object_.get(), "files");
    slots_ = static_cast<slot*>(Map("slots", sizeof(slot) * sizes.files, nullptr));
    marks_ = static_cast<uint64_t*>(Map("marks", sizeof(uint64_t) * sizes.words, nullptr));
    hits_ = static_cast<uint64_t*>(Map("hits", sizeof(uint64_t) * PROGRAM_COUNT, &hits_map_));
    LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<__u32>(hits_map_));
    barrier_ = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "barrier", 4, 4, 1, &options);
    if (barrier_ < 0) Fail("the tracker's barrier cannot be made", -barrier_);
    direct_writes_lost_ = Variable(".bss");
    Attach();
    AwaitPrograms();
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    *Variable(".data") = now.tv_sec * 1000000000ULL + now.tv_nsec + ATTACHED_LONG_NS;
  } catch (...) {
    Release();
    throw;
  }
}

Loader::~Loader() { Release(); }

void Loader::Release() {
  for (bpf_link*& link : links_) {
    if (link != nullptr) bpf_link__destroy(link);
    link = nullptr;
  }
  for (const auto& [address, bytes] : mapped_) munmap(address, bytes);
  mapped_.clear();
  if (barrier_ >= 0) close(barrier_);
  barrier_ = -1;
  object_.reset();
}

void Loader::ChoosePrograms() {
  KernelTypes types;
  for (uint32_t number = 0; number < PROGRAM_COUNT; number++) {
    const ProgramFact& fact = kPrograms[number];
    programs_[number] = bpf_object__find_program_by_name(object_.get(), fact.name);
    if (programs_[number] == nullptr) throw std::runtime_error("the tracker's object is of another build");
    why_not_[number] = types.WhyNot(fact);
    bpf_program__set_autoload(programs_[number], why_not_[number].empty());
  }
}

void Loader::Attach() {
  for (uint32_t number = 0; number < PROGRAM_COUNT; number++) {
    if (!why_not_[number].empty()) continue;
    said.clear();
    links_[number] = bpf_program__attach(programs_[number]);
    if (links_[number] == nullptr) why_not_[number] = std::string("not attached: ") + std::strerror(errno);
  }
}

uint64_t* Loader::Variable(const char* section) {
  bpf_map* map = bpf_object__find_map_by_name(object_.get(), section);
  size_t bytes = 0;
  const void* value = map == nullptr ? nullptr : bpf_map__initial_value(map, &bytes);
  if (value == nullptr || bytes != sizeof(uint64_t)) Fail(section, EINVAL);
  return static_cast<uint64_t*>(const_cast<void*>(value));
}

void* Loader::Map(const char* name, size_t bytes, int* descriptor) {
  const int map = bpf_object__find_map_fd_by_name(object_.get(), name);
  if (map < 0) Fail(name, -map);
  const size_t length = PageAligned(bytes);
  void* address = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (address == MAP_FAILED) Fail(std::string("map ") + name, errno);
  mapped_.emplace_back(address, length);
  if (descriptor != nullptr) *descriptor = map;
  return address;
}

void Loader::CheckSlot(uint32_t number) const {
  if (number >= sizes_.files) throw std::runtime_error("no such slot");
}

void Loader::Follow(uint32_t number, const file_key& key, uint32_t first_word, uint32_t words) {
  CheckSlot(number);
  if (words == 0 || words > sizes_.words / STRETCHES ||
      first_word > sizes_.words - STRETCHES * words) {
    throw std::runtime_error("words of marks lie outside the map");
  }
  slot fresh = {};
  fresh.words = words;
  for (uint32_t side = 0; side < 2; side++) {
    fresh.first_word[side] = first_word + side * words;
    fresh.first_folio_word[side] = first_word + (2 + side) * words;
    fresh.tail_from[side] = NO_TAIL;
  }
  fresh.mapped = SeesMappings() ? 0 : 1;
  std::fill_n(marks_ + first_word, STRETCHES * words, 0);
  slots_[number] = fresh;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (bpf_map_update_elem(files_, &key, &number, BPF_ANY) != 0) Fail("the file is not followed", errno);
}

void Loader::Unfollow(const file_key& key) {
  if (bpf_map_delete_elem(files_, &key) != 0 && errno != ENOENT) Fail("the file stays followed", errno);
}

void Loader::Turn(uint32_t number) {
  CheckSlot(number);
  __atomic_fetch_xor(&slots_[number].side, 1, __ATOMIC_SEQ_CST);
}

void Loader::AwaitPrograms() {
  // the kernel promises it of an update of a map of maps: all programs before it have ended
  const uint32_t key = 0;
  if (bpf_map_update_elem(barrier_, &key, &hits_map_, BPF_ANY) != 0) Fail("no barrier", errno);
}

bool Loader::SeesMappings() const {
  return links_[MAP_FAULT] != nullptr && links_[MAP_AROUND] != nullptr;
}

Taken Loader::Read(uint32_t number, uint32_t side) const {
  const slot& from = slots_[number];
  const uint64_t* first = marks_ + from.first_word[side];
  Taken taken = {std::vector<uint64_t>(first, first + from.words), from.tail_from[side],
                 from.lost[side] != 0};
  const bool mapped = __atomic_load_n(&from.mapped, __ATOMIC_SEQ_CST) != 0;
  if (!mapped && __atomic_load_n(&from.unmapped, __ATOMIC_SEQ_CST) != 0) return taken;
  taken.mapped = true;
  const uint64_t* folios = marks_ + from.first_folio_word[side];
  for (uint32_t word = 0; word < from.words; word++) taken.words[word] |= folios[word];
  return taken;
}

Taken Loader::Take(uint32_t number) {
  CheckSlot(number);
  slot& from = slots_[number];
  const uint32_t side = (__atomic_load_n(&from.side, __ATOMIC_SEQ_CST) & 1) ^ 1;
  Taken taken = Read(number, side);
  std::fill_n(marks_ + from.first_word[side], from.words, 0);
  std::fill_n(marks_ + from.first_folio_word[side], from.words, 0);
  from.tail_from[side] = NO_TAIL;
  from.lost[side] = 0;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return taken;
}

Taken Loader::Peek(uint32_t number) const {
  CheckSlot(number);
  return Read(number, __atomic_load_n(&slots_[number].side, __ATOMIC_SEQ_CST) & 1);
}

std::vector<uint64_t> Loader::Hits() const { return std::vector<uint64_t>(hits_, hits_ + PROGRAM_COUNT); }

uint64_t Loader::Missed() const {
  uint64_t missed = 0;
  for (const bpf_program* program : programs_) {
    const int descriptor = bpf_program__fd(program);
    if (descriptor < 0) continue;
    bpf_prog_info facts = {};
    __u32 bytes = sizeof facts;
    if (bpf_obj_get_info_by_fd(descriptor, &facts, &bytes) != 0) Fail("a program has no facts", errno);
    missed += facts.recursion_misses;
  }
  // the begin of a direct write may be among them
  if (missed != 0) __atomic_store_n(direct_writes_lost_, 1, __ATOMIC_SEQ_CST);
  return missed;
}

void Loader::Detach(uint32_t number) {
  if (number >= PROGRAM_COUNT) throw std::runtime_error("no such program");
  if (links_[number] != nullptr) bpf_link__destroy(links_[number]);
  links_[number] = nullptr;
  why_not_[number] = "detached";
}

}  // namespace afterimage
