#include "compare_xdr.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

/* x_private: the next byte; x_base: the first byte; x_handy: bytes left. As in libtirpc's xdr_mem.c. */

static bool_t compare_bytes(XDR *xdrs, const char *bytes, u_int count)
{
    if (count > xdrs->x_handy || memcmp(xdrs->x_private, bytes, count) != 0)
        return FALSE;
    xdrs->x_private = (char *)xdrs->x_private + count;
    xdrs->x_handy -= count;
    return TRUE;
}

static bool_t compare_long(XDR *xdrs, const long *value)
{
    uint32_t word = htonl((uint32_t)*value);

    return compare_bytes(xdrs, (const char *)&word, sizeof word);
}

static bool_t refuse_long(XDR *xdrs, long *value)
{
    (void)xdrs;
    (void)value;
    return FALSE;
}

static bool_t refuse_bytes(XDR *xdrs, char *bytes, u_int count)
{
    (void)xdrs;
    (void)bytes;
    (void)count;
    return FALSE;
}

static u_int position(XDR *xdrs)
{
    return (u_int)((char *)xdrs->x_private - xdrs->x_base);
}

static bool_t refuse_position(XDR *xdrs, u_int position)
{
    (void)xdrs;
    (void)position;
    return FALSE;
}

/* No pointer to write through: routines fall back to one call per field, which also makes bools 0 or 1. */
static int32_t *no_inline(XDR *xdrs, u_int count)
{
    (void)xdrs;
    (void)count;
    return NULL;
}

static void destroy(XDR *xdrs)
{
    (void)xdrs;
}

static bool_t refuse_control(XDR *xdrs, int request, void *info)
{
    (void)xdrs;
    (void)request;
    (void)info;
    return FALSE;
}

static const struct xdr_ops compare_ops = {
    .x_getlong = refuse_long,
    .x_putlong = compare_long,
    .x_getbytes = refuse_bytes,
    .x_putbytes = compare_bytes,
    .x_getpostn = position,
    .x_setpostn = refuse_position,
    .x_inline = no_inline,
    .x_destroy = destroy,
    .x_control = refuse_control,
};

void ll_xdr_compare_create(XDR *xdrs, const void *bytes, u_int length)
{
    xdrs->x_op = XDR_ENCODE;
    xdrs->x_ops = &compare_ops;
    xdrs->x_public = NULL;
    xdrs->x_base = (char *)bytes;
    xdrs->x_private = (char *)bytes;
    xdrs->x_handy = length;
}
