// What a program that knows nothing of layouts has opened: descriptors and mappings that stand for a server's files.
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <layoutclient.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Descriptors at or above this are never redirected. */
enum { DESCRIPTORS_MAX = 1 << 16 };

/* One open(2) of a redirected file. */
struct opened {
    ll_file *file;
    int references;          // one for each descriptor, and one for each call under way; under the table's lock
    pthread_mutex_t moving;  // for the offset: read(2) and write(2) of one description follow each other
    off_t offset;
};

/* Enters a file under a new descriptor; -1 and errno if there is none. Takes the file over, also then. */
int redirect(ll_file *file, int flags);

/* The open file of a descriptor, to be given back with `release`; NULL for a descriptor that is the kernel's. */
struct opened *acquire(int descriptor);

/* Ends a use; the last one closes the file, and returns what that did. */
int release(struct opened *opened);

/* Enters a file that was acquired under one more descriptor, whose number is taken already; what that meant is over. */
void share(struct opened *opened, int descriptor);

/* Takes a descriptor out, to be released like one that was acquired; NULL for a descriptor that is the kernel's. */
struct opened *forget(int descriptor);

/* Remembers, looks up and forgets mappings of redirected files. */
bool remember_mapping(void *address, size_t length);
bool is_mapping(const void *address);
void forget_mapping(const void *address);

#endif
