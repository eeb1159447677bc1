import Foundation

/// One message in `Protocol/Vectors`: what it is, and its bytes with their meaning beside them.
struct Vector: Hashable {
    /// `LAYOUT_PROGRAM 30 call` and the like.
    var heading: String
    var bytes: [UInt8]

    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    static func url(_ name: String) -> URL { Repository.file("Protocol/Vectors/\(name).txt") }

    /// Makes the file's text.
    static func text(_ name: String, _ kind: Message.Kind, _ bytes: [UInt8]) throws -> String {
        let type = try kind.type(in: .layout)
        var lines = ["message: \(name)", "procedure: \(kind.heading)", "type: \(type)", "length: \(bytes.count)", ""]
        for item in try SchemaWalker.walk(bytes, as: type, in: .layout).items {
            let words = stride(from: item.bytes.startIndex, to: item.bytes.endIndex, by: 4).map { start in
                item.bytes[start..<start + 4].map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
            }
            let hex = words.joined(separator: " ")
            lines.append(hex + String(repeating: " ", count: 35 - hex.count) + "  " + item.meaning)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Reads a file; the meanings are not looked at.
    init(parsing text: String) throws {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let blank = lines.firstIndex(of: "") else {
            throw Malformed(description: "no blank line after the heading")
        }
        var header: [Substring: Substring] = [:]
        for line in lines[..<blank] {
            let parts = line.split(separator: ": ", maxSplits: 1)
            guard parts.count == 2 else { throw Malformed(description: "'\(line)' is not 'name: value'") }
            header[parts[0]] = parts[1]
        }
        self.heading = String(header["procedure"] ?? "")
        self.bytes = []
        for line in lines[(blank + 1)...] where !line.isEmpty {
            guard let end = line.range(of: "  ")?.lowerBound else {
                throw Malformed(description: "'\(line)' means nothing")
            }
            let digits = line[..<end].filter { $0 != " " }
            for index in stride(from: 0, to: digits.count, by: 2) {
                guard let byte = UInt8(digits.dropFirst(index).prefix(2), radix: 16) else {
                    throw Malformed(description: "'\(digits)' is not hexadecimal")
                }
                self.bytes.append(byte)
            }
        }
        guard header["length"].flatMap({ Int($0) }) == self.bytes.count else {
            throw Malformed(
                description: "\(self.bytes.count) bytes, but the heading says \(header["length"] ?? "nothing")"
            )
        }
    }
}
