import Glibc
import LayoutCore
import LinuxFiles
import TestSupport
import Testing

@Suite struct ExportRootTests {
    /// What a walk out of the export could hope for.
    private func opens(_ path: String, _ export: Export) -> LayoutStatus? {
        failure { () throws(LinuxError) in _ = try export.root.open(bytes(path), for: .read) }?.status
    }

    @Test(arguments: TestFileSystems.available)
    func nothingLeavesTheExport(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let outside = try fileSystem.makeDirectory()
        try mustRun("cp", ["/etc/hostname", outside.file("secret")])
        try export.root.makeDirectory(bytes("sub"), mode: 0o755)
        try export.make("sub/file", bytes("inside"))
        let links = [
            ("absolute", outside.file("secret")), ("directory", outside.path), ("parent", ".."), ("up", "sub/../.."),
            ("magic", "/proc/self/root/etc/hostname"), ("inside", "sub/file"), ("loop", "loop"), ("nothing", "nowhere"),
        ]
        for (name, target) in links { try mustRun("ln", ["-s", target, export.directory.file(name)]) }
        let neighbour = outside.path.split(separator: "/").last.map(String.init) ?? ""

        for path in [
            "absolute", "directory/secret", "parent/\(neighbour)/secret", "up/x", "../\(neighbour)/secret", "magic",
        ] {
            #expect(self.opens(path, export) == .access, "\(path)")
        }
        for path in ["sub/../../\(neighbour)/secret", "sub/../parent/x"] {
            #expect(self.opens(path, export) == .access, "\(path)")
        }
        #expect(self.opens("loop", export) == .symbolicLink)
        #expect(self.opens("nothing", export) == .noEntry)
        #expect(self.opens("inside", export) == nil)
        #expect(self.opens("sub/../sub/file", export) == nil)

        // A base narrows what a path may reach, and is itself never left.
        let base = try export.root.openDirectory(bytes("sub")).shared()
        let atBase = { (path: String) in
            failure { () throws(LinuxError) in _ = try export.root.open(bytes(path), for: .read, at: base) }?.status
        }
        #expect(atBase("file") == nil)
        #expect(atBase("../inside") == .access)
    }

    @Test(arguments: TestFileSystems.available)
    func magicLinksAreNotFollowed(_ fileSystem: TestFileSystem) throws {
        // Below /proc itself, so that only the magic of the link can be the reason.
        let proc = try ExportRoot(path: "/proc/self")
        let error = failure { () throws(LinuxError) in _ = try proc.resolve(bytes("root/etc")) }
        #expect(error?.status == .symbolicLink || error?.status == .access)
        let descriptor = try Export(fileSystem).make("file")
        let link = failure { () throws(LinuxError) in
            _ = try proc.resolve(bytes("fd/\(descriptor.number)"))
        }
        #expect(link?.status == .symbolicLink || link?.status == .access)
    }

    @Test func mountsAreNotEntered() throws {
        let proc = try ExportRoot(path: "/")
        let error = failure { () throws(LinuxError) in _ = try proc.resolve(bytes("proc/self")) }
        #expect(error?.status == .access)
        #expect(error?.message.contains("mount") == true)
    }

    @Test(arguments: TestFileSystems.available)
    func onlyRegularFilesAreOpened(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        try mustRun("mkfifo", [export.directory.file("fifo")])
        try export.root.makeDirectory(bytes("directory"), mode: 0o755)
        if geteuid() == 0 {
            try mustRun("mknod", [export.directory.file("null"), "c", "1", "3"])
            try mustRun("mknod", [export.directory.file("disk"), "b", "7", "200"])
        }
        // Nobody has the other end of the FIFO: an open that waits would never return.
        for access in [FileAccess.read, .write, .readWrite] {
            let status = { (path: String) in
                failure { () throws(LinuxError) in _ = try export.root.open(bytes(path), for: access) }?.status
            }
            #expect(status("fifo") == .badType)
            #expect(status("directory") == .isDirectory)
            if geteuid() == 0 {
                #expect(status("null") == .badType)
                #expect(status("disk") == .badType)
            }
            let created = failure { () throws(LinuxError) in
                _ = try export.root.create(bytes("fifo"), for: access, mode: 0o644, exclusively: false)
            }
            #expect(created?.status == .badType)
        }
        let facts = try FileFacts(of: try export.root.resolve(bytes("fifo")))
        #expect(facts.type == .fifo)
    }

    @Test(arguments: TestFileSystems.available)
    func openFilesWaitAndAreTheirOwn(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let made = try export.root.create(bytes("file"), for: .readWrite, mode: 0o640, exclusively: true)
        #expect(made.isNew)
        #expect(try FileFacts(of: made.descriptor).mode & ~0o022 == 0o640 & ~0o022)
        let again = try export.root.create(bytes("file"), for: .read, mode: 0o600, exclusively: false)
        #expect(!again.isNew)
        let exclusive = failure { () throws(LinuxError) in
            _ = try export.root.create(bytes("file"), for: .read, mode: 0o600, exclusively: true)
        }
        #expect(exclusive?.status == .exists)
        for descriptor in [made.descriptor, again.descriptor] {
            #expect(fcntl(descriptor.number, F_GETFL) & O_NONBLOCK == 0)
            #expect(fcntl(descriptor.number, F_GETFD) & FD_CLOEXEC != 0)
        }
        #expect(
            failure { () throws(LinuxError) in
                _ = try FileInputOutput.write([1], at: 0, to: again.descriptor)
            } != nil,
            "opened for reading only"
        )
    }

    @Test(arguments: TestFileSystems.available)
    func danglingLinksAreNotCreatedThrough(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        try mustRun("ln", ["-s", "nowhere", export.directory.file("link")])
        for exclusively in [false, true] {
            let error = failure { () throws(LinuxError) in
                _ = try export.root.create(bytes("link"), for: .read, mode: 0o644, exclusively: exclusively)
            }
            #expect(error?.status == (exclusively ? .exists : .symbolicLink))
        }
        #expect(self.opens("nowhere", export) == .noEntry)
    }

    @Test(arguments: TestFileSystems.available)
    func removingStopsAtTheLink(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let root = export.root
        try export.make("target", bytes("x"))
        try root.makeDirectory(bytes("directory"), mode: 0o755)
        try export.make("directory/child")
        try mustRun("ln", ["-s", "target", export.directory.file("link")])
        try mustRun("ln", ["-s", "directory", export.directory.file("directory-link")])

        #expect(failure { () throws(LinuxError) in try root.remove(bytes("directory")) }?.status == .notEmpty)
        try root.remove(bytes("link"))
        #expect(self.opens("target", export) == nil)
        // A link in the middle is followed, the last one is not.
        try root.remove(bytes("directory-link/child"))
        try root.remove(bytes("directory-link"))
        try root.remove(bytes("directory"))
        #expect(self.opens("link", export) == .noEntry)
        for path in ["", ".", "..", "directory/..", "x/."] {
            #expect(failure { () throws(LinuxError) in try root.remove(bytes(path)) }?.status == .badName, "\(path)")
        }
        #expect(failure { () throws(LinuxError) in try root.remove(bytes("../x")) }?.status == .access)
        #expect(failure { () throws(LinuxError) in try root.remove(bytes("none")) }?.status == .noEntry)
    }

    @Test(arguments: TestFileSystems.available)
    func removingAndReplacingMeanOneFile(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let root = export.root
        let first = try FileIdentity(of: try export.make("first"), on: root.fileSystem)
        let second = try FileIdentity(of: try export.make("second"), on: root.fileSystem)
        #expect(
            failure { () throws(LinuxError) in
                try root.remove(bytes("first"), expecting: second)
            }?.status == .stale
        )
        #expect(
            failure { () throws(LinuxError) in
                try root.rename(bytes("first"), to: bytes("second"))
            }?.status == .exists
        )
        #expect(
            failure { () throws(LinuxError) in
                try root.rename(bytes("first"), to: bytes("second"), replacing: first)
            }?.status == .stale
        )
        try root.rename(bytes("first"), to: bytes("second"), replacing: second)
        #expect(try FileIdentity(of: try root.resolve(bytes("second")), on: root.fileSystem) == first)
        try root.rename(bytes("second"), to: bytes("third"))
        try root.remove(bytes("third"), expecting: first)
        #expect(
            failure { () throws(LinuxError) in
                try root.rename(bytes("none"), to: bytes("other"))
            }?.status == .noEntry
        )
    }

    @Test(arguments: TestFileSystems.available)
    func directoriesAreListedInPages(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        var names: Set<String> = []
        for number in 0..<300 {
            let name = "file-\(number)-\(String(repeating: "x", count: number % 200))"
            try export.make(name, [UInt8](repeating: 1, count: number % 7))
            names.insert(name)
        }
        try export.root.makeDirectory(bytes("directory"), mode: 0o755)
        try mustRun("ln", ["-s", "directory", export.directory.file("link")])
        try mustRun("bash", ["-c", "touch \"$1\"/$'bad\\xff'", "-", export.directory.path])
        names.formUnion(["directory", "link"])

        let directory = try export.root.openDirectory([])
        for limit in [1, 7, 301, 1000] {
            var seen: [String] = []
            var cookie: UInt64 = 0
            while true {
                let page = try ExportRoot.entries(of: directory, after: cookie, limit: limit)
                #expect(page.entries.count <= limit)
                for entry in page.entries {
                    let name = String(decoding: entry.name, as: UTF8.self)
                    seen.append(name)
                    switch name {
                    case "directory": #expect(entry.type == .directory)
                    case "link": #expect(entry.type == .symbolicLink)
                    default:
                        #expect(entry.type == .regular)
                        #expect(entry.size == (UInt64(name.split(separator: "-")[1]) ?? 0) % 7)
                    }
                }
                guard !page.isComplete, let last = page.entries.last else { break }
                #expect(last.cookie != 0)
                cookie = last.cookie
            }
            #expect(seen.count == names.count)
            #expect(Set(seen) == names)
        }
        let error = failure { () throws(LinuxError) in
            _ = try ExportRoot.entries(of: directory, after: .max, limit: 1)
        }
        #expect(error?.status == .invalid)
        // Arbitrary cookies lead somewhere or nowhere, but to no crash.
        for cookie in [1, 1 << 31, 1 << 62, UInt64(Int64.max)] {
            _ = failure { () throws(LinuxError) in
                _ = try ExportRoot.entries(of: directory, after: cookie, limit: 10)
            }
        }
    }

    @Test func aFileIsNoExport() throws {
        let export = try Export(.plain)
        try export.make("file")
        #expect(
            failure { () throws(LinuxError) in
                _ = try ExportRoot(path: export.directory.file("file"))
            }?.status == .notDirectory
        )
        #expect(
            failure { () throws(LinuxError) in
                _ = try ExportRoot(path: export.directory.file("none"))
            }?.status == .noEntry
        )
    }
}
