import LayoutCore
import LayoutHolder
import LayoutXDR
import LinuxFiles

/// After a restart of the server: telling it what is held, while it stays mapped (RFC 8881 §8.4.2.1).
extension ClientCore {
    /// Reclaims all that the files hold, be it nothing: the server waits for the end of it.
    func beginReclaim() {
        self.owesReclaim = true
        // One more than there are, until all have been counted.
        var reclaim = Standing.Reclaim(isUsable: self.hasLease, pending: 1)
        if case .reclaiming(let earlier) = self.standing { reclaim.isRevoked = earlier.isRevoked }
        self.standing = .reclaiming(reclaim)
        for file in self.files.values { file.serverRestarted() }
        self.countReclaims(-1)
        self.completeReclaim()
    }

    /// Ends a reclaim that was given up when the server was out of reach for too long; nothing is held any more.
    func catchUpWithReclaim() {
        guard self.owesReclaim, case .owing = self.standing else { return }
        self.beginReclaim()
    }

    /// Counts a file whose last reclaim was answered.
    func fileReclaimed(_ file: FileCore) {
        guard file.awaitsReclaims, !file.holder.isReclaiming else { return }
        file.awaitsReclaims = false
        self.countReclaims(-1)
        self.completeReclaim()
    }

    /// More or fewer files have reclaims without an answer.
    func countReclaims(_ change: Int) {
        guard case .reclaiming(var reclaim) = self.standing else { return }
        reclaim.pending += change
        self.standing = .reclaiming(reclaim)
    }

    /// Sends RECLAIM_COMPLETE when nothing is left to reclaim.
    func completeReclaim() {
        guard case .reclaiming(var reclaim) = self.standing, reclaim.pending == 0, !reclaim.isCompleting,
            self.link.session != nil, !self.isClosing
        else { return }
        reclaim.isCompleting = true
        self.standing = .reclaiming(reclaim)
        self.link.submit(
            .reclaimComplete,
            loss: .sessionBound,
            kind: .urgent,
            timeout: self.configuration.answerTimeout * 2
        ) { [self] result in
            guard case .reclaiming(var reclaim) = self.standing, reclaim.isCompleting else { return }
            switch result {
            case .success:
                self.endReclaim(reclaim)
            case .failure(let failure) where failure.status == .completeAlready:
                // The answer to an earlier one was lost with its session.
                self.endReclaim(reclaim)
            case .failure:
                // At the next tick, or with the next session.
                reclaim.isCompleting = false
                self.standing = .reclaiming(reclaim)
            }
        }
    }

    /// The server knows what is held, and has dropped the rest.
    private func endReclaim(_ reclaim: Standing.Reclaim) {
        self.owesReclaim = false
        if let sent = reclaim.renewal { self.link.lease.renew(sent: sent) }
        let isInTime = self.link.lease.deadline.map { Host.now < $0 } ?? false
        if reclaim.isRevoked {
            self.standing = .owing(.owed)
        } else {
            self.standing = isInTime ? .inForce : .suspended
        }
        for file in self.files.values {
            if !self.hasLease, reclaim.isUsable { file.handle(.leaseSuspended) }
            file.handle(.reclaimEnded)
            if self.hasLease { file.leaseRegained() }
        }
        self.payDebt()
        self.renewIfDue()
    }
}
