#define _GNU_SOURCE
#include "bench_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int spawn_on(const char *path, char *const *arguments, int input, int output)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return -error;
    error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn(&pid, path, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error != 0 ? -error : pid;
}

int bench_spawn(const char *path, char *const *arguments, int *input, int *output)
{
    int in[2];
    int out[2];
    if (pipe2(in, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(out, O_CLOEXEC) < 0) {
        int error = -errno;
        close(in[0]);
        close(in[1]);
        return error;
    }
    int pid = spawn_on(path, arguments, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (pid < 0) {
        close(in[1]);
        close(out[0]);
        return pid;
    }
    *input = in[1];
    *output = out[0];
    return pid;
}

uint64_t bench_cpu_time(int pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t bench_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : limit.rlim_cur;
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
