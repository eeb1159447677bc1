import LayoutCore
import LayoutXDR
import LeaseEngine
import LinuxFiles
import Logging
import NIOCore

/// The end of a server, from the first word of it until every layout is back, or patience ends.
struct Shutdown {
    /// Files whose layouts are being asked back.
    var filesLeft: Int
    let done: EventLoopPromise<Void>
    var isDone = false
}

/// The orderly end: everything is recalled first, so that clients stop before nobody is there to stop them.
extension LayoutService {
    /// Stops granting, and asks for every layout; done when all are back, or after
    /// ``ServerConfiguration/shutdownPatience``.
    func beginShutdown() -> EventLoopFuture<Void> {
        if let shutdown = self.shutdown { return shutdown.done.futureResult }
        let files = self.engine.filesWithLayouts
        let done = self.eventLoop.makePromise(of: Void.self)
        self.shutdown = Shutdown(filesLeft: files.count, done: done)
        self.logger.info("shutting down", metadata: ["files": "\(files.count)"])
        guard !files.isEmpty else {
            self.shutdownIsDone()
            return done.futureResult
        }
        for file in files { self.recallEverything(of: file) }
        // Files beyond the engine's bound on changes, and holders that it cannot wait for, do not hold up the end.
        let patience = TimeAmount.nanoseconds(Int64(clamping: self.configuration.shutdownPatience.wholeNanoseconds))
        self.eventLoop.assumeIsolated().scheduleTask(in: patience + .seconds(1)) { self.shutdownIsDone() }
        return done.futureResult
    }

    private func recallEverything(of file: FileID) {
        let id = ChangeID(self.nextNumber())
        self.changes[id] = PendingChange(
            parked: nil,
            call: nil,
            files: [],
            body: { ChangeEffect(didChange: false, result: .success(ChangeDone())) },
            completion: { [weak self] _ in self?.fileIsBack() }
        )
        let part = MappingChange(file: file, operation: .shutdown, argument: .all, affected: .all, breaks: .everyone)
        self.request(
            id,
            LeaseEngine.ChangeRequest(
                parts: [part],
                requester: .local(pid: 0, command: "layoutd"),
                patience: min(self.configuration.shutdownPatience, self.configuration.patience)
            ),
            path: self.files.find(file)?.pathText ?? ""
        )
    }

    private func fileIsBack() {
        self.shutdown?.filesLeft -= 1
        if self.shutdown?.filesLeft == 0 { self.shutdownIsDone() }
    }

    private func shutdownIsDone() {
        guard self.shutdown?.isDone == false else { return }
        self.shutdown?.isDone = true
        self.shutdown?.done.succeed()
    }

    /// Lets go of everything that refers back to the service.
    ///
    /// Nothing may be called afterwards.
    func end() {
        self.timer.cancel()
        self.timer.fire = nil
        self.files.dropped = nil
    }
}
