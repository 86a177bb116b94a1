#include "feed-batch.h"

#include <endian.h>

#include <utility>

namespace afterimage {

void FeedBatch::Add(FeedRecord record, std::string_view path) {
  std::string key(1, static_cast<char>(record));
  key.append(path);
  if (!seen_.insert(std::move(key)).second) return;
  const uint32_t length = htole32(static_cast<uint32_t>(path.size()));
  const char* head = reinterpret_cast<const char*>(&length);
  bytes_.push_back(static_cast<char>(record));
  bytes_.insert(bytes_.end(), head, head + sizeof length);
  bytes_.insert(bytes_.end(), path.begin(), path.end());
}

std::vector<char> FeedBatch::Take() {
  seen_.clear();
  return std::exchange(bytes_, {});
}

}  // namespace afterimage
