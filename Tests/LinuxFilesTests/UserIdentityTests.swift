import Glibc
import LayoutCore
import LinuxFiles
import Synchronization
import TestSupport
import Testing

@Suite struct UserIdentityTests {
    private static let nobody = UserIdentity(uid: 65534, gid: 65534)

    /// Every thread is somebody else at the same time, and sees the files as that user.
    @Test(.enabled(if: geteuid() == 0, "only root can be somebody else"), arguments: TestFileSystems.available)
    func threadsAreTheirOwnUsers(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        try export.make("secret", [1])
        try FileAttributes.setMode(0o600, of: try export.root.resolve(bytes("secret")))
        try export.make("group", [1])
        let group = try export.root.resolve(bytes("group"))
        try FileAttributes.setMode(0o040, of: group)
        try FileAttributes.setOwner(uid: nil, gid: 4242, of: group)
        try FileAttributes.setMode(0o777, of: export.root.directory)

        let wrong = Mutex<[String]>([])
        @Sendable func expect(_ condition: Bool, _ what: String) {
            if !condition { wrong.withLock { $0.append(what) } }
        }
        let threads = try (0..<6).map { number in
            try KernelThread(name: "user-\(number)") {
                let isRoot = number % 3 == 0
                let isMember = number % 3 == 1
                let user = UserIdentity(
                    uid: isRoot ? 0 : UInt32(65000 + number),
                    gid: isRoot ? 0 : UInt32(66000 + number),
                    groups: isMember ? [1, 4242, 5] : []
                )
                for round in 0..<300 {
                    let name = bytes("made-\(number)-\(round)")
                    let result = failure { () throws(LinuxError) in
                        try user.run { () throws(LinuxError) in
                            let secret = failure { () throws(LinuxError) in
                                _ = try export.root.open(bytes("secret"), for: .read)
                            }
                            expect(
                                secret?.status == (isRoot ? nil : .access),
                                "\(number): \(String(describing: secret))"
                            )
                            let shared = failure { () throws(LinuxError) in
                                _ = try export.root.open(bytes("group"), for: .read)
                            }
                            expect(shared?.status == (isRoot || isMember ? nil : .access), "\(number): group")
                            let made = try export.root.create(name, for: .write, mode: 0o600, exclusively: true)
                            let facts = try FileFacts(of: made.descriptor)
                            expect(facts.uid == user.uid && facts.gid == user.gid, "\(number): owner \(facts.uid)")
                        }
                    }
                    expect(result == nil, "\(String(describing: result))")
                    // Restored: root again.
                    let after = failure { () throws(LinuxError) in
                        _ = try export.root.open(bytes("secret"), for: .readWrite)
                        try export.root.remove(name)
                    }
                    expect(after == nil, "after: \(String(describing: after))")
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(wrong.withLock { $0 } == [])
    }

    @Test(.enabled(if: geteuid() == 0, "only root can be somebody else"))
    func theIdentityComesBackAfterAnErrorToo() throws {
        let own = try UserIdentity.current()
        let error = failure { () throws(LinuxError) in
            try Self.nobody.run { () throws(LinuxError) in
                let now = try UserIdentity.current()
                throw LinuxError(refusing: .exists, "\(now.uid) \(now.gid) \(now.groups)")
            }
        }
        #expect(error?.message == "65534 65534 []")
        #expect(try UserIdentity.current() == own)
        // One inside another.
        let inner = try Self.nobody.run { () throws(LinuxError) in
            try UserIdentity(uid: 5, gid: 6, groups: [7, 8]).run { () throws(LinuxError) in
                try UserIdentity.current()
            }
        }
        #expect(inner == UserIdentity(uid: 5, gid: 6, groups: [7, 8]))
        #expect(try UserIdentity.current() == own)
    }

    @Test func nobodyAtAllIsRefused() throws {
        for user in [
            UserIdentity(uid: .max, gid: 0), UserIdentity(uid: 0, gid: .max),
            UserIdentity(uid: 0, gid: 0, groups: [1, .max]),
        ] {
            var hasRun = false
            let error = failure { () throws(LinuxError) in try user.run { () throws(LinuxError) in hasRun = true } }
            #expect(error?.status == .notPermitted)
            #expect(!hasRun)
        }
        let many = UserIdentity(uid: 0, gid: 0, groups: Array(1...UInt32(UserIdentity.groupsMax + 1)))
        #expect(failure { () throws(LinuxError) in try many.run { () throws(LinuxError) in } }?.status == .invalid)
    }

    /// In a process of its own: root, who can be anybody, becomes nobody there.
    @Test func othersAreOnlyThemselves() async {
        await #expect(processExitsWith: .success) {
            if geteuid() == 0 {
                try #require(setgid(65534) == 0)
                try #require(setuid(65534) == 0)
            }
            let own = UserIdentity(uid: geteuid(), gid: getegid())
            #expect(try own.run { () throws(LinuxError) in 5 } == 5)
            let other = UserIdentity(uid: geteuid() + 1, gid: getegid())
            let error = failure { () throws(LinuxError) in try other.run { () throws(LinuxError) in } }
            #expect(error?.status == .notPermitted)
            #expect(error?.message.contains("run the server as root") == true)
        }
    }
}
