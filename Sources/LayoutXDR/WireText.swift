/// Text for people, which travels as bounded UTF-8.
enum WireText {
    /// The UTF-8 of `text`, cut before the first code point that would end beyond `limit` bytes.
    static func encode(_ text: String, limit: Int) -> [UInt8] {
        let bytes = [UInt8](text.utf8.prefix(limit + 1))
        guard bytes.count > limit else { return bytes }
        let end = bytes.lastIndex { !Self.isContinuation($0) } ?? 0
        return [UInt8](bytes[..<end])
    }

    /// The text in `bytes`: what is not UTF-8 becomes U+FFFD, and what then ends beyond `limit` bytes is cut off.
    static func decode(_ bytes: [UInt8], limit: Int) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.utf8.count <= limit ? text : String(decoding: Self.encode(text, limit: limit), as: UTF8.self)
    }

    private static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xc0 == 0x80 }
}
