/* A block device's memory of what it was told: shows one file over FUSE that a loop device lies on,
 * keeps its bytes in an image, and appends every write, flush and mark to a log in the order in which
 * they came (docs/design/disk-faults.md). One thread answers one request after the other, so what was
 * answered before a flush came is before it in the log.
 *
 *   recorder MOUNT IMAGE LOG MARKS
 *
 * MOUNT is an empty file to mount on, MARKS a FIFO whose lines become marks. Prints "ready" when
 * mounted; ends when it is unmounted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE_BYTES_MAX = 1 << 20, REQUEST_BYTES = WRITE_BYTES_MAX + 65536, MARK_BYTES = 4096 };
enum entry { ENTRY_WRITE = 1, ENTRY_FLUSH = 2, ENTRY_MARK = 3 };

static int device, image, log_file, marks;
static uint64_t image_bytes;
static char request[REQUEST_BYTES], answer[WRITE_BYTES_MAX];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void append(enum entry entry, uint64_t offset, const void *bytes, uint64_t length) {
  uint64_t header[3] = {entry, offset, length};
  struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)bytes, length}};
  if (writev(log_file, parts, 2) != (ssize_t)(sizeof header + length)) die("log");
}

static void take_marks(void) {
  char line[MARK_BYTES];
  const ssize_t length = read(marks, line, sizeof line);
  if (length > 0) append(ENTRY_MARK, 0, line, (uint64_t)length);
}

static void reply(const struct fuse_in_header *in, int error, const void *body, size_t length) {
  struct fuse_out_header out = {(uint32_t)(sizeof out + length), -error, in->unique};
  struct iovec parts[2] = {{&out, sizeof out}, {(void *)(uintptr_t)body, length}};
  /* ENOENT: whoever asked was interrupted and does not wait any more. */
  if (writev(device, parts, 2) < 0 && errno != ENOENT) die("reply");
}

static void reply_attributes(const struct fuse_in_header *in) {
  struct fuse_attr_out out = {
      .attr_valid = 1000,
      .attr = {.ino = FUSE_ROOT_ID, .size = image_bytes, .blocks = image_bytes / 512,
               .mode = S_IFREG | 0600, .nlink = 1, .blksize = 4096},
  };
  reply(in, 0, &out, sizeof out);
}

static void reply_init(const struct fuse_in_header *in, const struct fuse_init_in *asked) {
  struct fuse_init_out out = {
      .major = FUSE_KERNEL_VERSION,
      .minor = FUSE_KERNEL_MINOR_VERSION,
      .max_readahead = asked->max_readahead,
      .flags = asked->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
      .max_background = 16,
      .congestion_threshold = 12,
      .max_write = WRITE_BYTES_MAX,
      .max_pages = WRITE_BYTES_MAX / 4096,
      .time_gran = 1,
  };
  reply(in, 0, &out, sizeof out);
}

static void reply_read(const struct fuse_in_header *in, const struct fuse_read_in *asked) {
  const size_t length = asked->size < sizeof answer ? asked->size : sizeof answer;
  const ssize_t got = pread(image, answer, length, (off_t)asked->offset);
  if (got < 0) die("image");
  reply(in, 0, answer, (size_t)got);
}

static void reply_write(const struct fuse_in_header *in, const struct fuse_write_in *asked) {
  const char *bytes = (const char *)(asked + 1);
  if (pwrite(image, bytes, asked->size, (off_t)asked->offset) != (ssize_t)asked->size) die("image");
  append(ENTRY_WRITE, asked->offset, bytes, asked->size);
  const struct fuse_write_out out = {asked->size, 0};
  reply(in, 0, &out, sizeof out);
}

/* False when there will be no more requests. */
static int serve(void) {
  const ssize_t length = read(device, request, sizeof request);
  if (length < 0 && errno == ENODEV) return 0;
  if (length < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) return 1;
  if (length < (ssize_t)sizeof(struct fuse_in_header)) die("request");
  const struct fuse_in_header *in = (const void *)request;
  const void *body = in + 1;
  const struct fuse_open_out opened = {.open_flags = FOPEN_DIRECT_IO};
  const struct fuse_statfs_out space = {.st = {.bsize = 4096, .frsize = 4096, .namelen = 255}};
  switch (in->opcode) {
    case FUSE_INIT: reply_init(in, body); break;
    case FUSE_GETATTR:
    case FUSE_SETATTR: reply_attributes(in); break;
    case FUSE_OPEN: reply(in, 0, &opened, sizeof opened); break;
    case FUSE_READ: reply_read(in, body); break;
    case FUSE_WRITE: reply_write(in, body); break;
    case FUSE_FSYNC:
      append(ENTRY_FLUSH, 0, NULL, 0);
      reply(in, 0, NULL, 0);
      break;
    case FUSE_STATFS: reply(in, 0, &space, sizeof space); break;
    case FUSE_FLUSH:
    case FUSE_RELEASE: reply(in, 0, NULL, 0); break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: break;
    case FUSE_DESTROY: reply(in, 0, NULL, 0); return 0;
    default: reply(in, ENOSYS, NULL, 0);
  }
  return 1;
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: recorder MOUNT IMAGE LOG MARKS\n");
    return 2;
  }
  struct stat status;
  char options[128];
  device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  image = open(arguments[2], O_RDWR | O_CLOEXEC);
  log_file = open(arguments[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  marks = open(arguments[4], O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (device < 0 || image < 0 || log_file < 0 || marks < 0) die("open");
  if (fstat(image, &status) != 0) die("image");
  image_bytes = (uint64_t)status.st_size;
  snprintf(options, sizeof options, "fd=%d,rootmode=%o,user_id=0,group_id=0,max_read=%d", device,
           S_IFREG | 0600, WRITE_BYTES_MAX);
  if (mount("recorder", arguments[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) die("mount");
  printf("ready\n");
  fflush(stdout);
  struct pollfd waiting[2] = {{marks, POLLIN, 0}, {device, POLLIN, 0}};
  for (int more = 1; more;) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) die("poll");
    if ((waiting[0].revents & POLLIN) != 0) take_marks();
    if ((waiting[1].revents & (POLLIN | POLLERR | POLLHUP)) != 0) more = serve();
  }
  return 0;
}
