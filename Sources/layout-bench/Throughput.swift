import CBenchPeer
import LayoutCore
import LayoutXDR

/// Many calls at a time: on one connection, and on many.
struct Throughput: Sendable {
    let options: CommonOptions
    /// Calls in each sample.
    let calls: Int

    private static var turns: Int { 3 }

    /// How many calls are in flight, and on what.
    private struct Shape: Hashable {
        let connections: Int
        let callsEach: Int

        static let all = [
            Shape(connections: 1, callsEach: 1), Shape(connections: 1, callsEach: 16),
            Shape(connections: 1, callsEach: 64), Shape(connections: 16, callsEach: 1),
            Shape(connections: 256, callsEach: 1),
        ]

        var name: String {
            self.connections == 1 ? "\(self.callsEach) in flight on 1 connection" : "\(self.connections) connections"
        }
    }

    /// What a server used while it was measured.
    private final class Meter {
        var perCall: [Double] = []
    }

    func run() throws -> Report {
        let placement = self.options.placement(.apart)
        var report = Report(
            name: "throughput",
            method:
                "\(self.options.rounds) interleaved rounds of \(Self.turns) samples of \(self.calls) LAYOUTGETs each, "
                + "of a range that is held, CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { placement.release() }
        try placement.placeServers()
        _ = bench_raise_file_limit()
        let directory = try self.options.temporaryDirectory()
        let servers = try ServerSet(self.options, in: directory)
        defer { withExtendedLifetime(servers) {} }
        try TemporaryDirectory.makeFile(servers.layoutd.exportPath + "/file", size: 64 << 10)
        try placement.placeCaller()
        for transport in Transport.allCases { try self.measure(servers, transport, &report) }
        report.notes = [
            "svc_run decodes and encodes the same XDR as layoutd, and does nothing else; the echo does not decode.",
            "CPU is all threads of the server; what the kernel does for a socket is a part of it.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    private func measure(_ servers: ServerSet, _ transport: Transport, _ report: inout Report) throws {
        let fetching = transport == .unix ? servers.layoutd : nil
        var (series, meters) = ([Series](), [Meter]())
        for shape in Shape.all {
            let sessions = try (0..<shape.connections).map { index in
                let name = "\(transport.rawValue) \(shape.connections)x\(shape.callsEach) \(index)"
                return try NeutralSession(servers.endpoint(.layoutd, transport), name: name, slots: shape.callsEach)
            }
            let requests = try sessions.map { session in
                var request = try session.hold(session.open("file"), 0..<4096, fetchingFrom: fetching)
                // So many in flight would carry stateids that are too old when they arrive.
                request.stateID = .none
                return request
            }
            guard let first = sessions.first, let request = requests.first else { continue }
            _ = try first.ask(.layoutGet(request))
            let answerSize = first.caller.socket.recordSize
            let calls = zip(sessions, requests).map { session, request in
                (0..<shape.callsEach).map { session.timedCall(.layoutGet(request), slot: $0) }
            }
            for server in ServerName.allCases {
                let load = try Load()
                for (session, calls) in zip(sessions, calls) {
                    let isOwn = server == .layoutd
                    try load.add(
                        isOwn ? session.caller.socket : RecordSocket(servers.endpoint(server, transport)),
                        server == .echo ? calls.map { $0.echoed(answerSize: answerSize) } : calls
                    )
                }
                let (process, meter) = (servers.process(server, transport), Meter())
                let count = max(self.calls, 4 * shape.connections)
                meters.append(meter)
                series.append(
                    Series(name: "\(transport.rawValue), \(shape.name), \(server)") {
                        let before = process.cpuTime
                        let elapsed = try load.run(count).elapsed
                        meter.perCall.append((process.cpuTime - before) / Double(count))
                        return [elapsed / Double(count)]
                    }
                )
            }
        }
        let measured = try Interleaved.run(series, rounds: self.options.rounds, warmUps: 1, turns: Self.turns)
        for (measurement, meter) in zip(measured, meters) {
            report.figures.append(
                Figure(name: measurement.name, unit: "calls/s", rounds: measurement.medians.map { 1e9 / $0 })
            )
            report.figures.append(
                Figure(name: measurement.name, unit: "us CPU/call", rounds: meter.perCall.map { $0 / 1000 })
            )
        }
        self.compare(measured, transport, &report)
    }

    /// Ratios of the time that a call takes.
    private func compare(_ measured: [Measurement], _ transport: Transport, _ report: inout Report) {
        let width = ServerName.allCases.count
        for (index, shape) in Shape.all.enumerated() {
            let (echo, peer) = (measured[index * width], measured[index * width + 1])
            let layoutd = measured[index * width + 2]
            let limit = transport == .tcp ? 0.5 : 1.0
            report.ratios += [
                Ratio(
                    name: "time per call, \(layoutd.name) / svc_run",
                    rounds: layoutd.ratios(to: peer),
                    goal: shape.callsEach > 1 ? limit : nil
                ),
                Ratio(name: "time per call, \(layoutd.name) / echo", rounds: layoutd.ratios(to: echo)),
            ]
        }
    }
}
