/// The system calls that open a file or reach its data, as far as the guard can tell them apart.
package enum KnownCall: String, Hashable, Sendable, CaseIterable {
    // Calls that only read, or map.
    case read, pread64, readv, preadv, preadv2, mmap, execve, execveat
    // Calls that write at a position.
    case write, pwrite64, writev, pwritev, pwritev2
    // Calls between two files.
    case sendfile
    case splice
    case copyFileRange = "copy_file_range"
    case ioctl
    // Calls that open.
    case open, creat, openat, openat2
    case openByHandle = "open_by_handle_at"
    // Calls that change the mapping.
    case truncate, ftruncate, fallocate, madvise
    // A ring's calls have no arguments of their own.
    case ioUringEnter = "io_uring_enter"
}

/// Which number means which call; a kernel has one table per architecture.
package enum CallTable: Hashable, Sendable, CaseIterable {
    case x86_64
    case arm64

    /// The table of the processor that this was built for; `nil` where the guard knows none.
    package static var native: CallTable? {
        #if arch(x86_64)
        .x86_64
        #elseif arch(arm64)
        .arm64
        #else
        nil
        #endif
    }

    /// The call with this number; `nil` for one that the guard does not know.
    ///
    /// Numbers of 32-bit programs come from other tables and cannot be told from these. No harm comes of it: a number that
    /// here stands for a call that opens never stands there for one that reaches data, and the other way round, where
    /// both raise an event at all; and ``CallClassifier`` checks that call and event go together.
    package func call(_ number: Int64) -> KnownCall? {
        switch self {
        case .x86_64: Self.callOnX86(number)
        case .arm64: Self.callOnARM(number)
        }
    }

    /// `arch/x86/entry/syscalls/syscall_64.tbl`; numbers from 2^30 on are of the x32 ABI, and not known.
    private static func callOnX86(_ number: Int64) -> KnownCall? {
        switch number {
        case 0: .read
        case 1: .write
        case 2: .open
        case 9: .mmap
        case 16: .ioctl
        case 17: .pread64
        case 18: .pwrite64
        case 19: .readv
        case 20: .writev
        case 28: .madvise
        case 40: .sendfile
        case 59: .execve
        case 76: .truncate
        case 77: .ftruncate
        case 85: .creat
        case 257: .openat
        case 275: .splice
        case 285: .fallocate
        case 295: .preadv
        case 296: .pwritev
        case 304: .openByHandle
        case 322: .execveat
        case 326: .copyFileRange
        case 327: .preadv2
        case 328: .pwritev2
        case 426: .ioUringEnter
        case 437: .openat2
        default: nil
        }
    }

    /// `include/uapi/asm-generic/unistd.h`.
    private static func callOnARM(_ number: Int64) -> KnownCall? {
        switch number {
        case 29: .ioctl
        case 45: .truncate
        case 46: .ftruncate
        case 47: .fallocate
        case 56: .openat
        case 63: .read
        case 64: .write
        case 65: .readv
        case 66: .writev
        case 67: .pread64
        case 68: .pwrite64
        case 69: .preadv
        case 70: .pwritev
        case 71: .sendfile
        case 76: .splice
        case 221: .execve
        case 222: .mmap
        case 233: .madvise
        case 265: .openByHandle
        case 281: .execveat
        case 285: .copyFileRange
        case 286: .preadv2
        case 287: .pwritev2
        case 426: .ioUringEnter
        case 437: .openat2
        default: nil
        }
    }
}

/// A system call that the kernel holds up, as `/proc/THREAD/syscall` shows it.
package struct BlockedCall: Hashable, Sendable {
    /// Its number; -1 where the thread is in none, as far as the kernel shows.
    package var number: Int64
    /// What the six registers held at entry; the program cannot change them while the call runs.
    package var arguments: InlineArguments
    /// The program's stack pointer.
    package var stack: UInt64
    /// The instruction behind the call.
    package var instruction: UInt64

    /// Makes a call from its number and the first of its arguments; the others are 0.
    package init(number: Int64, _ arguments: UInt64..., stack: UInt64 = 0, instruction: UInt64 = 0) {
        self.init(number: number, arguments: InlineArguments(arguments), stack: stack, instruction: instruction)
    }

    /// Makes a call.
    package init(number: Int64, arguments: InlineArguments, stack: UInt64, instruction: UInt64) {
        self.number = number
        self.arguments = arguments
        self.stack = stack
        self.instruction = instruction
    }
}

/// Six registers, without an allocation.
package struct InlineArguments: Hashable, Sendable {
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0
    private var fourth: UInt64 = 0
    private var fifth: UInt64 = 0
    private var sixth: UInt64 = 0

    /// Takes up to six values; the others are 0.
    package init(_ values: some Sequence<UInt64>) {
        for (index, value) in values.prefix(6).enumerated() { self[index] = value }
    }

    /// An argument, 0 to 5.
    package subscript(_ index: Int) -> UInt64 {
        get {
            switch index {
            case 0: self.first
            case 1: self.second
            case 2: self.third
            case 3: self.fourth
            case 4: self.fifth
            case 5: self.sixth
            default: preconditionFailure("a system call has no argument \(index)")
            }
        }
        set {
            switch index {
            case 0: self.first = newValue
            case 1: self.second = newValue
            case 2: self.third = newValue
            case 3: self.fourth = newValue
            case 4: self.fifth = newValue
            case 5: self.sixth = newValue
            default: preconditionFailure("a system call has no argument \(index)")
            }
        }
    }
}
