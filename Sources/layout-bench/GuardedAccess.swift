import CBenchPeer
import Glibc
import LayoutClient
import LayoutCore
import MappedWindows

/// What it costs to hold the bytes fast for the time of an access.
///
/// The window of the gate is made here, as the library makes its own; it differs in nothing but that no server can take
/// it back.
struct GuardedAccess {
    let region: MappedRegion
    let plain: PlainMapping

    private static var bytes: Int { 2 << 20 }
    private static var accesses: Int { 1 << 15 }

    func measure(_ path: String, _ options: CommonOptions) throws -> PointerAccess.Findings {
        let window = try Self.makeWindow(path)
        let (region, plain) = (self.region, self.plain)
        func time(_ access: (Int) throws -> UInt64) rethrows -> [Double] {
            var (state, sum) = (UInt64(88_172_645_463_325_252), UInt64(0))
            let start = bench_now()
            for _ in 0..<Self.accesses {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                sum &+= try access(Int(state & UInt64(Self.bytes / 8 - 1)) * 8)
            }
            let elapsed = bench_now() - start
            bench_consume(sum)
            return [Double(elapsed) / Double(Self.accesses)]
        }
        let measured = try Interleaved.run(
            [
                Series(name: "unguarded load") {
                    let base = unsafe UnsafeRawPointer(plain.base)
                    return time { unsafe base.load(fromByteOffset: $0, as: UInt64.self) }
                },
                Series(name: "WindowGate begin, load, end") {
                    let (gate, base) = (window.gate, unsafe UnsafeRawPointer(window.base))
                    return try time { offset in
                        let admission = gate.begin(.read)
                        guard admission.isGranted else { throw WindowError(refused: admission) }
                        let value = unsafe base.load(fromByteOffset: offset, as: UInt64.self)
                        guard gate.end(admission) else { throw WindowError.revokedWhilePinned }
                        return value
                    }
                },
                Series(name: "MappedRegion.withUnsafeBytes") {
                    try time { offset in
                        unsafe try region.withUnsafeBytes(offset..<offset + 8) { unsafe $0.load(as: UInt64.self) }
                    }
                },
            ],
            rounds: options.rounds,
            warmUps: 2,
            turns: MemoryAccess.turns
        )
        var found = PointerAccess.Findings()
        found.figures = measured.map { Figure(name: $0.name, unit: "ns/access", rounds: $0.medians) }
        found.figures += measured.dropFirst().map { guarded in
            let extra = zip(guarded.medians, measured[0].medians).map { $0 - $1 }
            return Figure(name: "added by \(guarded.name)", unit: "ns/access", rounds: extra)
        }
        found.ratios = measured.dropFirst().map {
            Ratio(name: "\($0.name) / unguarded load", rounds: $0.ratios(to: measured[0]))
        }
        return found
    }

    /// A granted window on the plain mapping's file.
    private static func makeWindow(_ path: String) throws -> Window {
        let file = unsafe open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw BenchError("open '\(path)'", errno: errno, "use --directory") }
        // The mapping keeps the file.
        defer { close(file) }
        let window = try Window(size: Self.bytes)
        let segment = WindowSegment(windowOffset: 0, length: Self.bytes, descriptor: file, fileOffset: 0)
        let generation = try window.map([segment])
        guard try window.grant(.readWrite, generation: generation) else {
            preconditionFailure("nobody else knows the window, so nobody can have revoked it")
        }
        return window
    }
}
