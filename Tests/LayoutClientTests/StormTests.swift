import Glibc
import LayoutClient
import LayoutServer
import Synchronization
import TestSupport
import Testing

/// Many threads load and store while others move the bytes, and connections break.
@Suite("Storm")
struct StormTests {
    /// Blocks in the file: each begins with its number, followed by a counter.
    private static let blocks = 64

    @Test("records keep their identity and no store is lost", arguments: TestFileSystems.available)
    func records(_ fileSystem: TestFileSystem) async throws {
        try await withWorld(on: fileSystem) { world in
            var bytes: [UInt8] = []
            for block in 0..<Self.blocks { bytes += [UInt8(block + 1)] + [UInt8](repeating: 0, count: 4095) }
            try world.write(bytes, to: "a")
            let proxy = try Proxy(world.socket)
            let storm = Storm()
            let stores = Counters(Self.blocks)

            try await withThrowingTaskGroup(of: Void.self) { group in
                for holder in 0..<2 {
                    let client = try await world.connect(to: holder == 0 ? proxy.url : world.url)
                    let file = try await client.open("a", .readWrite)
                    for part in 0..<2 {
                        // Each record is written by one thread, so that every store can be counted.
                        let first = UInt64(holder * 2 + part) * 16
                        let region = try await file.map(
                            first * 4096..<(first + 16) * 4096,
                            .readWrite,
                            following: .content
                        )
                        group.addTask {
                            try await onThread {
                                var round = 0
                                while !storm.isOver {
                                    let record = round % 16
                                    let (number, count) = unsafe try region.withUnsafeMutableBytes(
                                        record * 4096..<record * 4096 + 16
                                    ) { bytes in
                                        let count = unsafe bytes.load(fromByteOffset: 8, as: UInt64.self) + 1
                                        unsafe bytes.storeBytes(of: count, toByteOffset: 8, as: UInt64.self)
                                        return (unsafe bytes[0], count)
                                    }
                                    let block = Int(first) + record
                                    let expected = stores.add(block)
                                    if Int(number) != block + 1 || count != expected {
                                        return storm.complain(
                                            "block \(block): is \(number), \(count) stores of \(expected)"
                                        )
                                    }
                                    // Now and then by the raw pointer, which may park.
                                    if round % 7 == 0, unsafe region.bytes[record * 4096] != UInt8(block + 1) {
                                        return storm.complain("block \(block): another record")
                                    }
                                    round += 1
                                }
                            }
                            await client.close()
                        }
                    }
                }
                let mover = try await world.connect()
                group.addTask {
                    let file = try await mover.open("a", .readWrite)
                    var generator = SystemRandomNumberGenerator()
                    for _ in 0..<60 {
                        let block = UInt64.random(in: 0..<UInt64(Self.blocks), using: &generator)
                        try await file.insertRange(at: block * 4096, length: 8192)
                        try await file.collapseRange(block * 4096..<block * 4096 + 8192)
                    }
                    storm.end()
                    await mover.close()
                }
                group.addTask {
                    while !storm.isOver {
                        try await Task.sleep(for: .milliseconds(50))
                        proxy.breakConnections()
                    }
                }
                try await group.waitForAll()
            }
            proxy.stop()
            #expect(storm.problems == [])
            let result = try world.bytes(of: "a")
            #expect(result.count == Self.blocks * 4096)
            for block in 0..<Self.blocks {
                #expect(Int(result[block * 4096]) == block + 1)
                let count = (0..<8).reduce(UInt64(0)) { $0 | UInt64(result[block * 4096 + 8 + $1]) << (8 * $1) }
                #expect(count == stores.count(block))
            }
        }
    }

    /// What the threads share.
    private final class Storm: Sendable {
        private let ended = Atomic(false)
        private let complaints = Mutex<[String]>([])

        var isOver: Bool { self.ended.load(ordering: .relaxed) }
        var problems: [String] { self.complaints.withLock { $0 } }

        func end() { self.ended.store(true, ordering: .relaxed) }
        func complain(_ problem: String) { self.complaints.withLock { $0.append(problem) } }
    }

    /// How often each record was stored to.
    private final class Counters: Sendable {
        private let counts: Mutex<[UInt64]>

        init(_ count: Int) { self.counts = Mutex([UInt64](repeating: 0, count: count)) }

        func add(_ index: Int) -> UInt64 {
            self.counts.withLock { counts in
                counts[index] += 1
                return counts[index]
            }
        }

        func count(_ index: Int) -> UInt64 { self.counts.withLock { $0[index] } }
    }
}
