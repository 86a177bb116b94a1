// What the tracker asks of a file and its inode: who it is, whether it can be followed, its end.
#pragma once

#include <napi.h>

namespace afterimage {

/** fd → { inode: bigint, device, generation, fileSystem: 'ext4' | 'xfs' | '', refusal: string }. */
Napi::Value InodeOf(const Napi::CallbackInfo& info);

/** → descriptor of a watch for inodes that go: deleted, or their file system unmounted. */
Napi::Value OpenWatch(const Napi::CallbackInfo& info);

/** watch, fd → number of the watched inode. It stays in memory, so its number is not reused. */
Napi::Value WatchInode(const Napi::CallbackInfo& info);

/** watch, number: no longer watched. */
Napi::Value UnwatchInode(const Napi::CallbackInfo& info);

/** watch → numbers of the inodes that went since the last call; -1 among them: any may have. */
Napi::Value GoneInodes(const Napi::CallbackInfo& info);

/**
 * Waits for writers that hold the inode's lock, then makes all pages clean, so that the next store
 * through a mapping faults. Any thread. 0, or the errno of what failed.
 */
int FlushForLook(int fd);

/** fd, kind, offset → errno: changes a file of the tracker's own in one way, to see it reported. */
Napi::Value Exercise(const Napi::CallbackInfo& info);

}  // namespace afterimage
