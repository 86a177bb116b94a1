// SPDX-License-Identifier: Apache-2.0 OR MIT OR GPL-2.0-only
/**
 * Marks which 64 KiB blocks of followed files change, as the kernel changes them, on ext4 and XFS.
 * Why each point is where it is, and why no change can slip between two looks, is reasoned in
 * docs/design/ranges.md, "Tracker". A mark that cannot be made sets `lost`: never a missed change.
 *
 * Built ahead by build-object.js; tp_btf programs, so that no kernel text is patched. The kernel lends
 * its helpers to programs under the GPL only, hence the choice of licences for this one file.
 */
#include "kernel.h"
// the kernel's types first
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "layout.h"

char licence[] SEC("license") = "Dual MIT/GPL";

/** Which files are followed. Every program asks here first, so that other files cost one lookup. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, struct file_key);
  __type(value, __u32);
} files SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct slot);
} slots SEC(".maps");

/** Bits of blocks; which words are whose and of which side, the slots say. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} marks SEC(".maps");

/** How often each program marked something: the check at start reads from it who answered. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, PROGRAM_COUNT);
  __type(key, __u32);
  __type(value, __u64);
} hits SEC(".maps");

struct direct_write {
  __u64 from;
  __u64 length;
};

/** Direct writes under way, by the address of their control block; of reads the length is 0. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, DIRECT_WRITES_MAX);
  __type(key, __u64);
  __type(value, struct direct_write);
} direct_writes SEC(".maps");

/** Not 0: not all of them are known. */
__u64 direct_writes_lost = 0;

/** Until then a direct write may be under way that began before the programs did. */
__u64 reads_known_from_ns = ~0ULL;

/** True when whatever ends without being known as a write was a read. */
static __always_inline int reads_are_known(void) {
  return !*(volatile __u64 *)&direct_writes_lost &&
         bpf_ktime_get_ns() > *(volatile __u64 *)&reads_known_from_ns;
}

static __always_inline void lower_tail(struct slot *slot, __u32 side, __u64 from) {
  __u64 *tail = side ? &slot->tail_from[1] : &slot->tail_from[0];
  __u64 *lost = side ? &slot->lost[1] : &slot->lost[0];
  for (int tries = 0; tries < 8; tries++) {
    __u64 now = *(volatile __u64 *)tail;
    if (now <= from) return;
    if (__sync_val_compare_and_swap(tail, now, from) == now) return;
  }
  *(volatile __u64 *)lost = 1;
}

#define TO_END (~0ULL)

/** Marks [from, from + length) of the file in slot `number`; a length of TO_END is the rest of it. */
static __noinline int mark_range(__u32 number, __u64 from, __u64 length, int folio) {
  struct slot *slot = bpf_map_lookup_elem(&slots, &number);
  if (!slot || length == 0) return 0;
  __u32 side = *(volatile __u32 *)&slot->side & 1;
  __u32 first_word = side ? slot->first_word[1] : slot->first_word[0];
  if (folio) first_word = side ? slot->first_folio_word[1] : slot->first_folio_word[0];
  __u64 blocks = (__u64)slot->words * WORD_BLOCKS;
  __u64 block = from >> BLOCK_SHIFT;
  if (length == TO_END || block >= blocks) {
    lower_tail(slot, side, from);
    return 0;
  }
  __u64 last = (from + length - 1) >> BLOCK_SHIFT;
  if (last >= blocks) {
    lower_tail(slot, side, blocks << BLOCK_SHIFT);
    last = blocks - 1;
  }
  if (last - block >= (MARK_WORDS_MAX - 1) * WORD_BLOCKS) {
    lower_tail(slot, side, from);
    return 0;
  }
  __u64 word = block / WORD_BLOCKS;
  __u64 last_word = last / WORD_BLOCKS;
  __u64 mask = ~0ULL << (block & 63);
  for (int step = 0; step < MARK_WORDS_MAX; step++) {
    if (word > last_word) return 0;
    if (word == last_word) mask &= ~0ULL >> (63 - (last & 63));
    __u32 index = first_word + (__u32)word;
    __u64 *bits = bpf_map_lookup_elem(&marks, &index);
    if (!bits) break;
    if ((*(volatile __u64 *)bits & mask) != mask) __sync_fetch_and_or(bits, mask);
    mask = ~0ULL;
    word++;
  }
  *(volatile __u64 *)(side ? &slot->lost[1] : &slot->lost[0]) = 1;
  return 0;
}

static __always_inline __u32 *slot_of(struct inode *inode) {
  struct file_key key = {
      .inode = inode->i_ino,
      .device = inode->i_sb->s_dev,
      .generation = inode->i_generation,
  };
  return bpf_map_lookup_elem(&files, &key);
}

static __always_inline void hit(__u32 program) {
  __u64 *count = bpf_map_lookup_elem(&hits, &program);
  if (count) __sync_fetch_and_add(count, 1);
}

static __always_inline int mark(struct inode *inode, __u64 from, __u64 length, __u32 program) {
  __u32 *number = slot_of(inode);
  if (!number) return 0;
  hit(program);
  return mark_range(*number, from, length, 0);
}

/** Everything from `from` on: contents move or end there. */
static __always_inline int mark_from(struct inode *inode, __u64 from, __u32 program) {
  return mark(inode, from, TO_END, program);
}

/** Notes whether anyone could store through a mapping now. */
static __always_inline void note_mapped(__u32 number, struct address_space *mapping) {
  struct slot *slot = bpf_map_lookup_elem(&slots, &number);
  if (slot && mapping->i_mmap_writable.counter > 0 && !slot->mapped)
    *(volatile __u32 *)&slot->mapped = 1;
}

/**
 * A clean folio becomes dirty. Stores into it are seen no more until it is clean again, so all of it
 * counts if anyone can store; a write marks itself, more exactly.
 */
SEC("tp_btf/writeback_dirty_folio")
int BPF_PROG(dirty_folio, struct folio *folio, struct address_space *mapping) {
  struct inode *inode = mapping ? mapping->host : 0;
  __u32 *number = inode ? slot_of(inode) : 0;
  if (!number) return 0;
  struct folio___6_18 *newer = (void *)folio;
  unsigned long flags = bpf_core_field_exists(newer->flags.f) ? BPF_CORE_READ(newer, flags.f)
                                                              : BPF_CORE_READ(folio, flags);
  __u64 order = 0;
  if (flags & (1UL << bpf_core_enum_value(enum pageflags, PG_head)))
    order = BPF_CORE_READ(folio, _flags_1) & 0xff;
  __u64 length = 1ULL << (PAGE_SHIFT + (order & 31));
  hit(DIRTY_FOLIO);
  note_mapped(*number, mapping);
  return mark_range(*number, (__u64)folio->index << PAGE_SHIFT, length, 1);
}

static __always_inline int mapped(struct address_space *mapping, __u32 program) {
  struct inode *inode = mapping ? mapping->host : 0;
  __u32 *number = inode ? slot_of(inode) : 0;
  if (!number) return 0;
  hit(program);
  note_mapped(*number, mapping);
  return 0;
}

/** A page is mapped because it is used. */
SEC("tp_btf/mm_filemap_fault")
int BPF_PROG(map_fault, struct address_space *mapping) { return mapped(mapping, MAP_FAULT); }

/** Pages are mapped because one nearby is used. */
SEC("tp_btf/mm_filemap_map_pages")
int BPF_PROG(map_around, struct address_space *mapping) { return mapped(mapping, MAP_AROUND); }

/** What was written may be gone again: the file reads as it did on disk. */
SEC("tp_btf/filemap_set_wb_err")
int BPF_PROG(write_back_error, struct address_space *mapping) {
  struct inode *inode = mapping ? mapping->host : 0;
  return inode ? mark_from(inode, 0, WRITE_BACK_ERROR) : 0;
}

/** Before and after each step of a write, zeroing or unsharing through iomap; direct ones too. */
SEC("tp_btf/iomap_iter")
int BPF_PROG(iomap_step, struct iomap_iter *iter) {
  unsigned int flags = iter->flags;
  if (!(flags & (IOMAP_WRITE | IOMAP_ZERO | IOMAP_UNSHARE))) return 0;
  if (flags & IOMAP_DAX) return mark_from(iter->inode, 0, IOMAP_STEP);
  __u64 from = iter->pos;
  __u64 end = from + iter->len;
  if (bpf_core_field_exists(iter->iter_start_pos) && iter->iomap.length != 0)
    from = iter->iter_start_pos;
  return mark(iter->inode, from, end - from, IOMAP_STEP);
}

/** A direct read, the loader's own when it begins to follow, finds out whether the file is mapped. */
static __always_inline int look_for_mappings(struct inode *inode) {
  __u32 *number = slot_of(inode);
  struct slot *slot = number ? bpf_map_lookup_elem(&slots, number) : 0;
  struct address_space *mapping = inode->i_mapping;
  if (!slot || slot->mapped || slot->unmapped || !mapping) return 0;
  if (mapping->i_mmap_writable.counter > 0)
    *(volatile __u32 *)&slot->mapped = 1;
  else
    *(volatile __u32 *)&slot->unmapped = 1;
  return 0;
}

/**
 * A direct write begins: kept until it ends, for what ends does not tell whether it was a read. Of all
 * files, since one that is not followed now may be when it ends.
 */
SEC("tp_btf/iomap_dio_rw_begin")
int BPF_PROG(direct_begun, struct kiocb *iocb, struct iov_iter *from) {
  struct inode *inode = iocb->ki_filp->f_inode;
  __u64 key = (__u64)iocb;
  struct direct_write write = {.from = iocb->ki_pos, .length = from->count};
  if (!from->data_source) {
    look_for_mappings(inode);
    if (reads_are_known()) return 0;
    write.length = 0;
    bpf_map_update_elem(&direct_writes, &key, &write, 0);
    return 0;
  }
  if (bpf_map_update_elem(&direct_writes, &key, &write, 0) != 0) direct_writes_lost = 1;
  return mark(inode, write.from, write.length, DIRECT_BEGUN);
}

/** A direct write is done: its blocks have just changed, whenever it began. */
SEC("tp_btf/iomap_dio_complete")
int BPF_PROG(direct_done, struct kiocb *iocb, int error, long moved) {
  struct inode *inode = iocb->ki_filp->f_inode;
  __u64 key = (__u64)iocb;
  struct direct_write *write = bpf_map_lookup_elem(&direct_writes, &key);
  if (write) {
    __u64 from = write->from;
    __u64 length = write->length;
    bpf_map_delete_elem(&direct_writes, &key);
    return mark(inode, from, length, DIRECT_DONE);
  }
  if (reads_are_known()) return 0;
  // it began unseen, and may have been a write
  if (error || moved < 0) return mark_from(inode, 0, DIRECT_DONE);
  return mark(inode, (__u64)iocb->ki_pos - moved, moved, DIRECT_DONE);
}

SEC("tp_btf/ext4_write_end")
int BPF_PROG(ext4_write_end, struct inode *inode, long long pos, unsigned int len) {
  return mark(inode, pos, len, EXT4_WRITE_END);
}

SEC("tp_btf/ext4_da_write_end")
int BPF_PROG(ext4_delayed_write_end, struct inode *inode, long long pos, unsigned int len) {
  return mark(inode, pos, len, EXT4_DELAYED_WRITE_END);
}

/** Content that is journalled stays writable for mappings after a flush: it is not followed. */
SEC("tp_btf/ext4_journalled_write_end")
int BPF_PROG(ext4_journalled_write_end, struct inode *inode) {
  return mark_from(inode, 0, EXT4_JOURNALLED_WRITE_END);
}

/** The new size stands already. */
SEC("tp_btf/ext4_truncate_enter")
int BPF_PROG(ext4_truncate, struct inode *inode) {
  return mark_from(inode, inode->i_size, EXT4_TRUNCATE);
}

SEC("tp_btf/ext4_punch_hole")
int BPF_PROG(ext4_punch_hole, struct inode *inode, long long offset, long long length) {
  return mark(inode, offset, length, EXT4_PUNCH_HOLE);
}

SEC("tp_btf/ext4_zero_range")
int BPF_PROG(ext4_zero_range, struct inode *inode, long long offset, long long length) {
  return mark(inode, offset, length, EXT4_ZERO_RANGE);
}

SEC("tp_btf/ext4_collapse_range")
int BPF_PROG(ext4_collapse_range, struct inode *inode, long long offset) {
  return mark_from(inode, offset, EXT4_COLLAPSE_RANGE);
}

SEC("tp_btf/ext4_insert_range")
int BPF_PROG(ext4_insert_range, struct inode *inode, long long offset) {
  return mark_from(inode, offset, EXT4_INSERT_RANGE);
}

/** Blocks leave their place in the file, as when extents are moved between files. */
SEC("tp_btf/ext4_es_remove_extent")
int BPF_PROG(ext4_unmap, struct inode *inode, __u32 block, __u32 count) {
  __u8 shift = inode->i_blkbits & 31;
  return mark(inode, (__u64)block << shift, (__u64)count << shift, EXT4_UNMAP);
}

SEC("tp_btf/xfs_itruncate_extents_end")
int BPF_PROG(xfs_truncate, struct xfs_inode *ip, long long size) {
  return mark_from(&ip->i_vnode, size, XFS_TRUNCATE);
}

/** Punching, zeroing and collapsing begin with this. */
SEC("tp_btf/xfs_bunmap")
int BPF_PROG(xfs_unmap, struct xfs_inode *ip, __u64 block, __u64 count) {
  __u8 shift = ip->i_vnode.i_blkbits & 31;
  return mark(&ip->i_vnode, block << shift, count << shift, XFS_UNMAP);
}

SEC("tp_btf/xfs_collapse_file_space")
int BPF_PROG(xfs_collapse, struct xfs_inode *ip) {
  return mark_from(&ip->i_vnode, 0, XFS_COLLAPSE);
}

SEC("tp_btf/xfs_insert_file_space")
int BPF_PROG(xfs_insert, struct xfs_inode *ip) {
  return mark_from(&ip->i_vnode, 0, XFS_INSERT);
}

SEC("tp_btf/xfs_reflink_remap_range")
int BPF_PROG(xfs_remap, struct xfs_inode *source, long long from, long long length,
             struct xfs_inode *target, long long to) {
  return mark(&target->i_vnode, to, length, XFS_REMAP);
}

SEC("tp_btf/xfs_swap_extent_before")
int BPF_PROG(xfs_swap, struct xfs_inode *ip) {
  return mark_from(&ip->i_vnode, 0, XFS_SWAP);
}

SEC("tp_btf/xfs_exchrange_before")
int BPF_PROG(xfs_exchange, struct xfs_inode *ip) {
  return mark_from(&ip->i_vnode, 0, XFS_EXCHANGE);
}
