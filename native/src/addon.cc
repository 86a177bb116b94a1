// The addon's door: every exported function, and the layout version that the loader checks.
#include <napi.h>

#include "clone.h"
#include "extents.h"
#include "feed.h"
#include "file.h"
#include "fuse.h"
#include "make-files.h"
#include "metadata.h"
#include "new-files.h"
#include "scan.h"
#include "seal.h"
#include "small-files.h"
#include "status.h"
#include "tree-scan.h"
#include "vector-seal.h"
#include "writers.h"

namespace afterimage {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, call, name));
  };
  exports.Set("layoutVersion", Napi::Number::New(env, kLayoutVersion));
  add("lstat", Lstat);
  add("fstat", Fstat);
  add("readSmall", ReadSmall);
  add("scanFolder", ScanFolder);
  exports.Set("TreeScan", TreeScanClass(env));
  add("getXattrs", GetXattrs);
  add("setXattr", SetXattr);
  add("removeXattr", RemoveXattr);
  add("setMtime", SetMtime);
  add("mknod", Mknod);
  add("makeFiles", MakeFiles);
  add("syncfs", Syncfs);
  add("syncfsSync", SyncfsSync);
  add("dataRanges", DataRanges);
  add("handleOf", HandleOf);
  add("openTemporary", OpenTemporary);
  add("linkTemporary", LinkTemporary);
  add("flushWriters", FlushWriters);
  add("writeNew", WriteNew);
  add("placeNew", PlaceNew);
  add("clone", Clone);
  add("cloneSync", CloneSync);
  add("createSnapshot", CreateSnapshot);
  add("destroySnapshot", DestroySnapshot);
  add("differences", Differences);
  add("countExtents", CountExtents);
  add("openFeed", OpenFeed);
  add("mountSystem", MountSystem);
  add("unmountSystem", UnmountSystem);
  add("socketPair", SocketPair);
  add("receiveDescriptor", ReceiveDescriptor);
  add("readRequests", ReadRequests);
  if (HasSeal()) {
    add("sealGcm", SealGcm);
    add("openGcm", OpenGcm);
  }
  exports.Set("linked", Napi::String::New(env, LinkedLibrary()));
  exports.Set("vectorSeal", Napi::String::New(env, NameOf(VectorSealState())));
  if (VectorSealState() == VectorSeal::kThere) {
    add("sealVector", SealVector);
    add("openVector", OpenVector);
  }
  return exports;
}

}  // namespace afterimage

static Napi::Object InitAll(Napi::Env env, Napi::Object exports) {
  return afterimage::Init(env, exports);
}

NODE_API_MODULE(afterimage_native, InitAll)
