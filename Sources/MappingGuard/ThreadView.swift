import CMappingGuard
import Glibc
import LayoutCore
import LinuxFiles

/// What `/proc` shows of blocked threads: their system calls, with a descriptor kept for each of those seen last.
///
/// One thread's own.
struct BlockedCalls: ~Copyable {
    /// A thread wakes whoever answers it just before it goes to sleep: it may still be on its way.
    private static var tries: CInt { 200 }

    private var threads: [Int32]
    private var descriptors: [CInt]

    /// Makes an empty cache.
    init(capacity: Int = 256) {
        self.threads = Array(repeating: 0, count: capacity)
        self.descriptors = Array(repeating: -1, count: capacity)
    }

    deinit { for descriptor in self.descriptors where descriptor >= 0 { close(descriptor) } }

    /// The call that a thread is held up in; `nil` if it cannot be seen.
    mutating func call(of thread: Int32) -> BlockedCall? {
        guard thread > 0 else { return nil }
        let slot = Int(thread) % self.threads.count
        var call = mg_call()
        if self.threads[slot] == thread, unsafe mg_read_call(self.descriptors[slot], Self.tries, &call) == 0 {
            return BlockedCall(call)
        }
        // Another thread's, or the number is another's by now: a descriptor never comes to mean another thread.
        if self.descriptors[slot] >= 0 { close(self.descriptors[slot]) }
        let opened = mg_open_call(thread)
        self.threads[slot] = opened < 0 ? 0 : thread
        self.descriptors[slot] = CInt(clamping: opened)
        guard opened >= 0, unsafe mg_read_call(CInt(opened), Self.tries, &call) == 0 else { return nil }
        return BlockedCall(call)
    }

    /// The call of a thread that is rarely asked for, as it is at this moment.
    static func call(of thread: Int32) -> BlockedCall? {
        let opened = mg_open_call(thread)
        guard opened >= 0 else { return nil }
        defer { close(CInt(opened)) }
        var call = mg_call()
        return unsafe mg_read_call(CInt(opened), 1, &call) == 0 ? BlockedCall(call) : nil
    }
}

extension BlockedCall {
    /// Whether the thread was on a processor, and its call could not be seen.
    var isRunning: Bool { self.number == Int64(MG_CALL_RUNNING) }

    fileprivate init(_ call: mg_call) {
        let words = call.arguments
        self.init(
            number: call.number,
            arguments: InlineArguments([words.0, words.1, words.2, words.3, words.4, words.5]),
            stack: call.stack,
            instruction: call.instruction
        )
    }
}

/// A thread as `/proc` shows it.
enum ThreadView {
    /// The thread behind a number, and what it belongs to; `nil` if it cannot be seen.
    static func facts(of number: Int32) -> (thread: GuardedThread, process: Int32, isRingWorker: Bool)? {
        var found = mg_thread()
        guard number > 0, unsafe mg_thread(number, &found) == 0 else { return nil }
        return (GuardedThread(number: number, start: found.start), found.process, found.is_io_worker != 0)
    }

    /// What a thread does whose call was let through.
    static func look(at call: GuardedCall) -> GuardCalls.Look {
        guard let facts = Self.facts(of: call.thread.number), facts.thread == call.thread else { return .gone }
        if call.isOfRing {
            switch Self.sleepsIn(call.thread.number) {
            case "io_wq_worker", "io_cqring_wait", "io_sq_thread": return .idle
            default: return .unclear
            }
        }
        guard let now = BlockedCalls.call(of: call.thread.number) else { return .unclear }
        if call.call == nil || now.isRunning { return .unclear }
        return now == call.call ? .inCall : .elsewhere
    }

    private static func sleepsIn(_ thread: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 64)
        let length = unsafe mg_sleeps_in(thread, &text, text.count)
        return String(decoding: text.prefix(Int(max(0, length))).prefix { $0 != 0x0a }, as: UTF8.self)
    }
}

/// Finds out about the thread of an event.
struct EventInspector: CallInspector {
    let thread: Int32
    let inode: UInt64
    /// The event's descriptor.
    let descriptor: CInt

    func description(_ number: UInt64) -> CallDescription? {
        var found = mg_description()
        guard unsafe mg_description(self.thread, number, &found) == 0 else { return nil }
        return CallDescription(
            isThisFile: found.inode == self.inode,
            appends: UInt64(found.flags) & OpenFlags.append != 0
        )
    }

    func openFlags(at address: UInt64) -> UInt64? {
        var flags: UInt64 = 0
        return unsafe mg_read_memory(self.thread, address, &flags, 8) == 8 ? flags : nil
    }

    func hasNoWriter() -> Bool {
        let borrowed = BorrowedDescriptor(number: self.descriptor)
        return (try? LeaseProbe.hasNoWriter(borrowed)) ?? false
    }
}

/// Finds out nothing.
struct NoInspector: CallInspector {
    func description(_ number: UInt64) -> CallDescription? { nil }
    func openFlags(at address: UInt64) -> UInt64? { nil }
    func hasNoWriter() -> Bool { false }
}

/// A descriptor that somebody else closes.
struct BorrowedDescriptor: Descriptor {
    let number: CInt
}
