// Files of a set that are built and placed many in a call, off the thread that asks. Everything is
// relative to open folders, and no call follows a symbolic link.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * writeNew(folder, targets, pieces): writes each piece of `pieces` (Uint8Array) into the file of
 * `folder` that has a node's number for a name, made when it is not there. `targets` has three numbers
 * a piece: node, offset, and 1 for a piece that is the whole file, or 0. Resolves when all are written;
 * rejects with the first failure, its `path` the node.
 */
Napi::Value WriteNew(const Napi::CallbackInfo& info);

/**
 * placeNew(from, to, files): moves files named by node numbers from one folder to names in another
 * where nothing stands yet, and gives them their mtime. `files` has for each: node (f64), seconds (f64),
 * nanoseconds (u32), length of the name (u16), name; little-endian. Resolves with a byte a file: 0 moved, 1
 * something has the name, 2 there is no such file or folder, 3 the file system cannot move so. Rejects
 * with the first other failure.
 */
Napi::Value PlaceNew(const Napi::CallbackInfo& info);

}  // namespace afterimage
