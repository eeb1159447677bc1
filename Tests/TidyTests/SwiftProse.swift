/// Blanks comments, and what stands between the quotes of string literals, so that a search finds code only.
///
/// Newlines stay, so that line numbers stay. Interpolations count as part of the string. Nested block comments, multi-line
/// and raw strings are understood; regular expression literals are not: their text counts as code.
func blankProse(in text: String) -> String {
    var scanner = ProseScanner(input: Array(text.utf8))
    scanner.scan()
    return String(decoding: scanner.output, as: UTF8.self)
}

/// Bytes, since a person waits for it: characters take thirty times as long.
private struct ProseScanner {
    let input: [UInt8]
    var output: [UInt8] = []
    private var position = 0

    init(input: [UInt8]) {
        self.input = input
        self.output.reserveCapacity(input.count)
    }

    private static let newline = UInt8(ascii: "\n")
    private static let quote = UInt8(ascii: "\"")
    private static let hash = UInt8(ascii: "#")
    private static let backslash = UInt8(ascii: "\\")

    private var isAtEnd: Bool { self.position >= self.input.count }

    mutating func scan() {
        while !self.isAtEnd {
            if self.isAt("//") {
                while !self.isAtEnd, self.input[self.position] != Self.newline { self.blank() }
            } else if self.isAt("/*") {
                self.blankBlockComment()
            } else if let opening = self.openingQuotes {
                self.blankString(hashes: opening.hashes, quotes: opening.quotes)
            } else {
                self.output.append(self.input[self.position])
                self.position += 1
            }
        }
    }

    private func isAt(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { bytes in
            guard self.position + bytes.count <= self.input.count else { return false }
            return bytes.indices.allSatisfy { unsafe self.input[self.position + $0] == bytes[$0] }
        }
    }

    /// How often a byte stands at an offset from here, at most `limit` times.
    private func count(of byte: UInt8, at offset: Int = 0, limit: Int = .max) -> Int {
        var count = 0
        while count < limit, self.position + offset + count < self.input.count,
            self.input[self.position + offset + count] == byte
        {
            count += 1
        }
        return count
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where !self.isAtEnd {
            let byte = self.input[self.position]
            self.output.append(byte == Self.newline ? byte : UInt8(ascii: " "))
            self.position += 1
        }
    }

    private mutating func blankBlockComment() {
        var depth = 0
        repeat {
            if self.isAt("/*") {
                depth += 1
                self.blank(2)
            } else if self.isAt("*/") {
                depth -= 1
                self.blank(2)
            } else {
                self.blank()
            }
        } while depth > 0 && !self.isAtEnd
    }

    /// The hashes and quotes that a string literal begins with here, such as one quote, three, or a hash and one.
    private var openingQuotes: (hashes: Int, quotes: Int)? {
        guard [Self.quote, Self.hash].contains(self.input[self.position]) else { return nil }
        let hashes = self.count(of: Self.hash)
        let quotes = self.count(of: Self.quote, at: hashes, limit: 3)
        guard quotes > 0 else { return nil }
        // Two quotes are an empty string.
        return (hashes, quotes == 2 ? 1 : quotes)
    }

    private mutating func blankString(hashes: Int, quotes: Int) {
        self.blank(hashes + quotes)
        while !self.isAtEnd {
            let byte = self.input[self.position]
            if byte == Self.quote, self.count(of: Self.quote, limit: quotes) == quotes,
                self.count(of: Self.hash, at: quotes, limit: hashes) == hashes
            {
                return self.blank(quotes + hashes)
            }
            if byte == Self.backslash, self.count(of: Self.hash, at: 1, limit: hashes) == hashes {
                self.blank(1 + hashes)
            }
            // A literal on one line that is never closed does not compile; do not run away with it.
            if quotes == 1, !self.isAtEnd, self.input[self.position] == Self.newline { return }
            self.blank()
        }
    }
}
