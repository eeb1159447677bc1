import Glibc
import LayoutCore
import LayoutXDR
import TestSupport
import Testing

/// LAYOUTGET, LAYOUTRETURN and LAYOUTCOMMIT of a real server on real files.
@Suite(.serialized) struct LayoutTests {
    private func withHolder(
        on fileSystem: TestFileSystem = .plain,
        _ body: (_ server: ServerProcess, _ holder: RawClient, _ file: FileHandle) throws -> Void
    ) throws {
        let server = try ServerProcess(on: fileSystem)
        defer { server.kill() }
        _ = try StampedFile(server.directory.file("data"), pages: 16)
        let holder = try RawClient(server, "holder")
        try body(server, holder, try holder.open("data"))
    }

    private func range(_ lower: UInt64, _ upper: UInt64) throws -> ByteRange { try #require(ByteRange(lower, upper)) }

    private func commit(
        _ client: RawClient,
        _ file: FileHandle,
        _ stateID: StateID,
        _ range: ByteRange,
        newSize: UInt64? = nil
    ) throws -> UInt64 {
        let arguments = LayoutCommitArguments(
            handle: file,
            stateID: stateID,
            offset: range.lowerBound,
            length: range.wireLength,
            newSize: newSize
        )
        guard case .layoutCommit(let size) = try client.call(.layoutCommit(arguments)) else {
            throw TestFailure("COMMIT")
        }
        return size
    }

    @Test("B3: commits of nothing new, of parts side by side, and of parts far apart keep the file as it is")
    func commits() throws {
        try self.withHolder { _, holder, file in
            let grant = try holder.layoutGet(file)
            #expect(try self.commit(holder, file, grant.stateID, grant.range) == 65536)
            for part in [try self.range(0, 4096), try self.range(4096, 8192), try self.range(32768, 65536)] {
                #expect(try self.commit(holder, file, grant.stateID, part) == 65536)
                #expect(try self.commit(holder, file, grant.stateID, part, newSize: 100) == 65536, "never smaller")
            }
        }
    }

    @Test("B4: extents cover a grant in order and without a gap, holes included", arguments: TestFileSystems.images)
    func extents(on fileSystem: TestFileSystem) throws {
        try self.withHolder(on: fileSystem) { _, holder, file in
            // Data, a hole of one page, data, unwritten pages, a hole up to the end.
            _ = try holder.change(.punchHole, file, 8192, 4096)
            _ = try holder.change(.allocate, file, 65536, 16384)
            _ = try holder.change(.truncate, file, 131_072)
            let grant = try holder.layoutGet(file, .all, .read)
            #expect(grant.range == ByteRange(0, 131_072))
            var end: UInt64 = 0
            for extent in grant.extents {
                #expect(extent.range.lowerBound == end)
                #expect(extent.range.lowerBound % 4096 == 0 && extent.range.upperBound % 4096 == 0)
                #expect((extent.state == .hole) == (extent.storageOffset == 0))
                end = extent.range.upperBound
            }
            #expect(end == 131_072)
            func states(_ offset: UInt64) -> ExtentState? {
                grant.extents.first { $0.range.lowerBound <= offset && offset < $0.range.upperBound }?.state
            }
            #expect(states(0) == .data && states(8192) == .hole && states(12288) == .data)
            #expect(states(65536) == .unwritten && states(131_071) == .hole)
            // For stores there are no holes.
            let written = try holder.layoutGet(file, .all, .readWrite, stateID: grant.stateID)
            #expect(written.extents.allSatisfy { $0.state != .hole })
        }
    }

    @Test("B11: returns that report errors of the storage are accepted whatever the number, a hundred times")
    func storageErrors() throws {
        try self.withHolder { _, holder, file in
            for round in 0..<100 {
                let ioMode: IOMode = round % 2 == 0 ? .read : .readWrite
                let grant = try holder.layoutGet(file, .all, ioMode)
                let errors: [Int32] = [EIO, ENXIO, ESTALE, ENOSPC, EACCES, 77_777]
                let arguments = LayoutReturnArguments(
                    type: .file,
                    handle: file,
                    stateID: grant.stateID,
                    ioMode: .any,
                    offset: 0,
                    length: .max,
                    isDowngrade: false,
                    ioError: UInt32(errors[round % errors.count])
                )
                guard case .layoutReturn(let result) = try holder.call(.layoutReturn(arguments)) else {
                    throw TestFailure("LAYOUTRETURN")
                }
                #expect(result.stateID == nil)
            }
            let state = try holder.serverState()
            #expect(state.layouts == 0 && state.grants == 100)
        }
    }

    @Test("B12: layouts are for regular files only, by handles that the server made of files that are there")
    func noRegularFiles() throws {
        try self.withHolder { server, holder, file in
            try mustRun("mkdir", [server.directory.file("directory")])
            try mustRun("mkfifo", [server.directory.file("fifo")])
            try mustRun("ln", ["-s", "data", server.directory.file("link")])
            try mustRun("ln", ["-s", "/etc/passwd", server.directory.file("out")])
            _ = try StampedFile(server.directory.file("doomed"), pages: 1)
            func lookUp(_ name: String) throws -> FileHandle {
                let path = PathArguments(directory: .root, path: Array(name.utf8))
                guard case .object(let object) = try holder.call(.lookup(path)) else { throw TestFailure("LOOKUP") }
                return object.handle
            }
            func status(_ handle: FileHandle) -> LayoutStatus? {
                do {
                    _ = try holder.layoutGet(handle)
                    return .ok
                } catch {
                    return (error as? Failure)?.status
                }
            }
            #expect(status(.root) == .isDirectory)
            #expect(status(try lookUp("directory")) == .isDirectory)
            #expect(status(try lookUp("fifo")) == .badType)
            #expect(try lookUp("link") == file, "links below the export are followed")
            #expect(throws: Failure.self) { try lookUp("out") }
            let doomed = try lookUp("doomed")
            try mustRun("rm", [server.directory.file("doomed")])
            #expect(status(doomed) == .stale)
            for bit in 0..<64 {
                let low = Opaque16(low: file.low.low ^ 1 << bit, high: file.low.high)
                #expect(status(FileHandle(low: low, high: file.high)) == .badHandle)
            }
            #expect(try holder.serverState().layouts == 0)
        }
    }

    @Test(
        "B15: what counts is the permission at the time of each call, whatever was allowed before",
        .enabled(if: geteuid() == 0, "only root can be other users")
    )
    func permissions() throws {
        let user: uid_t = 64_123
        try self.withHolder { server, _, _ in
            let path = server.directory.file("data")
            func punch() throws -> Int32 {
                let range = ["--offset", "0", "--length", "4096", "--server", server.url]
                return try ServerProcess.run("layoutctl", ["punch", "data"] + range, as: user).status
            }
            func get() throws -> Int32 {
                try ServerProcess.run("layoutctl", ["get", "data", "/dev/null", "--server", server.url], as: user)
                    .status
            }
            let denied: Int32 = 77
            for (mode, mayRead, mayWrite) in [
                ("600", false, false), ("644", true, false), ("666", true, true), ("600", false, false),
            ] {
                try mustRun("chmod", [mode, path])
                #expect(try get() == (mayRead ? 0 : denied), "\(mode)")
                #expect(try punch() == (mayWrite ? 0 : denied), "\(mode)")
            }
        }
    }

    @Test("B17: a holder that has forgotten its stateid asks with none, and is granted under the same one")
    func forgottenStateID() throws {
        try self.withHolder { _, holder, file in
            let first = try holder.layoutGet(file, try self.range(0, 4096))
            let second = try holder.layoutGet(file, try self.range(8192, 12288))
            #expect(second.stateID.other == first.stateID.other)
            #expect(second.stateID.seqid == first.stateID.seqid + 1)
            #expect(try holder.serverState().layouts == 2)
            #expect(try holder.layoutReturn(file, second.stateID) == nil)
            #expect(try holder.serverState().layouts == 0)
        }
    }
}
