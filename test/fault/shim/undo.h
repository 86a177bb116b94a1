/* What writes have overwritten since the last flush, so that a flush can fail as Linux lets it: the
 * error is told once and what was not written is gone. Lengths are not taken back. */
#ifndef AFTERIMAGE_UNDO_H
#define AFTERIMAGE_UNDO_H

#include <sys/types.h>

/* Notes what [offset, offset + bytes) of `fd` holds; call before writing. */
void undo_remember(int fd, const char *path, off_t offset, size_t bytes);

/* Puts back what was noted for the file of `fd`, or for all files when `whole`. */
void undo_lose(int fd, int whole);

/* Lets go of what was noted: it was flushed. */
void undo_forget(int fd, int whole);

#endif
