import NIOCore

/// The one handler in the pipeline of an RPC connection: tells the connection what the transport does.
final class RPCChannelHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: RPCConnection

    init(_ connection: RPCConnection) {
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.connection.attach(to: context)
        if context.channel.isActive { self.connection.transportOpened() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.connection.transportClosed()
    }

    func channelActive(context: ChannelHandlerContext) {
        self.connection.transportOpened()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.connection.transportClosed()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.connection.received(Self.unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.connection.readBurstEnded()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.connection.writabilityChanged(context.channel.isWritable)
    }

    func read(context: ChannelHandlerContext) {
        if self.connection.mayRead() { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.connection.close(.transportFailed("\(error)"))
    }
}
