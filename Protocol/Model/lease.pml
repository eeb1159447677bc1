/*
 * Grants, recalls, the barrier and the fence (specification 6.3 to 6.6), policy `wait`.
 *
 * One range of one file. Two clients ask for it, use it, give it back, are recalled, stop for any time, die, and leave
 * a child behind that still maps the file. A local program asks for changes that break every layout. Messages of
 * different kinds overtake each other as they like: each kind has a channel of its own (6.5).
 *
 * Every number is bounded, so every run ends, and `Rest` looks at every end. Where a client does nothing for a while
 * its process is stopped; that it goes on some day, or dies, is all that is assumed of it (R6.6-5).
 */

#ifndef GETS
#define GETS 2                  /* LAYOUTGETs of the first client; the second has one */
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
#define CLIENTS 2
#define DEAD 255        /* a seqid above all others: the stateid is over */

mtype = { RETURN, NO_MATCH };

chan get[CLIENTS] = [1] of { bit };
chan grant[CLIENTS] = [1] of { byte, byte, byte };      /* other, seqid, version of the mapping */
chan recall[CLIENTS] = [2] of { byte, byte };           /* other, seqid */
chan give[CLIENTS] = [3] of { mtype, byte };            /* LAYOUTRETURN, or the answer to a recall; other */
chan returned[CLIENTS] = [3] of { byte };               /* the reply to LAYOUTRETURN: this `other` is over */

/* The server. */
bit registered;         /* a change's barrier is up (R6.4-5) */
bit counted;            /* stock of the holders has been taken for it (R6.5-11) */
bit running;            /* its system call is under way */
byte finished;          /* changes that have finished: the version of the mapping */
byte resolving[CLIENTS], held[CLIENTS], recalled[CLIENTS];     /* 0 or 1 each */
byte other[CLIENTS], seqid[CLIENTS];    /* `other` counts by client, as nobody compares those of two */
byte token[CLIENTS];    /* the stateid whose descriptor waits to be fetched (R7.1), 0: none */

/* The hosts of the clients. */
bit lock[CLIENTS];      /* the descriptor is open somewhere: the lock that proves a reach (R7.1-8) */
bit usable[CLIENTS];    /* a load or store would succeed */
byte version[CLIENTS];  /* the mapping that it would go by */
byte asking[CLIENTS], dead[CLIENTS];

/* An access can come at any time while it is possible, so it is enough to look where that, or the mapping, changes. */
inline lookAtAccess(c) {
    assert(!usable[c] || !running);                     /* R11-1 */
    assert(!usable[c] || version[c] == finished)        /* R11-3 */
}

/* What a holder held is over: returned, nothing matched, or revoked. Nothing can be fetched for it any more. */
inline takeBack(c) {
    held[c] = 0;
    recalled[c] = 0;
#ifndef TOKEN_SURVIVES
    token[c] = 0
#endif
}

/* The server's side of a client: each step is one event of the event loop. */
proctype Serve(bit c) {
    byte o, v;
    mtype kind;
end:
    do
    /* Parked until no change is ahead, and no recall of the same client is left (R6.4-12). */
    :: atomic { nempty(get[c]) && !registered && !recalled[c] -> get[c]?_; resolving[c] = 1; v = finished }
    /* The extents have been read, on another thread (R6.1-7): the grant is decided. */
    :: d_step { resolving[c] ->
            resolving[c] = 0;
#ifndef BARRIER_SHORT
            assert(!counted);                           /* R11-2, R6.5-11 */
#endif
            if
            :: held[c] -> seqid[c]++
            :: else -> held[c] = 1; other[c]++; seqid[c] = 1
            fi;
            if
            :: !lock[c] -> token[c] = other[c]
            :: else
            fi;
            if
            :: !dead[c] -> grant[c]!other[c], seqid[c], v
            :: else                                     /* there is no connection any more */
            fi;
            v = 0
        }
    /* A return under a stateid that is over changes nothing (R6.5-4). */
    :: atomic { give[c]?kind, o ->
            if
            :: held[c] && other[c] == o -> takeBack(c)
            :: else
            fi;
            if
            :: kind == RETURN && !dead[c] -> returned[c]!o
            :: else
            fi;
            o = 0; kind = 0
        }
    /* The deadline of the recall has passed, or the connection broke: take back what was not fetched, then look. */
    :: atomic { recalled[c] && token[c] ->
#ifndef TOKEN_SURVIVES
            token[c] = 0
#endif
        }
#ifdef TRUSTS_TIME
    :: atomic { recalled[c] -> takeBack(c) }
#elif !defined(NEVER_LOOKS)
    :: atomic { recalled[c] && !lock[c] -> takeBack(c) }    /* proven gone (R6.6-3) */
#endif
    od
}

inline recallAll(c) {
    for (c : 0 .. CLIENTS - 1) {
        if
        :: held[c] && !recalled[c] ->
            recalled[c] = 1;
            seqid[c]++;
            if
            :: !dead[c] -> recall[c]!other[c], seqid[c]
            :: else
            fi
        :: else
        fi
    }
}

/* Somebody changes the mapping, one change after the other. */
active proctype Change() {
    byte n, c;
    do
    :: n == CHANGES -> n = 0; break
    :: n < CHANGES ->
        n++;
#ifdef BARRIER_LATE
        d_step { recallAll(c); c = 0 };
        registered = 1;
        counted = 1;
#else
        registered = 1;
        /* A LAYOUTGET ahead is decided first (R6.4-12). */
        d_step { !resolving[0] && !resolving[1] -> counted = 1; recallAll(c); c = 0 };
#endif
        if
        :: atomic { !recalled[0] && !recalled[1] ->
                running = 1;
#ifdef BARRIER_SHORT
                registered = 0;
#endif
                lookAtAccess(0);
                lookAtAccess(1)
            };
            d_step {
                finished++;
                running = 0; registered = 0; counted = 0;
                lookAtAccess(0);
                lookAtAccess(1)
            }
        /* Patience ends: DELAY. The recalls go on (R6.4-15). */
        :: atomic { n < CHANGES && (recalled[0] || recalled[1]) -> registered = 0; counted = 0 }
        fi
    od
}

/* Access to what is held ends, then LAYOUTRETURN is sent (R6.2-1). The descriptor may stay open for other ranges. */
inline giveBack(c, o) {
#ifdef RETURNS_FIRST
    give[c]!RETURN, o;
    usable[c] = 0;
#else
    usable[c] = 0;
    give[c]!RETURN, o;
#endif
    returning++;
    if
    :: lock[c] = 0
    :: skip
    fi;
    version[c] = 0
}

/* A note may be dropped when the LAYOUTGET is answered (R6.5-7), and is not needed without one. */
inline takeNote(o, s) {
#ifndef FORGETS_RECALLS
    if
    :: asking[me] && (o > noteOther || (o == noteOther && s > noteSeqid)) -> noteOther = o; noteSeqid = s
    :: else
    fi
#else
    skip
#endif
}

/* A client: the thread that handles its messages. Where it does nothing for a while, the process is stopped. */
proctype Client(bit me) {
    byte gets, returning, newest, noteOther, noteSeqid, o, s, v;
end:
    do
    :: atomic { gets < (me -> 1 : GETS) && !asking[me] -> gets++; asking[me] = 1; get[me]!1 }
    :: usable[me] -> giveBack(me, newest)                   /* of its own accord */
    :: atomic { recall[me]?o, s ->
            /* Grants that were decided before the recall are void, whenever they come (R6.5-7). */
            takeNote(o, s);
            s = 0
        };
        if
        :: usable[me] || asking[me] -> giveBack(me, o)      /* R6.5-8: also if it holds nothing yet */
        :: else -> give[me]!NO_MATCH, o                     /* R6.3-4 */
        fi;
        o = 0
    :: atomic { returned[me]?o -> returning--; takeNote(o, DEAD); o = 0 }
    /* While a return is outstanding, nothing says yet whether it took the grant with it (R6.5-10). */
    :: atomic { !returning && nempty(grant[me]) -> grant[me]?o, s, v; asking[me] = 0 };
        if
        :: o < newest || (o == noteOther && s < noteSeqid)  /* R6.1-17, R6.5-7 */
        :: else ->
            newest = o;
            /* What a token is good for is fetched once, in one step; refused, the layout is gone already. */
            d_step {
                if
                :: !lock[me] && token[me] == o -> token[me] = 0; lock[me] = 1
                :: else
                fi
            };
            d_step {
                if
                :: lock[me] -> usable[me] = 1; version[me] = v; lookAtAccess(me)
                :: else
                fi
            }
        fi;
        d_step { noteOther = 0; noteSeqid = 0; o = 0; s = 0; v = 0 }
    :: break                                                /* killed */
    od;
    atomic {
        dead[me] = 1;
        asking[me] = 0; gets = 0; returning = 0; newest = 0; noteOther = 0; noteSeqid = 0;
        do
        :: grant[me]?_, _, _
        :: recall[me]?_, _
        :: returned[me]?_
        :: empty(grant[me]) && empty(recall[me]) && empty(returned[me]) -> break
        od
    };
    if
    :: skip                 /* a child lives on, with the mapping (R7.1-8) */
    :: usable[me] = 0
    fi;
    d_step { usable[me] = 0; lock[me] = 0; version[me] = 0 }
}

/* When nothing moves any more, nothing waits: every call was answered, every change ended (R11-5). */
active proctype Rest() {
    byte c;
    timeout;
    assert(!registered && !counted && !running);
    for (c : 0 .. CLIENTS - 1) {
        assert(!resolving[c] && !recalled[c]);
        assert(empty(get[c]) && empty(give[c]));
        assert(dead[c] || (!asking[c] && empty(grant[c]) && empty(recall[c]) && empty(returned[c])))
    }
}

/* Every change ends: it ran, or its caller was told that it did not. */
ltl ends { [] (registered -> <> !registered) }

init { atomic { run Serve(0); run Serve(1); run Client(0); run Client(1) } }
