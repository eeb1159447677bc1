import LayoutCore
import LayoutXDR

extension SeededGenerator {
    mutating func sequenceArguments() -> SequenceArguments {
        SequenceArguments(
            session: self.session(),
            sequence: self.number(),
            slot: self.number(),
            highestSlot: self.number(),
            cacheThis: self.bool()
        )
    }

    mutating func sequenceResult() -> SequenceResult {
        SequenceResult(
            status: .ok,
            sequence: self.number(),
            slot: self.number(),
            highestSlot: self.number(),
            targetHighestSlot: self.number(),
            flags: SequenceStatusFlags(rawValue: self.number())
        )
    }

    mutating func exchangeIDArguments() -> ExchangeIDArguments {
        ExchangeIDArguments(
            verifier: self.number(),
            owner: self.bytes(upTo: ProtocolLimits.owner),
            flags: self.number()
        )
    }

    mutating func exchangeIDResult() -> ExchangeIDResult {
        ExchangeIDResult(
            client: self.client(),
            sequence: self.number(),
            confirmed: self.bool(),
            leaseMilliseconds: self.number(),
            recallMilliseconds: self.number(),
            serverVerifier: self.number(),
            serverOwner: self.bytes(upTo: ProtocolLimits.owner)
        )
    }

    mutating func channel() -> ChannelAttributes {
        ChannelAttributes(
            maxRequest: self.number(),
            maxResponse: self.number(),
            maxResponseCached: self.number(),
            maxSlots: self.number()
        )
    }

    mutating func createSessionArguments() -> CreateSessionArguments {
        CreateSessionArguments(
            client: self.client(),
            sequence: self.number(),
            flags: self.number(),
            fore: self.channel(),
            back: self.channel(),
            callbackProgram: self.number()
        )
    }

    mutating func createSessionResult() -> CreateSessionResult {
        CreateSessionResult(
            session: self.session(),
            sequence: self.number(),
            flags: self.number(),
            fore: self.channel(),
            back: self.channel()
        )
    }

    mutating func bindConnection() -> BindConnectionArguments {
        BindConnectionArguments(
            session: self.session(),
            direction: self.element([.fore, .back, .foreOrBoth, .backOrBoth])
        )
    }

    mutating func openArguments() -> OpenArguments {
        OpenArguments(
            directory: self.handle(),
            path: self.path(),
            flags: OpenFlags(rawValue: self.number()),
            mode: self.number(),
            waitMilliseconds: self.number()
        )
    }

    mutating func setAttributesArguments() -> SetAttributesArguments {
        SetAttributesArguments(
            handle: self.handle(),
            which: SetAttributesArguments.Which(rawValue: self.number()),
            mode: self.number(),
            uid: self.number(),
            gid: self.number(),
            accessTime: self.time(),
            modificationTime: self.time()
        )
    }

    mutating func readDirectoryArguments() -> ReadDirectoryArguments {
        ReadDirectoryArguments(
            directory: self.handle(),
            path: self.path(),
            cookie: self.number(),
            maxEntries: self.number()
        )
    }

    mutating func renameArguments() -> RenameArguments {
        RenameArguments(
            fromDirectory: self.handle(),
            from: self.path(),
            toDirectory: self.handle(),
            to: self.path(),
            waitMilliseconds: self.number()
        )
    }

    mutating func layoutGetArguments() -> LayoutGetArguments {
        LayoutGetArguments(
            handle: self.handle(),
            stateID: self.stateID(),
            addressing: self.number(),
            ioMode: self.number(),
            offset: self.number(),
            length: self.number(),
            minLength: self.number(),
            maxCount: self.number(),
            flags: LayoutGetFlags(rawValue: self.number()),
            waitMilliseconds: self.number(),
            knownEpoch: self.number()
        )
    }

    mutating func layoutCommitArguments() -> LayoutCommitArguments {
        LayoutCommitArguments(
            handle: self.handle(),
            stateID: self.stateID(),
            offset: self.number(),
            length: self.number(),
            newSize: self.bool() ? self.number() : nil
        )
    }

    mutating func layoutReturnArguments() -> LayoutReturnArguments {
        LayoutReturnArguments(
            type: self.bool() ? .file : .all,
            handle: self.handle(),
            stateID: self.stateID(),
            ioMode: self.selector(),
            offset: self.number(),
            length: self.number(),
            isDowngrade: self.bool(),
            ioError: self.number()
        )
    }

    mutating func changeArguments(_ operation: MappingOperation) -> ChangeArguments {
        ChangeArguments(
            operation: operation,
            handle: self.handle(),
            offset: self.number(),
            length: self.number(),
            waitMilliseconds: self.number(),
            keepSize: self.bool()
        )
    }

    mutating func cloneArguments() -> CloneArguments {
        CloneArguments(
            source: self.handle(),
            sourceOffset: self.number(),
            handle: self.handle(),
            offset: self.number(),
            length: self.number(),
            waitMilliseconds: self.number()
        )
    }

    mutating func writeArguments() -> WriteArguments {
        WriteArguments(
            handle: self.handle(),
            offset: self.number(),
            isStable: self.bool(),
            waitMilliseconds: self.number(),
            data: self.data()
        )
    }
}
