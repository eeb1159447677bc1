import LayoutCore
import LayoutXDR
import LinuxFiles
import NIOCore
import ONCRPC
import Sessions
import Testing

@testable import LayoutServer

@Suite struct FIFOTests {
    @Test func `elements leave in the order in which they came`() {
        var queue = FIFO<Int>()
        var expected: [Int] = []
        var taken: [Int] = []
        for number in 0..<1000 {
            queue.append(number)
            expected.append(number)
            if number % 3 == 0, let first = queue.popFirst() { taken.append(first) }
        }
        #expect(queue.count == expected.count - taken.count)
        while let next = queue.popFirst() { taken.append(next) }
        #expect(taken == expected)
        #expect(queue.isEmpty)
    }

    @Test func `an element that is put back is the next`() {
        var queue = FIFO<Int>()
        for number in 0..<100 { queue.append(number) }
        for _ in 0..<10 { _ = queue.popFirst() }
        queue.prepend(-1)
        #expect(queue.popFirst() == -1)
        #expect(queue.popFirst() == 10)
        queue.removeAll { $0 % 2 == 0 }
        #expect(queue.popFirst() == 11)
        #expect(queue.popFirst() == 13)
    }
}

@Suite struct ExtentCacheTests {
    private static func range(_ lower: UInt64, _ upper: UInt64) throws -> ByteRange {
        try #require(ByteRange(lower * 4096, upper * 4096))
    }

    /// What is remembered must be what a plain array of blocks remembers, whatever was put in before.
    @Test(arguments: 1...20) func `answers are those of an array of blocks`(_ seed: UInt64) throws {
        var random = LinearGenerator(seed: seed)
        var cache = ExtentCache()
        var blocks = [(place: UInt64, isReady: Bool)?](repeating: nil, count: 64)
        for _ in 0..<200 {
            let lower = UInt64.random(in: 0..<63, using: &random)
            let upper = UInt64.random(in: (lower + 1)...64, using: &random)
            let wanted = try Self.range(lower, upper)
            if Bool.random(using: &random) {
                let isReady = Bool.random(using: &random)
                let place = UInt64.random(in: 1000..<2000, using: &random)
                let extents = [Extent(range: wanted, storageOffset: place * 4096, state: .data)]
                cache.insert(extents, isStoreReady: isReady, size: 64 * 4096, isSynchronous: false)
                for block in lower..<upper { blocks[Int(block)] = (place + block - lower, isReady) }
            } else {
                let forStores = Bool.random(using: &random)
                let isKnown = blocks[Int(lower)..<Int(upper)].allSatisfy {
                    $0 != nil && (!forStores || $0?.isReady == true)
                }
                let found = cache.find(wanted, limit: 100, forStores: forStores)
                #expect((found != nil) == isKnown)
                var position = wanted.lowerBound
                for extent in found ?? [] {
                    #expect(extent.range.lowerBound == position)
                    #expect(extent.storageOffset == blocks[Int(position / 4096)].map { $0.place * 4096 })
                    position = extent.range.upperBound
                }
                if isKnown { #expect(position == wanted.upperBound) }
            }
        }
    }

    @Test func `another size voids what was known`() throws {
        var cache = ExtentCache()
        let extent = Extent(range: try Self.range(0, 2), storageOffset: 4096, state: .data)
        cache.insert([extent], isStoreReady: true, size: 8192, isSynchronous: false)
        #expect(cache.find(try Self.range(0, 1), limit: 1, forStores: true)?.count == 1)
        cache.insert([], isStoreReady: true, size: 4096, isSynchronous: false)
        #expect(cache.find(try Self.range(0, 1), limit: 1, forStores: true) == nil)
    }
}

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("unix:///run/a.sock", "unix:///run/a.sock"), ("layout+unix:///a", "unix:///a"),
        ("tcp://127.0.0.1:7400", "tcp://127.0.0.1:7400"), ("layout://0.0.0.0:1", "tcp://0.0.0.0:1"),
        ("layout+tcp://[::1]:0", "tcp://[::1]:0"), ("tcp://[::]:7400/", "tcp://[::]:7400"),
    ])
    func `an address is read and written as a URL`(_ text: String, _ canonical: String) throws {
        #expect(try ServerAddress(text).description == canonical)
    }

    @Test(arguments: [
        "", "foo", "unix://relative", "unix:///", "unix://", "tcp://", "tcp://:1", "tcp://127.0.0.1", "tcp://[::1",
        "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1", "http://a:1", "unix:///" + String(repeating: "x", count: 104),
    ])
    func `what is no address is refused with an example`(_ text: String) {
        #expect(throws: ServerAddress.InvalidURL.self) { try ServerAddress(text) }
    }
}

@Suite struct AuthenticationTests {
    private let root = AuthenticationPolicy(serverUser: UserIdentity(uid: 0, gid: 0), trustsRemoteRoot: false)
    private let user = AuthenticationPolicy(serverUser: UserIdentity(uid: 1000, gid: 100), trustsRemoteRoot: false)

    private func tcp(_ remote: String) throws -> RPCPeer {
        .tcp(
            local: try SocketAddress(ipAddress: "127.0.0.1", port: 1),
            remote: try SocketAddress(ipAddress: remote, port: 2)
        )
    }

    @Test func `on a Unix socket only the kernel's word counts`() throws {
        let claim = RPCCredential.sys(RPCSystemCredential(uid: 0, gid: 0))
        let caller = try self.root.caller(of: claim, from: .unix(pid: 1, uid: 1000, gid: 100)).get()
        #expect(caller.principal == Principal(uid: 1000, isVerified: true))
        #expect(caller.user == UserIdentity(uid: 1000, gid: 100))
        #expect(!caller.isPrivileged)
        #expect(caller.isLocal)
        let operatorCaller = try self.root.caller(of: .none, from: .unix(pid: 1, uid: 0, gid: 0)).get()
        #expect(operatorCaller.isPrivileged)
    }

    @Test func `root over TCP is nobody`() throws {
        let claim = RPCCredential.sys(RPCSystemCredential(uid: 0, gid: 0, gids: [0, 5]))
        let caller = try self.root.caller(of: claim, from: try self.tcp("10.0.0.1")).get()
        #expect(caller.user == UserIdentity(uid: 65534, gid: 65534))
        #expect(!caller.isLocal)
        let member = RPCCredential.sys(RPCSystemCredential(uid: 7, gid: 0, gids: [0, 5]))
        #expect(
            try self.root.caller(of: member, from: try self.tcp("127.0.0.1")).get().user
                == UserIdentity(uid: 7, gid: 65534, groups: [5])
        )
        #expect(try self.root.caller(of: .none, from: try self.tcp("127.0.0.1")).get().principal.uid == 65534)
    }

    @Test func `a server that is not root serves its own user and root`() throws {
        #expect(try self.user.caller(of: .none, from: .unix(pid: 1, uid: 1000, gid: 9)).get().user.gid == 100)
        #expect(try self.user.caller(of: .none, from: .unix(pid: 1, uid: 0, gid: 0)).get().user.uid == 1000)
        #expect(self.user.caller(of: .none, from: .unix(pid: 1, uid: 1001, gid: 9)) == .failure(.tooWeak))
        let own = RPCCredential.sys(RPCSystemCredential(uid: 1000, gid: 100))
        #expect(try self.user.caller(of: own, from: try self.tcp("127.0.0.1")).get().principal.uid == 1000)
        #expect(self.user.caller(of: own, from: try self.tcp("10.0.0.1")) == .failure(.tooWeak))
        #expect(self.user.caller(of: .none, from: try self.tcp("127.0.0.1")) == .failure(.tooWeak))
    }
}

@Suite struct CallDigestTests {
    private let principal = Principal(uid: 7, isVerified: true)

    private func digest(_ bytes: [UInt8], uid: UInt32 = 7) -> UInt64 {
        CallDigest.digest(
            procedure: .sequence,
            body: ByteBuffer(bytes: bytes),
            principal: Principal(uid: uid, isVerified: true)
        )
    }

    @Test(arguments: [32, 33, 36, 40, 100]) func `every byte counts but those of the highest slot`(_ length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        let digest = self.digest(bytes)
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x40
            #expect((self.digest(other) == digest) == (24..<28).contains(index), "byte \(index)")
        }
        #expect(self.digest(bytes, uid: 8) != digest)
        #expect(self.digest(bytes + [0]) != digest)
    }
}

/// A generator whose numbers follow from its seed.
private struct LinearGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        // Knuth's MMIX constants; the high half is the better one.
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let high = self.state >> 32
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return high << 32 | self.state >> 32
    }
}
