import CBenchPeer
import Glibc
import LayoutXDR

/// The round trip of one call at a time over a Unix socket.
struct RoundTrip: Sendable {
    let options: CommonOptions
    /// Calls of each kind in each round.
    let calls: Int

    private static var turns: Int { 10 }
    private static let floorName = "libtirpc NULL (clnt_call to svc_run)"

    func run() throws -> Report {
        var report = Report(
            name: "roundtrip",
            method:
                "\(self.options.rounds) interleaved rounds of \(self.calls) calls each, "
                + "one call at a time, CPUs: \(self.options.pin.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { self.options.pin.release() }
        try self.options.pin.placeServers()
        let directory = try self.options.temporaryDirectory()
        let layoutd = try LayoutdProcess(binary: self.options.serverPath(), in: directory)
        try TemporaryDirectory.makeFile(layoutd.exportPath + "/file", size: 64 << 10)
        let peerPath = directory.path + "/peer.sock"
        let peer = try ChildProcess(Program.path(), ["rpc-peer", peerPath]) { $0 == "ready" }
        defer { withExtendedLifetime((layoutd, peer)) {} }
        try self.options.pin.placeCaller()

        let measurements = try self.measure(layoutd, peerPath)
        for measurement in measurements {
            report.figures.append(
                Figure(
                    name: measurement.name,
                    unit: "us",
                    rounds: measurement.medians.map { $0 / 1000 },
                    p99: Samples.percentile(measurement.rounds.flatMap { $0 }, 0.99) / 1000
                )
            )
        }
        let (stock, floor, layoutGet) = (measurements[0], measurements[1], measurements[4])
        report.ratios = [Ratio(name: "LAYOUTGET / libtirpc NULL", rounds: layoutGet.ratios(to: stock), goal: 2)]
        report.ratios += [floor, measurements[2], measurements[3]].map {
            Ratio(name: "\($0.name) / libtirpc NULL", rounds: $0.ratios(to: stock))
        }
        report.ratios.append(
            Ratio(name: "LAYOUTGET / NULL to svc_run, same plain socket", rounds: layoutGet.ratios(to: floor))
        )
        report.load.append(Report.loadAverage)
        return report
    }

    private func measure(_ layoutd: LayoutdProcess, _ peerPath: String) throws -> [Measurement] {
        let session = try NeutralSession(server: layoutd, file: "file")
        let bare = try NeutralCaller(path: peerPath)
        var bareNull = CallRecord(program: BENCH_PEER_PROGRAM, version: BENCH_PEER_VERSION, procedure: 0)
        var layoutdNull = CallRecord(LayoutCall(sequence: nil, request: .null))
        guard let stock = unsafe bench_peer_connect(peerPath) else {
            throw BenchError("connect libtirpc's client to '\(peerPath)'", errno: errno, "look for a message above")
        }
        defer { unsafe bench_peer_close(stock) }
        // A turn is short, so that what a round compares lies close together.
        let calls = max(1, self.calls / Self.turns)
        func times(_ call: () throws -> Double) rethrows -> [Double] { try (0..<calls).map { _ in try call() } }
        let measured = try Interleaved.run(
            [
                Series(name: Self.floorName) {
                    try times {
                        let start = bench_now()
                        guard unsafe bench_peer_null(stock) else {
                            throw BenchError("libtirpc's NULL call failed: look for a message above")
                        }
                        return Double(bench_now() - start)
                    }
                },
                Series(name: "NULL to svc_run") { try times { try bare.call(&bareNull) } },
                Series(name: "NULL to layoutd") { try times { try session.caller.call(&layoutdNull) } },
                Series(name: "SEQUENCE to layoutd") { try times(session.sequence) },
                Series(name: "LAYOUTGET to layoutd") { try times(session.layoutGet) },
            ],
            rounds: self.options.rounds,
            warmUps: 2,
            turns: Self.turns
        )
        try session.end()
        return measured
    }
}
