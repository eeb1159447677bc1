import LayoutCore
import LeaseEngine
import LinuxFiles
import Logging

/// Holders that do not give their layouts back (specification §6.6).
extension LayoutService {
    func fence(_ fence: LeaseEngine.Fence) {
        guard let entry = self.files.find(fence.file) else {
            preconditionFailure("\(fence.file) has a holder and is not in the table")
        }
        // What it has not fetched it will not get.
        self.descriptions.dropUnfetched(of: fence.holder)
        let (locks, peers) = self.descriptions.proof(of: fence.holder)
        let target = Fencing.Target(place: entry.place, locks: locks, peers: peers)
        self.note(.fencing(client: fence.client, path: entry.pathText, attempt: fence.attempt))
        self.fencing.run(self.method(fence, peers: peers, path: entry.pathText), on: target) { outcome in
            var metadata: Logger.Metadata = [
                "client": "\(fence.client.rawValue)", "file": "\(entry.pathText)", "attempt": "\(fence.attempt)",
                "gone": "\(outcome.isGone)",
            ]
            if let trouble = outcome.trouble { metadata["trouble"] = "\(trouble)" }
            self.logger.log(
                level: outcome.isGone || fence.method == .prove ? .info : .warning,
                "holder looked at",
                metadata: metadata
            )
            // A description that the holder was given meanwhile was not looked at.
            let isAllOfIt = self.descriptions.proof(of: fence.holder).locks.allSatisfy(locks.contains)
            self.submit(.fenceFinished(fence.holder, isGone: outcome.isGone && isAllOfIt))
        }
    }

    private func method(_ fence: LeaseEngine.Fence, peers: [HolderProcess], path: String) -> Fencing.Method {
        guard fence.method == .enforce else { return .look }
        switch self.configuration.fence {
        case .wait, .cooperative:
            return .look
        case .kill:
            return .kill
        case .hook(let program):
            let pids = peers.map { "\($0.pid)" }.joined(separator: ",")
            return .hook(program: program, arguments: ["\(fence.client.rawValue)", pids, path, "\(fence.attempt)"])
        }
    }
}
