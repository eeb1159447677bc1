import Glibc
import LayoutCore
import LinuxFiles
import TestSupport
import Testing

@Suite struct HolderLockTests {
    @Test(arguments: TestFileSystems.available, [FileAccess.read, .readWrite])
    func aLockLivesAsLongAsItsDescription(_ fileSystem: TestFileSystem, _ access: FileAccess) throws {
        let export = try Export(fileSystem)
        let probe = try export.make("file", [1])
        func isHeld(_ holder: UInt64) throws -> Bool { try HolderLock.isHeld(by: holder, on: probe) }
        let copy: OwnedDescriptor
        do {
            let holder = try export.root.open(bytes("file"), for: access)
            try HolderLock.set(holder, holder: 7)
            #expect(try isHeld(7))
            #expect(try !isHeld(6) && !isHeld(8) && !isHeld(0))
            copy = try holder.duplicate()
        }
        #expect(try isHeld(7), "a duplicate is the same description")

        // In flight: in the socket's queue, and nowhere else.
        let (sender, receiver) = try PacketSocket.pair()
        try PacketSocket.send([0], [copy.number], over: sender)
        close(copy.release())
        close(sender)
        #expect(try isHeld(7), "in flight")
        close(receiver)
        #expect(try eventually { try !isHeld(7) }, "nobody can receive it any more")
    }

    @Test(arguments: TestFileSystems.available)
    func aLockFollowsTheDescriptorIntoAnotherProcess(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let probe = try export.make("file", [1])
        let child: ChildProcess
        do {
            let holder = try export.root.open(bytes("file"), for: .read)
            try HolderLock.set(holder, holder: HolderLock.holderMax)
            child = try ChildProcess("bash", ["-c", "echo started; exec sleep 60"], passing: holder.number)
        }
        #expect(child.readLine() == "started\n")
        #expect(try HolderLock.isHeld(by: HolderLock.holderMax, on: probe))
        #expect(try HolderLock.list(on: probe, limit: 10).holders == [HolderLock.holderMax])
        child.signal(SIGSTOP)
        #expect(try HolderLock.isHeld(by: HolderLock.holderMax, on: probe), "a stopped process can still be woken")
        child.signal(SIGKILL)
        _ = child.wait()
        #expect(try eventually { try !HolderLock.isHeld(by: HolderLock.holderMax, on: probe) })
    }

    @Test(arguments: TestFileSystems.available)
    func aMappingHoldsTheLock(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let probe = try export.make("file", [UInt8](repeating: 1, count: 4096))
        var address: UnsafeMutableRawPointer?
        do {
            let holder = try export.root.open(bytes("file"), for: .read)
            try HolderLock.set(holder, holder: 3)
            unsafe address = mmap(nil, 4096, PROT_READ, MAP_SHARED, holder.number, 0)
        }
        unsafe mprotect(address, 4096, PROT_NONE)
        #expect(try HolderLock.isHeld(by: 3, on: probe), "closed, but mapped")
        unsafe munmap(address, 4096)
        #expect(try eventually { try !HolderLock.isHeld(by: 3, on: probe) })
    }

    @Test(arguments: TestFileSystems.available)
    func allHoldersAreListed(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        let probe = try export.make("file", [1])
        let none = try HolderLock.list(on: probe, limit: 10)
        #expect(none.holders.isEmpty && none.foreign.isEmpty && none.isComplete)
        // Not in the order of their numbers, with neighbours, and at both ends.
        let numbers: [UInt64] = [500, 3, 4, 5, 0, 1 << 40, HolderLock.holderMax, 2, 499, 100]
        var holders: [SharedDescriptor] = []
        for number in numbers {
            let holder = try export.root.open(bytes("file"), for: .read).shared()
            try HolderLock.set(holder, holder: number)
            holders.append(holder)
        }
        let listing = try HolderLock.list(on: probe, limit: 100)
        #expect(listing.holders == numbers.sorted())
        #expect(listing.foreign.isEmpty && listing.isComplete)
        let few = try HolderLock.list(on: probe, limit: 4)
        #expect(few.holders.count == 4 && !few.isComplete)
        try HolderLock.clear(holders[0], holder: 500)
        #expect(try HolderLock.list(on: probe, limit: 100).holders == numbers.sorted().filter { $0 != 500 })
        withExtendedLifetime(holders) {}
    }

    @Test func locksOfOthersAreForeign() throws {
        let export = try Export(.plain)
        let probe = try export.make("file", [1])
        let stranger = try export.root.open(bytes("file"), for: .readWrite)
        let holder = try export.root.open(bytes("file"), for: .read)
        try HolderLock.set(holder, holder: 1000)
        // From below the holders' bytes into them: a POSIX lock would be by process, so neighbours of one description.
        for number in UInt64(10)..<14 { try HolderLock.set(stranger, holder: number) }
        let listing = try HolderLock.list(on: probe, limit: 100)
        #expect(listing.holders == [1000])
        #expect(try listing.foreign == [range(HolderLock.base + 10, HolderLock.base + 14)])
        withExtendedLifetime(holder.number) {}
    }

    @Test func numbersBeyondTheBytesAreRefused() throws {
        let file = try Export(.plain).make("file")
        for number in [HolderLock.holderMax + 1, 1 << 63, .max] {
            #expect(failure { () throws(LinuxError) in try HolderLock.set(file, holder: number) }?.status == .invalid)
            #expect(
                failure { () throws(LinuxError) in
                    _ = try HolderLock.isHeld(by: number, on: file)
                }?.status == .invalid
            )
        }
    }
}
