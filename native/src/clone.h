// Copies that share their blocks with the original: of one file (FICLONE), of a btrfs subvolume.
#pragma once

#include <napi.h>

namespace afterimage {

/** clone(from, to): Promise<undefined>, in a thread of the pool. */
Napi::Value Clone(const Napi::CallbackInfo& info);
/** cloneSync(from, to) */
Napi::Value CloneSync(const Napi::CallbackInfo& info);
/** createSnapshot(subvolume, folder, name): Promise<undefined>, read-only, in a thread of the pool. */
Napi::Value CreateSnapshot(const Napi::CallbackInfo& info);
/** destroySnapshot(folder, name): Promise<undefined>, in a thread of the pool. */
Napi::Value DestroySnapshot(const Napi::CallbackInfo& info);

}  // namespace afterimage
