/*
 * An XDR stream that compares instead of writing.
 *
 * libtirpc decodes leniently: a bool of 2 is true, padding may hold anything. A value that was decoded from `bytes`
 * and is now "encoded" into this stream meets a difference exactly where the bytes were not what an encoder writes.
 */
#ifndef COMPARE_XDR_H
#define COMPARE_XDR_H

#include <rpc/rpc.h>

/*
 * Sets up `xdrs` to compare what is encoded into it with `length` bytes at `bytes`. An encode routine returns FALSE at
 * the first difference, or when it would go beyond `length`; xdr_getpos() says how many bytes were equal. Allocates
 * nothing; `bytes` must stay where they are for as long as the stream is used.
 */
void ll_xdr_compare_create(XDR *xdrs, const void *bytes, u_int length);

#endif
