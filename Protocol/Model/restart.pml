/*
 * The server dies and comes back, twice, also while clients reclaim (specification 8.2 and 8.3): nobody is unmapped by
 * that, so whoever held a layout holds it from the first moment of the next life, until it gives it back or is proven
 * gone. Grace is only the time in which clients come back.
 *
 * One range of one file, two clients, changes by a local program. A message is lost with the life that it belongs to.
 * What the server writes down is there in the next life; everything else is forgotten. A system call that has begun
 * goes on in the kernel when the server is killed.
 *
 * Every number is bounded, so every run ends, and `Rest` looks at every end.
 */

#ifndef GETS
#define GETS 2                  /* LAYOUTGETs of the first client; the second has one */
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef LIVES
#define LIVES 3
#endif
#define CLIENTS 2
#ifdef GRACE_OPEN
#define CLOSED false
#else
#define CLOSED grace            /* in grace nobody gets anything new */
#endif

mtype = { NOTHING, GET, RECLAIM, COMPLETE, RETURN, NO_MATCH, GRANT, REFUSED, DONE };

/* One call and one recall at a time: what overtakes what is lease.pml's subject. */
mtype call[CLIENTS] = NOTHING, reply[CLIENTS] = NOTHING;
bit recallArrived[CLIENTS];
byte said[CLIENTS];             /* the version of the mapping in a grant */

/* What outlives the server: the stored holders, and the life's number. */
bit stored[CLIENTS];
byte life = 1;

/* What does not. */
bit up = 1, grace;
byte phase;                     /* of the change: 0 none, 1 barrier up, 2 stock taken, 3 running */
bit held[CLIENTS], reclaimed[CLIENTS], isBack[CLIENTS], token[CLIENTS], recalled[CLIENTS], recallSent[CLIENTS];
byte writing[CLIENTS];          /* 0: the store says what is held; 1: a grant, 2: an end is being written */

/* The kernel and the clients' hosts. */
bit calling;                    /* a change's system call is under way */
byte finished, lastChange;
bit lock[CLIENTS], usable[CLIENTS], dead[CLIENTS];
byte version[CLIENTS];
byte lifeKnown[CLIENTS] = 1;

inline lookAtAccess(c) {
    assert(!usable[c] || !calling);                     /* R11-1 */
    assert(!usable[c] || version[c] == finished)        /* R11-3 */
}

inline takeBack(c) {
    held[c] = 0; reclaimed[c] = 0; recalled[c] = 0; recallSent[c] = 0; token[c] = 0;
    writing[c] = 2
}

inline answer(c, what) {
    call[c] = NOTHING;
    if
    :: !dead[c] -> reply[c] = what
    :: else
    fi
}

proctype Serve(bit c) {
end:
    do
    /* A grant is written down before it is sent. */
    :: atomic { up && call[c] == GET && !CLOSED && !phase && !recalled[c] && !writing[c] ->
            held[c] = 1; reclaimed[c] = 1;
            if
            :: !lock[c] -> token[c] = 1
            :: else
            fi;
            said[c] = finished;
#ifdef GRANT_BEFORE_PERSIST
            answer(c, GRANT);
#endif
            writing[c] = 1
        }
    :: atomic { up && writing[c] == 1 ->
            stored[c] = 1; writing[c] = 0;
#ifndef GRANT_BEFORE_PERSIST
            answer(c, GRANT)
#endif
        }
    :: atomic { up && writing[c] == 2 -> stored[c] = 0; writing[c] = 0 }
    :: atomic { up && (call[c] == RETURN || call[c] == NO_MATCH) && writing[c] != 1 ->
            if
            :: held[c] -> takeBack(c)
            :: else
            fi;
            answer(c, DONE)
        }
    /* What is reclaimed was never given up: it conflicts with nothing. */
    :: atomic { up && call[c] == RECLAIM && writing[c] != 1 ->
            if
#ifdef RECLAIM_UNCHECKED
            :: true ->
                held[c] = 1; stored[c] = 1; writing[c] = 0;
#else
            :: !held[c] -> answer(c, REFUSED)
            :: held[c] ->
#endif
                reclaimed[c] = 1; said[c] = finished;
#ifdef STORE_EMPTIED
                stored[c] = 1;
#endif
                if
                :: !lock[c] -> token[c] = 1
                :: else
                fi;
                answer(c, GRANT)
            fi
        }
    /* RECLAIM_COMPLETE: what was not reclaimed is given back by it. */
    :: atomic { up && call[c] == COMPLETE && writing[c] != 1 ->
            isBack[c] = 1;
            if
            :: held[c] && !reclaimed[c] -> takeBack(c)
            :: else
            fi;
            answer(c, DONE)
        }
    /* A recall waits for the back channel; a holder is proven gone by its lock alone, in grace too. */
    :: atomic { up && recalled[c] && !recallSent[c] && isBack[c] ->
            recallSent[c] = 1;
            if
            :: !dead[c] -> recallArrived[c] = 1
            :: else
            fi
        }
    :: atomic { up && (recalled[c] || (held[c] && !isBack[c])) && !writing[c] && !lock[c] -> takeBack(c) }
    od
}

/* The life ends, at any moment, and the next one begins. */
active proctype Life() {
    byte c;
end:
    do
    :: atomic { up && life < LIVES ->
            up = 0; phase = 0; grace = 0;
            for (c : 0 .. CLIENTS - 1) {
                held[c] = 0; reclaimed[c] = 0; isBack[c] = 0; token[c] = 0; recalled[c] = 0; recallSent[c] = 0;
                writing[c] = 0; call[c] = NOTHING; reply[c] = NOTHING; recallArrived[c] = 0; said[c] = 0
            };
            c = 0
        };
        /* Not before the predecessor's last system call has ended (R8.2-4). */
        atomic {
#ifndef STARTS_AT_ONCE
            !calling ->
#endif
            life++; up = 1;
            for (c : 0 .. CLIENTS - 1) {
#ifdef HOLDERS_FORGOTTEN
                stored[c] = 0;
#endif
                held[c] = stored[c];
#ifdef STORE_EMPTIED
                stored[c] = 0;
#endif
                grace = grace || held[c]
            };
            c = 0
        }
    /* Everybody is back, or gone, or the time is over: whoever is not back still holds what it held (R6.6-7). */
    :: atomic { up && grace ->
            grace = 0;
#ifdef GRACE_IS_PROOF
            for (c : 0 .. CLIENTS - 1) {
                if
                :: held[c] && !isBack[c] -> takeBack(c)
                :: else
                fi
            };
            c = 0
#endif
        }
    od
}

active proctype Change() {
    byte c;
end:
    do
    :: atomic { up && phase == 0 && lastChange < CHANGES && !CLOSED && writing[0] != 1 && writing[1] != 1 ->
            lastChange++; phase = 2;
            for (c : 0 .. CLIENTS - 1) {
                if
                :: held[c] -> recalled[c] = 1
                :: else
                fi
            };
            c = 0
        }
    /* What ended is written down before the change may run. */
    :: atomic { up && phase == 2 && !held[0] && !held[1] && !writing[0] && !writing[1] ->
            phase = 3; calling = 1;
            lookAtAccess(0); lookAtAccess(1)
        }
    :: atomic { calling ->
            finished++; calling = 0;
            lookAtAccess(0); lookAtAccess(1);
            if
            :: phase == 3 -> phase = 0
            :: else
            fi
        }
    od
}

proctype Client(bit me) {
    byte gets;
    bit holds;                  /* as far as it knows; with the reply lost, the server may know better */
end:
    do
    :: atomic { lifeKnown[me] == life && up && call[me] == NOTHING && reply[me] == NOTHING && gets < (me -> 1 : GETS) ->
            gets++; call[me] = GET
        }
    :: atomic { recallArrived[me] && lifeKnown[me] == life && up && call[me] == NOTHING && reply[me] == NOTHING ->
            recallArrived[me] = 0;
            usable[me] = 0; lock[me] = 0; version[me] = 0;
            call[me] = (holds -> RETURN : NO_MATCH);
            holds = 0
        }
    :: atomic { reply[me] == GRANT && lifeKnown[me] == life ->
            reply[me] = NOTHING; holds = 1;
            if
            :: token[me] -> token[me] = 0; lock[me] = 1
            :: else
            fi;
            if
            :: lock[me] -> usable[me] = 1; version[me] = said[me]; lookAtAccess(me)
            :: else                                     /* refused: it was taken back already */
            fi
        }
    :: atomic { reply[me] == DONE && lifeKnown[me] == life -> reply[me] = NOTHING }
    /* Another life: reclaim what is held, then say that this was all. Access goes on meanwhile. */
    :: atomic { lifeKnown[me] != life && up -> lifeKnown[me] = life };
        if
        :: atomic { holds && lifeKnown[me] == life && up -> call[me] = RECLAIM };
            if
            :: atomic { reply[me] == GRANT && lifeKnown[me] == life -> reply[me] = NOTHING;
                    if
                    :: token[me] -> token[me] = 0; lock[me] = 1
                    :: else
                    fi;
                    if
                    :: lock[me] -> usable[me] = 1; version[me] = said[me]; lookAtAccess(me)
                    :: else
                    fi
                }
            :: atomic { reply[me] == REFUSED && lifeKnown[me] == life ->
                    reply[me] = NOTHING; holds = 0; usable[me] = 0; lock[me] = 0; version[me] = 0
                }
            :: lifeKnown[me] != life                    /* and once more */
            fi
        :: !holds
        :: lifeKnown[me] != life
        fi;
        if
        :: atomic { lifeKnown[me] == life && up -> call[me] = COMPLETE }
        :: lifeKnown[me] != life
        fi
    :: break                                            /* killed */
    od;
    atomic { dead[me] = 1; call[me] = NOTHING; reply[me] = NOTHING; recallArrived[me] = 0; gets = 0; holds = 0 };
    /* A child may live on a little, with the mapping. */
    d_step { usable[me] = 0; lock[me] = 0; version[me] = 0 }
}

/* When nothing moves any more, nothing waits (R11-5). */
active proctype Rest() {
    byte c;
    timeout;
    assert(up && !grace && !phase && !calling);
    for (c : 0 .. CLIENTS - 1) {
        assert(!recalled[c] && !writing[c] && held[c] == stored[c]);
        assert(call[c] == NOTHING && reply[c] == NOTHING);
        assert(!held[c] || isBack[c])
    }
}

/* Every change ends, be it with the life that it was asked for in. */
ltl ends { [] (phase != 0 -> <> (phase == 0)) }

init { atomic { isBack[0] = 1; isBack[1] = 1; run Serve(0); run Serve(1); run Client(0); run Client(1) } }
