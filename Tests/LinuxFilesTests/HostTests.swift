import Glibc
import LayoutCore
import TestSupport
import Testing

@testable import LinuxFiles

@Suite struct HostTests {
    @Test func theClockGoesOn() {
        let first = Host.now
        usleep(2000)
        let passed = Host.now.duration(since: first)
        #expect(passed >= .milliseconds(2) && passed < .seconds(60))
    }

    @Test func theBootHasAnID() throws {
        let id = try Host.bootID()
        #expect(id.utf8.count == 36)
        #expect(try id == Host.bootID())
    }

    @Test func randomBytesDiffer() throws {
        #expect(try Host.randomBytes(0) == [])
        #expect(try Host.randomBytes(100_000).count == 100_000)
        #expect(try Host.randomOpaque16() != Host.randomOpaque16())
        // All 256 values come up in so many bytes, but for a chance below 10^-160.
        #expect(try Set(Host.randomBytes(100_000)).count == 256)
    }

    @Test func commandsHaveNames() throws {
        let child = try ChildProcess("sleep", ["60"])
        defer {
            child.signal(SIGKILL)
            _ = child.wait()
        }
        // Between fork and exec it still has our name.
        var name = Host.commandName(of: child.pid)
        for _ in 0..<1000 where name != "sleep" {
            usleep(1000)
            name = Host.commandName(of: child.pid)
        }
        #expect(name == "sleep")
        #expect(Host.commandName(of: 0) == nil)
        #expect(Host.commandName(of: -1) == nil)
        #expect(Host.commandName(of: .max) == nil)
    }

    @Test func errorsSayWhatToDo() {
        for number in CInt(0)...200 {
            let error = LinuxError(errno: number, call: "open", attempt: "open 'a'")
            #expect(error.message.hasPrefix("cannot open 'a': "))
            #expect(error.message.contains("; "))
            #expect(number == 0 || error.status != .ok)
        }
        #expect(LayoutStatus(errno: ENOENT) == .noEntry)
        #expect(LayoutStatus(errno: EAGAIN) == .delay)
        #expect(LayoutStatus(errno: 9999) == .serverFault)
        let error = LinuxError(errno: ENOSPC, call: "fallocate", attempt: "allocate [0, 4096)")
        #expect(error.message.contains("(fallocate: ENOSPC)"))
    }

    @Test func swapFilesAreReadFromTheKernelsList() throws {
        #expect(SwapFiles.unescaped(bytes("/a\\040b\\134c\\")[...]) == bytes("/a b\\c\\"))
        let facts = try FileFacts(of: try Export(.plain).make("file"))
        #expect(try !SwapFiles.contain(facts))
    }

    @Test func descriptorsCloseWithTheirLastOwner() throws {
        let export = try Export(.plain)
        let path = export.directory.file("file")
        do {
            let file = try export.make("file")
            #expect(openDescriptorCount(to: path) == 1)
            do {
                let copy = try file.duplicate()
                #expect(copy.number != file.number)
                #expect(openDescriptorCount(to: path) == 2)
            }
            #expect(openDescriptorCount(to: path) == 1)
            let number = try file.duplicate().release()
            #expect(openDescriptorCount(to: path) == 2, "released, so it is still open")
            close(number)
            let shared = try file.duplicate().shared()
            #expect(openDescriptorCount(to: path) == 2)
            withExtendedLifetime(shared) {}
            withExtendedLifetime(file) {}
        }
        #expect(openDescriptorCount(to: path) == 0)
    }
}
