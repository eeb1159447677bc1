import CBenchPeer
import LayoutCore
import LayoutXDR

/// What connections that do nothing cost those that do something, and the server.
struct IdleConnections: Sendable {
    let options: CommonOptions
    /// How many.
    let count: Int

    private static var calls: Int { 100 }
    private static var turns: Int { 10 }

    func run() throws -> Report {
        let placement = self.options.placement()
        var report = Report(
            name: "idle",
            method:
                "\(self.options.rounds) interleaved rounds of \(Self.turns * Self.calls) calls on one connection, to a "
                + "server that has no other and to one with \(Text.grouped(self.count)), CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { placement.release() }
        guard bench_raise_file_limit() > UInt64(self.count) + 200 else {
            throw BenchError("\(self.count) connections need as many open files: raise the limit (ulimit -Hn)")
        }
        try placement.placeServers()
        let directory = try self.options.temporaryDirectory()
        let (quiet, crowded) = (try self.server("quiet", directory), try self.server("crowded", directory))
        defer { withExtendedLifetime((quiet, crowded)) {} }
        try placement.placeCaller()

        let before = try crowded.process.privateMemory()
        let idle = try (0..<self.count).map { _ in
            // One that has never made a call would be closed before long.
            let caller = try NeutralCaller(crowded.endpoint(), capacity: 512)
            _ = try caller.ask(LayoutCall(sequence: nil, request: .null))
            return caller
        }
        let perConnection = (try crowded.process.privateMemory() - before) / Double(max(1, self.count))
        report.figures.append(
            Figure(name: "memory per idle connection", unit: "bytes", rounds: [perConnection], goal: 8192)
        )
        let measured = try Interleaved.run(
            try Self.series(quiet, "alone") + Self.series(crowded, "among \(Text.grouped(self.count))"),
            rounds: self.options.rounds,
            warmUps: 1,
            turns: Self.turns
        )
        report.figures += measured.map {
            Figure(name: $0.name, unit: "us", rounds: $0.medians.map { $0 / 1000 })
        }
        report.ratios = (0..<2).map { index in
            Ratio(
                name: "\(measured[2 + index].name) / alone",
                rounds: measured[2 + index].ratios(to: measured[index]),
                goal: 1.2
            )
        }
        report.notes = ["memory is what the server's process has for itself; the kernel's for sockets is not in it."]
        report.load.append(Report.loadAverage)
        withExtendedLifetime(idle) {}
        return report
    }

    private func server(_ name: String, _ directory: TemporaryDirectory) throws -> LayoutdProcess {
        let layoutd = try LayoutdProcess(
            binary: self.options.serverPath(),
            in: directory,
            name: name,
            ["--max-connections", "\(self.count + 64)"]
        )
        try TemporaryDirectory.makeFile(layoutd.exportPath + "/file", size: 4096)
        return layoutd
    }

    private static func series(_ server: LayoutdProcess, _ name: String) throws -> [Series] {
        let session = try NeutralSession(server.endpoint(), name: name)
        let request = try session.hold(session.open("file"), 0..<4096, fetchingFrom: server)
        let null = try Load(session.caller.socket, [.null])
        let get = try Load(session.caller.socket, [session.timedCall(.layoutGet(request), slot: 1)])
        return [
            Series(name: "NULL \(name)") { try null.run(Self.calls).latencies },
            Series(name: "LAYOUTGET \(name)") { try get.run(Self.calls).latencies },
        ]
    }
}
