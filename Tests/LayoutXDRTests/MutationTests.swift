import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// Bytes from anybody: nothing traps, and what is accepted is exactly what an encoder writes.
@Suite struct MutationTests {
    static let iterations = 600

    @Test(arguments: Message.Kind.all)
    func mutantsAreRefusedOrMeanWhatTheySay(_ kind: Message.Kind) throws {
        let type = try kind.type(in: .layout)
        for seed in 0..<UInt64(Self.iterations) {
            var random = SeededGenerator(seed: seed)
            var bytes = random.message(kind).encoded
            // The mutations of a long message are the ones of its beginning; what follows costs time only.
            guard bytes.count < 4096 else { continue }
            for _ in 0..<Int.random(in: 1...3, using: &random) { random.mutate(&bytes) }
            try Self.check(bytes, kind, type, "\(kind), seed \(seed)")
        }
    }

    @Test(arguments: Message.Kind.all)
    func everyTruncationIsRefused(_ kind: Message.Kind) {
        var random = SeededGenerator(seed: 7)
        let bytes = random.message(kind).encoded
        for count in 0..<min(bytes.count, 2000) {
            #expect(throws: CodecError.self, "\(kind), the first \(count) bytes") {
                try Message.decode(kind, Array(bytes.prefix(count)))
            }
        }
    }

    @Test(arguments: Message.Kind.all, [1, 3, 4, 8, 1000])
    func everyTrailIsRefused(_ kind: Message.Kind, _ count: Int) {
        var random = SeededGenerator(seed: 8)
        let bytes = random.message(kind).encoded + [UInt8](repeating: 0, count: count)
        let error = #expect(throws: CodecError.self) { try Message.decode(kind, bytes) }
        #expect(error?.reason == .trailingBytes(count))
    }

    @Test(arguments: Message.Kind.all)
    func noiseDoesNotTrap(_ kind: Message.Kind) throws {
        let type = try kind.type(in: .layout)
        for seed in 0..<UInt64(Self.iterations) {
            var random = SeededGenerator(seed: seed)
            let count = Int.random(in: 0...600, using: &random)
            // Mostly zeros: noise that is all ones and zeros gets further than noise of all bytes.
            let bytes = (0..<count).map { _ in random.bool() ? 0 : UInt8.random(in: 0...3, using: &random) }
            try Self.check(bytes, kind, type, "\(kind), noise of seed \(seed)")
        }
    }

    /// The codec and the reader of `layout.x` must agree on the form of the bytes.
    private static func check(_ bytes: [UInt8], _ kind: Message.Kind, _ type: String, _ what: Comment) throws {
        let walk = Result { try SchemaWalker.walk(bytes, as: type, in: .layout) }
        let message: Message
        do throws(CodecError) {
            message = try Message.decode(kind, bytes)
        } catch {
            switch error.reason {
            case .truncatedOrOverBound, .trailingBytes, .notCanonical:
                #expect(throws: (any Error).self, "\(what): refused (\(error)), but layout.x allows it") {
                    _ = try walk.get()
                }
            case .unknownValue, .badRange, .inconsistent:
                // What layout.x cannot say; the form was in order.
                #expect(throws: Never.self, "\(what): \(error)") { _ = try walk.get() }
            }
            return
        }
        #expect(throws: Never.self, "\(what): accepted, but it is not what layout.x says") { _ = try walk.get() }
        let again = message.encoded
        #expect(try Message.decode(kind, again) == message, "\(what)")
        if !message.isRepairedOrReserved {
            #expect(again == bytes, "\(what): decoded, but encodes differently")
        }
    }
}

extension SeededGenerator {
    fileprivate mutating func mutate(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else {
            bytes.append(UInt8.random(in: 0...255, using: &self))
            return
        }
        let index = Int.random(in: 0..<bytes.count, using: &self)
        switch Int.random(in: 0..<7, using: &self) {
        case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &self)
        case 1: bytes[index] = self.element([0, 1, 2, 0x7f, 0x80, 0xff])
        case 2: bytes.remove(at: index)
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &self), at: index)
        case 4: bytes.removeLast(bytes.count - index)
        default:
            // A word, where counts, enums and bools are.
            let word = index & ~3
            let value = self.element([
                0, 1, 2, 3, 4, 5, 6, 15, 255, 256, 257, 0x7fff_ffff, .max, self.number(UInt32.self),
            ])
            for (position, shift) in zip(word..<min(word + 4, bytes.count), [24, 16, 8, 0]) {
                bytes[position] = UInt8(truncatingIfNeeded: value >> UInt32(shift))
            }
        }
    }
}

extension Message {
    /// Whether the value may differ from its bytes: text that had to be repaired, or a reserved call.
    fileprivate var isRepairedOrReserved: Bool {
        switch self {
        case .callback(.notifyDeviceID): true
        case .call, .reply, .callback, .callbackReply: "\(self)".unicodeScalars.contains("\u{fffd}")
        }
    }
}
