/* Stores through shared mappings: of the moment, and of mappings that stay. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ways.h"

enum { HELD_MAX = 8 };

struct mapping {
  char *at;
  size_t length;
  /* O_PATH, which opens nothing: tells how long the file is now, whatever its name. */
  int file;
};

static struct mapping held[HELD_MAX];

/* The descriptor is closed: only the mapping keeps the file. */
static int map(const char *path, struct mapping *mapping) {
  struct stat status;
  const int fd = open(path, O_RDWR);
  if (fd < 0) return -1;
  int failed = fstat(fd, &status);
  if (failed == 0 && status.st_size == 0) {
    errno = EINVAL;
    failed = -1;
  }
  if (failed == 0) {
    mapping->length = (size_t)status.st_size;
    mapping->at = mmap(NULL, mapping->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapping->at == MAP_FAILED) failed = -1;
  }
  const int kept = errno;
  close(fd);
  errno = kept;
  return failed;
}

/* Within the mapping, from the step's place on, wherever that wraps to. */
static void store(const struct mapping *mapping, const struct step *step) {
  const size_t from = (size_t)step->offset % mapping->length;
  const size_t room = mapping->length - from;
  memcpy(mapping->at + from, step->bytes, step->length < room ? step->length : room);
}

static int moment(const struct step *step, int sync, int look) {
  struct mapping mapping;
  if (map(step->path, &mapping) != 0) return -1;
  volatile char seen = 0;
  for (size_t at = 0; look && at < mapping.length; at += 4096) seen ^= mapping.at[at];
  store(&mapping, step);
  const int failed = sync ? msync(mapping.at, mapping.length, MS_SYNC) : 0;
  munmap(mapping.at, mapping.length);
  return failed;
}

static int map_store(const struct step *step) { return moment(step, 0, 0); }
static int map_sync(const struct step *step) { return moment(step, 1, 0); }
static int look_store(const struct step *step) { return moment(step, 0, 1); }

static void let_go(struct mapping *slot) {
  if (slot->at == NULL) return;
  munmap(slot->at, slot->length);
  close(slot->file);
  slot->at = NULL;
}

static int hold(const struct step *step) {
  struct mapping *slot = &held[step->seed % HELD_MAX];
  let_go(slot);
  struct mapping mapping;
  if (map(step->path, &mapping) != 0) return -1;
  *slot = mapping;
  slot->file = open(step->path, O_PATH);
  return slot->file < 0 ? -1 : 0;
}

/* Only where the file is as long as it was: a store past its end is a signal. */
static int held_store(const struct step *step, int look) {
  struct stat status;
  struct mapping *slot = &held[step->seed % HELD_MAX];
  if (slot->at == NULL) return 0;
  if (fstat(slot->file, &status) != 0 || (size_t)status.st_size < slot->length) {
    let_go(slot);
    return 0;
  }
  volatile char seen = 0;
  for (size_t at = 0; look && at < slot->length; at += 4096) seen ^= slot->at[at];
  store(slot, step);
  return 0;
}

static int store_held(const struct step *step) { return held_store(step, 0); }
static int look_held(const struct step *step) { return held_store(step, 1); }

static int release(const struct step *step) {
  let_go(&held[step->seed % HELD_MAX]);
  return 0;
}

const struct named_way mapping_ways[] = {
    {"map-store", map_store},   {"map-sync", map_sync},   {"look-store", look_store},
    {"hold", hold},             {"store-held", store_held}, {"look-held", look_held},
    {"release", release},       {NULL, NULL},
};
