/**
 * What the BPF programs and their loader have in common: the shape of the maps and the numbers of the
 * programs. Included by C for BPF and by C++, so nothing but plain types stands here.
 */
#pragma once

/** Content is followed in blocks of 64 KiB, the unit of identity; a word of marks covers 4 MiB. */
#define BLOCK_SHIFT 16
#define WORD_BLOCKS 64

/** A mark of more than 256 MiB lowers the tail: the kernel checks programs step by step of their loops. */
#define MARK_WORDS_MAX 65

/** No tail: nothing from some offset on is to be taken for changed. */
#define NO_TAIL 0xffffffffffffffffULL

/** Direct writes under way at once that are told from reads when they end. */
#define DIRECT_WRITES_MAX 8192

/** Direct writes that began before the programs were attached have ended after this time. */
#define ATTACHED_LONG_NS 120000000000ULL

/** A body of a file, for as long as its inode lives. `device` is the kernel's own number. */
struct file_key {
  unsigned long long inode;
  unsigned int device;
  unsigned int generation;
};

/**
 * One followed file. Programs mark into side `side`, 0 or 1; the loader turns it, waits until no
 * program runs that saw the old one, and then owns what is on the other side.
 */
struct slot {
  unsigned int side;
  /** Words of marks a side and kind; what lies beyond them lowers the tail. */
  unsigned int words;
  /** Of blocks that were written. */
  unsigned int first_word[2];
  /** Of blocks in folios that became dirty: they count only if the file was mapped. */
  unsigned int first_folio_word[2];
  /** Bytes from here on are to be taken for changed; NO_TAIL for none. */
  unsigned long long tail_from[2];
  /** Not 0: something changed that could not be marked. */
  unsigned long long lost[2];
  /** Not 0: someone may store through a mapping, or could since the file is followed. */
  unsigned int mapped;
  /** Not 0: nobody could when that was first looked at. While neither is set it is not known. */
  unsigned int unmapped;
};

/** Stretches of `words` that a slot has. */
#define STRETCHES 4

/** One number a program, for counting what each of them marked. In the order of TRACKER_PROGRAMS. */
enum program_number {
  DIRTY_FOLIO,
  MAP_FAULT,
  MAP_AROUND,
  WRITE_BACK_ERROR,
  IOMAP_STEP,
  DIRECT_BEGUN,
  DIRECT_DONE,
  EXT4_WRITE_END,
  EXT4_DELAYED_WRITE_END,
  EXT4_JOURNALLED_WRITE_END,
  EXT4_TRUNCATE,
  EXT4_PUNCH_HOLE,
  EXT4_ZERO_RANGE,
  EXT4_COLLAPSE_RANGE,
  EXT4_INSERT_RANGE,
  EXT4_UNMAP,
  XFS_TRUNCATE,
  XFS_UNMAP,
  XFS_COLLAPSE,
  XFS_INSERT,
  XFS_REMAP,
  XFS_SWAP,
  XFS_EXCHANGE,
  PROGRAM_COUNT,
};
