import Glibc
import LayoutCore
import LinuxFiles
import TestSupport
import Testing

@Suite struct LeaseProbeTests {
    @Test(arguments: TestFileSystems.available)
    func writersAreSeen(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        try export.make("file", [UInt8](repeating: 1, count: 4096))
        let probe = try export.root.open(bytes("file"), for: .read).shared()
        #expect(try eventually { try LeaseProbe.hasNoWriter(probe) && LeaseProbe.isAlone(probe) })

        do {
            let writer = try export.root.open(bytes("file"), for: .write)
            #expect(try !LeaseProbe.hasNoWriter(probe))
            withExtendedLifetime(writer.number) {}
        }
        #expect(try eventually { try LeaseProbe.hasNoWriter(probe) })

        do {
            let reader = try export.root.open(bytes("file"), for: .read)
            #expect(try LeaseProbe.hasNoWriter(probe) && !LeaseProbe.isAlone(probe))
            withExtendedLifetime(reader.number) {}
        }
        #expect(try eventually { try LeaseProbe.isAlone(probe) })

        var address: UnsafeMutableRawPointer?
        do {
            let writer = try export.root.open(bytes("file"), for: .readWrite)
            unsafe address = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writer.number, 0)
        }
        #expect(try !LeaseProbe.hasNoWriter(probe), "closed, but mapped")
        unsafe munmap(address, 4096)
        #expect(try eventually { try LeaseProbe.hasNoWriter(probe) })
    }

    /// Opening against the leases, over and over: no signal ends this process, and no lease is left behind.
    @Test(arguments: TestFileSystems.available)
    func opensAgainstTheProbeHarmNobody(_ fileSystem: TestFileSystem) throws {
        let export = try Export(fileSystem)
        try export.make("file")
        let probe = try export.root.open(bytes("file"), for: .read).shared()
        let thread = try KernelThread(name: "opener") {
            for _ in 0..<2000 {
                _ = try? export.root.open(bytes("file"), for: .readWrite)
            }
        }
        // On a busy host the thread may be stopped, with the file open, for as long as this takes.
        for _ in 0..<2000 { _ = try LeaseProbe.isAlone(probe) }
        thread.join()
        #expect(try eventually { try LeaseProbe.isAlone(probe) })
    }
}
