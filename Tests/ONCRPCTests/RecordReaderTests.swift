import NIOCore
import Testing

@testable import ONCRPC

@Suite("Record marking")
struct RecordReaderTests {
    private static let messages: [[UInt8]] = [[], [1], Array(0..<200), Array(repeating: 9, count: 5000), [7, 8]]

    private func reader(length: Int = 10_000, fragments: Int = 16) -> RecordReader {
        RecordReader(recordLengthMax: length, fragmentsMax: fragments)
    }

    /// Feeds the stream in parts of `chunk` bytes, and returns the records and how it ended.
    private func feed(
        _ stream: [UInt8],
        chunk: Int,
        to reader: inout RecordReader
    ) -> (records: [[UInt8]], violation: RPCCloseReason?) {
        var records: [[UInt8]] = []
        for start in stride(from: 0, to: stream.count, by: chunk) {
            reader.append(ByteBuffer(bytes: stream[start..<min(start + chunk, stream.count)]))
            steps: while true {
                switch reader.next() {
                case .record(let record): records.append(Array(record.readableBytesView))
                case .incomplete: break steps
                case .violation(let reason): return (records, reason)
                }
            }
        }
        return (records, nil)
    }

    @Test("Records come out the same however the stream is cut and fragmented", arguments: [1, 2, 3, 7, 64, 100_000])
    func cuts(chunk: Int) {
        let streams = [
            Self.messages.flatMap { Wire.record($0) },
            Self.messages.flatMap {
                $0.isEmpty ? Wire.record([]) : Wire.record($0, fragmentLength: ($0.count + 9) / 10)
            },
        ]
        for stream in streams {
            var reader = self.reader()
            let (records, violation) = self.feed(stream, chunk: chunk, to: &reader)
            #expect(records == Self.messages)
            #expect(violation == nil)
            #expect(!reader.isMidRecord)
            #expect(reader.bufferedLength == 0)
        }
    }

    @Test("A record of exactly the limit passes, one byte more does not, in one fragment or several")
    func lengthLimit() {
        for fragmentLength in [10_001, 5000] {
            var reader = self.reader()
            let fits = [UInt8](repeating: 1, count: 10_000)
            #expect(
                self.feed(Wire.record(fits, fragmentLength: fragmentLength), chunk: 999, to: &reader).records == [fits]
            )
            let exceeds = Wire.record(fits + [1], fragmentLength: fragmentLength)
            #expect(self.feed(exceeds, chunk: 999, to: &reader).violation == .recordTooLong(announced: 10_001))
        }
    }

    @Test("bad-input 4: an announced length over the limit is refused with the header, before any of it is there")
    func announcedLength() {
        for word in [0x7fff_ffff, 0xffff_ffff, 0x8000_2711] as [UInt32] {
            var reader = self.reader()
            let (records, violation) = self.feed(Wire.words(word), chunk: 4, to: &reader)
            #expect(records.isEmpty)
            #expect(violation == .recordTooLong(announced: Int(word & 0x7fff_ffff)))
        }
    }

    @Test("bad-input 5: fragments are counted, empty ones too")
    func fragmentLimit() {
        let empty = Wire.fragment([], isLast: false)
        var reader = self.reader()
        let fits = (0..<15).flatMap { _ in empty } + Wire.record([1, 2])
        #expect(self.feed(fits, chunk: 1000, to: &reader).records == [[1, 2]])
        let exceeds = (0..<16).flatMap { _ in empty } + Wire.record([1, 2])
        #expect(self.feed(exceeds, chunk: 1000, to: &reader).violation == .tooManyFragments)
    }

    @Test("A few bytes that wait do not hold on to a large read buffer, nor to what was announced")
    func memory() {
        var reader = self.reader(length: 1 << 20)
        var input = ByteBufferAllocator().buffer(capacity: 65_536)
        input.writeBytes(Wire.record([UInt8](repeating: 3, count: 60_000)) + Wire.words(0x8010_0000) + [1, 2, 3])
        reader.append(input)
        guard case .record(let record) = reader.next(), case .incomplete = reader.next() else {
            Issue.record("expected one record and the start of another")
            return
        }
        #expect(record.readableBytes == 60_000)
        #expect(reader.bufferedLength == 3)
        #expect(reader.capacity < 1024)
    }
}
