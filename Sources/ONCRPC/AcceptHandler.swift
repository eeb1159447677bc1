import Glibc
import NIOCore

/// In the pipeline of a listening channel: stops accepting for a while when descriptors or memory are used up.
///
/// The waiting connection keeps the listening socket readable, so that going on would be a busy loop. Holding back the
/// pipeline's `read` is not enough: a failed accept leaves the channel's pending read, and its interest, as they are.
final class AcceptHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private let pause: TimeAmount
    /// Tells the owner of a pause.
    ///
    /// True if it has freed a descriptor, so that there is none.
    private let exhausted: () -> Bool
    /// Tells the owner of an error that has ended the listener.
    private let failed: (any Error) -> Void
    private var isPaused = false

    init(pause: TimeAmount, exhausted: @escaping () -> Bool, failed: @escaping (any Error) -> Void) {
        self.pause = pause
        self.exhausted = exhausted
        self.failed = failed
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
            let channel = context.channel
            _ = channel.setOption(.autoRead, value: false)
            context.eventLoop.assumeIsolated().scheduleTask(in: self.pause) {
                self.isPaused = false
                // Fails only if the listener was closed meanwhile.
                _ = channel.setOption(.autoRead, value: true)
            }
        case ECONNABORTED:
            return  // one peer gave up while it waited
        default:
            // The channel closes itself on any other error.
            self.failed(error)
        }
    }
}
