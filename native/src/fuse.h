// What a mounted file system needs and Node lacks: mount and umount calls off the main thread,
// descriptors over a socket, and a thread that reads requests from /dev/fuse.
#pragma once

#include <napi.h>

namespace afterimage {

/** mountSystem(type, source, target, flags, data): Promise<undefined>, in a thread of the pool. */
Napi::Value MountSystem(const Napi::CallbackInfo& info);
/** unmountSystem(target, detach): Promise<undefined>, in a thread of the pool. */
Napi::Value UnmountSystem(const Napi::CallbackInfo& info);
/** socketPair(): [descriptor, descriptor]; both are inherited by no child. */
Napi::Value SocketPair(const Napi::CallbackInfo& info);
/** receiveDescriptor(socket): the descriptor that waits there, or undefined when none does. */
Napi::Value ReceiveDescriptor(const Napi::CallbackInfo& info);
/**
 * readRequests(fd, requestBytes, ready): { take(), close() }. `take` is a Buffer of whole requests
 * one after the other, undefined when there is none now, and null when there will be none any more.
 */
Napi::Value ReadRequests(const Napi::CallbackInfo& info);

}  // namespace afterimage
