import Glibc
import LayoutCore
import MappedWindows
import Testing

extension WindowTests {
    /// What must end the process, and how.
    ///
    /// Each runs in a process of its own.
    @Suite struct CrashTests {
        @Test("A bad pointer still ends the process with SIGSEGV")
        func badPointerCrashes() async {
            await #expect(processExitsWith: .signal(SIGSEGV)) {
                try Crash.start()
                Crash.touchBadPointer()
            }
        }

        @Test("A fault that is not a window's goes to the handler installed before [F3]")
        func previousHandlerIsCalled() async {
            await #expect(processExitsWith: .exitCode(17)) {
                Crash.handle(SIGSEGV, exitWhenAt: Crash.badAddress)
                _ = try WindowRuntime.shared
                Crash.touchBadPointer()
            }
        }

        @Test("A SIGSEGV sent by kill(2) ends the process as it would without the runtime")
        func sentSignalCrashes() async {
            await #expect(processExitsWith: .signal(SIGSEGV)) {
                try Crash.start()
                kill(getpid(), SIGSEGV)
                usleep(10_000_000)
            }
        }

        @Test("A store into a window granted for reading is an error like any other")
        func storeIntoReadWindowCrashes() async {
            await #expect(processExitsWith: .signal(SIGSEGV)) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                try Window.granted(file, .read).shared.store(1, at: 0)
            }
        }

        @Test("A touch of a failed window raises SIGBUS")
        func failedWindowRaisesBusError() async {
            await #expect(processExitsWith: .signal(SIGBUS)) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                precondition(window.fail())
                window.shared.store(1, at: 0)
            }
        }

        @Test("A thread that waits for a window gets SIGBUS when the window fails")
        func parkedThreadGetsBusError() async {
            await #expect(processExitsWith: .exitCode(17)) {
                Crash.handle(SIGBUS, exitWhenAt: nil)
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                let address = window.shared
                window.revoke()
                let thread = TestThread { address.store(1, at: page) }
                precondition(eventually { window.waiters == 1 })
                precondition(window.fail())
                thread.join()
            }
        }

        @Test("A thread that waits for a window gets SIGSEGV when the window is released")
        func parkedThreadFailsAtRelease() async {
            await #expect(processExitsWith: .exitCode(17)) {
                Crash.handle(SIGSEGV, exitWhenAt: nil)
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                let address = window.shared
                window.revoke()
                let thread = TestThread { address.store(1, at: page) }
                precondition(eventually { window.waiters == 1 })
                window.release()
                thread.join()
            }
        }

        @Test("Bytes beyond the end of the file raise SIGBUS: cut off under a grant, and in a gap")
        func bytesBeyondTheEndRaiseBusError() async {
            await #expect(processExitsWith: .signal(SIGBUS)) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                window.shared.store(1, at: page)
                precondition(ftruncate(file.descriptor, page) == 0)
                window.shared.store(1, at: 0)
                window.shared.store(1, at: page)
            }
            await #expect(processExitsWith: .signal(SIGBUS)) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let window = try Window(size: 4 * page)
                let segment = WindowSegment(windowOffset: 0, length: page, descriptor: file.descriptor, fileOffset: 0)
                let generation = try window.map([segment], gaps: .failed)
                try Crash.require(window.grant(.readWrite, generation: generation))
                window.shared.store(1, at: 0)
                window.shared.store(1, at: page)
            }
        }

        @Test("A thread that holds a pin and touches a revoked window ends the process, and says why")
        func pinAndRevokedTouchFailsLoudly() async {
            let result = await #expect(
                processExitsWith: .signal(SIGSEGV),
                observing: [\.standardErrorContent]
            ) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let pinned = try Window.granted(file)
                let revoked = try Window.granted(file)
                revoked.revoke()
                try unsafe pinned.withPin(.readWrite) { _ in revoked.shared.store(1, at: 3) }
            }
            let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(message.contains("at byte 3 of a window that is not granted for that, while it holds a pin"))
        }

        @Test("A thread that serves windows and touches a revoked one ends the process, and says why")
        func servingThreadFailsLoudly() async {
            let result = await #expect(
                processExitsWith: .signal(SIGSEGV),
                observing: [\.standardErrorContent]
            ) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                window.revoke()
                try WindowRuntime.shared.markCurrentThreadAsServing()
                window.shared.touch(0)
            }
            let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(message.contains("it is the thread that serves the windows"))
        }

        @Test("A thread that blocks SIGSEGV is killed by the touch: documented, not mendable")
        func blockedSignalCrashes() async {
            await #expect(processExitsWith: .signal(SIGSEGV)) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                window.revoke()
                var set = sigset_t()
                unsafe sigemptyset(&set)
                unsafe sigaddset(&set, SIGSEGV)
                unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
                window.shared.touch(0)
            }
        }

        @Test("A forked child reaches no window, granted or not [F3]")
        func forkedChildReachesNothing() async {
            await #expect(processExitsWith: .success) {
                try Crash.start()
                let file = ScratchFile(size: 4 * page)
                let window = try Window.granted(file)
                let address = window.shared
                address.store(1, at: 0)
                for isRevoked in [false, true] {
                    if isRevoked { window.revoke() }
                    let child = LibC.fork()
                    if child == 0 {
                        address.store(2, at: 0)
                        _exit(0)
                    }
                    var status: Int32 = 0
                    precondition(unsafe waitpid(child, &status, 0) == child)
                    precondition(status & 0x7F == SIGSEGV, "the child ended with status \(status)")
                    precondition(file.read(1, at: 0) == [1])
                }
                exit(EXIT_SUCCESS)
            }
        }

        @Test("A process without a mapping to spare can still revoke and grant again")
        func revocationNeedsNoMappings() async {
            await #expect(processExitsWith: .success) {
                try Crash.start()
                let file = ScratchFile(size: 64 * page)
                let window = try Window(size: 16 * page)
                // Every other page of the file: sixteen mappings that the kernel cannot merge.
                let segments = (0..<16).map { index in
                    WindowSegment(
                        windowOffset: index * page,
                        length: page,
                        descriptor: file.descriptor,
                        fileOffset: Int64(2 * index * page)
                    )
                }
                let first = try window.map(segments)
                try Crash.require(window.grant(.readWrite, generation: first))
                let address = window.shared
                for index in 0..<16 { address.store(UInt8(index), at: index * page) }
                let isRevoked = Flag()
                // Made before: a thread needs a mapping for its stack.
                let thread = TestThread {
                    precondition(eventually { isRevoked.isSet })
                    for index in 0..<16 { address.store(100, at: index * page) }
                }
                let hog = MappingHog()
                let generation = window.revoke()
                isRevoked.set()
                precondition(eventually { window.waiters == 1 })
                precondition(file.read(1, at: 2 * page) == [1])
                try Crash.require(window.regrant(.readWrite, generation: generation))
                thread.join()
                precondition(file.read(1, at: 30 * page) == [100])
                window.revoke()
                hog.release()
                precondition(window.detach())
                exit(EXIT_SUCCESS)
            }
        }
    }
}

/// What the processes of these tests begin with.
private enum Crash {
    static let badAddress: UInt = 0x1234

    /// Starts the runtime over the default actions, without the backtrace that Swift's own handler would print.
    static func start() throws {
        signal(SIGSEGV, SIG_DFL)
        signal(SIGBUS, SIG_DFL)
        _ = try WindowRuntime.shared
    }

    /// Installs a handler that ends the process with 17, if the fault is where it should be.
    static func handle(_ number: Int32, exitWhenAt address: UInt?) {
        precondition(address == nil || address == Crash.badAddress)
        var action = sigaction()
        action.sa_flags = SA_SIGINFO
        if address == nil {
            unsafe action.__sigaction_handler.sa_sigaction = { _, _, _ in _exit(17) }
        } else {
            unsafe action.__sigaction_handler.sa_sigaction = { _, info, _ in
                guard let info = unsafe info else { _exit(1) }
                _exit(unsafe UInt(bitPattern: info.pointee._sifields._sigfault.si_addr) == Crash.badAddress ? 17 : 1)
            }
        }
        unsafe sigaction(number, &action, nil)
    }

    static func require(_ isGranted: Bool) { precondition(isGranted, "the grant was overtaken") }

    static func touchBadPointer() {
        guard let pointer = unsafe UnsafeMutablePointer<UInt8>(bitPattern: self.badAddress) else { return }
        unsafe pointer.pointee = 1
    }
}

/// Takes every mapping that the process may still have (`vm.max_map_count`).
private struct MappingHog {
    private let start: SharedAddress
    private let size = 1 << 32

    init() {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let memory = unsafe mmap(nil, self.size, PROT_NONE, flags, -1, 0) else {
            preconditionFailure("mmap: errno \(errno)")
        }
        self.start = unsafe SharedAddress(memory)
        var offset = page
        while unsafe mprotect(memory + offset, page, PROT_READ) == 0 {
            offset += 2 * page
            precondition(offset < self.size, "vm.max_map_count is larger than this test can exhaust")
        }
        precondition(errno == ENOMEM)
    }

    func release() { unsafe munmap(self.start.pointer, self.size) }
}
