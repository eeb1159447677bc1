import Glibc
import LayoutCore
import LinuxFiles
import MappingGuard
import TestSupport
import Testing

/// What the guard needs, and what it cannot see.
@Suite(.serialized, .enabled(if: TestFileSystems.hasImages, "needs root: filesystems are mounted"))
struct PrerequisiteTests {
    @Test("a host that can guard says so, and what is missing is named", arguments: TestFileSystems.images)
    func availability(_ fileSystem: TestFileSystem) throws {
        let directory = try fileSystem.makeDirectory()
        let root = try ExportRoot(path: directory.path).directory
        let keeper = try builtProgram("layoutd-keeper")
        let complete = GuardAvailability(on: root, keeperProgram: keeper)
        #expect(complete.isAvailable && complete.findings.count == 5)
        #expect(complete.findings.allSatisfy { $0.problem == nil })

        let incomplete = GuardAvailability(on: root, keeperProgram: directory.file("no-such-program"))
        let missing = incomplete.findings.filter { $0.problem != nil }
        #expect(incomplete.isAvailable && missing.map(\.name) == ["the keeper"])
    }

    @Test("a filesystem without these events is told apart from a kernel without them")
    func otherFileSystems() throws {
        let mounted = try LoopFileSystem(.tmpfs)
        let found = GuardAvailability(on: try ExportRoot(path: mounted.path).directory, keeperProgram: nil)
        #expect(!found.isAvailable)
        let problem = found.findings.first { $0.name == "events of this filesystem" }?.problem
        #expect(problem?.contains("export XFS, ext4") == true)
    }

    @Test("who could write to a file before the guard began is found by name", arguments: TestFileSystems.images)
    func earlierWriters(_ fileSystem: TestFileSystem) throws {
        let directory = try fileSystem.makeDirectory()
        let path = directory.file("file")
        try GuardBed.fill(path)
        let mutator = try builtProgram("guard-mutator")
        let early = try ChildProcess(mutator, ["hold", path])
        #expect(early.readLine() == "open\n")

        let turn = Turn()
        let root = try ExportRoot(path: directory.path)
        let guardian = try MappingGuard.start(.init(root: root.directory, clones: false)) { _ in }
        let file = try root.open(Array("file".utf8), for: .read)
        let found = try guardian.earlierWriters(of: file)
        #expect(found.map(\.process) == [early.pid] && found.first?.command == "guard-mutator")
        #expect(found.first?.descriptor != nil)
        early.signal(SIGKILL)
        _ = early.wait()
        #expect(try guardian.earlierWriters(of: file) == [])

        // One that opens another file later is seen by the guard, so nobody need be told.
        try GuardBed.fill(directory.file("later"))
        let late = try ChildProcess(mutator, ["hold", directory.file("later")])
        #expect(late.readLine() == "open\n")
        let later = try root.open(Array("later".utf8), for: .read)
        #expect(try guardian.earlierWriters(of: later) == [])
        late.signal(SIGKILL)
        _ = late.wait()
        guardian.stop(.final)
        withExtendedLifetime(turn) {}
    }
}
