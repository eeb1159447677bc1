import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Sessions

/// The descriptors of layouts: who has one, who needs one (specification §7.1).
extension LayoutService {
    /// Whether a client needs a description to use a layout of an iomode.
    func needsDescription(_ client: ClientID, _ entry: FileEntry, _ ioMode: IOMode) -> Bool {
        guard let holder = self.descriptions.holder(client, entry.id),
            let description = self.descriptions.find(holder, ioMode)
        else { return true }
        guard description.mayBeClosed else { return false }
        // It gave something back since. Does it still hold anything that the descriptor is for?
        let isInUse = self.engine.holds(ioMode, of: entry.id, client)
        self.descriptions.settle(holder, ioMode, isInUse: isInUse)
        return !isInUse
    }

    /// The lock bytes of a file that are not of unknown holders; `nil` if there are no others on it.
    func knownLocks(of entry: FileEntry) -> KnownLocks? {
        guard !entry.isFreeOfOldHolders else { return nil }
        return KnownLocks(own: self.descriptions.ownLocks, recovered: entry.recoveredLocks)
    }

    /// Puts a description under a token, for its holder to fetch, once its lock is written down.
    func offer(
        _ description: LayoutResolution.HolderDescription,
        to holder: LeaseEngine.HolderID,
        _ ioMode: IOMode,
        _ caller: Caller,
        isLockKept: Bool = false,
        then completion: @escaping (Result<DescriptorToken, Failure>) -> Void
    ) {
        guard !isLockKept else { return completion(self.offer(description, to: holder, ioMode, caller)) }
        self.keepLock(description.lock, of: holder) { failure in
            completion(failure.map { .failure($0) } ?? self.offer(description, to: holder, ioMode, caller))
        }
    }

    private func offer(
        _ description: LayoutResolution.HolderDescription,
        to holder: LeaseEngine.HolderID,
        _ ioMode: IOMode,
        _ caller: Caller
    ) -> Result<DescriptorToken, Failure> {
        let token: DescriptorToken
        do throws(LinuxError) {
            token = DescriptorToken(try Host.randomOpaque16())
        } catch {
            return .failure(Failure(error))
        }
        let isTaken = self.descriptions.add(
            description.descriptor,
            lock: description.lock,
            token: token,
            to: holder,
            ioMode,
            uid: caller.principal.uid
        )
        guard isTaken else {
            return .failure(
                Failure(.resource, "too many granted descriptors have not been fetched: fetch them, or try again later")
            )
        }
        return .success(token)
    }

    /// Opens a description for a holder that has none, and offers it.
    func openDescription(
        of entry: FileEntry,
        for holder: LeaseEngine.HolderID,
        _ ioMode: IOMode,
        _ caller: Caller,
        then completion: @escaping (Result<DescriptorToken, Failure>) -> Void
    ) {
        let (place, user, lock) = (entry.place, caller.user, self.descriptions.nextLock(ioMode))
        self.work.run(
            on: entry.id,
            {
                Result<LayoutResolution.HolderDescription, Failure> { () throws(LinuxError) in
                    let descriptor = try user.run { () throws(LinuxError) in
                        try LayoutResolution.open(place, ioMode).shared()
                    }
                    try HolderLock.set(descriptor, holder: lock)
                    return LayoutResolution.HolderDescription(descriptor: descriptor, lock: lock)
                }
            },
            then: { result in
                switch result {
                case .failure(let failure):
                    completion(.failure(failure))
                case .success(let description):
                    self.offer(description, to: holder, ioMode, caller, then: completion)
                }
            }
        )
    }

    /// A token was shown at the descriptor socket.
    ///
    /// Who fetched the descriptor is written down right after it was sent, not before: the one thread that serves all
    /// who fetch does not wait for a disk. If the server is killed in between, its next life does not know whom to kill,
    /// and waits for that holder.
    func tokenWasRedeemed(_ redemption: TokenTable.Redemption) {
        self.descriptions.redeemed(redemption)
        if redemption.wasSent, self.engine.isHolder(redemption.holder) {
            self.writeLater(self.records(of: redemption.holder))
        }
        self.logger.debug(
            redemption.wasSent ? "descriptor passed" : "descriptor could not be passed",
            metadata: ["pid": "\(redemption.peer.pid)", "lock": "\(redemption.lock)"]
        )
    }

    func getDeviceInfo(_ device: DeviceID, _ call: ActiveCall) {
        guard device == self.device else {
            return self.finish(call, .noSuchAddress, "no such device: take the ID from a grant of this server's life")
        }
        self.finish(
            call,
            .success(
                .getDeviceInfo(.file(bootID: self.bootID, descriptorSocket: Array(self.descriptorSocketPath.utf8)))
            )
        )
    }
}
