// What each BPF program expects of the kernel; ranges.bpf.c says what it sees there.
#include "programs.h"

namespace afterimage {

const ProgramFact kPrograms[PROGRAM_COUNT] = {
    {"dirty_folio", "writeback_dirty_folio", "*folio *address_space", Group::kAny, false},
    {"map_fault", "mm_filemap_fault", "*address_space", Group::kAny, true},
    {"map_around", "mm_filemap_map_pages", "*address_space", Group::kAny, true},
    {"write_back_error", "filemap_set_wb_err", "*address_space", Group::kAny, false},
    {"iomap_step", "iomap_iter", "*iomap_iter", Group::kAny, false},
    {"direct_begun", "iomap_dio_rw_begin", "*kiocb *iov_iter", Group::kAny, false},
    {"direct_done", "iomap_dio_complete", "*kiocb 4 8", Group::kAny, false},
    {"ext4_write_end", "ext4_write_end", "*inode 8 4", Group::kExt4, false},
    {"ext4_delayed_write_end", "ext4_da_write_end", "*inode 8 4", Group::kExt4, false},
    {"ext4_journalled_write_end", "ext4_journalled_write_end", "*inode", Group::kExt4, false},
    {"ext4_truncate", "ext4_truncate_enter", "*inode", Group::kExt4, false},
    {"ext4_punch_hole", "ext4_punch_hole", "*inode 8 8", Group::kExt4, false},
    {"ext4_zero_range", "ext4_zero_range", "*inode 8 8", Group::kExt4, false},
    {"ext4_collapse_range", "ext4_collapse_range", "*inode 8", Group::kExt4, false},
    {"ext4_insert_range", "ext4_insert_range", "*inode 8", Group::kExt4, false},
    {"ext4_unmap", "ext4_es_remove_extent", "*inode 4 4", Group::kExt4, false},
    {"xfs_truncate", "xfs_itruncate_extents_end", "*xfs_inode 8", Group::kXfs, false},
    {"xfs_unmap", "xfs_bunmap", "*xfs_inode 8 8", Group::kXfs, false},
    {"xfs_collapse", "xfs_collapse_file_space", "*xfs_inode", Group::kXfs, false},
    {"xfs_insert", "xfs_insert_file_space", "*xfs_inode", Group::kXfs, false},
    {"xfs_remap", "xfs_reflink_remap_range", "*xfs_inode 8 8 *xfs_inode 8", Group::kXfs, false},
    {"xfs_swap", "xfs_swap_extent_before", "*xfs_inode", Group::kXfs, false},
    // ranges can be exchanged since 6.10
    {"xfs_exchange", "xfs_exchrange_before", "*xfs_inode", Group::kXfs, true},
};

}  // namespace afterimage
