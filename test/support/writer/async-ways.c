/* Asynchronous I/O by the system calls themselves, so that no library is needed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ways.h"

enum { BLOCK = 4096 };

static int closed(int fd, int failed) {
  const int kept = errno;
  close(fd);
  errno = kept;
  return failed;
}

static int answered(int64_t result) {
  if (result >= 0) return 0;
  errno = (int)-result;
  return -1;
}

static int aio_write(const struct step *step, int flags, size_t length, off_t offset) {
  aio_context_t context = 0;
  struct iocb request;
  struct iocb *requests[1] = {&request};
  struct io_event event;
  if (syscall(SYS_io_setup, 1, &context) != 0) return -1;
  const int fd = open(step->path, O_RDWR | O_CREAT | flags, 0644);
  if (fd < 0) {
    syscall(SYS_io_destroy, context);
    return -1;
  }
  memset(&request, 0, sizeof request);
  request.aio_lio_opcode = IOCB_CMD_PWRITE;
  request.aio_fildes = (uint32_t)fd;
  request.aio_buf = (uint64_t)(uintptr_t)step->bytes;
  request.aio_nbytes = length;
  request.aio_offset = offset;
  int failed = syscall(SYS_io_submit, context, 1, requests) == 1 ? 0 : -1;
  if (failed == 0) failed = syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 ? 0 : -1;
  if (failed == 0) failed = answered(event.res);
  closed(fd, 0);
  const int kept = errno;
  syscall(SYS_io_destroy, context);
  errno = kept;
  return failed;
}

static int aio(const struct step *step) {
  return aio_write(step, 0, step->length, step->offset);
}

static int aio_direct(const struct step *step) {
  const size_t length = (step->length + BLOCK - 1) / BLOCK * BLOCK;
  return aio_write(step, O_DIRECT, length, step->offset / BLOCK * BLOCK);
}

/* One request through rings that are made for it. */
static int submit(int ring, const struct io_uring_params *params, int fd, const struct step *step) {
  const size_t queue = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
  const size_t done = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
  const size_t entries = params->sq_entries * sizeof(struct io_uring_sqe);
  const int access = PROT_READ | PROT_WRITE;
  const int how = MAP_SHARED | MAP_POPULATE;
  char *sq = mmap(NULL, queue, access, how, ring, IORING_OFF_SQ_RING);
  char *cq = mmap(NULL, done, access, how, ring, IORING_OFF_CQ_RING);
  struct io_uring_sqe *sqe = mmap(NULL, entries, access, how, ring, IORING_OFF_SQES);
  if (sq == MAP_FAILED || cq == MAP_FAILED || (void *)sqe == MAP_FAILED) return -1;
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = IORING_OP_WRITE;
  sqe->fd = fd;
  sqe->addr = (uint64_t)(uintptr_t)step->bytes;
  sqe->len = (uint32_t)step->length;
  sqe->off = (uint64_t)step->offset;
  *(uint32_t *)(void *)(sq + params->sq_off.array) = 0;
  __atomic_store_n((uint32_t *)(void *)(sq + params->sq_off.tail), 1, __ATOMIC_RELEASE);
  int failed = -1;
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) >= 0) {
    failed = answered(((struct io_uring_cqe *)(void *)(cq + params->cq_off.cqes))->res);
  }
  const int kept = errno;
  munmap(sq, queue);
  munmap(cq, done);
  munmap(sqe, entries);
  errno = kept;
  return failed;
}

static int uring(const struct step *step) {
  struct io_uring_params params;
  memset(&params, 0, sizeof params);
  const int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
  if (ring < 0) return -1;
  const int fd = open(step->path, O_RDWR | O_CREAT, 0644);
  if (fd < 0) return closed(ring, -1);
  return closed(ring, closed(fd, submit(ring, &params, fd, step)));
}

const struct named_way async_ways[] = {
    {"aio", aio}, {"aio-direct", aio_direct}, {"uring", uring}, {NULL, NULL}};
