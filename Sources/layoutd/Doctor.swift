import ArgumentParser
import Glibc
import LayoutServer
import LinuxFiles
import MappingGuard
import Recovery

/// `layoutd doctor`.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says what layoutd can do with a directory on this host.",
        discussion:
            "Makes files without a name there and leaves nothing behind. Ends with status 0 if layouts can be granted."
    )

    @Option(help: ArgumentHelp("The directory to look at.", valueName: "dir"))
    var export: String

    @OptionGroup var state: StateOptions

    func run() async throws {
        let report: DoctorReport
        do throws(LinuxError) {
            report = try DoctorReport(examining: self.export, state: self.state)
        } catch {
            StandardStreams.report("layoutd: \(error.message)")
            throw ExitCode(ending: error)
        }
        for line in report.lines { StandardStreams.print(line) }
        guard report.canGrant else { throw ExitCode.configuration }
    }
}

/// What was found, line by line: what it is, whether it is there, and what follows.
private struct DoctorReport {
    private(set) var lines: [String] = []
    /// Whether read-write layouts can be granted at all.
    private(set) var canGrant = true

    init(examining path: String, state: StateOptions) throws(LinuxError) {
        let export = try ExportRoot(path: path)
        let support = try MappingSupport(probing: export)
        let fileSystem = support.fileSystem
        self.add(
            "filesystem",
            !fileSystem.isReadOnly,
            "\(fileSystem.kind), blocks of \(fileSystem.blockSize) bytes",
            else: "mounted read-only: remount it read-write; until then only read layouts are granted"
        )
        self.add(
            "tried out",
            support.isProbed,
            "on files without a name",
            else: "no file could be made: known from the kind"
        )
        try self.addOperations(support)
        self.addHost(export, support)
        try self.addState(state, export)
    }

    private mutating func addState(_ state: StateOptions, _ export: ExportRoot) throws(LinuxError) {
        let identity = StoreIdentity(of: try FileIdentity(of: export.directory, on: export.fileSystem))
        let directory = state.path(for: identity)
        let obstacle = StateOptions.obstacle(to: directory)
        self.add(
            "recovery store",
            obstacle == nil,
            "\(directory): layouts, and answers to changes, outlive the server",
            else: "\(directory) cannot be used: \(obstacle ?? ""); name another directory with --state"
        )
    }

    private mutating func addOperations(_ support: MappingSupport) throws(LinuxError) {
        let operations = support.operations
        self.canGrant = operations.contains(.allocate)
        self.add(
            "preallocate",
            self.canGrant,
            "read-write layouts can be granted",
            else: "a store could run out of space: only read layouts are granted"
        )
        self.add("punch hole", operations.contains(.punchHole), "works", else: "answered NOTSUPP: write zeros instead")
        self.add("zero range", operations.contains(.zeroRange), "works", else: "answered NOTSUPP: punch a hole instead")
        let shift = "works, in multiples of \(support.shiftAlignment) bytes"
        let noShift = "answered NOTSUPP: use XFS or ext4"
        self.add("insert range", operations.contains(.insertRange), shift, else: noShift)
        self.add("collapse range", operations.contains(.collapseRange), shift, else: noShift)
        self.add("clone", operations.contains(.clone), "works", else: "answered NOTSUPP: use XFS with reflink=1")
        self.add(
            "unshare",
            operations.contains(.unshare),
            "shared blocks are made a file's own before a read-write layout",
            else: operations.contains(.clone) ? "files with shared blocks get no read-write layout" : "not needed"
        )
    }

    private mutating func addHost(_ export: ExportRoot, _ support: MappingSupport) {
        let page = UInt64(clamping: sysconf(CInt(_SC_PAGESIZE)))
        self.add(
            "block size",
            support.fileSystem.blockSize >= page,
            "a page or more: content windows can follow inserts",
            else: "smaller than a page of \(page) bytes: only offset windows"
        )
        self.add(
            "DAX",
            support.isSynchronous,
            "new files are on persistent memory, and stores to them durable once flushed from the CPU",
            else: "loads and stores go to the page cache; for persistent memory mount XFS or ext4 with -o dax=always"
        )
        self.add(
            "root",
            geteuid() == 0,
            "serves every user with that user's permissions",
            else: "serves only user \(geteuid()) and root; handles are lost when files leave the server's table"
        )
        self.add(
            "descriptors",
            true,
            "passed over a Unix socket; holders are proven by locks of open file descriptions",
            else: ""
        )
        let availability = GuardAvailability(on: export.directory, keeperProgram: GuardOptions.keeperProgram)
        self.add(
            "guard",
            availability.isAvailable,
            "changes by local programs wait for layouts",
            else: "changes by local programs do not wait for layouts"
        )
        for finding in availability.findings {
            if let problem = finding.problem { self.add("  missing", false, "", else: "\(finding.name): \(problem)") }
        }
    }

    private mutating func add(_ name: String, _ isThere: Bool, _ good: String, else bad: String) {
        let padding = String(repeating: " ", count: max(1, 16 - name.utf8.count))
        self.lines.append("\(isThere ? "yes" : "no ")  \(name)\(padding)\(isThere ? good : bad)")
    }
}
