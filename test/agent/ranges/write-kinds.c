/**
 * Changes one file in every way that Linux has, as told line by line on standard input: for tests of
 * what reports changes. Each command is answered by a line with its errno, 0 when it was done.
 *
 *   write-kinds <file> <other file on the same file system> <bytes that stay mapped>
 *   <kind> <offset> <length> <fill byte>
 *
 * `storm <seed> 0 0` and `calm 0 0 0` start and stop threads; `timed <count> 0 0` answers ns a write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONGEST (4 << 20)
#define THREADS 3

static int fd, direct, other;
static char *mapped;
static size_t mapped_bytes;
static char *page;

static int of(long result) { return result < 0 ? errno : 0; }

static int write_at(int to, off_t offset, size_t length, int fill, char *from) {
  memset(from, fill, length);
  return of(pwrite(to, from, length, offset));
}

static int append(size_t length, int fill) {
  struct stat status;
  if (fstat(fd, &status) != 0) return errno;
  return write_at(fd, status.st_size, length, fill, page);
}

/** Through a mapping that is there from the start, so that pages stay writable over many commands. */
static int store(off_t offset, size_t length, int fill) {
  struct stat status;
  if (fstat(fd, &status) != 0) return errno;
  size_t end = (size_t)status.st_size < mapped_bytes ? (size_t)status.st_size : mapped_bytes;
  if ((size_t)offset >= end) return ERANGE;
  if (length > end - offset) length = end - offset;
  memset(mapped + offset, fill, length);
  return 0;
}

static int asynchronous(off_t offset, size_t length, int fill) {
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, 4, &context) != 0) return errno;
  memset(page, fill, length);
  struct iocb block = {.aio_fildes = direct,
                       .aio_lio_opcode = IOCB_CMD_PWRITE,
                       .aio_buf = (uint64_t)page,
                       .aio_nbytes = length,
                       .aio_offset = offset};
  struct iocb *blocks[] = {&block};
  struct io_event event;
  long done = syscall(SYS_io_submit, context, 1, blocks);
  if (done == 1) done = syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
  int error = done < 0 ? errno : event.res < 0 ? (int)-event.res : 0;
  syscall(SYS_io_destroy, context);
  return error;
}

static int ring(off_t offset, size_t length, int fill) {
  struct io_uring_params ring_of = {0};
  int ring = (int)syscall(SYS_io_uring_setup, 4, &ring_of);
  if (ring < 0) return errno;
  size_t bytes = ring_of.sq_off.array + 4 * sizeof(unsigned);
  char *queue = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
  size_t done_bytes = ring_of.cq_off.cqes + ring_of.cq_entries * sizeof(struct io_uring_cqe);
  char *done = mmap(NULL, done_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
  struct io_uring_sqe *entry = mmap(NULL, 4 * sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                                    IORING_OFF_SQES);
  if (queue == MAP_FAILED || done == MAP_FAILED || entry == MAP_FAILED) return errno;
  memset(page, fill, length);
  memset(entry, 0, sizeof *entry);
  entry->opcode = IORING_OP_WRITE;
  entry->fd = direct;
  entry->addr = (uint64_t)page;
  entry->len = (unsigned)length;
  entry->off = (uint64_t)offset;
  ((unsigned *)(queue + ring_of.sq_off.array))[0] = 0;
  atomic_store((_Atomic unsigned *)(queue + ring_of.sq_off.tail), 1);
  int error = of(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
  int result = ((struct io_uring_cqe *)(done + ring_of.cq_off.cqes))->res;
  munmap(queue, bytes);
  munmap(done, done_bytes);
  munmap(entry, 4 * sizeof *entry);
  close(ring);
  return error != 0 ? error : result < 0 ? -result : 0;
}

static int copy(const char *kind, off_t offset, size_t length, int fill) {
  off_t from = 0;
  if (write_at(other, 0, length, fill, page) != 0) return errno;
  if (strcmp(kind, "copy") == 0) return of(copy_file_range(other, &from, fd, &offset, length, 0));
  if (strcmp(kind, "clone") == 0) {
    struct file_clone_range range = {other, 0, length, (uint64_t)offset};
    return of(ioctl(fd, FICLONERANGE, &range));
  }
  if (lseek(fd, offset, SEEK_SET) < 0) return errno;
  if (strcmp(kind, "sendfile") == 0) return of(sendfile(fd, other, &from, length));
  int pipes[2];
  if (pipe(pipes) != 0) return errno;
  int error = of(splice(other, &from, pipes[1], NULL, length > 65536 ? 65536 : length, 0));
  if (error == 0) error = of(splice(pipes[0], NULL, fd, &offset, 65536, 0));
  close(pipes[0]);
  close(pipes[1]);
  return error;
}

struct move_extent {
  uint32_t reserved, donor;
  uint64_t from, to, length, moved;
};

/** ext4: blocks change places between the file and the other one; the giver's content changes. */
static int move(const char *kind, off_t offset, size_t length, int fill) {
  if (ftruncate(other, 0) != 0 || write_at(other, 0, LONGEST, fill, page) != 0) return errno;
  if (fdatasync(other) != 0 || fdatasync(fd) != 0) return errno;
  int giver = strcmp(kind, "give") == 0;
  struct move_extent extent = {0, (uint32_t)(giver ? fd : other), (uint64_t)offset / 4096,
                               (uint64_t)offset / 4096, length / 4096, 0};
  return of(ioctl(giver ? other : fd, _IOWR('f', 15, struct move_extent), &extent));
}

static int change(const char *kind, off_t offset, size_t length, int fill) {
  if (strcmp(kind, "write") == 0) return write_at(fd, offset, length, fill, page);
  if (strcmp(kind, "append") == 0) return append(length, fill);
  if (strcmp(kind, "store") == 0) return store(offset, length, fill);
  if (strcmp(kind, "sync") == 0) return of(fdatasync(fd));
  if (strcmp(kind, "direct") == 0) return write_at(direct, offset, length, fill, page);
  if (strcmp(kind, "libaio") == 0) return asynchronous(offset, length, fill);
  if (strcmp(kind, "uring") == 0) return ring(offset, length, fill);
  if (strcmp(kind, "truncate") == 0) return of(ftruncate(fd, offset));
  if (strcmp(kind, "allocate") == 0) return of(fallocate(fd, 0, offset, length));
  if (strcmp(kind, "punch") == 0) return of(fallocate(fd, 3, offset, length));
  if (strcmp(kind, "zero") == 0) return of(fallocate(fd, 0x10, offset, length));
  if (strcmp(kind, "collapse") == 0) return of(fallocate(fd, 8, offset, length));
  if (strcmp(kind, "insert") == 0) return of(fallocate(fd, 0x20, offset, length));
  if (strcmp(kind, "unshare") == 0) return of(fallocate(fd, 0x40, offset, length));
  if (strcmp(kind, "take") == 0 || strcmp(kind, "give") == 0) return move(kind, offset, length, fill);
  return copy(kind, offset, length, fill);
}

static atomic_int storming;
static pthread_t threads[THREADS];

/** Stores, writes, direct writes and holes as fast as they go, until it is calm. */
static void *storm(void *argument) {
  uint64_t state = (uint64_t)(uintptr_t)argument * 0x9e3779b97f4a7c15ULL + 1;
  char *own = aligned_alloc(4096, 65536);
  while (atomic_load(&storming)) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    uint64_t random = state >> 20;
    size_t half = mapped_bytes / 2;
    off_t offset = (off_t)(random % (half / 4096)) * 4096;
    int fill = (int)(random >> 30) & 255;
    switch ((random >> 38) % 6) {
      case 0: write_at(fd, offset, 4096, fill, own); break;
      // not where others store: such pages stay stale, and the next flush fails
      case 1: write_at(direct, (off_t)half + offset, 4096, fill, own); break;
      case 2: fallocate(fd, (random >> 42) % 2 ? 3 : 0x10, offset, 4096 + (off_t)(random % 4096)); break;
      default: mapped[offset + (off_t)(random % 4096)] = (char)fill;
    }
  }
  free(own);
  return NULL;
}

static int start(long seed) {
  atomic_store(&storming, 1);
  for (long index = 0; index < THREADS; index++) {
    if (pthread_create(&threads[index], NULL, storm, (void *)(seed * THREADS + index)) != 0) return errno;
  }
  return 0;
}

static int stop(void) {
  atomic_store(&storming, 0);
  for (int index = 0; index < THREADS; index++) pthread_join(threads[index], NULL);
  return 0;
}

/** Nanoseconds a write of 4 KiB, `count` of them over 8 MiB, the fastest of five rounds. */
static long timed(long count) {
  long best = -1;
  memset(page, 7, 4096);
  for (int round = 0; round < 5; round++) {
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (long index = 0; index < count; index++) {
      if (pwrite(fd, page, 4096, (index % 2048) * 4096) != 4096) return -errno;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    long nanoseconds = (to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec;
    if (best < 0 || nanoseconds / count < best) best = nanoseconds / count;
  }
  return best;
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  fd = open(arguments[1], O_RDWR);
  direct = open(arguments[1], O_RDWR | O_DIRECT);
  other = open(arguments[2], O_RDWR | O_CREAT, 0600);
  mapped_bytes = strtoul(arguments[3], NULL, 10);
  if (mapped_bytes > 0) mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  page = aligned_alloc(4096, LONGEST);
  if (fd < 0 || direct < 0 || other < 0 || mapped == MAP_FAILED || page == NULL) return 3;
  char kind[16];
  long long offset, length;
  int fill;
  while (scanf("%15s %lld %lld %d", kind, &offset, &length, &fill) == 4) {
    long answer;
    if (length > LONGEST) answer = EFBIG;
    else if (strcmp(kind, "storm") == 0) answer = start((long)offset);
    else if (strcmp(kind, "calm") == 0) answer = stop();
    else if (strcmp(kind, "timed") == 0) answer = timed((long)offset);
    else answer = change(kind, (off_t)offset, (size_t)length, fill);
    printf("%ld\n", answer);
    fflush(stdout);
  }
  return 0;
}
