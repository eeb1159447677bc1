/// What opening a file does besides.
public struct OpenOptions: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt32

    /// Makes options from bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Makes the file if there is none.
    public static var create: OpenOptions { OpenOptions(rawValue: 1) }
    /// With ``create``: fails with ``LayoutCore/LayoutStatus/exists`` if there is one.
    public static var exclusive: OpenOptions { OpenOptions(rawValue: 2) }
    /// Removes all bytes of a file that exists: a mapping change, which waits for the holders of layouts.
    public static var truncate: OpenOptions { OpenOptions(rawValue: 4) }
    /// Refuses a file that is not on persistent memory, instead of using the page cache; and to map it where the CPU alone
    /// cannot make stores durable (`MAP_SYNC`).
    public static var requiresDAX: OpenOptions { OpenOptions(rawValue: 8) }
}
