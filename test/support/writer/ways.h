/* One way of writing each; all return 0, or -1 with errno. `bytes` have the length of the step. */
#ifndef AFTERIMAGE_WAYS_H
#define AFTERIMAGE_WAYS_H

#include <stddef.h>
#include <sys/types.h>

struct step {
  const char *path;
  /* For what takes two files; empty for none. */
  const char *other;
  off_t offset;
  size_t length;
  unsigned seed;
  const char *bytes;
};

typedef int way(const struct step *step);

struct named_way {
  const char *name;
  way *run;
};

/* Each list ends with a name that is NULL. */
extern const struct named_way data_ways[];
extern const struct named_way async_ways[];
extern const struct named_way name_ways[];
extern const struct named_way mapping_ways[];

#endif
