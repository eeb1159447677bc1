import CBenchPeer
import LayoutClient

/// Loads and stores through leased memory, against a plain mapping of the same file.
struct PointerAccess: Sendable {
    let options: CommonOptions

    private static var fileSize: Int { 64 << 20 }

    func run() async throws -> Report {
        var report = Report(
            name: "pointer",
            method:
                "\(self.options.rounds) interleaved rounds of \(MemoryAccess.turns) samples of about 1 ms each, "
                + "8-byte words, shared mappings of one file, CPUs: \(self.options.placement().rawValue)"
        )
        report.load.append(Report.loadAverage)
        let options = self.options
        let directory = try options.temporaryDirectory()
        let layoutd = try await MeasuringThread.run {
            try options.placement().placeServers()
            return try LayoutdProcess(binary: options.serverPath(), in: directory)
        }
        let path = layoutd.exportPath + "/file"
        try await MeasuringThread.run { try TemporaryDirectory.makeFile(path, size: Self.fileSize) }
        let client = try await LayoutClient.connect(to: layoutd.url)
        let file = try await client.open("file", .readWrite)
        let region = try await file.map(0..<UInt64(Self.fileSize), .readWrite)
        try await region.prepare()
        let before = client.statistics.windowsRevoked
        let found = try await MeasuringThread.run {
            try options.placement().placeCaller()
            let plain = try PlainMapping(path: path, count: Self.fileSize)
            let control = try PlainMapping(path: path, count: Self.fileSize)
            var found = try Self.measureAccess(region, plain, control, options)
            let guarded = try GuardedAccess(region: region, plain: plain).measure(path, options)
            found.figures += guarded.figures
            found.ratios += guarded.ratios
            return found
        }
        guard client.statistics.windowsRevoked == before else {
            throw BenchError("the layout was recalled while it was measured: let nobody change '\(path)'")
        }
        report.figures = found.figures
        report.ratios = found.ratios
        report.notes = [
            "'plain again' is a second plain mapping against the first: how much of a ratio is noise.",
            "guarded accesses are one random load over 2 MiB each, so their ratio is the worst there can be.",
        ]
        await region.unmap()
        await file.close()
        await client.close()
        withExtendedLifetime(layoutd) {}
        report.load.append(Report.loadAverage)
        return report
    }

    /// What a part of the benchmark adds to the report.
    struct Findings: Sendable {
        var figures: [Figure] = []
        var ratios: [Ratio] = []
    }

    private static func measureAccess(
        _ region: MappedRegion,
        _ plain: PlainMapping,
        _ control: PlainMapping,
        _ options: CommonOptions
    ) throws -> Findings {
        var found = Findings()
        // Every page is in every table, and writable there, before anything is timed.
        _ = unsafe bench_store_sequential(plain.base, Self.fileSize / 8, 1)
        _ = unsafe bench_store_sequential(control.base, Self.fileSize / 8, 1)
        _ = unsafe bench_store_sequential(region.baseAddress, Self.fileSize / 8, 1)
        for access in MemoryAccess.all {
            // Each goes the same random ways in the same rounds.
            func series(_ name: String, _ base: UnsafeMutableRawPointer) -> Series {
                var sample = 0
                return Series(name: name) {
                    sample += 1
                    return unsafe [access.time(base, sample: sample)]
                }
            }
            let measured = try Interleaved.run(
                unsafe [
                    series("plain mmap", plain.base), series("plain again", control.base),
                    series("leased pointer", region.baseAddress),
                ],
                rounds: options.rounds,
                warmUps: 2,
                turns: MemoryAccess.turns
            )
            for index in [0, 2] {
                let name = "\(access.name), \(measured[index].name)"
                found.figures.append(Figure(name: name, unit: "ns/access", rounds: measured[index].medians))
            }
            found.ratios += [
                Ratio(name: "\(access.name): leased / plain", rounds: measured[2].ratios(to: measured[0]), goal: 1.01),
                Ratio(name: "\(access.name): plain again / plain", rounds: measured[1].ratios(to: measured[0])),
            ]
        }
        return found
    }
}
