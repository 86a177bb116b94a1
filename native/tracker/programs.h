// The BPF programs by number, with the kernel point each needs and the arguments it must have there.
#pragma once

extern "C" {
#include "layout.h"
}

namespace afterimage {

/** Whose changes a program sees. `kAny` belongs to both. */
enum class Group { kAny, kExt4, kXfs };

struct ProgramFact {
  const char* name;
  const char* point;
  /** Types of the arguments read, as ArgumentsOf renders them: `*inode` or bytes of a number. */
  const char* arguments;
  Group group;
  /** A kernel without the point lacks what it would report: nothing is missed without it. */
  bool optional;
};

/** In the order of `program_number`. */
extern const ProgramFact kPrograms[PROGRAM_COUNT];

}  // namespace afterimage
