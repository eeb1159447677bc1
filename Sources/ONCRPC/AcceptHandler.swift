import Glibc
import NIOCore

/// In the pipeline of a listening channel: stops accepting for a while when descriptors or memory are used up.
///
/// The waiting connection makes the listening socket readable again at once, so that going on would be a busy loop.
final class AcceptHandler: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    private let pause: TimeAmount
    /// Tells the owner of a pause.
    ///
    /// True if it has freed a descriptor, so that there is none.
    private let exhausted: () -> Bool
    /// Tells the owner of an error that has ended the listener.
    private let failed: (any Error) -> Void
    private var isPaused = false
    private var isReadHeld = false

    init(pause: TimeAmount, exhausted: @escaping () -> Bool, failed: @escaping (any Error) -> Void) {
        self.pause = pause
        self.exhausted = exhausted
        self.failed = failed
    }

    func read(context: ChannelHandlerContext) {
        if self.isPaused {
            self.isReadHeld = true
        } else {
            context.read()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else {
            context.fireErrorCaught(error)
            return
        }
        switch error.errnoCode {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            if self.isPaused || self.exhausted() { return }
            self.isPaused = true
            context.eventLoop.assumeIsolated().scheduleTask(in: self.pause) { self.resume(context) }
        case ECONNABORTED:
            return  // one peer gave up while it waited
        default:
            // The channel closes itself on any other error.
            self.failed(error)
        }
    }

    private func resume(_ context: ChannelHandlerContext) {
        self.isPaused = false
        guard self.isReadHeld else { return }
        self.isReadHeld = false
        context.read()
    }
}
