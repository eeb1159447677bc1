import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles

/// The guard's three fanotify groups.
///
/// - The *guard* group marks the inodes that have layouts, and is asked before anybody opens them or reaches their data.
/// - The *sentinel* group marks the whole filesystem and ignores it on the same mark: no event ever comes of it. The kernel
///   decides when a file is opened whether its descriptor will ever ask; without somebody who might want to know, it
///   never does, whoever wants to know later.
/// - The *witness* group hears of modifications, where nothing else tells that an operation is over.
struct GuardGroups: Sendable {
    let guardian: SharedDescriptor
    let sentinel: SharedDescriptor
    let witness: SharedDescriptor

    /// Makes the groups, and sets the sentinel on the filesystem of `directory`.
    init(on directory: borrowing some Descriptor & ~Copyable) throws(LinuxError) {
        // In this order: a process that is killed closes the higher number first, and the sentinel cannot be closed while
        // the guardian has a question open.
        self.sentinel = try Self.group(MG_SENTINEL)
        self.guardian = try Self.group(MG_GUARD)
        self.witness = try Self.group(MG_WITNESS)
        try GuardError.check(
            mg_mark(self.sentinel.number, MG_MARK_FILESYSTEM, 1, directory.number),
            "fanotify_mark",
            "watch over the filesystem",
            remedy: "the guard needs Linux 6.14 and a filesystem with pre-content events (XFS, ext4, btrfs)"
        )
    }

    /// Takes over an earlier life's groups.
    init(guardian: SharedDescriptor, sentinel: SharedDescriptor) throws(LinuxError) {
        self.guardian = guardian
        self.sentinel = sentinel
        self.witness = try Self.group(MG_WITNESS)
    }

    private static func group(_ kind: mg_group_kind) throws(LinuxError) -> SharedDescriptor {
        let group = try GuardError.check(
            mg_group(kind),
            "fanotify_init",
            "make a group of events",
            remedy: "the guard needs root (CAP_SYS_ADMIN)"
        )
        return OwnedDescriptor(adopting: CInt(group)).shared()
    }

    /// Asks for the events of a file, or no longer.
    func mark(_ file: CInt, add: Bool) throws(LinuxError) {
        let attempt = add ? "guard a file" : "end the guard of a file"
        try GuardError.check(mg_mark(self.guardian.number, MG_MARK_INODE, add ? 1 : 0, file), "fanotify_mark", attempt)
    }

    /// Hears of modifications of a file, or no longer; where that fails nothing is heard.
    func witness(_ file: CInt, add: Bool) {
        _ = mg_mark(self.witness.number, MG_MARK_MODIFIED, add ? 1 : 0, file)
    }

    /// Lets go on whoever has asked and was not read.
    ///
    /// To be called when no mark is left: closing the sentinel waits, in the kernel and without an end, until no question
    /// is open on its filesystem.
    func letQueueThrough() {
        unsafe withUnsafeTemporaryAllocation(of: mg_event.self, capacity: 64) { events in
            guard let address = events.baseAddress else { return }
            while true {
                let count = unsafe mg_read_events(self.guardian.number, address, 64)
                guard count > 0 else { return }
                for index in 0..<Int(count) {
                    let descriptor = unsafe events[index].descriptor
                    guard descriptor >= 0 else { continue }
                    self.answer(descriptor, errno: 0)
                    close(descriptor)
                }
            }
        }
    }

    /// Answers an event.
    ///
    /// - Returns: Whether the kernel still waited for it.
    @discardableResult
    func answer(_ descriptor: Int32, errno: Int32) -> Bool {
        mg_answer(self.guardian.number, descriptor, errno) == 0
    }
}
