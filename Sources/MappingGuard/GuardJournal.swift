import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles

/// What the kernel waits for, written where the next life of the server finds it.
///
/// Memory of a memfd that the keeper holds too. Its owner serialises calls, except those on what is in hand, which belong
/// to the one thread that reads events.
@safe
final class GuardJournal: Sendable {
    /// One record, as it was found or is to be written.
    typealias Record = guard_call_record

    /// How many calls can be written down at a time.
    static var capacity: Int { Int(GUARD_JOURNAL_CALLS) }
    /// How many events can be in hand at a time.
    static var handCapacity: Int { Int(GUARD_JOURNAL_HAND) }
    private static var size: Int { Int(GUARD_JOURNAL_SIZE) }

    /// The memfd.
    let memory: SharedDescriptor
    // Shared memory: the calls' owner writes the records, the reading thread what is in hand.
    nonisolated(unsafe) private let journal: UnsafeMutablePointer<guard_journal>

    /// Makes an empty journal.
    convenience init() throws(LinuxError) {
        let memory = try GuardError.check(mg_memory_file(Self.size), "memfd_create", "make the guard's journal")
        try self.init(adopting: OwnedDescriptor(adopting: CInt(memory)).shared())
        unsafe self.journal.pointee.version = UInt32(GUARD_JOURNAL_VERSION)
    }

    /// Maps the journal of an earlier life.
    ///
    /// - Throws: ``LayoutCore/LayoutStatus/notSupported`` if that was another version of this program.
    convenience init(recovering memory: SharedDescriptor) throws(LinuxError) {
        try self.init(adopting: memory)
        guard unsafe self.journal.pointee.version == UInt32(GUARD_JOURNAL_VERSION) else {
            throw LinuxError(
                refusing: .notSupported,
                "cannot take over the guard: its journal is of another version of layoutd; end the keeper "
                    + "(layoutd-keeper), which lets all programs go on that wait"
            )
        }
    }

    private init(adopting memory: SharedDescriptor) throws(LinuxError) {
        var address: UnsafeMutableRawPointer? = nil
        let result = unsafe mg_map(memory.number, Self.size, &address)
        try GuardError.check(result, "mmap", "map the guard's journal")
        guard let address = unsafe address else { preconditionFailure("mmap succeeded without an address") }
        self.memory = memory
        unsafe self.journal = address.assumingMemoryBound(to: guard_journal.self)
    }

    deinit { unsafe munmap(self.journal, Self.size) }

    /// Writes down which events were just read.
    func take(_ events: UnsafeBufferPointer<mg_event>) {
        for index in 0..<min(events.count, Self.handCapacity) {
            let event = unsafe events[index]
            let hand = unsafe guard_journal_hand(self.journal, CInt(index))
            unsafe hand.pointee = guard_hand(
                descriptor: event.descriptor,
                thread: event.thread,
                kind: UInt64(event.kind)
            )
        }
        unsafe guard_journal_set_hand(self.journal, UInt32(min(events.count, Self.handCapacity)))
    }

    /// All that was in hand is answered or written down.
    func release() { unsafe guard_journal_set_hand(self.journal, 0) }

    /// What was in hand when the last server died: the kernel's number of each event, its thread, and its kind.
    func inHand() -> [guard_hand] {
        let count = min(unsafe Int(self.journal.pointee.hand_count), Self.handCapacity)
        return (0..<count).map { index in
            unsafe guard_journal_hand(self.journal, CInt(index)).pointee
        }
    }

    /// Writes a record.
    func put(_ record: Record, at slot: Int) {
        var record = record
        unsafe guard_journal_put(self.address(of: slot), &record)
    }

    /// Notes what is about to become of a call.
    func set(_ state: guard_call_state, error: Int32 = 0, at slot: Int) {
        let record = unsafe self.address(of: slot)
        unsafe record.pointee.error = error
        unsafe guard_journal_set_state(record, state.rawValue)
    }

    /// The record of a slot.
    func record(at slot: Int) -> Record { unsafe self.address(of: slot).pointee }

    private func address(of slot: Int) -> UnsafeMutablePointer<Record> {
        precondition(slot >= 0 && slot < Self.capacity, "the journal has no slot \(slot)")
        return unsafe guard_journal_call(self.journal, CInt(slot))
    }
}

/// Results of `CMappingGuard` as values or errors.
enum GuardError {
    /// Turns a result into a value or an error.
    @discardableResult
    static func check(
        _ result: Int64,
        _ call: String,
        _ attempt: @autoclosure () -> String,
        remedy: String? = nil
    ) throws(LinuxError) -> Int64 {
        guard result < 0 else { return result }
        throw LinuxError(errno: CInt(clamping: -result), call: call, attempt: attempt(), remedy: remedy)
    }
}
