import CBenchPeer
import Glibc
import LayoutCore
import LayoutXDR

/// The round trip of one call at a time.
struct RoundTrip: Sendable {
    let options: CommonOptions
    /// Calls of each kind in each round.
    let calls: Int

    private static var turns: Int { 10 }
    private static let stockName = "Unix NULL, libtirpc's clnt_call to svc_run"

    /// What is timed.
    private enum Kind: String, CaseIterable {
        case null = "NULL"
        case sequence = "SEQUENCE"
        case getAttributes = "GETATTR"
        case layoutGet = "LAYOUTGET"
        /// Of a range that is not held yet: extents are read on another thread, and the holder is written down.
        case growingLayoutGet = "LAYOUTGET that grows"
    }

    func run() throws -> Report {
        let placement = self.options.placement()
        var report = Report(
            name: "roundtrip",
            method:
                "\(self.options.rounds) interleaved rounds of \(self.calls) calls each, "
                + "one call at a time, CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { placement.release() }
        try placement.placeServers()
        let directory = try self.options.temporaryDirectory()
        let servers = try ServerSet(self.options, in: directory)
        defer { withExtendedLifetime(servers) {} }
        try TemporaryDirectory.makeFile(servers.layoutd.exportPath + "/file", size: 64 << 10)
        for transport in Transport.allCases {
            let path = "\(servers.layoutd.exportPath)/growing-\(transport.rawValue)"
            try TemporaryDirectory.makeSparseFile(path, size: (self.options.rounds + 3) * (self.calls + 10) * 4096)
        }
        try placement.placeCaller()
        let measurements = try self.measure(servers, stockPath: directory.path + "/libtirpc.sock")
        self.add(measurements, to: &report)
        report.notes = [
            "the echo and svc_run get the same bytes from the same caller; an answer has as many as layoutd's.",
            "LAYOUTGET: a range that is held and whose extents are remembered; nothing is written. The goal is for it.",
            "LAYOUTGET that grows: another 4 KiB each time; extents are read, and the holder is written to the store.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    private func add(_ measurements: [Measurement], to report: inout Report) {
        report.figures = measurements.map { measurement in
            Figure(
                name: measurement.name,
                unit: "us",
                rounds: measurement.medians.map { $0 / 1000 },
                p99: Samples.percentile(measurement.rounds.flatMap { $0 }, 0.99) / 1000
            )
        }
        let byName = Dictionary(uniqueKeysWithValues: measurements.map { ($0.name, $0) })
        for transport in Transport.allCases {
            for kind in Kind.allCases {
                guard let layoutd = byName[Self.name(kind, transport, .layoutd)] else { continue }
                for floor in [ServerName.echo, .libtirpc] {
                    guard let other = byName[Self.name(kind, transport, floor)] else { continue }
                    let isTarget = kind == .layoutGet && transport == .unix && floor == .echo
                    report.ratios.append(
                        Ratio(
                            name: "\(layoutd.name) / \(floor)",
                            rounds: layoutd.ratios(to: other),
                            goal: isTarget ? 1.4 : nil
                        )
                    )
                }
            }
        }
        if let stock = byName[Self.stockName], let get = byName[Self.name(.layoutGet, .unix, .layoutd)] {
            report.ratios.append(Ratio(name: "\(get.name) / clnt_call of NULL", rounds: get.ratios(to: stock)))
        }
    }

    private static func name(_ kind: Kind, _ transport: Transport, _ server: ServerName) -> String {
        "\(transport.rawValue) \(kind.rawValue), \(server)"
    }

    private func measure(_ servers: ServerSet, stockPath: String) throws -> [Measurement] {
        guard let stock = unsafe bench_peer_connect(stockPath) else {
            throw BenchError("connect libtirpc's client to '\(stockPath)'", errno: errno, "look for a message above")
        }
        defer { unsafe bench_peer_close(stock) }
        // A turn is short, so that what a round compares lies close together.
        let calls = max(1, self.calls / Self.turns)
        var series = [
            Series(name: Self.stockName) {
                try (0..<calls).map { _ in
                    let start = bench_now()
                    guard unsafe bench_peer_null(stock) else {
                        throw BenchError("libtirpc's NULL call failed: look for a message above")
                    }
                    return Double(bench_now() - start)
                }
            }
        ]
        for transport in Transport.allCases {
            let session = try NeutralSession(
                servers.endpoint(.layoutd, transport),
                name: transport.rawValue,
                slots: Kind.allCases.count + 1
            )
            let sockets = try ServerName.allCases.map { server in
                server == .layoutd ? session.caller.socket : try RecordSocket(servers.endpoint(server, transport))
            }
            for kind in Kind.allCases {
                let (call, answerSize) = try Self.call(kind, session, servers.layoutd, transport)
                for (server, socket) in zip(ServerName.allCases, sockets) {
                    // The echo of a call that grows is the echo of one that does not.
                    if kind == .growingLayoutGet, server == .libtirpc { continue }
                    let bytes = server == .echo ? call.echoed(answerSize: answerSize) : call
                    let load = try Load(socket, [bytes])
                    series.append(Series(name: Self.name(kind, transport, server)) { try load.run(calls).latencies })
                }
            }
        }
        return try Interleaved.run(series, rounds: self.options.rounds, warmUps: 2, turns: Self.turns)
    }

    /// The call, on a slot of its own, and how long its answer is.
    private static func call(
        _ kind: Kind,
        _ session: NeutralSession,
        _ layoutd: LayoutdProcess,
        _ transport: Transport
    ) throws -> (TimedCall, answerSize: Int) {
        func sized(_ request: Request, slot: Int, step: UInt64 = 0) throws -> (TimedCall, answerSize: Int) {
            _ = try session.ask(request)
            let size = session.caller.socket.recordSize
            return (session.timedCall(request, slot: slot, step: step), size)
        }
        func held(_ name: String) throws -> LayoutGetArguments {
            try session.hold(session.open(name), 0..<4096, fetchingFrom: transport == .unix ? layoutd : nil)
        }
        switch kind {
        case .null: return (.null, answerSize: 24)
        case .sequence: return try sized(.sequence, slot: 1)
        case .getAttributes: return try sized(.getAttributes(session.open("file")), slot: 2)
        case .layoutGet: return try sized(.layoutGet(held("file")), slot: 3)
        case .growingLayoutGet:
            return try sized(.layoutGet(held("growing-\(transport.rawValue)")), slot: 4, step: 4096)
        }
    }
}
