/*
 * What the benchmark compares with, in C: a bare libtirpc server and client, an echo, and the loads and stores of the
 * memory benchmark.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Listens on a new Unix socket at `path`, or, if that is NULL, on a TCP port of the loopback, and serves: with svc_run()
 * and the XDR of layout.x, or as an echo. When it listens one line is written to `ready_descriptor`: "ready" and the
 * port. Returns only on failure: a negative errno.
 */
int bench_peer_serve(bool is_echo, const char *_Nullable path, int ready_descriptor);

/* The echo alone, on a socket that listens. Returns only on failure: a negative errno. */
int bench_echo_serve(int listener);

/* Lets a TCP socket send at once what it is given. */
void bench_peer_no_delay(int socket);

/* A connection of the stock client (clnt_vc_create). */
struct bench_peer_client;

/* Connects; NULL with errno set on failure. One thread at a time may use the client. */
struct bench_peer_client *_Nullable bench_peer_connect(const char *_Nonnull path);

/* One NULL call, waiting for its answer; false if it failed. */
bool bench_peer_null(struct bench_peer_client *_Nonnull client);

void bench_peer_close(struct bench_peer_client *_Nonnull client);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t bench_now(void);

/* Does nothing with a value, which then has to be computed. */
void bench_consume(uint64_t value);

/*
 * Each touches 8-byte words one access at a time (the words are volatile, so that nothing is merged into vectors), and
 * returns something that depends on what was loaded. None is inlined: every mapping is measured by the same code.
 */
uint64_t bench_load_sequential(const void *_Nonnull base, size_t words, size_t passes);
uint64_t bench_store_sequential(void *_Nonnull base, size_t words, size_t passes);
/* `words` is a power of two; the order comes from `seed`, which must not be 0. */
uint64_t bench_load_random(const void *_Nonnull base, size_t words, size_t accesses, uint64_t seed);
uint64_t bench_store_random(void *_Nonnull base, size_t words, size_t accesses, uint64_t seed);

/*
 * Starts a program with its standard input and output on pipes; the rest is inherited. Returns its process ID and this
 * side's ends of the pipes; or a negative errno.
 */
int bench_spawn(
    const char *_Nonnull path, char *_Nullable const *_Nonnull arguments, int *_Nonnull input, int *_Nonnull output);

/* Nanoseconds of CPU time that all threads of a process have used; 0 if it is gone. */
uint64_t bench_cpu_time(int pid);

/* Raises the limit of open files as far as it goes, and returns it. */
uint64_t bench_raise_file_limit(void);

enum bench_change { BENCH_ALLOCATE, BENCH_PUNCH, BENCH_INSERT, BENCH_COLLAPSE };

/* fallocate(2): 0 or a negative errno. */
int bench_change(int file, enum bench_change change, uint64_t offset, uint64_t length);

/* Removes a directory and what is in it; links are removed, not followed. Stops at what cannot be removed. */
void bench_remove_tree(const char *_Nonnull path);

/* Puts the calling thread, and what it starts from now on, on the `index`th CPU it may use; 0 or a negative errno. */
int bench_pin(int index);

/* Lets the calling thread use every CPU that the process was started with; 0 or a negative errno. */
int bench_unpin(void);

#endif
