import Glibc
import LayoutCore
import MappedWindows
import Synchronization
import Testing

extension WindowTests {
    /// What a touch of a window does, in each of the window's states.
    @Suite struct FaultTests {
        @Test("A touch of a revoked window waits for the grant, and sees the bytes as they are then")
        func touchWaits() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let address = window.shared
            address.store(1, at: 0)
            window.revoke()
            #expect(window.access == nil)
            let seen = Atomic<Int>(-1)
            let before = try WindowRuntime.shared.statistics
            let thread = TestThread { seen.store(Int(address.byte(0)), ordering: .releasing) }
            #expect(eventually { window.waiters == 1 })
            file.write([7], at: 0)
            #expect(seen.load(ordering: .acquiring) == -1)
            try window.mapAndGrant(file)
            thread.join()
            #expect(seen.load(ordering: .acquiring) == 7)
            #expect(window.waiters == 0)
            let after = try WindowRuntime.shared.statistics
            #expect(after.faultsParked - before.faultsParked >= 1)
            #expect(after.timeParked > before.timeParked)
            #expect(after.grants - before.grants == 1)
        }

        @Test("A window is wanted for as long as a thread waits, whoever asks and whenever")
        func wantsAreLevelTriggered() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let address = window.shared
            let runtime = try WindowRuntime.shared
            window.revoke()
            let load = TestThread { address.touch(0) }
            #expect(eventually { window.waiters == 1 })
            for _ in 0..<3 {
                // Each cursor is new: it has missed the moment at which the thread came.
                var cursor = NoticeCursor()
                let wants = runtime.waitForWants(&cursor).wants
                #expect(wants == [WindowWant(window: window.id, ioMode: .read)])
                // And seen is seen: nothing new comes.
                #expect(runtime.waitForWants(&cursor, timeout: .milliseconds(1)).wants == wants)
            }
            let store = TestThread { address.store(1, at: page) }
            #expect(eventually { window.waiters == 2 })
            var cursor = NoticeCursor()
            #expect(runtime.waitForWants(&cursor).wants == [WindowWant(window: window.id, ioMode: .readWrite)])
            try window.mapAndGrant(file)
            load.join()
            store.join()
            cursor = NoticeCursor()
            #expect(runtime.waitForWants(&cursor).isEmpty)
        }

        @Test("A serving thread keeps tasks of the cooperative pool going through recalls by another thread")
        func servingThread() async throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let server = try WindowServer(window) { want in
                guard want != nil, window.access == nil else { return }
                // Refused if a recall overtakes it: then the want is announced again.
                _ = try window.regrant(.readWrite, generation: window.generation)
            }
            let isStopping = Flag()
            let recaller = TestThread {
                for _ in 0..<500 {
                    usleep(300)
                    window.revoke()
                    if Bool.random() { window.revoke() }
                }
                isStopping.set()
            }
            let address = window.shared
            let counts = await withTaskGroup(of: (Int, UInt64).self) { group in
                for task in 0..<8 {
                    group.addTask {
                        var count: UInt64 = 0
                        while !isStopping.isSet {
                            for _ in 0..<100 { unsafe Instructions.increment(address.pointer + task * 64) }
                            count += 100
                            await Task.yield()
                        }
                        return (task, count)
                    }
                }
                return await group.reduce(into: [Int: UInt64]()) { counts, result in counts[result.0] = result.1 }
            }
            recaller.join()
            server.stop()
            window.revoke()
            #expect(counts.count == 8)
            for (task, count) in counts { #expect(file.word(at: task * 64) == count) }
        }

        @Test("wake() and the event descriptor end a wait")
        func wakeEndsAWait() throws {
            let runtime = try WindowRuntime.shared
            let event = LibC.eventfd()
            defer { close(event) }
            runtime.setEventDescriptor(event)
            defer { runtime.setEventDescriptor(nil) }
            var cursor = NoticeCursor()
            #expect(runtime.waitForWants(&cursor).isEmpty)
            runtime.wake()
            #expect(runtime.waitForWants(&cursor).isEmpty)  // returns, though no timeout was given
            var count: UInt64 = 0
            #expect(unsafe read(event, &count, 8) == 8)
            #expect(count == 1)
        }

        @Test("A store into a window granted for reading waits for the upgrade, if the window is writable on demand")
        func storeWaitsForUpgrade() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file, .read, isWritableOnDemand: true)
            let address = window.shared
            #expect(address.byte(0) == 0)
            let generation = window.generation
            let thread = TestThread { address.store(9, at: 5) }
            #expect(eventually { window.waiters == 1 })
            var cursor = NoticeCursor()
            let wants = try WindowRuntime.shared.waitForWants(&cursor).wants
            #expect(wants == [WindowWant(window: window.id, ioMode: .readWrite)])
            #expect(try window.changeAccess(to: .readWrite, generation: generation))
            thread.join()
            #expect(file.read(1, at: 5) == [9])
            #expect(window.generation == generation)

            // And back: the next store waits again.
            #expect(try window.changeAccess(to: .read, generation: generation))
            #expect(window.access == .read)
            #expect(window.generation != generation)
            let again = TestThread { address.store(8, at: 5) }
            #expect(eventually { window.waiters == 1 })
            #expect(file.read(1, at: 5) == [9])
            window.revoke()
            try window.mapAndGrant(file)
            again.join()
            #expect(file.read(1, at: 5) == [8])
        }

        @Test("A store that crosses into a page that is out of reach happens as a whole, later")
        func crossingStoreIsAllOrNothing() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let address = window.shared
            window.revoke()
            // As in the middle of a revocation: the first page is still there, the second is gone.
            #expect(unsafe mprotect(address.pointer, page, PROT_READ | PROT_WRITE) == 0)
            let thread = TestThread {
                unsafe Instructions.store(0x1122_3344_5566_7788, address.pointer + (page - 4))
            }
            #expect(eventually { window.waiters == 1 })
            #expect(file.read(8, at: page - 4) == [UInt8](repeating: 0, count: 8))
            try window.mapAndGrant(file)
            thread.join()
            #expect(file.read(8, at: page - 4) == [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11])
        }

        @Test("The handler runs on an alternate stack of the documented size")
        func smallAlternateStack() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let address = window.shared
            window.revoke()
            let used = Atomic<Int>(0)
            let thread = TestThread {
                let size = Int(sysconf(Int32(_SC_MINSIGSTKSZ))) + 2048
                let guardSize = 4 * page
                let memory = UnsafeMutableRawPointer.allocate(byteCount: guardSize + size, alignment: 64)
                defer { unsafe memory.deallocate() }
                unsafe memset(memory, 0xA5, guardSize + size)
                var stack = unsafe stack_t(ss_sp: memory + guardSize, ss_flags: 0, ss_size: size)
                precondition(unsafe sigaltstack(&stack, nil) == 0, "sigaltstack: errno \(errno)")
                address.touch(0)
                var untouched = 0
                while unsafe memory.load(fromByteOffset: untouched, as: UInt8.self) == 0xA5 { untouched += 1 }
                used.store(guardSize + size - untouched, ordering: .relaxed)
                unsafe stack.ss_flags = Int32(SS_DISABLE)
                unsafe sigaltstack(&stack, nil)
            }
            #expect(eventually { window.waiters == 1 })
            try window.mapAndGrant(file)
            thread.join()
            let used2 = used.load(ordering: .relaxed)
            let frame = Int(sysconf(Int32(_SC_MINSIGSTKSZ)))
            print("alternate stack: \(used2) bytes used; _SC_MINSIGSTKSZ is \(frame)")
            #expect(used2 > 0)  // it did run there
            #expect(used2 <= frame + 2048)
        }

        @Test("A signal handler that runs on a parked thread may touch the window, too [F3]")
        func nestedHandlerMayTouch() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let address = window.shared
            NestedTouch.address.store(address.bits + UInt(page), ordering: .relaxed)
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { _ in NestedTouch.touch() }
            var old = sigaction()
            unsafe sigaction(SIGUSR1, &action, &old)
            defer { unsafe sigaction(SIGUSR1, &old, nil) }
            window.revoke()
            let thread = TestThread {
                // The workers of the concurrency runtime block it, and their threads inherit that.
                var set = sigset_t()
                unsafe sigemptyset(&set)
                unsafe sigaddset(&set, SIGUSR1)
                unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
                address.store(1, at: 0)
            }
            #expect(eventually { window.waiters == 1 })
            thread.send(SIGUSR1)
            #expect(eventually { window.waiters == 2 })  // the same thread, twice
            try window.mapAndGrant(file)
            thread.join()
            #expect(file.read(1, at: 0) == [1])
            #expect(file.read(1, at: page) == [2])
        }

        @Test("System calls on a revoked window fail with EFAULT; streams keep their data, datagrams are lost [F3]")
        func systemCallsFail() throws {
            let file = ScratchFile(size: 4 * page)
            let window = try Window.granted(file)
            let address = window.shared
            var pipe: [Int32] = [0, 0]
            var packets: [Int32] = [0, 0]
            #expect(unsafe Glibc.pipe(&pipe) == 0)
            #expect(unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &packets) == 0)
            defer { for descriptor in pipe + packets { close(descriptor) } }
            #expect(unsafe write(pipe[1], "hello", 5) == 5)
            #expect(unsafe write(packets[1], "packet", 6) == 6)
            window.revoke()
            #expect(unsafe read(pipe[0], address.pointer, 5) == -1)
            #expect(errno == EFAULT)
            #expect(unsafe write(pipe[1], address.pointer, 5) == -1)
            #expect(errno == EFAULT)
            #expect(unsafe read(packets[0], address.pointer, 6) == -1)
            #expect(errno == EFAULT)
            #expect(window.waiters == 0)
            try window.mapAndGrant(file)
            #expect(unsafe read(pipe[0], address.pointer, 5) == 5)
            #expect(file.read(5, at: 0) == Array("hello".utf8))
            #expect(unsafe recv(packets[0], address.pointer, 6, Int32(MSG_DONTWAIT)) == -1)
            #expect(errno == EAGAIN)
        }
    }
}

/// What the signal handler of a test touches; a handler cannot capture anything.
private enum NestedTouch {
    static let address = Atomic<UInt>(0)

    static func touch() {
        guard let pointer = unsafe UnsafeMutablePointer<UInt8>(bitPattern: self.address.load(ordering: .relaxed)) else {
            return
        }
        unsafe pointer.pointee = 2
    }
}
