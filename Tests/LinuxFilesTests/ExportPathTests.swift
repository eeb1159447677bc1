import LayoutCore
import LinuxFiles
import Testing

@Suite struct ExportPathTests {
    @Test(arguments: [
        "", "a", "a/b", ".", "..", "a/../b", "ü/日本", "a b", "-", "...", String(repeating: "x", count: 255),
    ])
    func takes(_ path: String) throws {
        #expect(try ExportPath(bytes(path)).bytes == bytes(path))
    }

    @Test(arguments: ["/", "/etc/passwd", "a//b", "a/", "//", "a/b//", "a\u{0}b", "\u{0}"])
    func refusesNames(_ path: String) {
        let error = failure { () throws(LinuxError) in _ = try ExportPath(bytes(path)) }
        #expect(error?.status == .badName)
        #expect(error?.message.contains(";") == true, "a remedy is named")
    }

    @Test(
        arguments: [[0xff], [0xc0, 0x80], [0x61, 0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80]] as [[UInt8]]
    )
    func refusesInvalidUTF8(_ path: [UInt8]) {
        #expect(failure { () throws(LinuxError) in _ = try ExportPath(path) }?.status == .badName)
    }

    @Test func refusesLongOnes() {
        func status(_ path: String) -> LayoutStatus? {
            failure { () throws(LinuxError) in _ = try ExportPath(bytes(path)) }?.status
        }
        #expect(status(String(repeating: "x", count: 256)) == .nameTooLong)
        let component = String(repeating: "x", count: 255) + "/"
        #expect(status(String(repeating: component, count: 3) + String(repeating: "y", count: 255)) == nil)
        #expect(status(String(repeating: component, count: 4) + "y") == .nameTooLong)
        #expect(status(String(repeating: "x/", count: 1 << 20)) == .nameTooLong)
    }
}
