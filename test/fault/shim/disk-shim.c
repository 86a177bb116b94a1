/* A file layer between a process and libc (LD_PRELOAD): counts calls on paths below one folder, and
 * makes those fail, lie, fall short, take long or kill the process that a test names. libuv, SQLite
 * and native addons all go through libc, so nothing of the product has to know.
 *
 *   AFTERIMAGE_FAULT_FOLDER   the folder; everything else is left alone
 *   AFTERIMAGE_FAULT_CONTROL  a file of CONTROL_BYTES (control.h), which may change at any time
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "undo.h"

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;

#define REAL(name, result, ...)                                                                    \
  static result (*real_##name)(__VA_ARGS__);                                                       \
  if (real_##name == NULL) *(void **)&real_##name = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("AFTERIMAGE_FAULT_CONTROL");
  const char *below = getenv("AFTERIMAGE_FAULT_FOLDER");
  if (path == NULL || below == NULL || strlen(below) >= sizeof folder) return;
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *page = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page == MAP_FAILED) return;
  strcpy(folder, below);
  folder_length = strlen(folder);
  control = page;
}

/* ---- which path a call is about ---- */

static int descriptor_path(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return 1;
}

/* Follows /proc/self/fd/N/name and names relative to a folder; other links are not followed. */
static int full_path(int at, const char *name, char *path) {
  static const char through[] = "/proc/self/fd/";
  char rest[PATH_MAX];
  if (name == NULL || strlen(name) >= PATH_MAX) return 0;
  if (strncmp(name, through, sizeof through - 1) == 0) {
    char *end;
    const long fd = strtol(name + sizeof through - 1, &end, 10);
    strcpy(rest, end);
    if (!descriptor_path((int)fd, path)) return 0;
  } else if (name[0] == '/') {
    strcpy(path, name);
    return 1;
  } else {
    snprintf(rest, sizeof rest, "/%.*s", PATH_MAX - 2, name);
    if (at == AT_FDCWD ? getcwd(path, PATH_MAX) == NULL : !descriptor_path(at, path)) return 0;
  }
  if (strlen(path) + strlen(rest) >= PATH_MAX) return 0;
  strcat(path, rest);
  return 1;
}

static int is_ours(const char *path) {
  return strncmp(path, folder, folder_length) == 0 &&
         (path[folder_length] == '/' || path[folder_length] == 0);
}

/* ---- what is to be done to it ---- */

struct verdict {
  enum action action;
  int error;
};

static const struct verdict nothing = {0, 0};

static void take_long(enum kind kind) {
  const uint64_t ns = control->slow_ns;
  if (ns == 0 || (control->slow_kinds & (1ull << kind)) == 0) return;
  const struct timespec wait = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
  nanosleep(&wait, NULL);
}

static struct verdict judge(enum kind kind, const char *path) {
  __atomic_fetch_add(&control->counts[kind], 1, __ATOMIC_RELAXED);
  take_long(kind);
  for (int number = 0; number < RULES; number += 1) {
    struct rule *rule = &control->rules[number];
    if ((__atomic_load_n(&rule->kinds, __ATOMIC_ACQUIRE) & (1ull << kind)) == 0) continue;
    if (rule->match[0] != 0 && strstr(path, rule->match) == NULL) continue;
    const uint64_t call = __atomic_add_fetch(&rule->seen, 1, __ATOMIC_RELAXED);
    if (call < rule->from || call - rule->from >= rule->times) continue;
    __atomic_fetch_add(&rule->hit, 1, __ATOMIC_RELAXED);
    if (rule->action == KILL) kill(getpid(), SIGKILL);
    return (struct verdict){(enum action)rule->action, (int)rule->error};
  }
  return nothing;
}

static struct verdict judge_descriptor(enum kind kind, int fd) {
  char path[PATH_MAX];
  if (control == NULL || !descriptor_path(fd, path) || !is_ours(path)) return nothing;
  return judge(kind, path);
}

static struct verdict judge_name(enum kind kind, int at, const char *name) {
  char path[PATH_MAX];
  if (control == NULL || !full_path(at, name, path) || !is_ours(path)) return nothing;
  return judge(kind, path);
}

/* Leaves the calling function when the call is not to be made. */
#define OBEY(verdict)                                                                              \
  do {                                                                                             \
    if ((verdict).action == LIE) return 0;                                                         \
    if ((verdict).action == FAIL || (verdict).action == LOSE) {                                    \
      errno = (verdict).error;                                                                     \
      return -1;                                                                                   \
    }                                                                                              \
  } while (0)

static size_t shortened(struct verdict verdict, size_t bytes) {
  return verdict.action == SHORT && bytes > 1 ? bytes / 2 : bytes;
}

static void remember(int fd, off_t offset, size_t bytes) {
  char path[PATH_MAX];
  if (control == NULL || control->remember == 0) return;
  if (descriptor_path(fd, path) && is_ours(path)) undo_remember(fd, path, offset, bytes);
}

/* ---- reads and writes ---- */

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write, ssize_t, int, const void *, size_t);
  const struct verdict verdict = judge_descriptor(WRITE, fd);
  OBEY(verdict);
  if (control != NULL && control->remember != 0) remember(fd, lseek(fd, 0, SEEK_CUR), length);
  return real_write(fd, bytes, shortened(verdict, length));
}

#define PWRITE(name)                                                                               \
  ssize_t name(int fd, const void *bytes, size_t length, off_t offset) {                           \
    REAL(name, ssize_t, int, const void *, size_t, off_t);                                         \
    const struct verdict verdict = judge_descriptor(WRITE, fd);                                    \
    OBEY(verdict);                                                                                 \
    remember(fd, offset, length);                                                                  \
    return real_##name(fd, bytes, shortened(verdict, length), offset);                             \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

static size_t total(const struct iovec *parts, int count) {
  size_t bytes = 0;
  for (int part = 0; part < count; part += 1) bytes += parts[part].iov_len;
  return bytes;
}

/* Falls short by whole parts, or within the only one. */
static int shorten_parts(struct verdict verdict, const struct iovec *parts, int count,
                         struct iovec *only) {
  if (verdict.action != SHORT) return count;
  if (count > 1) return count / 2;
  *only = (struct iovec){parts[0].iov_base, shortened(verdict, parts[0].iov_len)};
  return 0;
}

#define VECTOR(name, kind, writes)                                                                 \
  ssize_t name(int fd, const struct iovec *parts, int count) {                                     \
    REAL(name, ssize_t, int, const struct iovec *, int);                                           \
    struct iovec only;                                                                             \
    const struct verdict verdict = judge_descriptor(kind, fd);                                     \
    OBEY(verdict);                                                                                 \
    if (writes && control != NULL && control->remember != 0)                                       \
      remember(fd, lseek(fd, 0, SEEK_CUR), total(parts, count));                                   \
    const int some = count > 0 ? shorten_parts(verdict, parts, count, &only) : count;              \
    return some == 0 && count > 0 ? real_##name(fd, &only, 1) : real_##name(fd, parts, some);      \
  }
VECTOR(writev, WRITE, 1)
VECTOR(readv, READ, 0)

#define PVECTOR(name, kind, writes)                                                                \
  ssize_t name(int fd, const struct iovec *parts, int count, off_t offset) {                       \
    REAL(name, ssize_t, int, const struct iovec *, int, off_t);                                    \
    struct iovec only;                                                                             \
    const struct verdict verdict = judge_descriptor(kind, fd);                                     \
    OBEY(verdict);                                                                                 \
    if (writes) remember(fd, offset, total(parts, count));                                         \
    const int some = count > 0 ? shorten_parts(verdict, parts, count, &only) : count;              \
    return some == 0 && count > 0 ? real_##name(fd, &only, 1, offset)                              \
                                  : real_##name(fd, parts, some, offset);                          \
  }
PVECTOR(pwritev, WRITE, 1)
PVECTOR(pwritev64, WRITE, 1)
PVECTOR(preadv, READ, 0)
PVECTOR(preadv64, READ, 0)

ssize_t read(int fd, void *bytes, size_t length) {
  REAL(read, ssize_t, int, void *, size_t);
  const struct verdict verdict = judge_descriptor(READ, fd);
  OBEY(verdict);
  return real_read(fd, bytes, shortened(verdict, length));
}

#define PREAD(name)                                                                                \
  ssize_t name(int fd, void *bytes, size_t length, off_t offset) {                                 \
    REAL(name, ssize_t, int, void *, size_t, off_t);                                               \
    const struct verdict verdict = judge_descriptor(READ, fd);                                     \
    OBEY(verdict);                                                                                 \
    return real_##name(fd, bytes, shortened(verdict, length), offset);                             \
  }
PREAD(pread)
PREAD(pread64)

/* ---- flushes ---- */

#define FLUSH(name, kind, whole)                                                                   \
  int name(int fd) {                                                                               \
    REAL(name, int, int);                                                                          \
    const struct verdict verdict = judge_descriptor(kind, fd);                                     \
    if (verdict.action == LOSE) undo_lose(fd, whole);                                              \
    OBEY(verdict);                                                                                 \
    const int done = real_##name(fd);                                                              \
    if (done == 0 && control != NULL && control->remember != 0) undo_forget(fd, whole);            \
    return done;                                                                                   \
  }
FLUSH(fsync, FSYNC, 0)
FLUSH(fdatasync, FDATASYNC, 0)
FLUSH(syncfs, SYNCFS, 1)

/* ---- names ---- */

static enum kind kind_of_open(int flags) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 && (flags & O_DIRECTORY) == 0 ? CREATE : OPEN;
}

#define MODE_OF(flags, mode)                                                                       \
  mode_t mode = 0;                                                                                 \
  if (((flags) & O_CREAT) != 0 || ((flags) & O_TMPFILE) == O_TMPFILE) {                            \
    va_list more;                                                                                  \
    va_start(more, flags);                                                                         \
    mode = va_arg(more, mode_t);                                                                   \
    va_end(more);                                                                                  \
  }

#define OPEN_CALL(name)                                                                            \
  int name(const char *path, int flags, ...) {                                                     \
    REAL(name, int, const char *, int, ...);                                                       \
    MODE_OF(flags, mode)                                                                           \
    const struct verdict verdict = judge_name(kind_of_open(flags), AT_FDCWD, path);                \
    OBEY(verdict);                                                                                 \
    return real_##name(path, flags, mode);                                                         \
  }
OPEN_CALL(open)
OPEN_CALL(open64)

#define OPENAT_CALL(name)                                                                          \
  int name(int at, const char *path, int flags, ...) {                                             \
    REAL(name, int, int, const char *, int, ...);                                                  \
    MODE_OF(flags, mode)                                                                           \
    const struct verdict verdict = judge_name(kind_of_open(flags), at, path);                      \
    OBEY(verdict);                                                                                 \
    return real_##name(at, path, flags, mode);                                                     \
  }
OPENAT_CALL(openat)
OPENAT_CALL(openat64)

/* `place` is the path that counts: where the name comes to be. */
#define NAME_CALL(kind, at, place, name, types, ...)                                               \
  {                                                                                                \
    REAL(name, int, types);                                                                        \
    const struct verdict verdict = judge_name(kind, at, place);                                    \
    OBEY(verdict);                                                                                 \
    return real_##name(__VA_ARGS__);                                                               \
  }
#define TYPES(...) __VA_ARGS__

int rename(const char *from, const char *to)
    NAME_CALL(RENAME, AT_FDCWD, to, rename, TYPES(const char *, const char *), from, to)
int renameat(int a, const char *from, int b, const char *to)
    NAME_CALL(RENAME, b, to, renameat, TYPES(int, const char *, int, const char *), a, from, b, to)
int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
    NAME_CALL(RENAME, b, to, renameat2, TYPES(int, const char *, int, const char *, unsigned), a,
              from, b, to, flags)
int link(const char *from, const char *to)
    NAME_CALL(LINK, AT_FDCWD, to, link, TYPES(const char *, const char *), from, to)
int linkat(int a, const char *from, int b, const char *to, int flags)
    NAME_CALL(LINK, b, to, linkat, TYPES(int, const char *, int, const char *, int), a, from, b, to,
              flags)
int symlink(const char *target, const char *path)
    NAME_CALL(LINK, AT_FDCWD, path, symlink, TYPES(const char *, const char *), target, path)
int unlink(const char *path) NAME_CALL(UNLINK, AT_FDCWD, path, unlink, TYPES(const char *), path)
int unlinkat(int at, const char *path, int flags)
    NAME_CALL(UNLINK, at, path, unlinkat, TYPES(int, const char *, int), at, path, flags)
int rmdir(const char *path) NAME_CALL(UNLINK, AT_FDCWD, path, rmdir, TYPES(const char *), path)
int mkdir(const char *path, mode_t mode)
    NAME_CALL(MKDIR, AT_FDCWD, path, mkdir, TYPES(const char *, mode_t), path, mode)
int mkdirat(int at, const char *path, mode_t mode)
    NAME_CALL(MKDIR, at, path, mkdirat, TYPES(int, const char *, mode_t), at, path, mode)

/* ---- sizes and copies ---- */

#define FD_CALL(kind, fd, name, types, ...)                                                        \
  {                                                                                                \
    REAL(name, int, types);                                                                        \
    const struct verdict verdict = judge_descriptor(kind, fd);                                     \
    OBEY(verdict);                                                                                 \
    return real_##name(__VA_ARGS__);                                                               \
  }

int ftruncate(int fd, off_t size)
    FD_CALL(TRUNCATE, fd, ftruncate, TYPES(int, off_t), fd, size)
int ftruncate64(int fd, off_t size)
    FD_CALL(TRUNCATE, fd, ftruncate64, TYPES(int, off_t), fd, size)
int fallocate(int fd, int mode, off_t offset, off_t length)
    FD_CALL(ALLOCATE, fd, fallocate, TYPES(int, int, off_t, off_t), fd, mode, offset, length)
int fallocate64(int fd, int mode, off_t offset, off_t length)
    FD_CALL(ALLOCATE, fd, fallocate64, TYPES(int, int, off_t, off_t), fd, mode, offset, length)

ssize_t copy_file_range(int from, off_t *a, int to, off_t *b, size_t length, unsigned flags) {
  REAL(copy_file_range, ssize_t, int, off_t *, int, off_t *, size_t, unsigned);
  const struct verdict verdict = judge_descriptor(COPY, to);
  OBEY(verdict);
  return real_copy_file_range(from, a, to, b, shortened(verdict, length), flags);
}

ssize_t sendfile64(int to, int from, off_t *offset, size_t length) {
  REAL(sendfile64, ssize_t, int, int, off_t *, size_t);
  const struct verdict verdict = judge_descriptor(COPY, to);
  OBEY(verdict);
  return real_sendfile64(to, from, offset, shortened(verdict, length));
}

/* ---- the clock on the wall ---- */

static void shift(struct timespec *now) {
  const int64_t by = control == NULL ? 0 : control->clock_shift_ns;
  const int64_t ns = now->tv_nsec + by % 1000000000;
  now->tv_sec += by / 1000000000 + (ns >= 1000000000 ? 1 : ns < 0 ? -1 : 0);
  now->tv_nsec = (ns + 1000000000) % 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(clock_gettime, int, clockid_t, struct timespec *);
  const int done = real_clock_gettime(clock, now);
  if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now);
  return done;
}

/* `now` must not be null, as glibc declares it. */
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec fine;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &fine) != 0) return -1;
  *now = (struct timeval){fine.tv_sec, fine.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *now) {
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  if (now != NULL) *now = fine.tv_sec;
  return fine.tv_sec;
}
