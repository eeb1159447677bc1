import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles
import MappedWindows
import NIOCore
import ONCRPC

/// A client, as its event loop sees it: the session, the lease, and the files.
///
/// Everything here and in ``FileCore`` runs on the loop, which handles recalls and deadlines. So nothing here touches a
/// window, waits, takes a lock that application code can hold while it touches a window, or writes a log.
final class ClientCore {
    let loop: any EventLoop
    let configuration: ClientConfiguration
    let link: SessionLink
    let mapper: Mapper
    let counters: StatisticsCounters
    let events: RecallEventHub
    /// `nil` where this system cannot have windows: then everything goes through the server.
    let watcher: WindowWatcher?

    var files: [FileHandle: FileCore] = [:]
    var devices = DeviceTable()
    /// How this client stands with the server: what it holds, and whether it may be used.
    var standing = Standing.none
    /// A server that remembers this client has not heard RECLAIM_COMPLETE yet, and gives it nothing new before.
    var owesReclaim = false
    /// The server wants everything back, as soon as it can be.
    private var isReturningEverything = false
    /// The server's verifier: another one in each of its lives.
    var life: UInt64 = 0
    var lastRenewalTry: Instant?
    private var ticker: Scheduled<Void>?
    /// Recalls that were told about, the oldest first.
    private var recentRecalls: [RecallID] = []
    private(set) var isClosing = false

    init(
        loop: any EventLoop,
        address: RPCServerAddress,
        configuration: ClientConfiguration,
        identity: ClientIdentity,
        counters: StatisticsCounters,
        events: RecallEventHub
    ) {
        self.loop = loop
        self.configuration = configuration
        self.counters = counters
        self.events = events
        self.mapper = Mapper()
        self.watcher = try? WindowWatcher.shared
        self.link = SessionLink(
            loop: loop,
            address: address,
            configuration: configuration,
            clientOwner: identity.owner,
            verifier: identity.verifier,
            credential: identity.credential
        )
        self.link.owner = self
        // The loop serves windows, so it must never wait for one.
        (try? WindowRuntime.shared)?.markCurrentThreadAsServing()
    }

    // MARK: Files

    /// The file of a reply, made if it is new.
    func file(_ object: ObjectResult, path: String) -> FileCore {
        if let file = self.files[object.handle] { return file }
        let file = FileCore(self, object, path: path)
        self.files[object.handle] = file
        return file
    }

    /// A file has another handle from now on.
    func rename(_ file: FileCore, to handle: FileHandle) {
        if self.files[file.handle] === file { self.files[file.handle] = nil }
        file.handle = handle
        // Should two paths name one file, the first keeps the recalls; both give everything back with their reset.
        if self.files[handle] == nil { self.files[handle] = file }
    }

    /// Something about a file has changed.
    func fileChanged(_ file: FileCore) {
        if file.isForgettable, self.files[file.handle] === file { self.files[file.handle] = nil }
        self.continueReturningEverything()
        self.fileReclaimed(file)
    }

    /// Finds out where a device's descriptors are.
    func find(_ device: DeviceID, _ completion: @escaping (DeviceTable.Reach) -> Void) {
        guard self.devices.find(device, completion) else { return }
        self.link.submit(
            .getDeviceInfo(device),
            loss: .repeatable,
            kind: .urgent,
            timeout: self.configuration.answerTimeout
        ) { [self] result in
            let info = result.flatMap { response -> Result<DeviceInfo, Failure> in
                guard case .getDeviceInfo(let info) = response else {
                    return .failure(Failure(.serverFault, "GETDEVICEINFO was answered with something else"))
                }
                return .success(info)
            }
            let (reach, waiting) = self.devices.learn(device, info)
            for completion in waiting { completion(reach) }
        }
    }

    // MARK: Time

    /// Looks at the clock: the own deadline, renewals, and what is tried again.
    private func tick() {
        self.ticker = nil
        self.checkDeadline()
        self.layoutGetEnded()
        self.completeReclaim()
        self.regainLease()
        self.renewIfDue()
        self.scheduleTick()
    }

    func scheduleTick() {
        guard self.ticker == nil, !self.isClosing else { return }
        // Often enough for a machine that slept: its timers stand still meanwhile.
        let pause = min(max(self.link.lease.lease / 12, .milliseconds(5)), .seconds(1))
        self.ticker = self.link.after(pause) { [weak self] _ in self?.tick() }
    }

    // MARK: Recalls of everything

    private func returnEverything() {
        self.isReturningEverything = true
        for file in self.files.values { file.handle(.returnAllWanted) }
        self.continueReturningEverything()
    }

    private func continueReturningEverything() {
        guard self.isReturningEverything,
            self.files.values.allSatisfy({ $0.layoutCount == 0 && $0.returnsInFlight == 0 })
        else { return }
        self.isReturningEverything = false
        self.link.submit(
            .layoutReturn(.everything),
            loss: .sessionBound,
            kind: .urgent,
            timeout: self.configuration.answerTimeout
        ) { _ in }
    }

    /// Gives back files' layouts, those not used for longest first, until at most `keep` are left.
    private func returnLeastRecentlyUsed(keep: Int) {
        var count = self.files.values.reduce(0) { $0 + $1.layoutCount }
        for file in self.files.values.sorted(by: { $0.lastUsed < $1.lastUsed }) where count > keep {
            count -= file.layoutCount
            file.handle(.returnAllWanted)
        }
    }

    // MARK: The end

    /// Gives everything back, says goodbye if the server can be reached, and ends.
    ///
    /// - Parameters:
    ///   - completion: Called on the loop when that is over, at once if it was done before.
    ///   - threadsEnded: Called on some thread when nothing will be put on the loop any more.
    func close(_ completion: @escaping () -> Void, threadsEnded: @escaping @Sendable () -> Void) {
        guard !self.isClosing else {
            completion()
            return self.mapper.shutDown(threadsEnded)
        }
        self.isClosing = true
        self.ticker?.cancel()
        self.standing = .none
        for file in self.files.values {
            file.giveUpChanges(Failure(.closed, "the client was closed"))
            file.handle(.leaseGivenUp(.closed))
        }
        var isDone = false
        let finish = { [self] in
            guard !isDone else { return }
            isDone = true
            self.link.close()
            for file in self.files.values { file.tellReturnWaiters() }
            self.events.finish()
            self.mapper.shutDown(threadsEnded)
            self.files = [:]
            completion()
        }
        guard self.link.connection != nil else { return finish() }
        self.link.after(.seconds(2)) { _ in finish() }
        self.link.submit(.layoutReturn(.everything), loss: .sessionBound, kind: .urgent, timeout: .seconds(1)) { _ in
            self.link.sayGoodbye(finish)
        }
    }
}

extension LayoutReturnArguments {
    /// All that the client holds.
    static var everything: LayoutReturnArguments {
        LayoutReturnArguments(
            type: .all,
            handle: .root,
            stateID: .none,
            ioMode: .any,
            offset: 0,
            length: .max,
            isDowngrade: false,
            ioError: 0
        )
    }
}

extension ClientCore: SessionLinkOwner {
    func somethingArrived() { self.checkDeadline() }

    func callback(_ request: CallbackRequest) -> LayoutStatus {
        switch request {
        case .null:
            return .ok
        case .layoutRecall(_, let recall):
            return self.recalled(recall)
        case .recallAny(_, let keep):
            self.returnLeastRecentlyUsed(keep: Int(clamping: keep))
            return .ok
        case .notifyDeviceID:
            return .notSupported
        }
    }

    private func recalled(_ recall: LayoutRecall) -> LayoutStatus {
        if recall.handle == .root {
            self.tell(recall, path: "")
            self.returnEverything()
            return .ok
        }
        guard let file = self.files[recall.handle] else { return .noMatchingLayout }
        self.tell(recall, path: file.path)
        if recall.stateID != .none { file.note(recall.stateID) }
        file.recallAnswer = nil
        file.handle(
            .recallReceived(
                LayoutHolder.IncomingRecall(
                    id: recall.id,
                    stateID: recall.stateID,
                    ioMode: recall.ioMode,
                    range: recall.range
                )
            )
        )
        return file.recallAnswer ?? .delay
    }

    /// Tells the application, once for each recall.
    private func tell(_ recall: LayoutRecall, path: String) {
        guard !self.recentRecalls.contains(recall.id) else { return }
        if self.recentRecalls.count >= 256 { self.recentRecalls.removeFirst() }
        self.recentRecalls.append(recall.id)
        self.counters.count(\.recallsReceived)
        self.events.send(RecallEvent(recall, path: path))
    }
}

extension RecallEvent {
    fileprivate init(_ recall: LayoutRecall, path: String) {
        let isShift = recall.operation == .insertRange || recall.operation == .collapseRange
        self.init(
            path: path,
            operation: recall.operation,
            reason: recall.reason,
            range: recall.range,
            argument: recall.operationRange,
            shift: isShift
                ? Shift(
                    isInsert: recall.operation == .insertRange,
                    offset: recall.operationRange.lowerBound,
                    length: recall.operationRange.wireLength
                ) : nil,
            requester: recall.requester.rawValue == 0 ? nil : recall.requester,
            requesterPID: recall.requesterPID == 0 ? nil : recall.requesterPID,
            requesterCommand: recall.requesterCommand,
            timeLeft: .milliseconds(Int64(recall.deadlineMilliseconds)),
            time: Host.now
        )
    }
}
