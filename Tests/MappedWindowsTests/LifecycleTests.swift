import CMappedWindows
import Glibc
import LayoutCore
import MappedWindows
import Testing

extension WindowTests {
    /// Mapping, granting, revoking and releasing: what is allowed when, and what is left behind.
    @Suite struct LifecycleTests {
        @Test("A grant that a recall has overtaken is refused, also when the recall came during the mapping")
        func overtakenGrantIsRefused() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window(size: 4 * page)
            let segment = WindowSegment(
                windowOffset: 0,
                length: 4 * page,
                descriptor: file.descriptor,
                fileOffset: 0
            )
            let generation = try window.map([segment])
            let next = window.revoke()
            #expect(try window.grant(.read, generation: generation) == false)
            #expect(window.access == nil)
            // The new generation does not make the old mapping new.
            let error = #expect(throws: WindowError.self) { try window.grant(.read, generation: next) }
            #expect(error?.code == .wrongState)
            #expect(try window.regrant(.read, generation: next))
        }

        @Test("Segments are followed exactly, and gaps show what was asked for")
        func segmentsAndZeroGaps() throws {
            let file = ScratchFile(size: 8 * page)
            for index in 0..<8 { file.write([UInt8(index + 1)], at: index * page) }
            let window = try Window(size: 6 * page)
            let segments = [
                WindowSegment(
                    windowOffset: page,
                    length: page,
                    descriptor: file.descriptor,
                    fileOffset: Int64(5 * page)
                ),
                WindowSegment(
                    windowOffset: 2 * page,
                    length: page,
                    descriptor: file.descriptor,
                    fileOffset: Int64(6 * page)
                ),
                WindowSegment(windowOffset: 4 * page, length: page, descriptor: file.descriptor, fileOffset: 0),
            ]
            let generation = try window.map(segments, gaps: .zero)
            #expect(try window.grant(.readWrite, generation: generation))
            #expect((0..<6).map { window.shared.byte($0 * page) } == [0, 6, 7, 0, 1, 0])
            window.shared.store(77, at: 4 * page)
            #expect(file.read(1, at: 0) == [77])
        }

        @Test(
            "Segments that make no sense are refused before anything is mapped",
            arguments: [
                [(0, 100, 0)], [(1, 4096, 0)], [(0, 4096, 5)], [(0, 8192, 0), (4096, 4096, 0)],
                [(4096, 4096, 0), (0, 4096, 0)],
                [(12288, 8192, 0)], [(0, 0, 0)], [(0, -4096, 0)], [(0, 4096, -4096)], [(0, 4096, Int64.max & ~4095)],
            ] as [[(Int, Int, Int64)]]
        )
        func badSegments(_ shapes: [(Int, Int, Int64)]) throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let generation = window.revoke()
            let segments = shapes.map { offset, length, fileOffset in
                WindowSegment(
                    windowOffset: offset,
                    length: length,
                    descriptor: file.descriptor,
                    fileOffset: fileOffset
                )
            }
            let error = #expect(throws: WindowError.self) { try window.map(segments) }
            #expect(error?.code == .invalidSegments)
            #expect(try window.regrant(.readWrite, generation: generation))  // nothing was lost
        }

        @Test("A descriptor for reading cannot be granted for writing; the window stays revoked")
        func readOnlyDescriptor() throws {
            let path = "/tmp/windows-read-only.\(getpid())"
            let writer = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            let reader = unsafe open(path, O_RDONLY | O_CLOEXEC)
            defer {
                close(writer)
                close(reader)
            }
            unsafe unlink(path)
            #expect(ftruncate(writer, page) == 0)
            let window = try Window(size: page)
            let segment = WindowSegment(windowOffset: 0, length: page, descriptor: reader, fileOffset: 0)
            let generation = try window.map([segment])
            let error = #expect(throws: WindowError.self) {
                try window.grant(.readWrite, generation: generation)
            }
            #expect(error?.code == .grantFailed)
            #expect(error?.errno == EACCES)
            #expect(window.access == nil)
            #expect(try window.grant(.read, generation: generation))
            let upgrade = #expect(throws: WindowError.self) {
                try window.changeAccess(to: .readWrite, generation: generation)
            }
            #expect(upgrade?.code == .grantFailed)
            #expect(window.access == .read)
            #expect(window.shared.byte(0) == 0)
        }

        @Test("Mapping errors say what to do, and leave nothing of the file behind")
        func mappingErrors() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window(size: 4 * page)
            let bad = WindowSegment(windowOffset: page, length: page, descriptor: -1, fileOffset: 0)
            let good = WindowSegment(windowOffset: 0, length: page, descriptor: file.descriptor, fileOffset: 0)
            let error = #expect(throws: WindowError.self) { try window.map([good, bad]) }
            #expect(error?.code == .mapFailed)
            #expect(error?.errno == EBADF)
            #expect(error?.description.contains("Bad file descriptor") == true)
            let sync = #expect(throws: WindowError.self) { try window.map([good], synchronous: true) }
            #expect(sync?.errno == EOPNOTSUPP)
            #expect(sync?.message.contains("dax") == true)
            let generation = window.generation
            let grant = #expect(throws: WindowError.self) { try window.grant(.read, generation: generation) }
            #expect(grant?.code == .wrongState)
        }

        @Test("Each operation is refused in the wrong state")
        func wrongStates() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let generation = window.generation
            #expect(throws: WindowError.self) { try window.map([]) }
            #expect(throws: WindowError.self) { try window.grant(.read, generation: generation) }
            #expect(throws: WindowError.self) { try window.regrant(.read, generation: generation) }
            #expect(!window.detach())
            let revoked = window.revoke()
            #expect(throws: WindowError.self) { try window.changeAccess(to: .read, generation: revoked) }
            window.release()
            window.release()
            window.revoke()
            let error = #expect(throws: WindowError.self) { try window.map([]) }
            #expect(error?.code == .failed)
            #expect(throws: WindowError.self) { try Window(size: 0) }
            #expect(throws: WindowError.self) { try Window(size: .max) }
        }

        @Test("A failed window can be mapped again")
        func failedWindowComesBack() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            #expect(window.fail())
            #expect(window.fail())
            #expect(window.access == nil)
            try window.mapAndGrant(file)
            window.shared.store(3, at: 0)
            #expect(file.read(1, at: 0) == [3])
        }

        @Test("A revoked window can be read by /proc/self/mem, a detached one holds nothing of the file")
        func detachLetsGo() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            window.shared.store(42, at: 0)
            let generation = window.revoke()
            let memory = unsafe open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
            defer { close(memory) }
            var byte: UInt8 = 0
            #expect(unsafe pread(memory, &byte, 1, Int(window.shared.bits)) == 1)
            #expect(byte == 42)
            #expect(window.detach())
            byte = 0
            _ = unsafe pread(memory, &byte, 1, Int(window.shared.bits))
            #expect(byte == 0)
            #expect(throws: WindowError.self) { try window.regrant(.read, generation: generation) }
        }

        @Test("Window addresses are found exactly: not before, not behind, not after the release")
        func lookup() throws {
            let window = try Window(size: 3 * page)
            let base = window.shared.bits
            #expect(mw_window_at(base) == window.slot)
            #expect(mw_window_at(base + UInt(3 * page) - 1) == window.slot)
            #expect(mw_window_at(base - 1) == MW_NO_WINDOW)
            #expect(mw_window_at(base + UInt(3 * page)) == MW_NO_WINDOW)
            #expect(mw_window_at(.max) == MW_NO_WINDOW)
            #expect(mw_window_at(0) == MW_NO_WINDOW)
            window.release()
            #expect(mw_window_at(base) == MW_NO_WINDOW)
        }

        @Test("As many windows as promised fit into the table; one more is refused; slots come back")
        func tableIsBounded() throws {
            // Straight into the table: the kernel's limit of mappings is lower for real windows.
            let granule = 2 << 20
            let start: UInt = 1 << 46
            var slots: [UInt32] = []
            var error: Int32 = 0
            while slots.count <= Int(MW_WINDOWS_MAX) {
                let address = start + UInt(slots.count * granule)
                let slot = unsafe mw_window_add(UInt64(slots.count), address, page, address, granule, &error)
                guard slot != MW_NO_WINDOW else { break }
                slots.append(slot)
            }
            #expect(error == ENOSPC)
            // Windows of other tests may still be there.
            #expect(slots.count > Int(MW_WINDOWS_MAX) - 64)
            #expect(Set(slots).count == slots.count)
            let wrong = slots.indices.filter { mw_window_at(start + UInt($0 * granule + page - 1)) != slots[$0] }
            #expect(wrong.isEmpty)
            #expect(throws: WindowError.self) { try Window(size: page) }
            for (index, slot) in slots.enumerated() {
                mw_window_retire(slot, start + UInt(index * granule), granule)
                mw_window_free(slot)
            }
            #expect(slots.indices.allSatisfy { mw_window_at(start + UInt($0 * granule)) == MW_NO_WINDOW })
        }

        @Test("Slots are used again, with a new window's state")
        func slotsAreUsedAgain() throws {
            let file = ScratchFile(size: 4 * page)
            var seen: Set<WindowID> = []
            for index in 0..<1000 {
                let window = try Window.granted(file)
                seen.insert(window.id)
                #expect(mw_window_at(window.shared.bits) == window.slot)
                window.shared.store(UInt8(index & 0xFF), at: 0)
                if index % 2 == 0 { window.fail() } else { window.closeGate() }
            }
            #expect(seen.count == 1000)
            #expect(file.read(1, at: 0) == [UInt8(999 & 0xFF)])
        }

        @Test("A huge window costs address space only")
        func hugeWindow() throws {
            let window = try Window(size: 1 << 40)
            #expect(mw_window_at(window.shared.bits + 1 << 39) == window.slot)
            let file = ScratchFile(size: 4 * page)
            let segment = WindowSegment(
                windowOffset: 1 << 39,
                length: 4 * page,
                descriptor: file.descriptor,
                fileOffset: 0
            )
            let generation = try window.map([segment])
            #expect(try window.grant(.readWrite, generation: generation))
            window.shared.store(1, at: 1 << 39)
            window.revoke()
            #expect(file.read(1, at: 0) == [1])
        }

        @Test("The handlers are in place, and it shows when they are not")
        func handlersAreChecked() throws {
            let runtime = try WindowRuntime.shared
            #expect(runtime.handlersAreInstalled)
            var action = sigaction()
            var old = sigaction()
            unsafe sigaction(SIGBUS, &action, &old)
            #expect(!runtime.handlersAreInstalled)
            unsafe sigaction(SIGBUS, &old, nil)
            #expect(runtime.handlersAreInstalled)
        }
    }
}
