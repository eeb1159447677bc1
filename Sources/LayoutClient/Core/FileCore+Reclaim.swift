import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles

/// Reclaims of what is held of the file.
extension FileCore {
    /// The server has restarted and knows of this client.
    func serverRestarted() {
        self.awaitsReclaims = false
        // Their tokens ended with the server that gave them; nothing of them was used yet.
        let unused = self.grants
        self.grants = []
        for grant in unused { self.handle(.refused(grant.id, .delay)) }
        // What is not reclaimed the server takes as returned.
        self.reset.end()
        self.latestStateID = self.holder.stateID
        self.handle(.serverRestarted)
        guard self.holder.isReclaiming else { return }
        self.awaitsReclaims = true
        self.client.countReclaims(1)
    }

    /// Sends a reclaim, again after a pause that grows if the server is not ready for it.
    func sendReclaim(
        _ id: LayoutHolder.GetID,
        _ range: ByteRange,
        _ ioMode: IOMode,
        _ stateID: StateID,
        _ knownEpoch: UInt64,
        tries: Int = 0
    ) {
        self.submitGet(range, ioMode, stateID, knownEpoch, flags: .reclaim) { [self] result in
            guard self.holder.awaitsReclaim(id) else { return }
            switch result {
            case .success(.layoutGet(let grant)) where grant.ioMode == ioMode && grant.range.overlaps(range):
                self.note(grant.stateID)
                self.client.counters.count(\.layoutsReclaimed)
                self.granted(id, grant)
            case .success:
                self.client.counters.count(\.reclaimsRefused)
                self.handle(.refused(id, .serverFault))
            case .failure(let failure) where failure.status == .deadSession || failure.status == .badSession:
                // With the next session all is reclaimed anew.
                break
            case .failure(let failure) where failure.status.mayBeReclaimedLater && tries < 10:
                self.client.link.after(.milliseconds(20 << min(tries, 6))) { [self] _ in
                    guard self.holder.awaitsReclaim(id) else { return }
                    self.sendReclaim(id, range, ioMode, stateID, knownEpoch, tries: tries + 1)
                }
            case .failure(let failure):
                self.client.counters.count(\.reclaimsRefused)
                self.handle(.refused(id, failure.status))
            }
        }
    }
}

extension LayoutStatus {
    /// Whether a reclaim that was refused so can be sent again.
    fileprivate var mayBeReclaimedLater: Bool {
        switch self {
        case .delay, .grace, .layoutTryLater, .resource, .recallConflict, .returnConflict, .timedOut: true
        default: false
        }
    }
}
