import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import Recovery
import Sessions

/// A file whose change was neither undone nor done.
struct BlockedFile {
    /// What was found, for people.
    let reason: String

    /// What everybody gets who wants a layout of it, or to change it.
    var failure: Failure {
        Failure(.outcomeUnknown, "\(self.reason); look at the file, then end this with 'layoutctl unblock FILE'")
    }
}

/// What earlier lives of the server have left to this one (specification §8.3 to §8.5).
extension LayoutService {
    // MARK: The start

    /// Takes over what was found, before anybody is served.
    func recover(_ restart: Restart) {
        for holder in restart.state.holders {
            let id = LeaseEngine.HolderID(holder.number)
            guard let entry = self.files.find(holder.file), self.engine.isHolder(id) else { continue }
            entry.holders.insert(id)
            entry.recoveredLocks.formUnion(holder.locks)
            self.descriptions.recover(holder, entry.id)
            self.reclaiming.insert(holder.client)
        }
        for block in restart.state.blocked { self.blocked[block.file] = BlockedFile(reason: block.reason) }
        for revocation in restart.state.revocations {
            let isAll = self.engine.layoutCount(of: revocation.client) == 0
            self.notices.layoutsWereRevoked(of: revocation.client, isAll: isAll)
        }
        self.missing = Set(self.sessions.confirmedClients)
        self.missingDeadline = self.missing.isEmpty ? nil : self.startedAt.advanced(by: restart.graceTerm)
        self.logger.notice(
            "a life begins",
            metadata: [
                "life": "\(self.life)", "clients": "\(self.missing.count)", "reclaiming": "\(self.reclaiming.count)",
                "holders": "\(restart.state.holders.count)", "blocked": "\(self.blocked.count)",
            ]
        )
        for block in restart.state.blocked { self.logBlock(of: block.file, block.reason) }
    }

    /// Begins to look which holders are gone, and takes leave of clients that had started again.
    func beginLife() {
        self.submit(.started)
        for client in self.sessions.supersededClients { self.clientIsLost(client) }
        self.setTimer()
        Failpoint.hit(.afterRecovery)
    }

    // MARK: Grace

    func reclaimComplete(_ call: ActiveCall) {
        guard self.clients[call.client]?.hasCompletedReclaim == false else {
            return self.finish(call, .completeAlready, "RECLAIM_COMPLETE was sent before; once is enough")
        }
        self.clients[call.client]?.hasCompletedReclaim = true
        self.reclaiming.remove(call.client)
        self.submit(.reclaimComplete(call.client))
        // It has its answers: nothing is asked on sessions of an earlier life any more.
        let dropped = self.sessions.dropDeadSessions(of: call.client)
        self.writeLater(dropped.map { .sessionGone($0) })
        self.logger.info("client has reclaimed", metadata: ["client": "\(call.client.rawValue)"])
        self.finish(call, .success(.void))
    }

    func graceEnded() {
        let missing = self.engine.missingClientIDs().count
        self.logger.notice("grace has ended", metadata: ["missing": "\(missing)"])
        self.note(.graceEnded)
    }

    /// Clients that have not come back in time and hold nothing are forgotten; the others as soon as they do.
    func forgetMissingClients() {
        let gone = self.missing.filter { self.engine.layoutCount(of: $0) == 0 }.sorted()
        self.missing.subtract(gone)
        self.missingDeadline = self.missing.isEmpty ? nil : Host.now.advanced(by: self.configuration.lease)
        for client in gone { self.clientIsLost(client) }
    }

    // MARK: Blocked files

    /// A change of the file was neither undone nor done: nobody gets a layout of it or changes it from now on.
    func block(_ entry: FileEntry, _ reason: String, _ call: ActiveCall?) {
        self.blocked[entry.handle] = BlockedFile(reason: reason)
        self.engine.forgetShifts(of: entry.id)
        let records = [self.stored(entry), .blocked(entry.handle, reason: reason)]
        if let call, self.unanswered[call.slot] != nil {
            self.unanswered[call.slot]?.more += records
        } else {
            self.writeLater(records)
        }
        self.logBlock(of: entry.handle, reason)
    }

    private func logBlock(of file: FileHandle, _ reason: String) {
        let path = self.files.find(file)?.pathText ?? "(not found)"
        self.logger.error(
            "a file is blocked: look at it, then run 'layoutctl unblock'",
            metadata: ["file": "\(path)", "reason": "\(reason)"]
        )
    }

    func unblock(_ handle: FileHandle, _ call: ActiveCall) {
        guard call.caller.isPrivileged else { return self.refuseOperator(call) }
        guard self.blocked[handle] != nil else {
            return self.finish(call, .noEntry, "the file is not blocked: see 'layoutctl blocked'")
        }
        self.write([.unblocked(handle)], .synced) { result in
            switch result {
            case .failure(let error):
                self.finish(call, Failure(error.status, error.refusal).status, error.refusal)
            case .success:
                self.blocked[handle] = nil
                let path = self.files.find(handle)?.pathText ?? ""
                self.logger.notice("a file is unblocked", metadata: ["file": "\(path)", "uid": "\(call.user.uid)"])
                self.finish(call, .success(.void))
            }
        }
    }
}
