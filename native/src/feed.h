// Changes as the kernel reports them: a fanotify group with one mark for each file system.
#pragma once

#include <napi.h>

namespace afterimage {

/**
 * openFeed({ roots: [{ name, path, fd, markFd }], ownFolders: [path], unlimited, batchBytes,
 * batches }, ready): { take(): Buffer | undefined, drain(): number, figures(), close() }.
 *
 * `fd` is the open folder of a root and `markFd` any open file of its file system that may be
 * marked; both may be closed afterwards. `ready` is called when there are batches to take: records
 * as in feed-batch.h. Changes are reported that begin after the call returned.
 */
Napi::Value OpenFeed(const Napi::CallbackInfo& info);

}  // namespace afterimage
