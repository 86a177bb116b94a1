/* Ways that change names and metadata. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "ways.h"

enum { NAME_ROOM = 64, ENTRIES = 5 };

static int closed(int fd, int failed) {
  const int kept = errno;
  close(fd);
  errno = kept;
  return failed;
}

static int exchange(const struct step *step) {
  return renameat2(AT_FDCWD, step->path, AT_FDCWD, step->other, RENAME_EXCHANGE);
}

static int replace(const struct step *step) { return rename(step->path, step->other); }

static int hard_link(const struct step *step) {
  if (unlink(step->other) != 0 && errno != ENOENT) return -1;
  return link(step->path, step->other);
}

static int symbolic_link(const struct step *step) {
  char target[NAME_ROOM];
  snprintf(target, sizeof target, "target-%u", step->seed);
  if (unlink(step->other) != 0 && errno != ENOENT) return -1;
  return symlink(target, step->other);
}

static int unnamed(const struct step *step) {
  char folder[4096];
  char through[NAME_ROOM];
  snprintf(folder, sizeof folder, "%s", step->path);
  char *slash = strrchr(folder, '/');
  if (slash != NULL) *slash = '\0';
  const int fd = open(folder, O_TMPFILE | O_RDWR, 0640);
  if (fd < 0) return -1;
  int failed = write(fd, step->bytes, step->length) < 0 ? -1 : 0;
  if (failed == 0 && unlink(step->path) != 0 && errno != ENOENT) failed = -1;
  snprintf(through, sizeof through, "/proc/self/fd/%d", fd);
  if (failed == 0) failed = linkat(AT_FDCWD, through, AT_FDCWD, step->path, AT_SYMLINK_FOLLOW);
  return closed(fd, failed);
}

/* Same name, same size, same mtime, other bytes; the inode number may be the same, too. */
static int recreate(const struct step *step) {
  struct stat before;
  if (stat(step->path, &before) != 0 || unlink(step->path) != 0) return -1;
  const int fd = open(step->path, O_RDWR | O_CREAT | O_EXCL, before.st_mode & 07777);
  if (fd < 0) return -1;
  int failed = write(fd, step->bytes, step->length) < 0 ? -1 : 0;
  if (failed == 0) failed = ftruncate(fd, before.st_size);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  if (failed == 0) failed = futimens(fd, times);
  return closed(fd, failed);
}

/* Written through a descriptor that is older than the name. */
static int through_old(const struct step *step) {
  const int fd = open(step->path, O_RDWR);
  if (fd < 0) return -1;
  int failed = rename(step->path, step->other);
  if (failed == 0) failed = pwrite(fd, step->bytes, step->length, step->offset) < 0 ? -1 : 0;
  return closed(fd, failed);
}

static int mode(const struct step *step) { return chmod(step->path, 0600 | (step->seed & 0177)); }

static int mode_and_back(const struct step *step) {
  struct stat before;
  if (stat(step->path, &before) != 0 || chmod(step->path, 0400) != 0) return -1;
  return chmod(step->path, before.st_mode & 07777);
}

static int owner(const struct step *step) {
  return lchown(step->path, 1000 + step->seed % 7, (gid_t)-1);
}

static int times(const struct step *step) {
  const struct timespec at[2] = {{(time_t)(step->seed % 2000000000u), 1}, {(time_t)(step->seed % 2000000000u), 123456789}};
  return utimensat(AT_FDCWD, step->path, at, 0);
}

static int attribute(const struct step *step) {
  const size_t length = step->length < 100 ? step->length : 100;
  return lsetxattr(step->path, "user.afterimage", step->bytes, length, 0);
}

static int attribute_and_back(const struct step *step) {
  char before[256];
  const ssize_t had = lgetxattr(step->path, "user.afterimage", before, sizeof before);
  if (had < 0 && errno != ENODATA) return -1;
  if (attribute(step) != 0) return -1;
  return had < 0 ? lremovexattr(step->path, "user.afterimage")
                 : lsetxattr(step->path, "user.afterimage", before, (size_t)had, 0);
}

/* linux/posix_acl_xattr.h: version 2, then tag, permissions, id. */
static int access_list(const struct step *step) {
  struct {
    uint32_t version;
    struct {
      uint16_t tag;
      uint16_t permissions;
      uint32_t id;
    } entries[ENTRIES];
  } list = {2,
            {{0x01, 6, UINT32_MAX},
             {0x02, (uint16_t)(step->seed & 7), 1000 + step->seed % 5},
             {0x04, 4, UINT32_MAX},
             {0x10, 7, UINT32_MAX},
             {0x20, 4, UINT32_MAX}}};
  return lsetxattr(step->path, "system.posix_acl_access", &list, sizeof list, 0);
}

const struct named_way name_ways[] = {
    {"exchange", exchange},   {"rename", replace},         {"link", hard_link},
    {"symlink", symbolic_link}, {"unnamed", unnamed},      {"recreate", recreate},
    {"through-old", through_old}, {"chmod", mode},         {"chmod-back", mode_and_back},
    {"chown", owner},         {"utimes", times},           {"xattr", attribute},
    {"xattr-back", attribute_and_back}, {"acl", access_list}, {NULL, NULL},
};
