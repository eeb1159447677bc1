import Glibc

/// Single machine instructions on memory, which the compiler would be free to take apart.
enum Instructions {
    /// Adds one to a 64-bit word, with one instruction that is not locked.
    static func increment(_ word: UnsafeMutableRawPointer) {
        #if arch(x86_64)
        unsafe self.code.increment(word)
        #else
        unsafe word.assumingMemoryBound(to: UInt64.self).pointee &+= 1
        #endif
    }

    /// Stores eight bytes, aligned or not, with one instruction.
    static func store(_ value: UInt64, _ address: UnsafeMutableRawPointer) {
        #if arch(x86_64)
        unsafe self.code.store(address, value)
        #else
        unsafe address.storeBytes(of: value, as: UInt64.self)
        #endif
    }

    #if arch(x86_64)
    @safe private struct Code: Sendable {
        // Into a page that stays.
        let increment: @convention(c) (UnsafeMutableRawPointer) -> Void
        let store: @convention(c) (UnsafeMutableRawPointer, UInt64) -> Void
    }

    private static let code: Code = {
        let bytes: [UInt8] = [
            0x48, 0xff, 0x07, 0xc3,  // incq (%rdi); ret
            0x48, 0x89, 0x37, 0xc3,  // movq %rsi, (%rdi); ret
        ]
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let memory = unsafe mmap(nil, page, PROT_READ | PROT_WRITE, flags, -1, 0) else {
            preconditionFailure("mmap: errno \(errno)")
        }
        unsafe memory.copyMemory(from: bytes, byteCount: bytes.count)
        precondition(unsafe mprotect(memory, page, PROT_READ | PROT_EXEC) == 0, "mprotect: errno \(errno)")
        return unsafe Code(
            increment: unsafeBitCast(memory, to: (@convention(c) (UnsafeMutableRawPointer) -> Void).self),
            store: unsafeBitCast(memory + 4, to: (@convention(c) (UnsafeMutableRawPointer, UInt64) -> Void).self)
        )
    }()
    #endif
}
