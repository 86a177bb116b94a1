/* Ways that write through a descriptor, and those that change what a file's extents are. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ways.h"

enum { BLOCK = 4096 };

static off_t down(off_t offset) { return offset / BLOCK * BLOCK; }
static off_t up(size_t length) { return ((off_t)length + BLOCK - 1) / BLOCK * BLOCK; }

static int closed(int fd, int failed) {
  const int kept = errno;
  close(fd);
  errno = kept;
  return failed;
}

static int write_all(int fd, const struct step *step, off_t offset) {
  size_t done = 0;
  while (done < step->length) {
    const ssize_t wrote = pwrite(fd, step->bytes + done, step->length - done, offset + (off_t)done);
    if (wrote < 0) return -1;
    done += (size_t)wrote;
  }
  return 0;
}

static int buffered(const struct step *step) {
  const int fd = open(step->path, O_RDWR | O_CREAT, 0644);
  return fd < 0 ? -1 : closed(fd, write_all(fd, step, step->offset));
}

static int synced(const struct step *step) {
  const int fd = open(step->path, O_RDWR | O_CREAT | O_DSYNC, 0644);
  return fd < 0 ? -1 : closed(fd, write_all(fd, step, step->offset));
}

static int append(const struct step *step) {
  const int fd = open(step->path, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd < 0) return -1;
  return closed(fd, write(fd, step->bytes, step->length) < 0 ? -1 : 0);
}

static int direct(const struct step *step) {
  const int fd = open(step->path, O_RDWR | O_CREAT | O_DIRECT, 0644);
  if (fd < 0) return -1;
  return closed(fd, pwrite(fd, step->bytes, (size_t)up(step->length), down(step->offset)) < 0 ? -1 : 0);
}

static int vectored(const struct step *step) {
  const int fd = open(step->path, O_RDWR | O_CREAT, 0644);
  if (fd < 0) return -1;
  const size_t half = step->length / 2;
  const struct iovec parts[2] = {{(void *)(step->bytes + half), step->length - half},
                                 {(void *)step->bytes, half}};
  return closed(fd, pwritev2(fd, parts, 2, step->offset, 0) < 0 ? -1 : 0);
}

/* The very bytes count: a writer that takes back its mtime is seen all the same. */
static int old_times(const struct step *step) {
  struct stat before;
  const int fd = open(step->path, O_RDWR);
  if (fd < 0) return -1;
  int failed = fstat(fd, &before);
  if (failed == 0) failed = write_all(fd, step, step->offset);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  if (failed == 0) failed = futimens(fd, times);
  return closed(fd, failed);
}

static int allocate(const struct step *step, int mode, int whole_blocks) {
  const int fd = open(step->path, O_RDWR);
  if (fd < 0) return -1;
  const off_t from = whole_blocks ? down(step->offset) : step->offset;
  const off_t length = whole_blocks ? up(step->length) : (off_t)step->length;
  return closed(fd, fallocate(fd, mode, from, length));
}

static int grow(const struct step *step) { return allocate(step, 0, 0); }
static int reserve(const struct step *step) { return allocate(step, FALLOC_FL_KEEP_SIZE, 0); }
static int zero_range(const struct step *step) { return allocate(step, FALLOC_FL_ZERO_RANGE, 0); }
static int collapse(const struct step *step) { return allocate(step, FALLOC_FL_COLLAPSE_RANGE, 1); }
static int insert(const struct step *step) { return allocate(step, FALLOC_FL_INSERT_RANGE, 1); }
static int punch(const struct step *step) {
  return allocate(step, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0);
}

static int cut(const struct step *step) { return truncate(step->path, step->offset); }

/* Runs `copy` from the other file to the file. */
static int between(const struct step *step, int (*copy)(int from, int to, const struct step *step)) {
  const int from = open(step->other, O_RDONLY);
  if (from < 0) return -1;
  const int to = open(step->path, O_RDWR | O_CREAT, 0644);
  if (to < 0) return closed(from, -1);
  return closed(from, closed(to, copy(from, to, step)));
}

static int copy_part(int from, int to, const struct step *step) {
  off_t in = 0;
  off_t out = step->offset;
  return copy_file_range(from, &in, to, &out, step->length, 0) < 0 ? -1 : 0;
}

static int clone_all(int from, int to, const struct step *step) {
  (void)step;
  return ioctl(to, FICLONE, from);
}

static int clone_part(int from, int to, const struct step *step) {
  const struct file_clone_range range = {from, 0, BLOCK, (unsigned long long)down(step->offset)};
  return ioctl(to, FICLONERANGE, &range);
}

static int send_part(int from, int to, const struct step *step) {
  off_t in = 0;
  if (lseek(to, step->offset, SEEK_SET) < 0) return -1;
  return sendfile(to, from, &in, step->length) < 0 ? -1 : 0;
}

static int splice_part(int from, int to, const struct step *step) {
  int ends[2];
  loff_t in = 0;
  loff_t out = step->offset;
  if (pipe(ends) != 0) return -1;
  const ssize_t got = splice(from, &in, ends[1], NULL, BLOCK, 0);
  const ssize_t put = got < 0 ? -1 : splice(ends[0], NULL, to, &out, (size_t)got, 0);
  return closed(ends[0], closed(ends[1], put < 0 ? -1 : 0));
}

static int copy_range(const struct step *step) { return between(step, copy_part); }
static int clone_file(const struct step *step) { return between(step, clone_all); }
static int clone_range(const struct step *step) { return between(step, clone_part); }
static int send_file(const struct step *step) { return between(step, send_part); }
static int splice_file(const struct step *step) { return between(step, splice_part); }

const struct named_way data_ways[] = {
    {"write", buffered},       {"dsync", synced},         {"append", append},
    {"direct", direct},        {"vectored", vectored},    {"old-times", old_times},
    {"fallocate", grow},       {"reserve", reserve},      {"zero-range", zero_range},
    {"collapse", collapse},    {"insert", insert},        {"punch", punch},
    {"truncate", cut},         {"copy-range", copy_range}, {"clone", clone_file},
    {"clone-range", clone_range}, {"sendfile", send_file}, {"splice", splice_file},
    {NULL, NULL},
};
