/*
 * Time: the holder's own deadline and the server's (specification R4.4-14, R6.6-1, R6.6-2, R6.6-7, R11-6), under the
 * policy `cooperative`, the only one that trusts them. Under the others a proof takes the place of trust (lease.pml).
 *
 * One client that keeps a layout, for example under a pin, and renews its lease; messages take any time; one change.
 * Time goes on in whole steps, and not past a moment at which somebody has promised to act. A stopped client breaks
 * that promise: R11-1 does not cover it, and the policy's name says so.
 */

#ifndef LEASE
#define LEASE 3         /* what the client is told, counted from when it sent the call */
#endif
#ifndef ENFORCED
#define ENFORCED 4      /* what the server grants it, counted from when the call came: longer */
#endif
#define PATIENCE 2      /* from the recall to its deadline */
#define END 14          /* of the time that is looked at */
#define NEVER 255

mtype = { NOTHING, RENEW, COUNTS, DOES_NOT_COUNT };

byte now;
mtype call = NOTHING, reply = NOTHING;
/* The server. */
byte leaseEnd = ENFORCED, recalledAt = NEVER;
bit held = 1, running, isOver;
/* The client. */
bit usable = 1;
byte deadline = LEASE, sentAt = NEVER;

#define isOverdue (recalledAt != NEVER && now >= recalledAt + PATIENCE)
/* The client ends its access in time, the server acts on the lease's end, and a system call takes no time. */
#define mustEnd (usable && now >= deadline)
#define mustTake (held && isOverdue && now >= leaseEnd)

active proctype Clock() {
end:
    do
    :: atomic { now < END && !mustEnd && !mustTake && !running -> now++ }
    od
}

active proctype Client() {
end:
    do
    :: atomic { call == NOTHING && reply == NOTHING && now < END - LEASE && sentAt != now ->
            call = RENEW; sentAt = now
        }
    :: atomic { reply == COUNTS -> reply = NOTHING;
#ifdef COUNTS_FROM_RECEIPT
            deadline = now + LEASE;
#else
            deadline = sentAt + LEASE;
#endif
            /* Late, it gives nothing back. */
            usable = now < deadline;
            assert(!usable || !running)                                 /* R11-1 */
        }
    :: atomic { reply == DOES_NOT_COUNT -> reply = NOTHING }
    :: atomic { usable && now >= deadline -> usable = 0 }
    od
}

active proctype Server() {
end:
    do
    :: atomic { call == RENEW -> call = NOTHING;
            if
#ifndef RENEWS_OVERDUE
            :: !held || isOverdue -> reply = DOES_NOT_COUNT             /* R6.6-2, R6.6-9 */
#else
            :: !held -> reply = DOES_NOT_COUNT
#endif
            :: else -> leaseEnd = now + ENFORCED; reply = COUNTS
            fi
        }
    :: atomic { recalledAt == NEVER && now <= LEASE -> recalledAt = now }
    :: atomic { held && isOverdue && now >= leaseEnd ->
            held = 0; running = 1;
            assert(!usable);                                            /* R11-1 */
            assert(now <= recalledAt + PATIENCE + ENFORCED)                /* R11-5 */
        }
    :: atomic { running -> running = 0; isOver = 1 }
    od
}

active proctype Rest() {
    timeout;
    assert(recalledAt == NEVER || isOver);
    assert(call == NOTHING && reply == NOTHING)
}

ltl ends { [] (recalledAt != NEVER -> <> isOver) }
