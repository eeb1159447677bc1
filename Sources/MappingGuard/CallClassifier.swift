package import LayoutCore

/// What the kernel asks about.
package enum GuardedAccess: Hashable, Sendable {
    /// The file is being opened.
    case open
    /// Data is about to be reached: bytes from `offset` on, rounded out to pages; a `length` of 0 means to the end.
    case data(offset: UInt64, length: UInt64)
}

/// A change to a file's mapping that a local program has asked the kernel for.
package struct GuardedChange: Hashable, Sendable {
    /// What is done.
    package var operation: MappingOperation
    /// The operation's own bytes, not rounded; for truncate, the new size is the lower bound.
    package var argument: ByteRange
    /// Whether operation and argument are exactly those of the call.
    ///
    /// If not, they are the narrowest that surely cover it.
    package var isCertain: Bool

    /// Makes a change.
    package init(_ operation: MappingOperation, _ argument: ByteRange, isCertain: Bool = true) {
        self.operation = operation
        self.argument = argument
        self.isCertain = isCertain
    }

    /// A call of which nothing is known but that it reaches this file.
    package static var unknown: GuardedChange { GuardedChange(.unknown, .all, isCertain: false) }

    /// The bytes that the change may touch in a file of `size` bytes; the guard's measure, not rounded to blocks.
    package func touched(size: UInt64) -> ByteRange {
        switch self.operation {
        case .insertRange, .collapseRange: ByteRange(from: self.argument.lowerBound)
        case .truncate: ByteRange(from: min(self.argument.lowerBound, size))
        default: self.argument
        }
    }
}

/// What can be found out about a blocked call beyond its registers.
///
/// None of it may wait, save ``openFlags(at:)``, which is only asked for `openat2`.
package protocol CallInspector {
    /// What is known of the caller's descriptor `number`; `nil` if it cannot be told.
    func description(_ number: UInt64) -> CallDescription?
    /// The first eight bytes of the `struct open_how` at an address of the caller; `nil` if they cannot be read.
    func openFlags(at address: UInt64) -> UInt64?
    /// Whether nobody on the host can write to the file.
    func hasNoWriter() -> Bool
}

/// A descriptor of a blocked program.
package struct CallDescription: Hashable, Sendable {
    /// Whether it may refer to the file that the event is about.
    package var isThisFile: Bool
    /// Whether writes go to the end of the file (`O_APPEND`).
    package var appends: Bool

    /// Makes a description.
    package init(isThisFile: Bool, appends: Bool) {
        self.isThisFile = isThisFile
        self.appends = appends
    }
}

/// Says what a blocked system call is about to do to a file.
///
/// Registers cannot be changed by the program while its call runs, and the kernel's own range is what the kernel has
/// copied: what they say is certain. What lies in the program's memory or in its table of descriptors another thread may
/// change meanwhile; it is believed only where being deceived costs nobody but the deceiver, who may write to the file
/// anyway.
package struct CallClassifier: Hashable, Sendable {
    /// What is to be made of a call.
    package enum Verdict: Hashable, Sendable {
        /// It changes nothing.
        case passes
        /// It may change the file's mapping, or its bytes.
        case change(GuardedChange)
    }

    /// The numbers of the host.
    package let table: CallTable
    /// Whether the filesystem shares blocks between files, so that copying may change the source's mapping too.
    package let clones: Bool

    /// Makes a classifier for a filesystem.
    package init(table: CallTable, clones: Bool) {
        self.table = table
        self.clones = clones
    }

    /// Whether the number alone says that the call changes nothing, which is so for nearly all.
    package func passesAtOnce(_ access: GuardedAccess, number: Int64) -> Bool {
        guard case .data = access else { return false }
        switch self.table.call(number) {
        case .read, .pread64, .readv, .preadv, .preadv2, .mmap, .execve, .execveat: return true
        default: return false
        }
    }

    /// Whether the verdict needs ``CallInspector/openFlags(at:)``, which may wait for the program.
    package func readsMemory(_ access: GuardedAccess, number: Int64) -> Bool {
        access == .open && self.table.call(number) == .openat2
    }

    /// Says what a blocked call is about to do.
    ///
    /// - Parameters:
    ///   - call: The call, or `nil` if it could not be seen.
    ///   - access: What the kernel asks about.
    ///   - size: The file's size in bytes.
    ///   - inspector: For what the registers do not say.
    /// - Returns: Whether the call passes, or the change that surely covers what it does.
    package func classify(
        _ call: BlockedCall?,
        _ access: GuardedAccess,
        size: UInt64,
        inspector: some CallInspector
    ) -> Verdict {
        guard let call, let known = self.table.call(call.number) else { return .change(.unknown) }
        switch access {
        case .open:
            return self.opening(known, call, inspector: inspector)
        case .data(let offset, let length):
            let range = ByteRange(offset: offset, length: length) ?? ByteRange(from: offset)
            return self.reaching(known, call, range, size: size, inspector: inspector)
        }
    }

    private func opening(_ known: KnownCall, _ call: BlockedCall, inspector: some CallInspector) -> Verdict {
        let flags: UInt64
        switch known {
        case .execve, .execveat: return .passes
        case .creat: flags = UInt64(OpenFlags.truncate)
        case .open: flags = call.arguments[1]
        case .openat, .openByHandle: flags = call.arguments[2]
        case .openat2:
            guard let found = inspector.openFlags(at: call.arguments[2]) else { return .change(.unknown) }
            flags = found
        default:
            // A ring, or the number of a 32-bit program: it may truncate.
            return .change(.unknown)
        }
        guard flags & OpenFlags.truncate != 0 else { return .passes }
        return .change(GuardedChange(.truncate, .all))
    }

    private func reaching(
        _ known: KnownCall,
        _ call: BlockedCall,
        _ range: ByteRange,
        size: UInt64,
        inspector: some CallInspector
    ) -> Verdict {
        let arguments = call.arguments
        switch known {
        case .read, .pread64, .readv, .preadv, .preadv2, .mmap, .execve, .execveat:
            return .passes
        case .write, .pwrite64, .writev, .pwritev, .pwritev2:
            return Self.writing(known, call, range, size: size, inspector: inspector)
        case .truncate, .ftruncate:
            return .change(GuardedChange(.truncate, ByteRange(from: arguments[1])))
        case .fallocate:
            return .change(Self.allocating(arguments))
        case .madvise:
            // MADV_REMOVE; no other advice reaches the hook.
            return .change(arguments[2] == 9 ? GuardedChange(.punchHole, range) : .unknown)
        case .sendfile:
            return Self.copying(into: arguments[0], from: arguments[1], range, size: size, clones: false, inspector)
        case .splice:
            return Self.copying(into: arguments[2], from: arguments[0], range, size: size, clones: false, inspector)
        case .copyFileRange:
            let (from, into) = (arguments[0], arguments[2])
            return Self.copying(into: into, from: from, range, size: size, clones: self.clones, inspector)
        case .ioctl:
            return Self.controlling(arguments, range, inspector: inspector)
        case .ioUringEnter:
            // A read, write, fallocate, truncate, ...: which one only the ring knows, and the program can change it
            // there. All of them begin at the offset that the kernel gives, or at the end of the file.
            if inspector.hasNoWriter() { return .passes }
            let start = min(range.lowerBound, size)
            return .change(GuardedChange(.unknown, ByteRange(from: start), isCertain: false))
        case .open, .creat, .openat, .openat2, .openByHandle:
            return .change(.unknown)
        }
    }

    private static func writing(
        _ known: KnownCall,
        _ call: BlockedCall,
        _ range: ByteRange,
        size: UInt64,
        inspector: some CallInspector
    ) -> Verdict {
        // pwritev2 has the flag RWF_APPEND, and RWF_NOAPPEND for descriptors that append.
        let flags = known == .pwritev2 ? call.arguments[5] : 0
        if flags & 0x20 != 0 { return .change(GuardedChange(.write, range)) }
        let description = inspector.description(call.arguments[0])
        if flags & 0x10 != 0 || description?.appends == true {
            // The range is at the position; the bytes go to the end, wherever that is when it is their turn.
            return .change(GuardedChange(.write, ByteRange(from: size)))
        }
        guard description != nil else {
            return .change(GuardedChange(.write, ByteRange(from: min(range.lowerBound, size)), isCertain: false))
        }
        guard known == .pwrite64, let exact = ByteRange(offset: call.arguments[3], length: call.arguments[2]) else {
            return .change(GuardedChange(.write, range))
        }
        return .change(GuardedChange(.write, exact))
    }

    /// fallocate(2): mode, offset and length are registers.
    private static func allocating(_ arguments: InlineArguments) -> GuardedChange {
        guard let range = ByteRange(offset: arguments[2], length: arguments[3]) else { return .unknown }
        let keepSize: UInt64 = 0x01
        switch arguments[1] & 0xffff_ffff {
        case 0, keepSize: return GuardedChange(.allocate, range)
        case 0x02 | keepSize: return GuardedChange(.punchHole, range)
        case 0x08: return GuardedChange(.collapseRange, range)
        case 0x10, 0x10 | keepSize: return GuardedChange(.zeroRange, range)
        case 0x20: return GuardedChange(.insertRange, range)
        // Unsharing gives the range blocks of its own, and no byte another value.
        case 0x40, 0x40 | keepSize: return GuardedChange(.allocate, range)
        // FALLOC_FL_WRITE_ZEROES, Linux 6.17.
        case 0x80, 0x80 | keepSize: return GuardedChange(.zeroRange, range)
        default: return .unknown
        }
    }

    /// sendfile, splice, copy_file_range: this file may be the one, the other, or both.
    private static func copying(
        into destination: UInt64,
        from source: UInt64,
        _ range: ByteRange,
        size: UInt64,
        clones: Bool,
        _ inspector: some CallInspector
    ) -> Verdict {
        let operation: MappingOperation = clones ? .cloneTo : .write
        guard let to = inspector.description(destination), let from = inspector.description(source) else {
            return .change(GuardedChange(operation, .all, isCertain: false))
        }
        if to.isThisFile {
            // Of both sides only one change is made, which has to cover both.
            if from.isThisFile { return .change(GuardedChange(operation, .all, isCertain: false)) }
            return .change(GuardedChange(operation, to.appends ? ByteRange(from: min(range.lowerBound, size)) : range))
        }
        return clones ? .change(GuardedChange(.cloneFrom, range)) : .passes
    }

    /// ioctl(2): the ones of Linux, XFS and ext4 that reach the hook; the kernel gives their range.
    private static func controlling(
        _ arguments: InlineArguments,
        _ range: ByteRange,
        inspector: some CallInspector
    ) -> Verdict {
        switch arguments[1] & 0xffff_ffff {
        case 0x4004_9409, 0x4020_940d:  // FICLONE, FICLONERANGE: called on the destination
            guard let destination = inspector.description(arguments[0]) else {
                return .change(GuardedChange(.cloneTo, .all, isCertain: false))
            }
            guard destination.isThisFile else { return .change(GuardedChange(.cloneFrom, range)) }
            return .change(GuardedChange(.cloneTo, range))
        case 0xc018_9436:  // FIDEDUPERANGE: called on the source, which keeps its blocks; they become shared
            guard let source = inspector.description(arguments[0]) else {
                return .change(GuardedChange(.cloneTo, .all, isCertain: false))
            }
            return .change(GuardedChange(source.isThisFile ? .cloneFrom : .cloneTo, range))
        case 0x4030_5828, 0x4030_582a:  // XFS_IOC_RESVSP, XFS_IOC_RESVSP64
            return .change(GuardedChange(.allocate, range))
        case 0x4030_5829, 0x4030_582b:  // XFS_IOC_UNRESVSP, XFS_IOC_UNRESVSP64
            return .change(GuardedChange(.punchHole, range))
        case 0x4030_5839:  // XFS_IOC_ZERO_RANGE
            return .change(GuardedChange(.zeroRange, range))
        default:
            return .change(.unknown)
        }
    }
}

/// Flags of open(2), with the same values on x86-64 and arm64.
enum OpenFlags {
    static var truncate: UInt64 { 0o1000 }
    static var append: UInt64 { 0o2000 }
}
