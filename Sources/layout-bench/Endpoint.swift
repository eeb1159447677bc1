/// Where a server of the benchmark listens, on this host.
enum Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// The path of a Unix socket.
    case unix(String)
    /// A port of 127.0.0.1.
    case tcp(port: UInt16)

    var description: String {
        switch self {
        case .unix(let path): path
        case .tcp(let port): "127.0.0.1:\(port)"
        }
    }
}

/// What calls travel over.
enum Transport: String, CaseIterable, Sendable {
    case unix = "Unix"
    case tcp = "TCP"
}
