/* Processes, by descriptors that cannot come to mean another one. */
#include "internal.h"

#include <signal.h>
#include <sys/syscall.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

int64_t lf_kill(int pidfd) { return lf_result(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0)); }
