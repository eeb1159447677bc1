import CBenchPeer
import Glibc
import LayoutCore
import LayoutXDR

/// What a change of a file's mapping costs when clients hold layouts of it.
struct RecallLatency: Sendable {
    let options: CommonOptions
    /// The most holders.
    let holders: Int
    /// The most bytes that a holder has touched.
    let touched: Int

    private static var processes: Int { 8 }
    private static var block: UInt64 { 4096 }
    /// Where the blocks of those begin who do not hold what is changed.
    private static var distance: UInt64 { 1 << 20 }

    /// A file that is changed again and again, and who holds it.
    private struct Subject {
        let name: String
        let file: String
        let size: Int
        /// `nil`: changed by the bare system call.
        var holders: Int?
        var isDisjoint = false
        /// Bytes that each holder has.
        var bytes: UInt64 = Self.block
        /// Blocks are moved in and out at the beginning of the file, instead of a hole punched.
        var isShift = false

        private static var block: UInt64 { RecallLatency.block }
    }

    func run() throws -> Report {
        let placement = self.options.placement(.free)
        var report = Report(
            name: "recall",
            method:
                "\(self.options.rounds) interleaved rounds; each change is one call of a client that holds nothing, while "
                + "others hold 4 KiB or more, in \(Self.processes) processes; CPUs: \(placement.rawValue)"
        )
        report.load.append(Report.loadAverage)
        defer { placement.release() }
        try placement.placeServers()
        _ = bench_raise_file_limit()
        let directory = try self.options.temporaryDirectory()
        let layoutd = try LayoutdProcess(
            binary: self.options.serverPath(),
            in: directory,
            ["--lease", "600", "--recall-timeout", "60"]
        )
        try placement.placeCaller()
        let crowd = try Crowd(self.holders, processes: Self.processes, server: layoutd)
        defer { withExtendedLifetime((layoutd, crowd)) {} }
        let changer = try Changer(layoutd)
        let subjects = self.subjects
        for subject in subjects {
            let size = subject.isShift ? subject.size : Int(Self.distance + Self.block * UInt64(self.holders + 1))
            try TemporaryDirectory.makeAllocatedFile("\(layoutd.exportPath)/\(subject.file)", size: size)
        }
        var serverTime: [String: [Double]] = [:]
        let series = subjects.map { subject in
            Series(name: subject.name) {
                if let holders = subject.holders {
                    try crowd.hold(subject.file, holders, bytes: subject.bytes, isDisjoint: subject.isDisjoint)
                }
                try changer.prepare(subject.file, isShift: subject.isShift)
                let before = layoutd.process.cpuTime
                let time = try changer.change(subject.file, isShift: subject.isShift, isBare: subject.holders == nil)
                serverTime[subject.name, default: []].append(layoutd.process.cpuTime - before)
                return [time]
            }
        }
        let measured = try Interleaved.run(series, rounds: self.options.rounds, warmUps: 1, turns: 1)
        report.figures = measured.map { Figure(name: $0.name, unit: "us", rounds: $0.medians.map { $0 / 1000 }) }
        self.compare(subjects, measured, serverTime, &report)
        report.notes = [
            "the bare call is fallocate(2) and fsync(2), as the server makes a change durable before it answers.",
            "a holder takes the recall, unmaps, closes and returns; its CPU time is in the figures, on the same CPUs.",
            "disjoint holders hold other blocks of the same file. A shift moves all that is behind it: everybody has to go.",
        ]
        report.load.append(Report.loadAverage)
        return report
    }

    private var counts: [Int] { [1, 10, 100, 1000].filter { $0 < self.holders } + [self.holders] }

    private var subjects: [Subject] {
        func punch(_ name: String, _ file: String, _ holders: Int?, isDisjoint: Bool = false) -> Subject {
            Subject(name: name, file: file, size: 0, holders: holders, isDisjoint: isDisjoint)
        }
        var subjects = [punch("punch, bare", "bare", nil), punch("punch, 0 holders", "held-0", 0)]
        for count in self.counts {
            let text = Text.grouped(count)
            subjects.append(punch("punch, \(text) overlapping", "held-\(count)", count))
            subjects.append(punch("punch, \(text) disjoint", "beside-\(count)", count, isDisjoint: true))
        }
        for bytes in [4096, 2 << 20, 1 << 30] where bytes <= self.touched {
            let text = bytes >= 1 << 30 ? "1 GiB" : bytes >= 1 << 20 ? "2 MiB" : "4 KiB"
            for holders in [nil, 0, 1] as [Int?] {
                let who = holders.map { $0 == 0 ? "0 holders" : "1 holder" } ?? "bare"
                subjects.append(
                    Subject(
                        name: "shift, \(text), \(who)",
                        file: "shift-\(bytes)-\(holders.map { "\($0)" } ?? "bare")",
                        size: bytes,
                        holders: holders,
                        bytes: UInt64(bytes),
                        isShift: true
                    )
                )
            }
        }
        return subjects
    }

    private func compare(
        _ subjects: [Subject],
        _ measured: [Measurement],
        _ serverTime: [String: [Double]],
        _ report: inout Report
    ) {
        let byName = Dictionary(uniqueKeysWithValues: measured.map { ($0.name, $0) })
        guard let bare = byName["punch, bare"], let none = byName["punch, 0 holders"],
            let one = byName["punch, 1 overlapping"]
        else { return }
        report.ratios.append(Ratio(name: "punch, 0 holders / bare", rounds: none.ratios(to: bare)))
        report.ratios.append(Ratio(name: "punch, 1 overlapping / 0 holders", rounds: one.ratios(to: none)))
        for count in self.counts {
            let text = Text.grouped(count)
            guard let many = byName["punch, \(text) overlapping"], let beside = byName["punch, \(text) disjoint"]
            else { continue }
            report.ratios.append(
                Ratio(
                    name: "punch, \(text) disjoint / 0 holders",
                    rounds: beside.ratios(to: none),
                    goal: count == self.holders ? 1.1 : nil
                )
            )
            guard count > 1 else { continue }
            let extra = zip(many.medians, one.medians).map { ($0 - $1) / 1000 / Double(count - 1) }
            report.figures.append(
                Figure(
                    name: "added by each of \(text) holders",
                    unit: "us",
                    rounds: extra,
                    goal: count == self.holders ? 25 : nil
                )
            )
            let time = (serverTime[many.name] ?? []).dropFirst().map { $0 / 1000 / Double(count) }
            report.figures.append(
                Figure(name: "server's CPU for each of \(text) holders", unit: "us", rounds: Array(time))
            )
        }
        for subject in subjects where subject.isShift && subject.holders == 1 {
            guard let held = byName[subject.name],
                let free = byName[subject.name.replacing("1 holder", with: "0 holders")]
            else { continue }
            report.ratios.append(Ratio(name: "\(subject.name) / 0 holders", rounds: held.ratios(to: free)))
        }
    }
}

/// Clients that hold layouts, several to a process.
private final class Crowd {
    private let processes: [ChildProcess]
    private let perProcess: Int

    init(_ count: Int, processes: Int, server: LayoutdProcess) throws {
        guard case .unix(let path) = server.endpoint() else { preconditionFailure("a Unix socket was asked for") }
        self.perProcess = (count + processes - 1) / processes
        var (left, started) = (count, [ChildProcess]())
        while left > 0 {
            let here = min(left, self.perProcess)
            started.append(
                try ChildProcess(Program.path(), ["holders", "--server", path, "--count", "\(here)"]) { $0 == "ready" }
            )
            left -= here
        }
        self.processes = started
    }

    /// Has the first `count` clients hold something of a file.
    func hold(_ file: String, _ count: Int, bytes: UInt64, isDisjoint: Bool) throws {
        let asked = self.processes.enumerated().filter { $0.offset * self.perProcess < count }
        for (index, process) in asked {
            let first = index * self.perProcess
            let order = Holders.Order(
                file: file,
                first: first,
                offset: isDisjoint ? 1 << 20 : 0,
                length: bytes,
                stride: isDisjoint ? 4096 : 0,
                count: min(self.perProcess, count - first)
            )
            try process.tell(order.line)
        }
        for (_, process) in asked { try process.wait(for: "held") }
    }
}

/// Changes files, through the server or by system calls.
private final class Changer {
    private let session: NeutralSession
    private let exportPath: String
    private var files: [String: (descriptor: CInt, handle: FileHandle, isShifted: Bool)] = [:]

    init(_ server: LayoutdProcess) throws {
        self.session = try NeutralSession(server.endpoint(), name: "changer")
        self.exportPath = server.exportPath
    }

    deinit { for file in self.files.values { close(file.descriptor) } }

    private func file(_ name: String) throws -> (descriptor: CInt, handle: FileHandle, isShifted: Bool) {
        if let known = self.files[name] { return known }
        let path = "\(self.exportPath)/\(name)"
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw BenchError("open '\(path)'", errno: errno, "use --directory") }
        let file = (descriptor, try self.session.open(name, flags: [.read, .write]), false)
        self.files[name] = file
        return file
    }

    /// Makes what is to be changed the same each time: a written block, or pages in memory.
    func prepare(_ name: String, isShift: Bool) throws {
        let file = try self.file(name)
        guard !isShift else { return try self.readAll(of: name, file.descriptor) }
        let block = [UInt8](repeating: 0x5a, count: 4096)
        guard unsafe pwrite(file.descriptor, block, block.count, 0) == block.count, fsync(file.descriptor) == 0 else {
            throw BenchError("write to '\(name)'", errno: errno, "make room, or use --directory")
        }
    }

    private func readAll(of name: String, _ descriptor: CInt) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset: off_t = 0
        while true {
            let count = unsafe pread(descriptor, &buffer, buffer.count, offset)
            guard count >= 0 else { throw BenchError("read '\(name)'", errno: errno, "use --directory") }
            guard count > 0 else { return }
            offset += off_t(count)
        }
    }

    /// Punches a hole of 4 KiB, or moves a block in or out, and returns the nanoseconds until it is durable.
    func change(_ name: String, isShift: Bool, isBare: Bool) throws -> Double {
        let file = try self.file(name)
        let operation: MappingOperation = !isShift ? .punchHole : file.isShifted ? .collapseRange : .insertRange
        self.files[name]?.isShifted.toggle()
        let start = bench_now()
        if isBare {
            let change =
                switch operation {
                case .insertRange: BENCH_INSERT
                case .collapseRange: BENCH_COLLAPSE
                default: BENCH_PUNCH
                }
            let error = bench_change(file.descriptor, change, 0, 4096)
            guard error == 0, fsync(file.descriptor) == 0 else {
                let reason = error == 0 ? errno : -error
                throw BenchError("change '\(name)'", errno: reason, "name a directory on XFS or ext4 with --directory")
            }
        } else {
            let arguments = ChangeArguments(
                operation: operation,
                handle: file.handle,
                offset: 0,
                length: 4096,
                waitMilliseconds: 20_000,
                keepSize: true
            )
            _ = try self.session.ask(.change(arguments))
        }
        return Double(bench_now() - start)
    }
}
