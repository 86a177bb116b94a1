#include "feed-events.h"

#include <cstring>

#include "feed-id.h"

namespace afterimage {
namespace {

constexpr uint8_t kInfoFid = 1;
constexpr uint8_t kInfoDfidName = 2;
constexpr uint8_t kInfoDfid = 3;

struct InfoHead {
  uint8_t type;
  uint8_t pad;
  uint16_t bytes;
};

/** False when the record does not hold what its type says. */
bool ReadInfo(std::string_view record, uint8_t type, FeedEvent* event) {
  if (type != kInfoFid && type != kInfoDfidName && type != kInfoDfid) return true;
  const size_t bytes = FeedIdBytes(record);
  if (bytes == 0) return false;
  const std::string_view id = record.substr(0, bytes);
  if (type == kInfoFid) {
    event->file = id;
    return true;
  }
  event->folder = id;
  if (type == kInfoDfid) return true;
  const std::string_view rest = record.substr(bytes);
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return false;
  event->name = rest.substr(0, end);
  return true;
}

}  // namespace

bool FeedEvents::Next(FeedEvent* event) {
  if (size_ == 0 || broken_) return false;
  broken_ = true;
  fanotify_event_metadata head;
  if (size_ < sizeof head) return false;
  std::memcpy(&head, data_, sizeof head);
  if (head.vers != FANOTIFY_METADATA_VERSION || head.event_len < head.metadata_len ||
      head.metadata_len < sizeof head || head.event_len > size_) {
    return false;
  }
  *event = FeedEvent{};
  event->mask = head.mask;
  for (size_t at = head.metadata_len; at < head.event_len;) {
    InfoHead info;
    if (head.event_len - at < sizeof info) return false;
    std::memcpy(&info, data_ + at, sizeof info);
    if (info.bytes < sizeof info || info.bytes > head.event_len - at) return false;
    const std::string_view record(data_ + at + sizeof info, info.bytes - sizeof info);
    if (!ReadInfo(record, info.type, event)) return false;
    at += info.bytes;
  }
  data_ += head.event_len;
  size_ -= head.event_len;
  broken_ = false;
  return true;
}

}  // namespace afterimage
