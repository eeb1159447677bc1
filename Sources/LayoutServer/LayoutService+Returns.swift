import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Recovery

/// A LAYOUTRETURN between its arrival and its answer.
struct PendingReturn {
    let call: ActiveCall
    /// `nil`: everything that the client holds.
    let entry: FileEntry?
    let range: ByteRange
    let isDowngrade: Bool
}

/// LAYOUTRETURN and LAYOUTCOMMIT (specification §6.2).
extension LayoutService {
    func layoutReturn(_ arguments: LayoutReturnArguments, _ call: ActiveCall) {
        if arguments.ioError != 0 {
            self.logger.warning(
                "a client met an error in its own access to a file",
                metadata: [
                    "client": "\(call.client.rawValue)",
                    "errno": "\(LinuxError.name(of: CInt(truncatingIfNeeded: arguments.ioError)))",
                ]
            )
        }
        switch arguments.type {
        case .all:
            guard !arguments.isDowngrade else {
                return self.finish(call, .invalid, "a downgrade needs a file: return by file and range")
            }
            if self.notices.forget(call.client) { self.writeLater([.revocationsSeen(call.client)]) }
            let id = CallID(self.nextNumber())
            self.returns[id] = PendingReturn(call: call, entry: nil, range: .all, isDowngrade: false)
            self.submit(.layoutReturn(id, call.client, .all))
        case .file:
            self.withFile(arguments.handle, call) { self.layoutReturn(arguments, $0, call) }
        }
    }

    private func layoutReturn(_ arguments: LayoutReturnArguments, _ entry: FileEntry, _ call: ActiveCall) {
        guard let range = ByteRange(offset: arguments.offset, length: arguments.length) else {
            return self.finish(
                call,
                .invalid,
                "\(arguments.length) bytes at \(arguments.offset) are no range: name the bytes to return"
            )
        }
        guard !arguments.isDowngrade || arguments.ioMode == .readWrite else {
            return self.finish(call, .invalid, "only read-write layouts can be downgraded: name iomode RW")
        }
        guard arguments.stateID != .none else {
            return self.finish(call, .badStateID, "a return names the stateid of what it returns; or return everything")
        }
        let id = CallID(self.nextNumber())
        self.returns[id] = PendingReturn(call: call, entry: entry, range: range, isDowngrade: arguments.isDowngrade)
        if let holder = self.descriptions.holder(call.client, entry.id) { self.descriptions.partWasReturned(holder) }
        self.submit(
            .layoutReturn(
                id,
                call.client,
                .file(entry.id, arguments.stateID, arguments.ioMode, range, isDowngrade: arguments.isDowngrade)
            )
        )
    }

    func returned(_ id: CallID, _ stateID: StateID?) {
        // A grant that the server itself took back has nobody to answer.
        guard let pending = self.returns.removeValue(forKey: id) else { return }
        let path = pending.entry?.pathText ?? "(every file)"
        self.note(
            .returned(
                client: pending.call.client,
                path: path,
                range: pending.range,
                isDowngrade: pending.isDowngrade
            )
        )
        self.logger.info(
            pending.isDowngrade ? "layout downgraded" : "layout returned",
            metadata: ["client": "\(pending.call.client.rawValue)", "file": "\(path)", "range": "\(pending.range)"]
        )
        guard pending.isDowngrade, let stateID, let entry = pending.entry,
            self.needsDescription(pending.call.client, entry, .read),
            let holder = self.descriptions.holder(pending.call.client, entry.id),
            self.engine.holds(.read, of: entry.id, pending.call.client)
        else {
            return self.answer(pending, stateID, .none)
        }
        self.openDescription(of: entry, for: holder, .read, pending.call.caller) { token in
            // The downgrade stands whatever comes of the descriptor: without one the client can only give it back.
            if case .failure(let failure) = token {
                self.logger.error(
                    "no descriptor for a downgraded layout",
                    metadata: ["client": "\(pending.call.client.rawValue)", "error": "\(failure.detail)"]
                )
            }
            self.answer(pending, stateID, (try? token.get()) ?? .none)
        }
    }

    private func answer(_ pending: PendingReturn, _ stateID: StateID?, _ token: DescriptorToken) {
        self.finish(pending.call, .success(.layoutReturn(LayoutReturnResult(stateID: stateID, token: token))))
    }

    func layoutCommit(_ arguments: LayoutCommitArguments, _ call: ActiveCall) {
        self.withFile(arguments.handle, call) { entry in
            // A commit of no bytes needs no layout, and brings nothing anywhere (R6.2-8).
            guard arguments.length > 0 else {
                return self.commit(entry, newSize: arguments.newSize, isSynchronized: false, call)
            }
            guard let range = ByteRange(offset: arguments.offset, length: arguments.length) else {
                return self.finish(
                    call,
                    .invalid,
                    "\(arguments.length) bytes at \(arguments.offset) are no range: name the bytes to commit"
                )
            }
            if let refusal = self.engine.refusalOfCommit(call.client, entry.id, arguments.stateID, range) {
                return self.finish(call, refusal.status, refusal.detail)
            }
            self.commit(entry, newSize: arguments.newSize, isSynchronized: true, call)
        }
    }

    /// Brings a file to stable storage.
    ///
    /// What was stored through a mapping is in the page cache, or on persistent memory: the kernel's own sync takes both
    /// (`fsync(2)`). The right to it comes from the layout, so the server's own identity opens the file.
    private func commit(_ entry: FileEntry, newSize: UInt64?, isSynchronized: Bool, _ call: ActiveCall) {
        let place = entry.place
        self.work.run(
            on: entry.id,
            {
                Result<UInt64, Failure> { () throws(LinuxError) in
                    let size = try FileFacts(of: place).size
                    guard newSize ?? 0 <= size else {
                        throw LinuxError(
                            refusing: .invalid,
                            "a commit cannot make the file longer than its \(size) bytes: write or truncate through the "
                                + "server"
                        )
                    }
                    if isSynchronized {
                        let file = try ExportRoot.openRegular(place, for: .read, "commit stores to the file")
                        try MappingCalls.synchronize(file)
                    }
                    return size
                }
            },
            then: { result in self.finish(call, result.map { .layoutCommit(size: $0) }) }
        )
    }
}
