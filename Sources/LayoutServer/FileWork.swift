import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import NIOPosix

/// Runs system calls that block on a few threads, and brings their results back to the event loop.
///
/// Work on one file is done in the order in which it was asked for, one piece at a time: so results come back in the
/// order in which things happened to the file, and a slow file occupies one thread. Bound to its event loop. It has no
/// bound of its own: each piece belongs to a call, and the sessions bound those.
final class FileWork {
    private let eventLoop: any EventLoop
    private let pool: NIOThreadPool
    /// What waits for each file that has work under way.
    private var lanes: [FileID: FIFO<() -> Void>] = [:]
    /// Pieces that wait or are done.
    private(set) var count = 0

    init(eventLoop: any EventLoop, pool: NIOThreadPool) {
        self.eventLoop = eventLoop
        self.pool = pool
    }

    /// Runs `body` on a thread, then `completion` on the event loop, never before this method returns.
    ///
    /// - Parameters:
    ///   - file: In whose order it runs; `nil` for work that does not belong to one file.
    ///   - body: Runs on a thread.
    ///   - completion: Takes what `body` returned.
    func run<Value: Sendable>(
        on file: FileID?,
        _ body: @escaping @Sendable () -> Value,
        then completion: @escaping (Value) -> Void
    ) {
        self.count += 1
        let start = {
            let finish = NIOLoopBound(
                { (value: Value) in
                    self.count -= 1
                    completion(value)
                    if let file { self.startNext(on: file) }
                },
                eventLoop: self.eventLoop
            )
            let eventLoop = self.eventLoop
            self.pool.submit { state in
                // A pool that stops drops what has not begun; the server stops it when nothing is left.
                guard state == .active else { return }
                let value = body()
                eventLoop.execute { finish.value(value) }
            }
        }
        guard let file else { return start() }
        if self.lanes[file] != nil {
            self.lanes[file]?.append(start)
        } else {
            self.lanes[file] = FIFO()
            start()
        }
    }

    private func startNext(on file: FileID) {
        if let next = self.lanes[file]?.popFirst() {
            next()
        } else {
            self.lanes[file] = nil
        }
    }
}

extension Failure {
    /// The answer to a file operation that failed.
    init(_ error: LinuxError) { self.init(error.status, error.message) }
}

extension Result where Failure == LayoutXDR.Failure, Success: ~Copyable {
    /// Runs a file operation, and turns its error into an answer.
    init(catching body: () throws(LinuxError) -> Success) {
        do throws(LinuxError) {
            self = .success(try body())
        } catch {
            self = .failure(LayoutXDR.Failure(error))
        }
    }
}
