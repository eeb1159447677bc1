import CBenchPeer
import Glibc

/// What a program that knows nothing of layouts pays for the guard.
struct GuardCost: Sendable {
    let options: CommonOptions

    private static var bytes: Int { 64 }

    private enum Call: String, CaseIterable {
        case read = "pread(2)"
        case write = "pwrite(2)"
    }

    func run() throws -> Report {
        let placement = self.options.placement(.free)
        var report = Report(
            name: "guard",
            method:
                "\(self.options.rounds) rounds; in each, calls of \(Self.bytes) bytes with nobody listening, with a bare "
                + "fanotify listener, and with the guard, which are started for it; CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { placement.release() }
        let directory = try self.options.temporaryDirectory()
        for name in ["leased", "other"] {
            try TemporaryDirectory.makeFile("\(directory.path)/\(name)", size: 1 << 20)
        }
        try placement.placeCaller()
        var values: [String: [Double]] = [:]
        var names: [String] = []
        for round in 0...self.options.rounds {
            for listener in [ListenerKind?.none, .bare, .guarded] {
                let process = try listener.map { try self.start($0, directory) }
                for file in ["leased", "other"] where listener != .bare || file == "leased" {
                    for call in Call.allCases {
                        let who = listener == .bare ? "bare listener" : listener == nil ? "nobody listens" : "guard"
                        let name = "\(call.rawValue) of the \(file) file, \(who)"
                        let time = try Self.time(
                            call,
                            "\(directory.path)/\(file)",
                            isHeld: listener != nil && file == "leased"
                        )
                        guard round > 0 else {
                            names.append(name)
                            continue
                        }
                        values[name, default: []].append(time)
                    }
                }
                withExtendedLifetime(process) {}
            }
        }
        report.figures = names.map { Figure(name: $0, unit: "us", rounds: (values[$0] ?? []).map { $0 / 1000 }) }
        func add(_ name: String, _ guarded: String, _ floor: String, goal: Double?) {
            let extra = zip(values[guarded] ?? [], values[floor] ?? []).map { ($0 - $1) / 1000 }
            report.figures.append(Figure(name: name, unit: "us added", rounds: extra, goal: goal))
        }
        for call in Call.allCases.map(\.rawValue) {
            add(
                "\(call) of the leased file, guard over bare listener",
                "\(call) of the leased file, guard",
                "\(call) of the leased file, bare listener",
                goal: call == Call.read.rawValue ? 10 : nil
            )
            add(
                "\(call) of another file, guard over nobody",
                "\(call) of the other file, guard",
                "\(call) of the other file, nobody listens",
                goal: 0.3
            )
        }
        report.notes = [
            "a read of a leased file is let through by the guard's reader; a write is a change, with its owner asked.",
            "files are opened after the listener has started: what is open before is not seen by it.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    private func start(_ kind: ListenerKind, _ directory: TemporaryDirectory) throws -> ChildProcess {
        let arguments = ["guard-listener", "--kind", kind.rawValue, "--directory", directory.path, "leased"]
        return try ChildProcess(Program.path(), arguments) { $0 == "ready" }
    }

    /// Nanoseconds of a call, the median of many.
    private static func time(_ call: Call, _ path: String, isHeld: Bool) throws -> Double {
        let file = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw BenchError("open '\(path)'", errno: errno, "use --directory") }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0x5a, count: Self.bytes)
        // Short calls are timed together.
        let (batches, batch) = isHeld ? (200, 1) : (100, 100)
        return Samples.median(
            try (0..<batches).map { _ in
                let start = bench_now()
                for _ in 0..<batch {
                    let count =
                        unsafe call == .read
                        ? pread(file, &bytes, Self.bytes, 4096) : pwrite(file, bytes, Self.bytes, 4096)
                    guard count == Self.bytes else {
                        throw BenchError("call \(call.rawValue) on '\(path)'", errno: errno, "use --directory")
                    }
                }
                return Double(bench_now() - start) / Double(batch)
            }
        )
    }
}
