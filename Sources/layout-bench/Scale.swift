import CBenchPeer
import Glibc
import LayoutCore
import LayoutXDR
import LinuxFiles

/// The server's memory and answers as what it keeps grows.
struct Scale: Sendable {
    let options: CommonOptions
    /// How many layouts in the end.
    let layouts: Int
    /// How many extents the file has that is covered in as few calls as possible.
    let extents: Int

    private static var sessions: Int { 100 }
    /// Layouts of one client on one file.
    private static var layoutsEach: Int { 100 }
    private static var block: UInt64 { 4096 }
    private static var calls: Int { 100 }
    private static var replyMax: Int { 256 << 10 }

    func run() throws -> Report {
        let placement = self.options.placement(.free)
        var report = Report(
            name: "scale",
            method:
                "\(Text.grouped(self.layouts)) layouts of 4 KiB with a gap between them, of \(Self.sessions) clients, up to "
                + "\(Self.layoutsEach) on each file; CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { placement.release() }
        try placement.placeServers()
        _ = bench_raise_file_limit()
        let directory = try self.options.temporaryDirectory()
        let layoutd = try LayoutdProcess(binary: self.options.serverPath(), in: directory, ["--lease", "3600"])
        let echo = try PeerProcess(.echo, .unix, in: directory)
        defer { withExtendedLifetime((layoutd, echo)) {} }
        try placement.placeCaller()
        try self.coverExtents(layoutd, &report)
        try self.growTables(layoutd, echo, &report)
        report.notes = [
            "memory is what the server's process has for itself; the store's file and the kernel's sockets are not in it.",
            "LAYOUTGET is of a range that is held, by another client, while nothing else happens.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    // MARK: Layouts

    private func growTables(_ layoutd: LayoutdProcess, _ echo: PeerProcess, _ report: inout Report) throws {
        try TemporaryDirectory.makeFile(layoutd.exportPath + "/probe", size: 4096)
        let probe = try NeutralSession(layoutd.endpoint(), name: "probe")
        let request = try probe.hold(probe.open("probe"), 0..<Self.block, fetchingFrom: layoutd)
        _ = try probe.ask(.layoutGet(request))
        let call = probe.timedCall(.layoutGet(request), slot: 1)
        let echoed = call.echoed(answerSize: probe.caller.socket.recordSize)
        let loads = [try Load(probe.caller.socket, [call]), try Load(RecordSocket(echo.endpoint), [echoed])]
        let crowd = try (0..<Self.sessions).map { try NeutralSession(layoutd.endpoint(), name: "client \($0)") }

        let empty = try layoutd.process.privateMemory()
        var first: [Double]?
        var (held, files) = (0, 0)
        for checkpoint in self.checkpoints {
            let (before, start) = (held, bench_now())
            while held < checkpoint {
                held += try self.fill("many-\(files)", crowd, layoutd, upTo: checkpoint - held)
                files += 1
            }
            let text = Text.grouped(held)
            let pace = Double(held - before) * 1e9 / Double(bench_now() - start)
            report.figures.append(Figure(name: "grants on the way to \(text)", unit: "grants/s", rounds: [pace]))
            let memory = (try layoutd.process.privateMemory() - empty) / Double(held)
            report.figures.append(
                Figure(
                    name: "memory per layout, \(text) held",
                    unit: "bytes",
                    rounds: [memory],
                    goal: checkpoint == self.layouts ? 400 : nil
                )
            )
            let measured = try Interleaved.run(
                zip(["LAYOUTGET, \(text) held", "echo"], loads).map { name, load in
                    Series(name: name) { try load.run(Self.calls).latencies }
                },
                rounds: self.options.rounds,
                warmUps: 1,
                turns: 10
            )
            report.figures.append(
                Figure(name: measured[0].name, unit: "us", rounds: measured[0].medians.map { $0 / 1000 })
            )
            let ratios = measured[0].ratios(to: measured[1])
            report.ratios.append(Ratio(name: "\(measured[0].name) / echo", rounds: ratios))
            if let first {
                let growth = ratios.map { $0 / Samples.median(first) }
                report.ratios.append(Ratio(name: "\(measured[0].name) / with the fewest", rounds: growth))
            } else {
                first = ratios
            }
        }
    }

    private var checkpoints: [Int] {
        [1000, 10_000, 100_000, 1_000_000].filter { $0 < self.layouts } + [self.layouts]
    }

    /// Has every client hold as many blocks of a new file as there may be, and returns how many that are.
    private func fill(
        _ name: String,
        _ crowd: [NeutralSession],
        _ layoutd: LayoutdProcess,
        upTo count: Int
    ) throws -> Int {
        let each = min(Self.layoutsEach, (count + crowd.count - 1) / crowd.count)
        // The clients' blocks alternate, and never touch: neighbours would be one layout.
        let stride = Self.block * 2
        let size = Int(stride) * each * crowd.count
        try TemporaryDirectory.makeSparseFile("\(layoutd.exportPath)/\(name)", size: size)
        let load = try Load()
        for (index, session) in crowd.enumerated() {
            let handle = try session.open(name)
            let start = stride * UInt64(index)
            let request = try session.hold(handle, start..<start + Self.block, fetchingFrom: layoutd)
            var next = request
            next.offset += stride * UInt64(crowd.count)
            let call = session.timedCall(.layoutGet(next), slot: 1, step: stride * UInt64(crowd.count))
            try load.add(session.caller.socket, [call])
        }
        _ = try load.run((each - 1) * crowd.count)
        return each * crowd.count
    }

    // MARK: Extents

    /// How many calls it takes to learn where all of a file lies.
    private func coverExtents(_ layoutd: LayoutdProcess, _ report: inout Report) throws {
        let path = layoutd.exportPath + "/extents"
        let size = UInt64(self.extents) * Self.block
        try TemporaryDirectory.makeAllocatedFile(path, size: Int(size))
        let file = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw BenchError("open '\(path)'", errno: errno, "use --directory") }
        defer { close(file) }
        // Every second block is a hole: as many extents as blocks.
        for index in stride(from: 0, to: self.extents, by: 2) {
            let error = bench_change(file, BENCH_PUNCH, UInt64(index) * Self.block, Self.block)
            guard error == 0 else {
                throw BenchError("punch holes into '\(path)'", errno: -error, "name a directory on XFS or ext4")
            }
        }
        let session = try NeutralSession(layoutd.endpoint(), name: "extents", capacity: Self.replyMax + 512)
        let handle = try session.open("extents")
        var arguments = LayoutGetArguments(reading: 0..<size, of: handle)
        (arguments.maxCount, arguments.minLength) = (UInt32(Self.replyMax), 1)
        var (calls, found) = (0, 0)
        var descriptors: [SharedDescriptor] = []
        let start = bench_now()
        while arguments.offset < size {
            arguments.length = size - arguments.offset
            let grant = try session.layoutGet(arguments)
            if calls == 0 {
                descriptors.append(try NeutralSession.redeem(grant, layoutd.descriptorSocketPath))
            }
            (arguments.stateID, arguments.knownEpoch) = (grant.stateID, grant.epoch)
            arguments.offset = grant.range.upperBound
            calls += 1
            found += grant.extents.count
        }
        let time = Double(bench_now() - start) / 1e6
        guard found >= self.extents else {
            throw BenchError("the file was to have \(self.extents) extents and has \(found): use XFS or ext4")
        }
        let text = Text.grouped(self.extents)
        report.figures += [
            Figure(name: "LAYOUTGETs to cover \(text) extents", unit: "calls", rounds: [Double(calls)], goal: 32),
            Figure(name: "time to cover \(text) extents", unit: "ms", rounds: [time]),
        ]
        withExtendedLifetime(descriptors) {}
    }
}
