import LayoutCore
import LayoutXDR
import NIOCore
import Testing

/// What is encoded decodes to the same value, and means the same to a reader of `layout.x`.
@Suite struct RoundTripTests {
    /// Values for each of the messages.
    static let iterations = 1000

    @Test(arguments: Message.Kind.all)
    func everyValueSurvives(_ kind: Message.Kind) throws {
        for seed in 0..<UInt64(Self.iterations) {
            var random = SeededGenerator(seed: seed)
            let message = random.message(kind)
            let bytes = message.encoded
            let decoded = Result { () throws(CodecError) in try Message.decode(kind, bytes) }
            guard decoded == .success(message) else {
                Issue.record("\(kind), seed \(seed): \(message) came back as \(decoded)")
                return
            }
        }
    }

    @Test(arguments: Message.Kind.all)
    func bytesAreWhatTheProtocolSays(_ kind: Message.Kind) throws {
        let type = try kind.type(in: .layout)
        for seed in 0..<UInt64(40) {
            var random = SeededGenerator(seed: seed)
            let bytes = random.message(kind).encoded
            #expect(throws: Never.self, "\(kind), seed \(seed)") {
                _ = try SchemaWalker.walk(bytes, as: type, in: .layout)
            }
        }
    }

    /// Replies of one read burst share a buffer, so a message begins anywhere, also off a word.
    @Test(arguments: Message.Kind.all, 1...5)
    func messagesAreAppended(_ kind: Message.Kind, _ offset: Int) throws {
        var random = SeededGenerator(seed: UInt64(offset))
        let message = random.message(kind)
        var buffer = ByteBuffer(bytes: [UInt8](repeating: 0xee, count: offset))
        message.encode(into: &buffer)
        #expect(Array(buffer.readableBytesView.prefix(offset)) == [UInt8](repeating: 0xee, count: offset))
        buffer.moveReaderIndex(forwardBy: offset)
        #expect(Array(buffer.readableBytesView) == message.encoded)
        #expect(try Message.decode(kind, buffer) == message)
    }

    @Test func everyProcedureHasItsNumber() throws {
        for (program, numbers) in [
            ("LAYOUT_PROGRAM", Procedure.allCases.map(\.rawValue)),
            ("LAYOUT_CALLBACK_PROGRAM", CallbackProcedure.allCases.map(\.rawValue)),
        ] {
            let declared = try #require(Schema.layout.programs[program])
            #expect(numbers.sorted() == declared.keys.sorted(), "\(program)")
        }
    }
}
