/**
 * The few kernel types that the programs look into, with only the fields they need: where a field
 * stands in the running kernel is settled when the object is loaded (CO-RE). So neither kernel headers
 * nor a dump of its types is needed to build.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_F_MMAPABLE = 1 << 10,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
  __u32 s_dev;
};

struct address_space;

struct inode {
  struct super_block *i_sb;
  unsigned long i_ino;
  long long i_size;
  __u32 i_generation;
  __u8 i_blkbits;
  struct address_space *i_mapping;
};

typedef struct {
  int counter;
} atomic_t;

struct address_space {
  struct inode *host;
  /** Shared mappings that can be written to, or can become so. */
  atomic_t i_mmap_writable;
};

/** From 5.16; the flags became a struct in 6.18. */
struct folio {
  unsigned long flags;
  unsigned long index;
  unsigned long _flags_1;
};

struct folio_flags___6_18 {
  unsigned long f;
};

struct folio___6_18 {
  struct folio_flags___6_18 flags;
};

struct file {
  struct inode *f_inode;
};

struct kiocb {
  struct file *ki_filp;
  long long ki_pos;
};

struct iov_iter {
  _Bool data_source;
  unsigned long count;
};

struct iomap {
  __u64 length;
};

/** `iter_start_pos` came in 6.15, together with a `pos` that moves before the next step. */
struct iomap_iter {
  struct inode *inode;
  long long pos;
  __u64 len;
  long long iter_start_pos;
  unsigned int flags;
  struct iomap iomap;
};

struct xfs_inode {
  struct inode i_vnode;
};

enum pageflags { PG_head };

#pragma clang attribute pop

/** Of include/linux/iomap.h; macros there, the same since 5.15. */
#define IOMAP_WRITE (1 << 0)
#define IOMAP_ZERO (1 << 1)
#define IOMAP_UNSHARE (1 << 7)
#define IOMAP_DAX (1 << 8)

#define PAGE_SHIFT 12
