import CBenchPeer
import Glibc
import LayoutClient

/// Reads and writes by the client library, against the system calls.
struct InputOutput: Sendable {
    let options: CommonOptions

    private static var fileSize: Int { 16 << 20 }
    private static var turns: Int { 6 }

    /// One way of copying bytes between a buffer and the file, at an offset.
    private typealias Transfer = (UInt64) async throws -> Int

    private enum Kind: String, CaseIterable {
        case read
        case write
    }

    func run() async throws -> Report {
        let options = self.options
        let placement = options.placement(.free)
        var report = Report(
            name: "io",
            method:
                "\(options.rounds) interleaved rounds of \(Self.turns) samples, one transfer at a time, of random blocks of "
                + "a file of \(Self.fileSize >> 20) MiB in the page cache; CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        let directory = try options.temporaryDirectory()
        let layoutd = try await MeasuringThread.run {
            try placement.placeServers()
            return try LayoutdProcess(binary: options.serverPath(), in: directory)
        }
        let path = layoutd.exportPath + "/file"
        try await MeasuringThread.run { try TemporaryDirectory.makeFile(path, size: Self.fileSize) }
        let descriptor = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw BenchError("open '\(path)'", errno: errno, "use --directory") }
        defer { close(descriptor) }
        var remote = ClientConfiguration()
        remote.readsAndWritesDirectly = false
        let clients = [
            try await LayoutClient.connect(to: layoutd.url),
            try await LayoutClient.connect(to: layoutd.url, configuration: remote),
        ]
        let files = [try await clients[0].open("file", .readWrite), try await clients[1].open("file", .readWrite)]
        for kind in Kind.allCases {
            for size in [4096, 256 << 10] {
                try await self.measure(kind, size, descriptor, files, &report)
            }
        }
        for client in clients { await client.close() }
        withExtendedLifetime(layoutd) {}
        report.notes = [
            "direct: the library copies to or from the leased mapping, under a pin.",
            "through the server: one READ or WRITE each; a WRITE is written down and answered exactly once.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    private func measure(
        _ kind: Kind,
        _ size: Int,
        _ descriptor: CInt,
        _ files: [LayoutFile],
        _ report: inout Report
    ) async throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0x5a)
        defer { unsafe buffer.deallocate() }
        let text = size >= 1 << 10 ? "\(size >> 10) KiB" : "\(size) B"
        let bytes = UnsafeRawBufferPointer(buffer)
        let ways: [(name: String, count: Int, transfer: Transfer)] =
            switch kind {
            case .read:
                [
                    ("pread(2)", 200, { unsafe pread(descriptor, buffer.baseAddress, size, off_t($0)) }),
                    ("direct", 200, { try unsafe await files[0].read(into: buffer, at: $0) }),
                    ("through the server", 20, { try unsafe await files[1].read(into: buffer, at: $0) }),
                ]
            case .write:
                [
                    ("pwrite(2)", 200, { unsafe pwrite(descriptor, bytes.baseAddress, size, off_t($0)) }),
                    ("direct", 200, { try unsafe await files[0].write(bytes, at: $0) }),
                    ("through the server", 20, { try unsafe await files[1].write(bytes, at: $0) }),
                ]
            }
        let blocks = UInt64(Self.fileSize / size)
        let series = ways.map { way in
            var block: UInt64 = 1
            return AsyncSeries(name: "\(kind.rawValue) \(text), \(way.name)") {
                let start = bench_now()
                for _ in 0..<way.count {
                    block = block &* 6_364_136_223_846_793_005 &+ 1
                    let offset = (block >> 33) % blocks * UInt64(size)
                    guard try await way.transfer(offset) == size else {
                        throw BenchError("a \(kind.rawValue) of \(size) bytes at \(offset) was cut short")
                    }
                }
                return [Double(bench_now() - start) / Double(way.count)]
            }
        }
        let measured = try await Interleaved.run(
            series,
            rounds: self.options.rounds,
            warmUps: 1,
            turns: Self.turns
        )
        report.figures += measured.map { Figure(name: $0.name, unit: "us", rounds: $0.medians.map { $0 / 1000 }) }
        report.ratios += measured.dropFirst().map {
            Ratio(name: "\($0.name) / p\(kind.rawValue)(2)", rounds: $0.ratios(to: measured[0]))
        }
    }
}
