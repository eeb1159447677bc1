import Glibc
import LayoutClient
import LayoutXDR
import TestSupport
import Testing

/// `layoutctl` as a process, against a server in this one.
@Suite("layoutctl")
struct LayoutctlTests {
    @Test("files are put, listed, looked at, changed and fetched")
    func files() async throws {
        try await withWorld { world in
            let local = world.directory.path + ".local"
            defer { unsafe unlink(local) }
            let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 4096 + $0) }
            try world.write(bytes, to: "source")
            let put = try await run(world, "put", world.directory.file("source"), "copy", "--json")
            #expect(put.status == 0)
            #expect(put.output.contains("\"bytes\":3000000"))
            #expect(try world.bytes(of: "copy") == bytes)

            let list = try await run(world, "ls")
            #expect(list.output.contains("copy") && list.output.contains("3000000"))
            let stat = try await run(world, "stat", "copy", "--json")
            #expect(stat.output.contains("\"size\":3000000"))

            #expect(try await run(world, "insert", "copy", "--offset", "4K", "--length", "1M").status == 0)
            #expect(try await run(world, "punch", "copy", "--offset", "2M", "--length", "64K").status == 0)
            #expect(try await run(world, "collapse", "copy", "--offset", "4K", "--length", "1M").status == 0)
            #expect(try await run(world, "truncate", "copy", "--size", "1000000").status == 0)
            let get = try await run(world, "get", "copy", local)
            #expect(get.status == 0, "\(get.output)")
            let file = unsafe open(local, O_RDONLY)
            #expect(lseek(file, 0, SEEK_END) == 1_000_000)
            close(file)
            #expect(try world.bytes(of: "copy")[..<900_000] == bytes[..<900_000])

            let extents = try await run(world, "extents", "copy")
            #expect(extents.status == 0, "\(extents.output)")
            #expect(extents.output.contains("#") && extents.output.contains("OFFSET"))
            #expect(try await run(world, "rm", "copy").status == 0)
            #expect(try await run(world, "stat", "copy").status == 1)
        }
    }

    @Test("failures have the exit codes of sysexits and name the remedy")
    func failures() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 4)
            #expect(try await run(world, "insert", "a", "--offset", "12x", "--length", "4K").status == 64)
            #expect(try await run(world, "insert", "a").status == 64)
            let misaligned = try await run(world, "insert", "a", "--offset", "1", "--length", "4K")
            #expect(misaligned.status == 1)
            #expect(misaligned.output.contains("[INVAL]"), "\(misaligned.output)")
            let away = try await onThread {
                try runProcess(
                    program("layoutctl"),
                    ["ls", "--server", "layout+unix:///nonexistent/sock", "--timeout", "0.2"]
                )
            }
            #expect(away.status == 69)
            #expect(away.output.contains("check that the server runs"))

            let holder = try await world.connect()
            let region = try await holder.open("a", .readWrite).map(0..<16384, .readWrite)
            unsafe try await region.withPinnedBytes(nil, .readWrite) { _ in
                let delayed = try await run(world, "insert", "a", "--offset", "0", "--length", "4K", "--timeout", "0.5")
                #expect(delayed.status == 75)
                #expect(delayed.output.contains("layoutctl waiting"), "\(delayed.output)")
            }
            await holder.close()
        }
    }

    @Test("an operator sees who holds, who waits and for whom")
    func operatorViews() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let holder = try await world.connect { $0.name = "keeper" }
            let other = try await world.connect { $0.name = "mover" }
            let region = try await holder.open("a", .readWrite).map(0..<65536, .readWrite)
            let theirs = try await other.open("a", .readWrite)
            unsafe try await region.withPinnedBytes(nil, .readWrite) { _ in
                let change = Task { try await theirs.insertRange(at: 0, length: 4096) }
                try await eventually("it waits") {
                    try await run(world, "waiting").output.contains("insert")
                }
                let waiting = try await run(world, "waiting").output
                #expect(waiting.contains("mover") && waiting.contains("keeper"), "\(waiting)")
                let layouts = try await run(world, "layouts").output
                #expect(layouts.contains("read-write") && layouts.contains("recalled"), "\(layouts)")
                let clients = try await run(world, "clients").output
                #expect(clients.contains("keeper") && clients.contains("mover"), "\(clients)")
                let recalls = try await run(world, "recalls").output
                #expect(recalls.contains("answered"), "\(recalls)")
                change.cancel()
            }
            try await eventually("it is done") { try world.bytes(of: "a").count == 17 * 4096 }
            #expect(try await run(world, "waiting").output.contains("nothing waits"))
            #expect(try await run(world, "counters", "--json").output.contains("\"changesDone\":1"))
            await holder.close()
            await other.close()
        }
    }

    @Test("watch shows recalls as they come")
    func watch() async throws {
        try await withWorld { world in
            try world.makeFile("a", blocks: 16)
            let client = try await world.connect { $0.name = "mover" }
            let watcher = try ChildProcess(program("layoutctl"), ["watch", "a", "--count", "2", "--server", world.url])
            _ = try await onThread { watcher.readLine() }
            let file = try await client.open("a", .readWrite)
            try await file.insertRange(at: 8192, length: 4096)
            try await eventually("it holds it again") {
                try await client.layoutStates().contains { $0.ioMode == .read }
            }
            try await file.punchHole(0..<4096)
            let result = try await onThread { watcher.wait() }
            #expect(result.status == 0)
            #expect(result.output.contains("insert of 8K - 12K"), "\(result.output)")
            #expect(result.output.contains("moves what is behind up by 4K"), "\(result.output)")
            #expect(result.output.contains("punch of 0 - 4K"), "\(result.output)")
            await client.close()
        }
    }
}

private func run(_ world: World, _ arguments: String...) async throws -> ProcessResult {
    try await onThread { try runProcess(program("layoutctl"), arguments + ["--server", world.url]) }
}
