/*
 * Writes in every way there is, one step a line of the input:
 *   <way> <offset> <length> <seed> <path> <other path or ->
 * and answers each with a line: `ok`, or the name of the error. Mappings stay until they are released.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ways.h"

enum { LENGTH_MAX = 1 << 20, PATH_ROOM = 4096, PATH_SCAN = 4095 };

static const struct named_way *const lists[] = {data_ways, async_ways, name_ways, mapping_ways};

static way *find(const char *name) {
  for (size_t list = 0; list < sizeof lists / sizeof *lists; list += 1) {
    for (const struct named_way *at = lists[list]; at->name != NULL; at += 1) {
      if (strcmp(at->name, name) == 0) return at->run;
    }
  }
  return NULL;
}

static void fill(char *bytes, size_t length, unsigned seed) {
  for (size_t at = 0; at < length; at += 1) {
    seed = seed * 1664525u + 1013904223u;
    bytes[at] = (char)(seed >> 24);
  }
}

int main(void) {
  char name[64];
  static char path[PATH_ROOM];
  static char other[PATH_ROOM];
  char *bytes = NULL;
  long long offset;
  unsigned long long length;
  unsigned seed;
  if (posix_memalign((void **)&bytes, 4096, LENGTH_MAX) != 0) return 1;
  while (scanf("%63s %lld %llu %u %4095s %4095s", name, &offset, &length, &seed, path, other) == 6) {
    way *run = find(name);
    if (run == NULL || length > LENGTH_MAX) {
      fprintf(stderr, "no such step: %s\n", name);
      return 1;
    }
    fill(bytes, length, seed);
    const struct step step = {path, strcmp(other, "-") == 0 ? "" : other, offset, length, seed, bytes};
    errno = 0;
    printf("%s\n", run(&step) == 0 ? "ok" : strerrorname_np(errno));
    fflush(stdout);
  }
  free(bytes);
  return 0;
}
