/* One C function for each call that the interoperability test makes, with its outcome flat, and what it compares. */
#ifndef CHECKS_H
#define CHECKS_H

#include "client.h"

#include <stdbool.h>

/* Checks that held so far. */
extern unsigned checks_made;

/* Ends the program with a message unless something holds. */
#define expect(condition, ...) check_condition((condition), __FILE__, __LINE__, #condition, __VA_ARGS__)
void check_condition(bool holds, const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Ends the program unless a status is the expected one. */
#define expect_status(status, expected, what) check_status((status), (expected), (what), __FILE__, __LINE__, #status)
void check_status(ll_stat status, ll_stat expected, const char *what, const char *file, int line,
                  const char *expression);

/* A file, and what should be in it. */
struct file {
    const char *path;
    ll_fh handle;
    ll_stateid stateid; /* of the layouts held; all zero: none */
    uint64_t epoch;     /* of the last grant */
    int descriptor;
    unsigned char *model;
    uint64_t size;
};
struct file new_file(const char *path);

/* Outcomes have the status of the operation; one of the sequence ends the program where it is not part of them. */

struct open_outcome {
    ll_stat status;
    ll_attributes attributes;
    u_int detail_length; /* of an error */
};
struct open_outcome open_file(struct lc_session *session, struct file *file, u_int flags);
ll_stat remove_file(struct lc_session *session, struct file *file);

/* WRITEs `count` units of `unit` bytes, stable; every byte tells its place. */
void write_units(struct lc_session *session, struct file *file, size_t unit, size_t count);
/* READs the whole file and compares it with the model. */
void check_read(struct lc_session *session, const struct file *file, const char *what);
/* Compares bytes in memory, which are those from `offset` on, with the model. */
void check_bytes(const unsigned char *bytes, const struct file *file, uint64_t offset, uint64_t length,
                 const char *what);

struct grant {
    ll_stat status;
    ll_stateid stateid;
    uint64_t offset, length, file_size, epoch;
    ll_deviceid deviceid;
    ll_token token;
    bool token_is_zero;
    u_int capabilities;
    bool shifts_known;
    u_int shift_count;
    ll_shift first_shift;
    bool extents_are_gapless, has_hole;
};
/* LAYOUTGET with wait_ms 0; a grant becomes the file's state. */
struct grant layout_get(struct lc_session *session, struct file *file, ll_iomode iomode, uint64_t offset,
                        uint64_t length, uint64_t known_epoch);
ll_stat layout_commit(struct lc_session *session, const struct file *file, uint64_t offset, uint64_t length);

struct return_outcome {
    ll_stat status;
    bool present;
    ll_stateid stateid;
};
struct return_outcome layout_return(struct lc_session *session, const struct file *file, ll_iomode iomode,
                                    uint64_t offset, uint64_t length);
struct return_outcome layout_return_all(struct lc_session *session);

struct change_outcome {
    ll_stat sequence_status, status;
    uint64_t size, change, epoch;
    bool layout_present;
    ll_stateid stateid;
    u_int recalled;
};
/* The arguments of a change, with the next number of slot 1: to be sent once, or again. */
LL_CHANGEargs change_arguments(struct lc_session *session, const struct file *file, uint64_t offset, uint64_t length);
struct change_outcome insert_range(struct lc_session *session, LL_CHANGEargs *arguments);
struct change_outcome punch_hole(struct lc_session *session, LL_CHANGEargs *arguments);
bool same_outcome(const struct change_outcome *one, const struct change_outcome *other);
/* What an insert does to the model. */
void model_insert(struct file *file, uint64_t offset, uint64_t length);

#endif
