import Glibc
import LayoutClient
import LayoutCore
import TestSupport
import Testing

@Suite("A forked child")
struct ForkTests {
    @Test("calls in a forked child fail and say why, its parent's windows are not there, and the parent goes on [F7]")
    func child() async {
        await #expect(processExitsWith: .success) {
            try await withWorld { world in
                try world.makeFile("a", blocks: 4)
                let client = try await world.connect()
                let file = try await client.open("a", .readWrite)
                let region = try await file.map(0..<16384, .readWrite)
                for touches in [false, true] {
                    let child = LibC.fork()
                    if child == 0 {
                        if touches { unsafe region.bytes[0] = 99 }
                        let failures = await Self.failures(client, file, region)
                        _exit(failures)
                    }
                    let status = try await onThread { LibC.wait(for: child) }
                    guard status == (touches ? 128 + SIGSEGV : 0) else { throw TestFailure("the child: \(status)") }
                }
                // Neither the session nor a layout was touched.
                guard unsafe region.bytes[0] == 1 else { throw TestFailure("the child has stored") }
                try await file.insertRange(at: 0, length: 4096)
                guard try await file.size == 5 * 4096, client.statistics.reconnections == 0,
                    client.statistics.sessionsLost == 0, client.statistics.leasesLost == 0
                else { throw TestFailure("\(client.statistics)") }
                await client.close()
            }
            exit(EXIT_SUCCESS)
        }
    }

    @Test("a child that outlives its parent fails in the same way, and does not wait [F7]")
    func orphan() async throws {
        let directory = try TestDirectory()
        let result = directory.file("result")
        await #expect(processExitsWith: .success) { [result = result as String] in
            try await withWorld { world in
                try world.makeFile("a", blocks: 4)
                let client = try await world.connect()
                let file = try await client.open("a", .readWrite)
                let region = try await file.map(0..<16384, .readWrite)
                let parent = getpid()
                if LibC.fork() == 0 {
                    while getppid() == parent { usleep(1000) }
                    let failures = await Self.failures(client, file, region)
                    let output = unsafe creat(result, 0o666)
                    var byte = UInt8(truncatingIfNeeded: 48 + failures)
                    _ = unsafe write(output, &byte, 1)
                    _exit(0)
                }
                _exit(0)
            }
        }
        try await eventually("the orphan has tried") { unsafe access(result, F_OK) == 0 && fileSize(result) == 1 }
        let file = unsafe open(result, O_RDONLY)
        defer { close(file) }
        var byte: UInt8 = 0
        #expect(unsafe read(file, &byte, 1) == 1)
        #expect(byte == 48)
    }

    @Test("what layouts are held with closes on exec, so that a program that is started keeps nobody's layouts [F7]")
    func closesOnExec() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            let client = try await world.connect()
            let file = try await client.open("a", .readWrite)
            let regions = [try await file.map(0..<16384, .readWrite), try await file.map(0..<16384, .read)]
            let path = world.directory.file("a")
            let held = (3..<4096 as Range<CInt>).filter { linkTarget("/proc/self/fd/\($0)") == path }
            #expect(!held.isEmpty)
            for descriptor in held { #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0) }
            for region in regions { await region.unmap() }
            await client.close()
        }
    }

    /// How many calls do not fail as they should.
    private static func failures(_ client: LayoutClient, _ file: LayoutFile, _ region: MappedRegion) async -> Int32 {
        var failures: Int32 = 0
        let calls: [() async throws -> Void] = [
            { _ = try await client.stat("a") },
            { _ = try await file.size },
            { try await file.insertRange(at: 0, length: 4096) },
            { _ = try await file.write([1], at: 0) },
            { _ = try await file.map(0..<4096) },
            { try await region.prepare() },
            { unsafe try region.withUnsafeBytes(0..<1) { _ in } },
        ]
        for call in calls {
            do {
                try await call()
                failures += 1
            } catch {
                if (error as? LayoutError)?.code != .closed { failures += 1 }
            }
        }
        // These have nothing to say, and must not wait for threads that are not there.
        await file.close()
        await client.close()
        return failures
    }
}

private func linkTarget(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        guard let base = unsafe bytes.bindMemory(to: CChar.self).baseAddress else { return -1 }
        return unsafe readlink(path, base, bytes.count)
    }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
}

private func fileSize(_ path: String) -> Int {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? Int(status.st_size) : -1
}
