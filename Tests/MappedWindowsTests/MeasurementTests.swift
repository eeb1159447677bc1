import Glibc
import LayoutCore
import MappedWindows
import Testing

extension WindowTests {
    /// What an access costs, for people to read.
    ///
    /// Nothing is asserted about time; unoptimised builds say little.
    @Suite struct MeasurementTests {
        @Test("An access through a window does what an access through mmap does (costs are printed)")
        func costs() throws {
            let file = ScratchFile(size: page)
            guard let plain = unsafe mmap(nil, page, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0) else {
                preconditionFailure("mmap: errno \(errno)")
            }
            defer { unsafe munmap(plain, page) }
            let window = try Window.granted(file, pages: 1)
            let count = 5_000_000
            let mapped = nanoseconds(count) { unsafe increment(plain, count) }
            let windowed = nanoseconds(count) { unsafe increment(window.base, count) }
            let pinned = try nanoseconds(count) {
                for _ in 0..<count { try unsafe window.withPin(.readWrite) { bytes in unsafe increment(bytes) } }
            }
            let gate = window.gate
            let gated = nanoseconds(count) {
                for _ in 0..<count {
                    let admission = gate.begin(.readWrite)
                    unsafe increment(window.bytes)
                    precondition(admission.isGranted && gate.end(admission))
                }
            }
            let long = try nanoseconds(count / 10) {
                for _ in 0..<(count / 10) { try window.longPin(.readWrite).end() }
            }
            print(
                "ns per increment: mmap \(mapped), window \(windowed), gate \(gated), withPin \(pinned); long pin \(long)"
            )
            window.revoke()
            // Five rounds of each of the four.
            #expect(file.word(at: 0) == UInt64(20 * count))
        }
    }
}

/// The best of five rounds, in hundredths of a nanosecond per operation.
private func nanoseconds(_ count: Int, _ body: () throws -> Void) rethrows -> Double {
    var best = Duration.seconds(3600)
    for _ in 0..<5 { best = min(best, try ContinuousClock().measure(body)) }
    return Double(best.wholeNanoseconds * 100 / UInt64(count)) / 100
}

@inline(never)
private func increment(_ word: UnsafeMutableRawPointer, _ count: Int) {
    for _ in 0..<count { unsafe Instructions.increment(word) }
}

@inline(__always)
private func increment(_ bytes: UnsafeMutableRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    unsafe Instructions.increment(base)
}
