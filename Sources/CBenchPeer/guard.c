#define _GNU_SOURCE
#include "bench_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif

int bench_listen_and_allow(const char *path, int ready_descriptor)
{
    int group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_UNLIMITED_QUEUE | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (group < 0)
        return -errno;
    if (fanotify_mark(group, FAN_MARK_ADD, FAN_PRE_ACCESS, AT_FDCWD, path) < 0)
        return -errno;
    if (dprintf(ready_descriptor, "ready\n") < 0)
        return -EPIPE;
    while (true) {
        _Alignas(struct fanotify_event_metadata) char buffer[4096];
        ssize_t size = read(group, buffer, sizeof(buffer));
        if (size < 0 && errno != EINTR)
            return -errno;
        const struct fanotify_event_metadata *event = (const void *)buffer;
        for (; FAN_EVENT_OK(event, size); event = FAN_EVENT_NEXT(event, size)) {
            struct fanotify_response response = { .fd = event->fd, .response = FAN_ALLOW };
            if (event->fd < 0)
                continue;
            if (write(group, &response, sizeof(response)) < 0)
                return -errno;
            close(event->fd);
        }
    }
}
