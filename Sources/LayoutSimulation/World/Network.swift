import LayoutCore

/// A connection: an ordered stream in each direction, that can break, go silent, or be held up.
final class Connection {
    enum Side: Int {
        case server = 0
        case client = 1
        var other: Side { self == .server ? .client : .server }
    }

    let number: UInt64
    unowned let world: World
    let client: Client
    let server: Server
    /// Called at a side when the other one is gone.
    var closed: [(() -> Void)?] = [nil, nil]
    private var isOpen = [true, true]
    /// Streams by their receiver: what is sent vanishes, and nobody hears of it (half-open).
    private var isSilent = [false, false]
    private var lastArrival: [Instant]
    /// Until when what this connection carries towards a side is held up; the client's others may get through.
    private var heldUpUntil: [Instant?] = [nil, nil]

    init(_ number: UInt64, _ client: Client, _ server: Server) {
        self.number = number
        self.world = client.world
        self.client = client
        self.server = server
        self.lastArrival = [client.world.now, client.world.now]
    }

    func isOpen(at side: Side) -> Bool { self.isOpen[side.rawValue] }

    func holdUp(towards side: Side, until: Instant) { self.heldUpUntil[side.rawValue] = until }

    private func heldUp(towards side: Side) -> Instant? {
        let own = self.heldUpUntil[side.rawValue] ?? self.world.now
        let all = self.client.heldUp(towards: side) ?? self.world.now
        return max(own, all) > self.world.now ? max(own, all) : nil
    }

    /// Sends to a side; `receive` runs there behind all that was sent before.
    func send(to side: Side, _ receive: @escaping () -> Void) {
        guard self.isOpen(at: side.other), !self.isSilent[side.rawValue] else { return }
        let process: SimulatedProcess = side == .server ? self.server : self.client
        self.world.schedule(at: self.arrival(at: side), on: nil) { [self] in
            // What is held up longer waits on; order stays, because everything behind it does too.
            if let until = self.heldUp(towards: side) {
                self.world.schedule(at: until, on: nil) { [self] in self.hand(to: process, side, receive) }
            } else {
                self.hand(to: process, side, receive)
            }
        }
    }

    private func hand(to process: SimulatedProcess, _ side: Side, _ receive: @escaping () -> Void) {
        process.deliver { [self] in if self.isOpen(at: side) { receive() } }
    }

    private func arrival(at side: Side) -> Instant {
        let slow: UInt64 = self.world.swarm.isSlow && self.world.random.oneIn(20) ? 200_000 : 400
        var at = max(self.world.after(5...slow), self.lastArrival[side.rawValue].advanced(by: .nanoseconds(1)))
        if let until = self.heldUp(towards: side) { at = max(at, until) }
        self.lastArrival[side.rawValue] = at
        return at
    }

    /// Closes one end; the other one hears of it, unless the stream is silent.
    func close(at side: Side) {
        guard self.isOpen(at: side) else { return }
        self.send(to: side.other) { [self] in self.end(at: side.other) }
        self.isOpen[side.rawValue] = false
        self.closed[side.rawValue] = nil
    }

    /// A side learns that the connection is over.
    func end(at side: Side) {
        guard self.isOpen(at: side) else { return }
        self.isOpen[side.rawValue] = false
        let closed = self.closed[side.rawValue]
        self.closed[side.rawValue] = nil
        closed?()
    }

    /// The network breaks it: both ends hear of it, each in its time; what is under way is lost.
    func reset() {
        self.isSilent = [true, true]
        for side in [Side.server, .client] {
            let process: SimulatedProcess = side == .server ? self.server : self.client
            process.after(1...2000) { [self] in self.end(at: side) }
        }
    }

    /// What is sent towards a side vanishes from now on, and only time-outs tell.
    func silence(towards side: Side) { self.isSilent[side.rawValue] = true }
}
