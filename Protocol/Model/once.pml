/*
 * Exactly once: a client has inserts done, which must not be done twice, while the server is killed, the power fails,
 * and replies are lost (specification R6.4-17, 8.1, 8.2, R11-4, R11-7).
 *
 * The server: intent, system call, data and mapping to stable storage, reply and end of the intent in one transaction,
 * then the reply is sent. At its start it resolves every intent left, by looking at the file, before it serves anybody.
 * The client: retries on the same slot; DEADSESSION says that the call was not executed and never will be.
 *
 * Files and store have two states each: what a killed process leaves behind, and what a power cut leaves behind. A
 * system call that has begun goes on in the kernel when the server is killed, and ends with the host.
 */

#ifndef CALLS
#define CALLS 3
#endif
#ifndef FAILURES
#define FAILURES 4
#endif
#define NONE 255
#ifdef STARTS_AT_ONCE
#define IS_BUSY false
#else
#define IS_BUSY calling
#endif

mtype = { NOTHING, EXECUTED, NOT_EXECUTED, UNKNOWN };

/* The file: how many inserts it has seen; the last number is on stable storage. */
byte inserts, insertsSynced;
bit calling;                    /* the system call is in the kernel */

/* The store, always synced: at most one intent with what the file was like before, and the reply of the one slot. */
bit intent;
byte before, intentCall = NONE, replied = NONE;

/* The server's process. */
bit up = 1, serving = 1;
byte step, current;             /* of the call that it works on */
byte session;                   /* the number of its life, and of sessions made in it */

/* The network: one call, one reply. `callSession` is the session that the call's slot belongs to. */
bit callWaits;
byte callNumber, callSession;
mtype reply = NOTHING;
byte failures;
byte acknowledged;              /* calls whose success the client knows of */

inline forget() {
    up = 0; serving = 0; step = 0; current = 0; callWaits = 0; callNumber = 0; callSession = 0; reply = NOTHING;
    failures++
}

active proctype Server() {
end:
    do
    /* A slot's call that was executed is answered by its stored reply; one of a dead session is executed never. */
    :: atomic { up && serving && callWaits && !step ->
            callWaits = 0;
            if
            :: replied == callNumber -> reply = EXECUTED
            :: replied != callNumber && callSession != session -> reply = NOT_EXECUTED
            :: else -> step = 1; current = callNumber
            fi;
            callNumber = 0; callSession = 0
        }
#ifndef NO_INTENT
    :: atomic { step == 1 -> intent = 1; intentCall = current; before = inserts; step = 2 }
    :: atomic { step == 2 -> calling = 1; step = 3 }
#else
    :: atomic { step == 1 -> calling = 1; step = 3 }
#endif
    :: atomic { step == 3 && !calling -> step = 4 }
#ifdef REPLIES_BEFORE_SYNC
    :: atomic { step == 4 -> replied = current; intent = 0; intentCall = NONE; before = 0; reply = EXECUTED; step = 5 }
    :: atomic { step == 5 -> insertsSynced = inserts; step = 0; current = 0 }
#else
    :: atomic { step == 4 -> insertsSynced = inserts; step = 5 }
#ifdef INTENT_ENDS_FIRST
    :: atomic { step == 5 -> intent = 0; intentCall = NONE; before = 0; step = 6 }
    :: atomic { step == 6 -> replied = current; reply = EXECUTED; step = 0; current = 0 }
#else
    :: atomic { step == 5 -> replied = current; intent = 0; intentCall = NONE; before = 0; step = 6 }
    :: atomic { step == 6 -> reply = EXECUTED; step = 0; current = 0 }
#endif
#endif

    /* The next life begins when the kernel is done with the last one (R8.2-4). */
    :: atomic { !up && !IS_BUSY -> up = 1; session++ }
#ifdef SERVES_AT_ONCE
    :: atomic { up && !serving -> serving = 1 }
#endif
    /* Executed or not, the file says; what was executed gets its reply. The look itself may be cut short. */
    :: atomic { up && intent && !step ->
            insertsSynced = inserts;
#ifdef REDOES_INTENTS
            inserts++; insertsSynced++;
            replied = intentCall;
#else
            if
            :: inserts != before -> replied = intentCall
            :: else
            fi;
#endif
            intent = 0; intentCall = NONE; before = 0
        }
    :: atomic { up && !serving && !intent -> serving = 1 }
    od
}

/* The kernel ends the system call some time after it has begun. */
active proctype Kernel() {
end:
    do
    :: atomic { calling -> inserts++; calling = 0 }
    od
}

active proctype Failures() {
end:
    do
    :: atomic { up && failures < FAILURES -> forget() }             /* SIGKILL, at any moment */
    /* A power cut: what was not synced is there, or is not. Only a whole insert: it is one journal transaction. */
    :: atomic { failures < FAILURES && up ->
            forget();
            calling = 0;
            if
            :: inserts = insertsSynced
            :: insertsSynced = inserts
            fi
        }
    /* A connection breaks, and takes the reply with it. */
    :: atomic { failures < FAILURES && reply != NOTHING -> reply = NOTHING; failures++ }
    od
}

/* The client: one slot, one call at a time. */
active proctype Client() {
    byte number = 1, mySession, lastFailures;
    bit isOut;
end:
    do
    :: atomic { up && serving && !isOut && number <= CALLS ->
            mySession = session; isOut = 1; lastFailures = failures;
            callWaits = 1; callNumber = number; callSession = mySession
        }
    :: atomic { reply == EXECUTED -> reply = NOTHING; isOut = 0; number++; acknowledged++; lastFailures = 0 }
    :: atomic { reply == NOT_EXECUTED -> reply = NOTHING; isOut = 0; lastFailures = 0 }     /* anew, in a new session */
    /* Something broke: the same call again, same slot, same number. While it is executed, DELAY says to wait. */
    :: atomic { isOut && up && serving && !callWaits && !step && reply == NOTHING && failures > lastFailures ->
            lastFailures = failures;
            callWaits = 1; callNumber = number; callSession = mySession
        }
    od
}

/* When nothing moves any more: every call was executed, once each (R11-4), and all of it is there (R11-7). */
active proctype Rest() {
    timeout;
    assert(up && serving && !intent && !step && !callWaits && reply == NOTHING);
    assert(acknowledged == CALLS);
    assert(inserts == CALLS && insertsSynced == CALLS)
}

/* And at no time more than asked for, nor less than acknowledged. */
ltl once { [] (inserts <= CALLS && (inserts >= acknowledged)) }
