/* fanotify(7) with pre-content events (Linux 6.14). */
#define _GNU_SOURCE
#include "CMappingGuard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

/* Newer than the headers of long-lived distributions. */
#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif
#ifndef FAN_MARK_IGNORE_SURV
#define FAN_MARK_IGNORE_SURV 0x00000440
#endif
#ifndef FAN_REPORT_FD_ERROR
#define FAN_REPORT_FD_ERROR 0x00002000
#endif
enum { INFO_TYPE_RANGE = 6, ERRNO_SHIFT = 24 };

/* struct fanotify_event_info_range. */
struct range_record {
    struct {
        uint8_t type;
        uint8_t pad;
        uint16_t length;
    } header;
    uint32_t pad;
    uint64_t offset;
    uint64_t count;
};

static int64_t result(int64_t value) { return value < 0 ? -(int64_t)errno : value; }

int64_t mg_group(enum mg_group_kind kind) {
    unsigned common = FAN_CLOEXEC | FAN_NONBLOCK;
    /* Read-only: an executable that runs cannot be opened for writing (ETXTBSY), and its event would be lost. */
    unsigned files = O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME;
    switch (kind) {
    case MG_GUARD:
        /* A bounded queue lets what does not fit through without asking. */
        return result(fanotify_init(
            common | FAN_CLASS_PRE_CONTENT | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_REPORT_TID, files));
    case MG_SENTINEL:
        return result(fanotify_init(common | FAN_CLASS_PRE_CONTENT, files));
    case MG_WITNESS:
        return result(fanotify_init(
            common | FAN_CLASS_NOTIF | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_REPORT_TID | FAN_REPORT_FID,
            files));
    }
    return -EINVAL;
}

int64_t mg_mark(int group, enum mg_mark_kind kind, int add, int descriptor) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    unsigned how = add ? FAN_MARK_ADD : FAN_MARK_REMOVE;
    uint64_t mask = 0;
    switch (kind) {
    case MG_MARK_FILESYSTEM: {
        int64_t marked = result(fanotify_mark(group, how | FAN_MARK_FILESYSTEM, FAN_PRE_ACCESS, AT_FDCWD, path));
        if (marked < 0 || !add) return marked;
        return result(
            fanotify_mark(group, how | FAN_MARK_FILESYSTEM | FAN_MARK_IGNORE_SURV, FAN_PRE_ACCESS, AT_FDCWD, path));
    }
    case MG_MARK_INODE:
        mask = FAN_PRE_ACCESS | FAN_OPEN_PERM;
        break;
    case MG_MARK_MODIFIED:
        mask = FAN_MODIFY;
        break;
    }
    return result(fanotify_mark(group, how, mask, AT_FDCWD, path));
}

/* The range of a pre-content event, if the kernel gave one. */
static void find_range(const struct fanotify_event_metadata *metadata, struct mg_event *event) {
    const char *record = (const char *)metadata + metadata->metadata_len;
    const char *end = (const char *)metadata + metadata->event_len;
    while (end - record >= 4) {
        struct range_record range;
        memcpy(&range.header, record, sizeof range.header);
        if (range.header.length < 4 || range.header.length > end - record) return;
        if (range.header.type == INFO_TYPE_RANGE && range.header.length >= sizeof range) {
            memcpy(&range, record, sizeof range);
            event->offset = range.offset;
            event->length = range.count;
            return;
        }
        record += range.header.length;
    }
}

int64_t mg_read_events(int group, struct mg_event *events, size_t capacity) {
    /* No more than there is room for, were all of them of the smallest kind: what is read has to be answered. */
    _Alignas(8) char buffer[4096];
    size_t size = capacity * FAN_EVENT_METADATA_LEN;
    if (size > sizeof buffer) size = sizeof buffer;
    ssize_t length = read(group, buffer, size);
    if (length < 0) return result(length);
    size_t count = 0;
    const struct fanotify_event_metadata *metadata = (const void *)buffer;
    for (; FAN_EVENT_OK(metadata, length) && count < capacity; metadata = FAN_EVENT_NEXT(metadata, length)) {
        struct mg_event *event = &events[count++];
        memset(event, 0, sizeof *event);
        event->descriptor = metadata->fd;
        event->thread = metadata->pid;
        if (metadata->mask & FAN_PRE_ACCESS) event->kind |= MG_EVENT_ACCESS;
        if (metadata->mask & FAN_OPEN_PERM) event->kind |= MG_EVENT_OPEN;
        if (metadata->mask & FAN_Q_OVERFLOW) event->kind |= MG_EVENT_OVERFLOW;
        if (metadata->mask & FAN_MODIFY) event->kind |= MG_EVENT_MODIFIED;
        find_range(metadata, event);
    }
    return (int64_t)count;
}

int64_t mg_answer(int group, int descriptor, int error) {
    struct fanotify_response response = {
        .fd = descriptor,
        .response = error == 0 ? FAN_ALLOW : FAN_DENY | (uint32_t)error << ERRNO_SHIFT,
    };
    ssize_t written = write(group, &response, sizeof response);
    if (written < 0 && errno == EINVAL && error != 0) {
        response.response = FAN_DENY;
        written = write(group, &response, sizeof response);
    }
    return written < 0 ? result(written) : 0;
}
