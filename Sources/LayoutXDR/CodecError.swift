/// Bytes from a peer that are not a message of `Protocol/layout.x`.
///
/// A call that cannot be decoded is answered `GARBAGE_ARGS` (RFC 5531 §9); a reply or callback that cannot be decoded
/// is treated as lost. Nothing of the message may be used.
package struct CodecError: Error, Hashable, Sendable {
    /// What is wrong with the bytes.
    package enum Reason: Hashable, Sendable {
        /// Too short, or an array, string or opaque is longer than its bound.
        case truncatedOrOverBound
        /// The message ends, the bytes go on: this many are left.
        case trailingBytes(Int)
        /// A bool other than 0 and 1, or padding other than zero: the first difference is at or after this offset.
        case notCanonical(offset: Int)
        /// An enum without a case for this number.
        case unknownValue(UInt32)
        /// Offset and length that are empty or overflow.
        case badRange(offset: UInt64, length: UInt64)
        /// Fields that contradict each other.
        case inconsistent(String)
    }

    /// The type or field of `layout.x` in question.
    package var field: String
    /// What is wrong with it.
    package var reason: Reason

    /// Makes an error about `field`.
    package init(_ field: String, _ reason: Reason) {
        self.field = field
        self.reason = reason
    }
}

extension CodecError: CustomStringConvertible {
    /// One line for a log.
    package var description: String {
        switch self.reason {
        case .truncatedOrOverBound: "\(self.field): cut short, or an element count is over its bound"
        case .trailingBytes(let count): "\(self.field): \(count) bytes follow the end of the message"
        case .notCanonical(let offset):
            "\(self.field): a bool is not 0 or 1, or padding is not zero, from byte \(offset)"
        case .unknownValue(let value): "\(self.field): \(value) is not a value of this enum"
        case .badRange(let offset, let length): "\(self.field): offset \(offset) and length \(length) are not a range"
        case .inconsistent(let what): "\(self.field): \(what)"
        }
    }
}
