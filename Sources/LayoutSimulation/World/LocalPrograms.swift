import LayoutCore

/// A mapping change that a program makes that has never heard of the server: a system call that the guard holds up.
///
/// The call is the kernel's, and what became of it is in the guard's journal: both outlive the server.
final class LocalCall {
    enum State {
        /// It is held up, and has done nothing. Next: `running`, `over`.
        case waiting
        /// It was let through. Next: `ended`.
        case running
        /// Its thread has left the system call, and the journal does not say so yet. Next: `over`.
        case ended
        /// It is in the journal no more.
        case over
    }

    let file: Int
    let change: SimulatedFile.Change
    /// The size of the file when the program made the call.
    let size: UInt64
    var state = State.waiting
    /// The latest life of the server that has had it in hand.
    var life: UInt32 = 0
    /// The bytes are changed, or never will be.
    var hasTakenEffect = false
    var isAccepted = false
    var isKilled = false

    init(_ file: Int, _ change: SimulatedFile.Change, size: UInt64) {
        self.file = file
        self.change = change
        self.size = size
    }

    /// How a call ended, as far as the guard can tell.
    enum Outcome {
        case succeeded, failed
        /// The program was gone before the call was let through.
        case withdrawn
        case unknown
    }
}

/// Programs on the host, and what stands between them and the server.
extension World {
    static let operations: [MappingOperation] = [
        .insertRange, .insertRange, .collapseRange, .collapseRange, .punchHole, .truncate,
    ]

    /// Arguments of a change, sensible most of the time.
    func randomArgument(_ kind: MappingOperation, _ file: Int) -> ByteRange? {
        let blocks = UInt64(self.host.files[file].blocks.count)
        if kind == .truncate {
            // Files neither vanish nor grow without end.
            return ByteRange(from: (32 + self.random.below(64)) * SimulatedFile.blockSize)
        }
        let first = self.random.below(blocks + 8) * SimulatedFile.blockSize
        return ByteRange(offset: first, length: (1 + self.random.below(4)) * SimulatedFile.blockSize)
    }

    func scheduleLocalCall() {
        let pause = self.swarm.pace * 8
        self.schedule(at: self.after(pause / 4...pause * 2), on: nil) { [unowned self] in
            guard !self.isHealing else { return }
            self.scheduleLocalCall()
            guard self.localCalls.count < 4 else { return }
            let file = Int(self.random.below(UInt64(self.host.files.count)))
            let kind = Self.operations[Int(self.random.below(6))]
            if let argument = self.randomArgument(kind, file) { self.makeLocalCall(file, kind, argument) }
        }
    }

    private func makeLocalCall(_ file: Int, _ kind: MappingOperation, _ argument: ByteRange) {
        let operation = self.oracle.begin("a local program")
        let change = SimulatedFile.Change(operation: operation, kind: kind, argument: argument)
        let call = LocalCall(file, change, size: self.host.files[file].size)
        self.localCalls.append(call)
        if self.random.oneIn(12) {
            self.schedule(at: self.after(100...6_000_000), on: nil) { [unowned self] in self.killProgram(of: call) }
        }
        // Without a server it stays in the journal, for the next one to find.
        guard let server, server.isServing else { return }
        server.deliver { server.localCallArrived(call) }
    }

    // MARK: What the guard does for the server

    /// Lets a call go on, unless its program is gone.
    func letThrough(_ call: LocalCall) {
        guard call.state == .waiting else { return }
        self.trace("\(call.change.kind) of \(call.change.argument) is let through to file \(call.file)")
        call.state = .running
        let longest: UInt64 =
            self.random.oneIn(self.swarm.slowCallChances) ? 3_000_000 : self.random.oneIn(20) ? 50_000 : 400
        let boot = self.host.boot
        self.schedule(at: self.after(1...longest), on: nil) { [unowned self] in
            if self.host.boot == boot { self.takeEffect(call) }
        }
    }

    /// The system call fails, and the program goes on.
    func refuse(_ call: LocalCall) {
        guard call.state == .waiting else { return }
        self.oracle.ended(call.change.operation, wasDone: false)
        self.forget(call)
    }

    /// The server has seen to the end of a call: it goes out of the journal.
    func forget(_ call: LocalCall) {
        call.state = .over
        self.localCalls.removeAll { $0 === call }
    }

    // MARK: The kernel

    private func takeEffect(_ call: LocalCall) {
        let file = self.host.files[call.file]
        self.oracle.checkNobodyReaches(
            file.affected(by: call.change.kind, call.change.argument),
            of: call.file,
            "running"
        )
        call.isAccepted = file.accepts(call.change.kind, call.change.argument)
        self.apply(call.change, to: call.file)
        call.hasTakenEffect = true
        self.mayCutPower()
        let boot = self.host.boot
        self.schedule(at: self.after(5...1000), on: nil) { [unowned self] in
            if self.host.boot == boot { self.leave(call) }
        }
    }

    /// The thread leaves its system call, once what it did is on stable storage.
    private func leave(_ call: LocalCall) {
        self.host.files[call.file].sync()
        if !call.isKilled { self.oracle.ended(call.change.operation, wasDone: call.isAccepted) }
        call.state = .ended
        // Whoever has not had it in hand finds it in the journal, and has not seen the end.
        guard let server, server.isServing, server.life == call.life else { return }
        let isSeen = !call.isKilled && !self.random.oneIn(10)
        let outcome: LocalCall.Outcome = !isSeen ? .unknown : call.isAccepted ? .succeeded : .failed
        server.deliver { server.localCallEnded(call, outcome) }
    }

    /// A program is killed: what waits is never done, what runs goes on to its end.
    private func killProgram(of call: LocalCall) {
        guard call.state == .waiting || call.state == .running else { return }
        self.count(.localProgramKilled)
        self.oracle.abandon(call.change.operation)
        call.isKilled = true
        guard call.state == .waiting else { return }
        self.forget(call)
        guard let server, server.isServing else { return }
        server.deliver { server.localCallEnded(call, .withdrawn) }
    }

    /// The power is gone, and no program is left.
    ///
    /// What one had half done is its own business, for no layout is left either.
    func dropLocalCalls() {
        for call in self.localCalls {
            if self.host.files[call.file].halfDone?.change.operation == call.change.operation {
                self.host.files[call.file].acceptAsItIs()
                self.oracle.accepted(call.file)
            }
            call.state = .over
            self.oracle.abandon(call.change.operation)
        }
        self.localCalls = []
    }
}
