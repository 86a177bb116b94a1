/* What a test tells the shim, and what the shim counts: one page of shared memory, laid out as
 * test/fault/shim/shim.ts writes it. All numbers are 64 bits, little-endian. */
#ifndef AFTERIMAGE_CONTROL_H
#define AFTERIMAGE_CONTROL_H

#include <stdint.h>

#define CONTROL_BYTES 8192
#define RULES 16
#define MATCH_BYTES 64

/* Bit numbers of rule.kinds, and places in counts. */
enum kind {
  WRITE,
  READ,
  FSYNC,
  FDATASYNC,
  SYNCFS,
  RENAME,
  CREATE,
  OPEN,
  LINK,
  UNLINK,
  MKDIR,
  TRUNCATE,
  ALLOCATE,
  COPY,
  KINDS
};

enum action {
  FAIL = 1,  /* the call does nothing and fails */
  SHORT = 2, /* a write or read does half, at least a byte */
  LIE = 3,   /* the call does nothing and says it did */
  LOSE = 4,  /* a flush fails, and what was written since the last one is gone */
  KILL = 5   /* the process dies before the call */
};

struct rule {
  uint64_t kinds; /* 0: not in use */
  uint64_t from;  /* the first matching call that it is for, from 1 */
  uint64_t times;
  uint64_t action;
  uint64_t error;
  uint64_t seen; /* matching calls so far */
  uint64_t hit;  /* calls that it was done to */
  uint64_t reserved;
  char match[MATCH_BYTES]; /* what a path must contain; empty: all paths */
};

struct control {
  uint64_t magic;
  int64_t clock_shift_ns;
  uint64_t slow_ns;
  uint64_t slow_kinds;
  uint64_t remember; /* 1: keep what writes overwrite, for LOSE */
  uint64_t reserved[11];
  uint64_t counts[16];
  struct rule rules[RULES];
};

_Static_assert(sizeof(struct control) <= CONTROL_BYTES, "the control page holds it");
_Static_assert(KINDS <= 16, "there is a count for each kind");

#endif
