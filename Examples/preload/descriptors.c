#define _GNU_SOURCE

#include "descriptors.h"

#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>

// MARK: - Descriptors

// Read without the lock to see that a descriptor is the kernel's, which most are.
static _Atomic(struct opened *) table[DESCRIPTORS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int redirect(ll_file *file, int flags) {
    struct opened *opened = malloc(sizeof *opened);
    // A number of the kernel's own keeps others from getting it. What is not redirected fails on it with EBADF, instead of
    // working on another file.
    const int descriptor = opened != NULL ? real.open("/", O_PATH | (flags & O_CLOEXEC)) : -1;
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX) {
        const int error = descriptor < 0 ? errno : EMFILE;
        if (descriptor >= 0) { real.close(descriptor); }
        free(opened);
        ll_close(file);
        errno = error;
        return -1;
    }
    opened->file = file;
    opened->references = 1;
    opened->offset = 0;
    pthread_mutex_init(&opened->moving, NULL);
    atomic_store(&table[descriptor], opened);
    return descriptor;
}

struct opened *acquire(int descriptor) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX || atomic_load(&table[descriptor]) == NULL) { return NULL; }
    pthread_mutex_lock(&lock);
    struct opened *opened = atomic_load(&table[descriptor]);
    if (opened != NULL) { opened->references++; }
    pthread_mutex_unlock(&lock);
    return opened;
}

void share(struct opened *opened, int descriptor) {
    pthread_mutex_lock(&lock);
    opened->references++;
    struct opened *before = atomic_exchange(&table[descriptor], opened);
    pthread_mutex_unlock(&lock);
    if (before != NULL) { release(before); }
}

int release(struct opened *opened) {
    pthread_mutex_lock(&lock);
    const bool is_last = --opened->references == 0;
    pthread_mutex_unlock(&lock);
    if (!is_last) { return 0; }
    const int result = ll_close(opened->file);
    pthread_mutex_destroy(&opened->moving);
    free(opened);
    return result;
}

struct opened *forget(int descriptor) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX) { return NULL; }
    pthread_mutex_lock(&lock);
    struct opened *opened = atomic_exchange(&table[descriptor], NULL);
    pthread_mutex_unlock(&lock);
    return opened;
}

// MARK: - Mappings

struct mapping {
    struct mapping *next;
    const void *address;
    size_t length;
};

static struct mapping *mappings;
static atomic_int mapping_count;
static pthread_mutex_t mapping_lock = PTHREAD_MUTEX_INITIALIZER;

bool remember_mapping(void *address, size_t length) {
    struct mapping *mapping = malloc(sizeof *mapping);
    if (mapping == NULL) { return false; }
    pthread_mutex_lock(&mapping_lock);
    *mapping = (struct mapping){mappings, address, length};
    mappings = mapping;
    atomic_fetch_add(&mapping_count, 1);
    pthread_mutex_unlock(&mapping_lock);
    return true;
}

bool is_mapping(const void *address) {
    if (atomic_load(&mapping_count) == 0) { return false; }
    pthread_mutex_lock(&mapping_lock);
    const struct mapping *mapping = mappings;
    const char *byte = address;
    while (mapping != NULL
           && (byte < (const char *)mapping->address || byte >= (const char *)mapping->address + mapping->length)) {
        mapping = mapping->next;
    }
    pthread_mutex_unlock(&mapping_lock);
    return mapping != NULL;
}

void forget_mapping(const void *address) {
    pthread_mutex_lock(&mapping_lock);
    struct mapping **place = &mappings;
    while (*place != NULL && (*place)->address != address) { place = &(*place)->next; }
    struct mapping *mapping = *place;
    if (mapping != NULL) {
        *place = mapping->next;
        atomic_fetch_sub(&mapping_count, 1);
    }
    pthread_mutex_unlock(&mapping_lock);
    free(mapping);
}
