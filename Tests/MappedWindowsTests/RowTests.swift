import Glibc
import LayoutCore
import MappedWindows
import Testing

extension WindowTests {
    /// Windows that follow each other in the address space.
    @Suite struct RowTests {
        @Test("The windows of a row are adjacent, and the kernel does not merge what they map")
        func adjacentAndNotMerged() throws {
            let size = 5 << 20
            let file = ScratchFile(size: size)
            for index in 0..<5 { file.write([UInt8(index + 1)], at: index << 20) }
            let windows = try Window.row(size: size, part: 2 << 20)
            #expect(windows.map { $0.size } == [2 << 20, 2 << 20, 1 << 20])
            let start = unsafe UInt(bitPattern: windows[0].base)
            var offset = 0
            for window in windows {
                let address = unsafe UInt(bitPattern: window.base)
                #expect(address == start + UInt(offset))
                let segment = WindowSegment(
                    windowOffset: 0,
                    length: window.size,
                    descriptor: file.descriptor,
                    fileOffset: Int64(offset)
                )
                let generation = try window.map([segment])
                #expect(try window.grant(.readWrite, generation: generation))
                offset += window.size
            }
            let row = windows[0].shared
            #expect((0..<5).map { row.byte($0 << 20) } == [1, 2, 3, 4, 5])
            #expect(try Self.mappings(from: start, size: size) == 3)

            windows[1].revoke()
            #expect((row.byte(0), row.byte(4 << 20)) == (1, 5))
            #expect(try windows[1].regrant(.readWrite, generation: windows[1].generation))
            // The one in the middle gives its own place back, and no other.
            windows[1].release()
            #expect((row.byte(1 << 20), row.byte(4 << 20)) == (2, 5))
        }

        /// How many mappings of the process lie in a range of addresses.
        private static func mappings(from start: UInt, size: Int) throws -> Int {
            let list = unsafe try #require(unsafe fopen("/proc/self/maps", "r"))
            defer { unsafe fclose(list) }
            var count = 0
            var line = [CChar](repeating: 0, count: 1024)
            while unsafe fgets(&line, Int32(line.count), list) != nil {
                let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                guard let first = text.split(separator: "-").first, let address = UInt(first, radix: 16) else {
                    continue
                }
                if address >= start, address < start + UInt(size) { count += 1 }
            }
            return count
        }
    }
}
