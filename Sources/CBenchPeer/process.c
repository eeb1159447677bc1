#define _GNU_SOURCE
#include "bench_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

int bench_spawn(const char *path, char *const *arguments, int *output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (error == 0)
            error = posix_spawn(&pid, path, &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        return -error;
    }
    *output = ends[0];
    return pid;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void bench_remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The CPUs that the process may use, as they were before anything was pinned. */
static cpu_set_t allowed;
static int allowed_error;
static pthread_once_t allowed_once = PTHREAD_ONCE_INIT;

static void read_allowed(void)
{
    allowed_error = sched_getaffinity(0, sizeof(allowed), &allowed) < 0 ? -errno : 0;
}

int bench_unpin(void)
{
    pthread_once(&allowed_once, read_allowed);
    if (allowed_error != 0)
        return allowed_error;
    return sched_setaffinity(0, sizeof(allowed), &allowed) < 0 ? -errno : 0;
}

int bench_pin(int index)
{
    pthread_once(&allowed_once, read_allowed);
    if (allowed_error != 0)
        return allowed_error;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || index-- > 0)
            continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
    }
    return -EINVAL;
}
