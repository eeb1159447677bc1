/// How a client behaves; every value has a default that fits most programs.
public struct ClientConfiguration: Hashable, Sendable {
    /// How long ``LayoutClient/connect(to:configuration:)`` tries.
    public var connectTimeout: Duration = .seconds(10)
    /// How long a mapping change waits for others to give layouts back, or to reclaim them after a restart of the server,
    /// unless a call says otherwise.
    ///
    /// The server does not wait longer than 20 seconds.
    public var patience: Duration = .seconds(20)
    /// How long a LAYOUTGET may wait at the server for its turn before it is asked again.
    public var layoutPatience: Duration = .seconds(10)
    /// How long the server may take to answer, beyond the time that a call allows it to wait.
    public var answerTimeout: Duration = .seconds(15)
    /// How long the server may be out of reach before windows are given up: from then on touches raise SIGBUS.
    ///
    /// Until then threads that touch a window whose lease ran out wait.
    public var giveUpAfter: Duration = .seconds(120)
    /// The first pause before a connection is tried again; it doubles with each try.
    public var reconnectPause: Duration = .milliseconds(20)
    /// The longest pause before a connection is tried again.
    public var reconnectPauseMax: Duration = .seconds(5)
    /// Bytes of the windows that ``LayoutFile/read(into:at:)`` and ``LayoutFile/write(_:at:)-(UnsafeRawBufferPointer,_)``
    /// go through.
    ///
    /// Writing makes the server allocate blocks for a whole window, up to the end of the file.
    public var ioWindowSize: Int = 16 << 20
    /// How many such windows a file keeps.
    public var ioWindowsMax: Int = 8
    /// Whether reads and writes use mappings where they can.
    ///
    /// Without, all of them go through the server.
    public var readsAndWritesDirectly = true
    /// How many recall events wait for each reader of ``LayoutClient/recallEvents`` before the oldest is dropped.
    public var recallEventsMax: Int = 256
    /// Calls that may be under way at a time; the server may allow fewer.
    public var slots: Int = 32
    /// How this client is called in the server's lists; the process and a random number are added.
    public var name: String = ""

    /// Makes the default configuration.
    public init() {}
}
