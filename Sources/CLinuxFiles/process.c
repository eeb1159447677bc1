/* Processes, by descriptors that cannot come to mean another one. */
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int64_t lf_pidfd_open(int32_t pid) { return lf_result(syscall(SYS_pidfd_open, pid, 0)); }

int64_t lf_is_alive(int pidfd) {
    return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno != ESRCH;
}

int64_t lf_kill(int pidfd) { return lf_result(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0)); }
