import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles
import NIOCore

/// LAYOUTGET, and the descriptors that grants bring.
extension FileCore {
    /// A grant whose descriptor is still to come, or that waits behind such a one.
    struct PendingGrant {
        enum State {
            /// The token is being redeemed.
            case redeeming
            /// The descriptor is here.
            case redeemed(SharedDescriptor)
            /// It goes with the descriptor that came earlier.
            case covered
            /// There is no descriptor: the token was no longer good.
            case lost
            /// There will be none, now or later.
            case unreachable(Failure)
        }

        var id: LayoutHolder.GetID
        var layout: LayoutHolder.GrantedLayout
        var state: State
    }

    // MARK: LAYOUTGET

    func sendGet(
        _ id: LayoutHolder.GetID,
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ stateID: StateID,
        _ knownEpoch: UInt64
    ) {
        self.submitGet(range, ioMode, stateID, knownEpoch, flags: []) { [self] result in
            if case .failure(let failure) = result, self.isPastTheEnd(failure, range, knownEpoch) {
                return self.learnWhatMoved(id, range, ioMode, failure)
            }
            self.getEnded(id, range, ioMode, result)
        }
    }

    /// Sends LAYOUTGET; a reclaim waits for nobody.
    func submitGet(
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ stateID: StateID,
        _ knownEpoch: UInt64,
        flags: LayoutGetFlags,
        _ completion: @escaping (Result<Response, Failure>) -> Void
    ) {
        let isReclaim = flags.contains(.reclaim)
        let wait = isReclaim ? .zero : self.client.configuration.layoutPatience
        let arguments = LayoutGetArguments(
            handle: self.handle,
            stateID: stateID,
            addressing: Addressing.file.rawValue,
            ioMode: ioMode.rawValue,
            offset: range.lowerBound,
            length: range.wireLength,
            minLength: 0,
            maxCount: 60 << 10,
            flags: flags,
            waitMilliseconds: wait.wholeMilliseconds,
            knownEpoch: knownEpoch
        )
        self.getsInFlight += 1
        self.client.link.submit(
            .layoutGet(arguments),
            loss: .sessionBound,
            kind: isReclaim ? .ordinary : .waiting,
            timeout: wait + self.client.configuration.answerTimeout * 2,
            wait: wait
        ) { [self] result in
            self.getsInFlight -= 1
            completion(result)
            self.continueReset()
            self.client.layoutGetEnded()
        }
    }

    /// Whether a refusal may only say that content has moved down since: it carries no shifts.
    private func isPastTheEnd(_ failure: Failure, _ range: ByteRange, _ knownEpoch: UInt64) -> Bool {
        failure.status == .layoutUnavailable && knownEpoch != 0 && range.lowerBound > 0
            && self.windows.values.contains { $0.followsContent && $0.failure == nil }
    }

    /// Gets the first block instead, whose grant tells the size and the shifts; the windows then know what to ask for.
    private func learnWhatMoved(
        _ id: LayoutHolder.GetID,
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ refusal: Failure
    ) {
        guard self.client.hasLease, !self.reset.isUnderWay, let first = ByteRange(0, self.blockSize) else {
            return self.getEnded(id, range, ioMode, .failure(refusal))
        }
        self.submitGet(first, .read, self.holder.stateID, self.holder.epoch, flags: []) { [self] result in
            self.getEnded(id, first, .read, result)
        }
    }

    private func getEnded(
        _ id: LayoutHolder.GetID,
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ result: Result<Response, Failure>
    ) {
        switch result {
        case .success(.layoutGet(let grant)):
            self.note(grant.stateID)
            guard grant.ioMode == ioMode, grant.range.contains(range.lowerBound) else {
                return self.misanswered(id, range, "the server has granted something else than it was asked for")
            }
            self.client.counters.count(\.grants)
            self.granted(id, grant)
        case .success:
            self.misanswered(id, range, "LAYOUTGET was answered with something else")
        case .failure(let failure):
            self.client.counters.count(\.refusals)
            self.refused(id, range, failure)
        }
    }

    /// The server and this side do not agree about what is held: all of it goes back, and the window fails.
    private func misanswered(_ id: LayoutHolder.GetID, _ range: ByteRange, _ detail: String) {
        self.refused(id, range, Failure(.serverFault, detail))
        self.startReset()
    }

    private func refused(_ id: LayoutHolder.GetID, _ range: ByteRange, _ failure: Failure) {
        switch failure.status {
        case .badStateID, .expired:
            // What was held is gone; access ends before anything else happens.
            self.handle(.refused(id, .badStateID))
        case .deadSession:
            // If it was granted in the server's earlier life, it is dropped at the end of the reclaim.
            self.handle(.refused(id, .delay))
        case .timedOut, .unreachable, .closed, .badSession:
            // It may have been granted all the same.
            self.handle(.refused(id, .delay))
            self.startReset()
        default:
            if range.lowerBound < self.grantedSize, !failure.status.isTransient {
                self.unavailable = (failure, Host.now)
            }
            self.handle(.refused(id, failure.status))
        }
    }

    /// Passes a grant on once its descriptor is here.
    func granted(_ id: LayoutHolder.GetID, _ grant: LayoutGetResult) {
        let layout = LayoutHolder.GrantedLayout(
            stateID: grant.stateID,
            range: grant.range,
            ioMode: grant.ioMode,
            fileSize: grant.fileSize,
            epoch: grant.epoch,
            shifts: grant.shifts
        )
        self.capabilities = grant.capabilities
        guard grant.token != .none else {
            self.grants.append(PendingGrant(id: id, layout: layout, state: .covered))
            self.passGrantsOn()
            return
        }
        self.grants.append(PendingGrant(id: id, layout: layout, state: .redeeming))
        self.client.find(grant.device) { [self] reach in
            switch reach {
            case .none(let failure): self.redeemed(id, .unreachable(failure))
            case .socket(let path): self.redeem(id, grant.token, path)
            }
        }
    }

    // MARK: Descriptors

    private func redeem(_ id: LayoutHolder.GetID, _ token: DescriptorToken, _ path: String) {
        let box = NIOLoopBound(self, eventLoop: self.client.loop)
        let timeout = Duration.seconds(5)
        self.client.mapper.map {
            let state: Redemption
            do throws(LinuxError) {
                let descriptor = try DescriptorSocket.redeem(token, socketPath: path, timeout: timeout)
                // A server is not trusted to send what it should (R7.1-4).
                let facts = try FileFacts(of: descriptor)
                state = facts.type == .regular ? .descriptor(descriptor.shared()) : .unusable
            } catch {
                state = .failed(error)
            }
            box.eventLoop.execute { box.value.redeemed(id, state.grantState) }
        }
    }

    private enum Redemption: Sendable {
        case descriptor(SharedDescriptor)
        case unusable
        case failed(LinuxError)

        var grantState: PendingGrant.State {
            switch self {
            case .descriptor(let descriptor):
                return .redeemed(descriptor)
            case .unusable:
                return .unreachable(Failure(.layoutUnavailable, "the descriptor that came is not one of a file"))
            case .failed(let error):
                // Not known any more, or not now: asking for the layout again brings a new token. Else nobody serves it.
                let isPassing = [.stale, .delay, .resource].contains(error.status)
                return isPassing ? .lost : .unreachable(Failure(.layoutUnavailable, error.message))
            }
        }
    }

    private func redeemed(_ id: LayoutHolder.GetID, _ state: PendingGrant.State) {
        guard let index = self.grants.firstIndex(where: { $0.id == id }) else { return }
        self.grants[index].state = state
        self.passGrantsOn()
    }

    /// Tells the holder of the grants whose descriptors are here, in the order of their replies.
    private func passGrantsOn() {
        while let grant = self.grants.first {
            let ioMode = grant.layout.ioMode
            switch grant.state {
            case .redeeming:
                return
            case .redeemed(let descriptor):
                self.grants.removeFirst()
                // What an earlier description shows must not come back to life.
                if self.descriptors[ioMode] != nil { self.drop([ioMode]) }
                self.descriptors[ioMode] = descriptor
                self.accept(grant)
            case .covered where self.descriptors[ioMode] != nil:
                self.grants.removeFirst()
                self.accept(grant)
            case .covered, .lost:
                // The server believes that this side has a descriptor that it has not: give all back and ask again.
                self.grants.removeFirst()
                self.startReset()
            case .unreachable(let failure):
                self.grants.removeFirst()
                self.client.counters.count(\.fallbacks)
                self.unavailable = (failure, Host.now)
                // Without a descriptor nothing of it was ever used.
                self.handle(.refused(grant.id, .layoutUnavailable))
                self.startReset()
            }
        }
    }

    private func accept(_ grant: PendingGrant) {
        self.unavailable = nil
        var layout = grant.layout
        if self.isNewest(layout.stateID) {
            self.grantedSize = layout.fileSize
            self.sizeStateID = layout.stateID
        } else {
            // A later grant's reply came first, and knows better how long the file is.
            layout.fileSize = self.grantedSize
        }
        self.handle(.granted(grant.id, layout))
    }

    /// Whether a grant was decided after the one that told the size.
    private func isNewest(_ stateID: StateID) -> Bool {
        guard stateID.other != self.sizeStateID.other else {
            return StateID.distance(from: self.sizeStateID.seqid, to: stateID.seqid) > 0
        }
        return stateID.other.boot != self.sizeStateID.other.boot || stateID.other.number > self.sizeStateID.other.number
    }

    /// The latest stateid that a message has shown.
    func note(_ stateID: StateID) {
        let isNewer =
            stateID.other != self.latestStateID.other
            || StateID.distance(from: self.latestStateID.seqid, to: stateID.seqid) > 0
        if isNewer { self.latestStateID = stateID }
    }
}

extension LayoutStatus {
    /// Whether asking again later can help.
    var isTransient: Bool {
        switch self {
        case .delay, .recallConflict, .returnConflict, .layoutTryLater, .grace, .resource, .oldStateID, .badStateID,
            .expired:
            true
        default:
            false
        }
    }
}
