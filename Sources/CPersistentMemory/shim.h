/* libpmem: flushing the CPU's caches to persistent memory. */
#ifndef CPERSISTENTMEMORY_SHIM_H
#define CPERSISTENTMEMORY_SHIM_H

#include <libpmem.h>

#endif
