import Glibc
import TestSupport
import Testing

/// Programs that know nothing of layouts, under the shim.
@Suite(.serialized) struct PreloadTests {
    private func environment(_ server: RunningServer) throws -> [String] {
        ["LAYOUT_PRELOAD=\(server.url):/layout", "LD_PRELOAD=\(try Installation.shared.shim)"]
    }

    @Test("dd and cat copy a file to the server and back, unchanged")
    func toolsWork() throws {
        let server = try RunningServer(on: .plain)
        let files = try TestDirectory()
        try mustRun("dd", ["if=/dev/urandom", "of=\(files.file("in"))", "bs=1000", "count=777", "status=none"])
        try expect(
            "dd",
            ["if=\(files.file("in"))", "of=/layout/copy", "bs=4096", "status=none"],
            with: try self.environment(server),
            toSay: ""
        )
        try mustRun("cmp", [files.file("in"), server.directory.file("copy")])
        try expect(
            "sh",
            ["-c", "cat /layout/copy >'\(files.file("out"))'"],
            with: try self.environment(server),
            toSay: ""
        )
        try mustRun("cmp", [files.file("in"), files.file("out")])
    }

    @Test("a file that is not there, and a server that is not, are errors of open")
    func errorsArrive() throws {
        let server = try RunningServer(on: .plain)
        let missing = try run("cat", ["/layout/missing"], with: try self.environment(server))
        #expect(missing.status == 1 && missing.output.contains("No such file or directory"))
        let unreachable = try run(
            "cat",
            ["/layout/missing"],
            with: [
                "LAYOUT_PRELOAD=layout+tcp://127.0.0.1:1:/layout", "LD_PRELOAD=\(try Installation.shared.shim)",
            ]
        )
        #expect(unreachable.status == 1 && unreachable.output.contains("check that the server runs"))
    }

    /// How many operations; a million takes some minutes.
    private static var operations: Int {
        unsafe getenv("LAYOUT_PRELOAD_OPERATIONS").flatMap { unsafe Int(String(cString: $0)) } ?? 20_000
    }

    @Test(
        "a program of POSIX calls finds every byte right while the file's mapping is changed all the time",
        arguments: TestFileSystems.images
    )
    func everyByteIsRight(_ fileSystem: TestFileSystem) throws {
        let server = try RunningServer(on: fileSystem)
        let installation = try Installation.shared
        let workerProgram = try installation.compile("worker.c", gnuC, usesLibrary: false)
        let mutatorProgram = try installation.compile("mutator.c", gnuC)
        let files = try TestDirectory()
        let seed = "\(UInt32.random(in: 1 ... .max))"
        let worker = try ChildProcess(
            "env",
            try self.environment(server)
                + ["LAYOUT_PRELOAD_STATISTICS=1", workerProgram, "run", "/layout/storm", files.file("shadow")]
                + ["\(Self.operations)", seed]
        )
        #expect(worker.readLine() == "ready\n")
        // Its input ends, and with that the mutator, when the worker has.
        let mutator = try ChildProcess(
            "sh",
            ["-c", "tail --pid=\(worker.pid) -f /dev/null | \"$0\" \"$@\"", mutatorProgram, server.url, "storm", seed]
        )
        let work = worker.wait()
        let changes = mutator.wait()
        #expect(work.status == 0, "seed \(seed): \(work.output)")
        #expect(changes.status == 0, "seed \(seed): \(changes.output)")
        // Also where nobody stands in between; and something has happened.
        let verified = try runProcess(
            workerProgram,
            ["verify", server.directory.file("storm"), files.file("shadow")]
        )
        #expect(verified.status == 0 && verified.output == "verified\n", "seed \(seed): \(verified.output)")
        #expect(Self.number("changes", in: changes.output) > 20, "\(changes.output)")
        #expect(Self.number("recalls", in: work.output) > 20, "\(work.output)")
        #expect(Self.number("leases-lost", in: work.output) == 0, "\(work.output)")
        print("\(fileSystem): \(work.output)\(changes.output)")
    }

    /// The number behind `name=` in a program's output.
    private static func number(_ name: String, in output: String) -> Int {
        for word in output.split(whereSeparator: \.isWhitespace) where word.hasPrefix("\(name)=") {
            return Int(word.dropFirst(name.count + 1)) ?? -1
        }
        return -1
    }
}
