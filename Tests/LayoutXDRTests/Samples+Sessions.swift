import LayoutCore
import LayoutXDR

extension Sample {
    private static let fore = ChannelAttributes(
        maxRequest: 1_048_576,
        maxResponse: 1_048_576,
        maxResponseCached: 8192,
        maxSlots: 32
    )
    private static let back = ChannelAttributes(maxRequest: 4096, maxResponse: 4096, maxResponseCached: 64, maxSlots: 4)

    static let sessions: [Sample] = [
        .call("null", .null),
        .reply("null", .null, .void),
        .call(
            "exchange-id",
            .exchangeID(
                ExchangeIDArguments(verifier: 0x0706_0504_0302_0100, owner: Self.bytes("host/1234"), flags: 1)
            )
        ),
        .reply(
            "exchange-id",
            .exchangeID,
            .exchangeID(
                ExchangeIDResult(
                    client: Self.client,
                    sequence: 1,
                    confirmed: false,
                    leaseMilliseconds: 30_000,
                    recallMilliseconds: 10_000,
                    serverVerifier: 0x0f0e_0d0c_0b0a_0908,
                    serverOwner: Self.bytes("layoutd.example")
                )
            )
        ),
        .failure("exchange-id", .exchangeID, .resource, "1024 clients are known, which is the limit; raise --clients"),
        .call(
            "create-session",
            .createSession(
                CreateSessionArguments(
                    client: Self.client,
                    sequence: 1,
                    flags: CreateSessionArguments.backChannelFlag,
                    fore: Self.fore,
                    back: Self.back,
                    callbackProgram: 0x2000_4c43
                )
            )
        ),
        .reply(
            "create-session",
            .createSession,
            .createSession(
                CreateSessionResult(
                    session: Self.session,
                    sequence: 1,
                    flags: CreateSessionArguments.backChannelFlag,
                    fore: Self.fore,
                    back: Self.back
                )
            )
        ),
        .failure("create-session", .createSession, .staleClientID, "the server restarted; call EXCHANGE_ID again"),
        .call(
            "bind-conn-to-session",
            .bindConnectionToSession(BindConnectionArguments(session: Self.session, direction: .backOrBoth))
        ),
        .reply(
            "bind-conn-to-session",
            .bindConnectionToSession,
            .bindConnectionToSession(BindConnectionArguments(session: Self.session, direction: .back))
        ),
        .failure("bind-conn-to-session", .bindConnectionToSession, .badSession, "no such session"),
        .call("sequence", .sequence),
        .reply("sequence", .sequence, .void),
        Sample(
            name: "sequence-error",
            message: .reply(
                .sequence,
                LayoutReply(
                    sequence: SequenceResult(
                        status: .sequenceMisordered,
                        sequence: 9,
                        slot: 2,
                        highestSlot: 15,
                        targetHighestSlot: 15,
                        flags: []
                    ),
                    result: .failure(Failure(.sequenceMisordered, "slot 2 expects sequence 7 or 8, not 9"))
                )
            )
        ),
        .call("reclaim-complete", .reclaimComplete),
        .reply("reclaim-complete", .reclaimComplete, .void),
        .failure("reclaim-complete", .reclaimComplete, .completeAlready, "RECLAIM_COMPLETE was sent before"),
        .call("destroy-session", .destroySession(Self.session)),
        .reply("destroy-session", .destroySession, .void),
        .failure("destroy-session", .destroySession, .badSession, "no such session"),
        .call("destroy-clientid", .destroyClientID(Self.client)),
        .reply("destroy-clientid", .destroyClientID, .void),
        .failure("destroy-clientid", .destroyClientID, .clientIDBusy, "the client still holds 2 layouts"),
    ]
}
