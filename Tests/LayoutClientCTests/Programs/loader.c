// The library loaded with dlopen(3) by a program that does not link with it, on a thread, and let go again.
#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <layoutclient.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *library;
static const char *url;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "cannot %s: %s\n", what, why);
    exit(1);
}

static void *symbol(const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) { fail("find a symbol", dlerror()); }
    return found;
}

static void *use(void *unused) {
    ll_client *(*const connect)(const char *, const struct ll_options *) = symbol("ll_connect");
    ll_file *(*const open)(ll_client *, const char *, int, mode_t) = symbol("ll_open");
    int (*const truncate)(ll_file *, off_t) = symbol("ll_ftruncate");
    void *(*const map)(void *, size_t, int, int, ll_file *, off_t) = symbol("ll_mmap");
    ssize_t (*const read)(ll_file *, void *, size_t, off_t) = symbol("ll_pread");
    int (*const unmap)(void *, size_t) = symbol("ll_munmap");
    int (*const close)(ll_file *) = symbol("ll_close");
    int (*const disconnect)(ll_client *) = symbol("ll_disconnect");
    const char *(*const detail)(void) = symbol("ll_error_detail");

    ll_client *client = connect(url, NULL);
    if (client == NULL) { fail("connect", detail()); }
    ll_file *file = open(client, "loaded", O_RDWR | O_CREAT, 0600);
    if (file == NULL || truncate(file, 4096) != 0) { fail("make the file", detail()); }
    char *bytes = map(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED) { fail("map", detail()); }
    strcpy(bytes, "loaded");
    char found[7] = "";
    if (read(file, found, sizeof found, 0) != sizeof found || strcmp(found, "loaded") != 0) { fail("read", detail()); }
    if (unmap(bytes, 4096) != 0 || close(file) != 0 || disconnect(client) != 0) { fail("end", detail()); }
    return unused;
}

int main(int count, char **arguments) {
    if (count != 3) { fail("begin", "needs an address and a library"); }
    url = arguments[1];
    library = dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) { fail("load the library", dlerror()); }
    // What is not in the header is not to be seen.
    if (dlsym(library, "swift_retain") != NULL || dlsym(library, "mw_install") != NULL
        || dlsym(library, "ll_internal_enter") != NULL) {
        fail("keep to the header", "the library exports more");
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, use, NULL) != 0 || pthread_join(thread, NULL) != 0) { fail("run", "a thread"); }
    // Stays, as its threads and handlers do.
    if (dlclose(library) != 0) { fail("let the library go", dlerror()); }
    use(NULL);
    puts("all right");
    return 0;
}
