/// A client as the server knows it (RFC 8881 §18.35, `clientid4`).
public struct ClientID: Hashable, Comparable, Sendable {
    /// The number on the wire; 0 stands for no client.
    public let rawValue: UInt64

    /// Makes an ID from its number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Orders by number.
    public static func < (left: ClientID, right: ClientID) -> Bool { left.rawValue < right.rawValue }
}

/// A file inside one server process: a short name for a ``FileHandle``, cheap to hash.
public struct FileID: Hashable, Comparable, Sendable {
    /// The number; never reused while the server runs.
    public let rawValue: UInt64

    /// Makes an ID from its number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Orders by number.
    public static func < (left: FileID, right: FileID) -> Bool { left.rawValue < right.rawValue }
}

/// One call in progress, as the engine and its shell name it to each other.
public struct CallID: Hashable, Sendable {
    /// The number; never reused while the server runs.
    public let rawValue: UInt64

    /// Makes an ID from its number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// One mapping change, from its request to its end.
public struct ChangeID: Hashable, Sendable {
    /// The number; never reused while the server runs.
    public let rawValue: UInt64

    /// Makes an ID from its number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// One recall, from its sending to its end; the same in every re-sent copy.
public struct RecallID: Hashable, Comparable, Sendable {
    /// The number; never reused, in later lives of the server neither.
    public let rawValue: UInt64

    /// Makes an ID from its number.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Orders by age.
    public static func < (left: RecallID, right: RecallID) -> Bool { left.rawValue < right.rawValue }
}

/// Sixteen bytes without a meaning of their own: session IDs, device IDs, tokens.
public struct Opaque16: Hashable, Sendable {
    /// Bytes 0 to 7, the first byte in the lowest bits.
    public let low: UInt64
    /// Bytes 8 to 15, the first byte in the lowest bits.
    public let high: UInt64

    /// Makes a value from its two halves.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// All zero: none.
    public static var zero: Opaque16 { Opaque16(low: 0, high: 0) }
}

/// A session (RFC 8881 §2.10).
public struct SessionID: Hashable, Sendable {
    /// The bytes on the wire.
    public let rawValue: Opaque16

    /// Makes an ID from its bytes.
    public init(_ rawValue: Opaque16) { self.rawValue = rawValue }
}

/// A storage device that extents are on (RFC 8881 §12.2.10).
///
/// Never reused for another device.
public struct DeviceID: Hashable, Sendable {
    /// The bytes on the wire.
    public let rawValue: Opaque16

    /// Makes an ID from its bytes.
    public init(_ rawValue: Opaque16) { self.rawValue = rawValue }
}

/// What a client shows at the descriptor socket to receive the descriptor of a grant.
public struct DescriptorToken: Hashable, Sendable {
    /// The bytes on the wire; zero for none.
    public let rawValue: Opaque16

    /// Makes a token from its bytes.
    public init(_ rawValue: Opaque16) { self.rawValue = rawValue }

    /// No token: the descriptor was passed before.
    public static var none: DescriptorToken { DescriptorToken(.zero) }
}

/// A file on the wire: 32 bytes that only the server understands and that it can check.
public struct FileHandle: Hashable, Sendable {
    /// Bytes 0 to 15.
    public let low: Opaque16
    /// Bytes 16 to 31.
    public let high: Opaque16

    /// Makes a handle from its bytes.
    public init(low: Opaque16, high: Opaque16) {
        self.low = low
        self.high = high
    }

    /// The root directory of the export.
    public static var root: FileHandle { FileHandle(low: .zero, high: .zero) }
}

/// The part of a layout stateid that stays the same over its life: twelve bytes (RFC 8881 §3.3.12, `other`).
public struct StateIDOther: Hashable, Sendable {
    /// Bytes 0 to 7: a number that is never reused.
    public let number: UInt64
    /// Bytes 8 to 11: which start of the server made it.
    public let boot: UInt32

    /// Makes the part from its two numbers.
    public init(number: UInt64, boot: UInt32) {
        self.number = number
        self.boot = boot
    }

    /// All zero: the caller holds no layout of the file yet.
    public static var none: StateIDOther { StateIDOther(number: 0, boot: 0) }
}

/// A layout stateid: one per client and file (RFC 8881 §12.5.3).
public struct StateID: Hashable, Sendable {
    /// Goes up by one with every grant, return and recall; never 0 in a valid stateid; wraps to 1.
    public var seqid: UInt32
    /// The part that stays the same.
    public var other: StateIDOther

    /// Makes a stateid from its parts.
    public init(seqid: UInt32, other: StateIDOther) {
        self.seqid = seqid
        self.other = other
    }

    /// What a client sends that holds no layout of the file yet.
    public static var none: StateID { StateID(seqid: 0, other: .none) }

    /// The seqid that follows `seqid`: never 0 (RFC 8881 §12.5.3).
    public static func successor(of seqid: UInt32) -> UInt32 { seqid == .max ? 1 : seqid + 1 }

    /// How many steps `newer` is ahead of `older`, across the wrap; negative if it is behind.
    public static func distance(from older: UInt32, to newer: UInt32) -> Int64 {
        var distance = Int64(newer) - Int64(older)
        // There are 2^32 - 1 valid values, 0 being none of them.
        let period = Int64(UInt32.max)
        if distance > period / 2 { distance -= period }
        if distance < -period / 2 { distance += period }
        return distance
    }
}
