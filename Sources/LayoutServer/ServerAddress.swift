package import ONCRPC

/// Where a server listens, as a URL: `unix:///run/layoutd.sock`, `tcp://127.0.0.1:7400`, `tcp://[::1]:0`.
///
/// The schemes that clients use mean the same: `layout+unix://`, `layout+tcp://` and, shorter, `layout://`.
package enum ServerAddress: Hashable, Sendable {
    /// A Unix socket at an absolute path.
    case unix(path: String)
    /// TCP at a numeric address; port 0 takes a free one.
    case tcp(host: String, port: Int)

    /// Why a text is not an address, and how one looks.
    package struct InvalidURL: Error, Hashable, Sendable, CustomStringConvertible {
        /// For the operator.
        package let description: String
    }

    /// Reads a URL.
    ///
    /// - Throws: ``InvalidURL`` for another scheme, an empty or relative path, a path of more than 104 bytes (the
    ///   descriptor socket's name is three longer, and a socket's has at most 107), or a port beyond 65535.
    package init(_ text: String) throws(InvalidURL) {
        if let path = Self.rest(of: text, behind: ["unix://", "layout+unix://"]) {
            guard path.first == "/", path.count > 1 else {
                throw InvalidURL(
                    description: "'\(text)' has no absolute path; write three slashes, as in unix:///run/layoutd.sock"
                )
            }
            guard path.utf8.count <= 104, !path.utf8.contains(0) else {
                throw InvalidURL(
                    description: "the path in '\(text)' has \(path.utf8.count) bytes; a socket's may have 104 here"
                )
            }
            self = .unix(path: String(path))
        } else if let place = Self.rest(of: text, behind: ["tcp://", "layout+tcp://", "layout://"]) {
            self = try Self.tcp(place, in: text)
        } else {
            throw InvalidURL(
                description: "'\(text)' is no address to listen on; write unix:///PATH, tcp://ADDRESS:PORT or "
                    + "tcp://[IPV6-ADDRESS]:PORT"
            )
        }
    }

    private static func rest(of text: String, behind schemes: [String]) -> Substring? {
        schemes.first { text.hasPrefix($0) }.map { text.dropFirst($0.count) }
    }

    private static func tcp(_ place: Substring, in text: String) throws(InvalidURL) -> ServerAddress {
        let host: Substring
        var rest: Substring
        if place.first == "[" {
            guard let end = place.firstIndex(of: "]") else {
                throw InvalidURL(description: "'\(text)' has a '[' without a ']': write tcp://[::1]:7400")
            }
            host = place[place.index(after: place.startIndex)..<end]
            rest = place[place.index(after: end)...]
        } else {
            let end = place.firstIndex(of: ":") ?? place.endIndex
            host = place[..<end]
            rest = place[end...]
        }
        if rest.last == "/" { rest.removeLast() }
        guard !host.isEmpty, rest.first == ":", let port = Int(rest.dropFirst()), (0...65535).contains(port) else {
            throw InvalidURL(
                description: "'\(text)' has no numeric address or no port from 0 to 65535: write tcp://127.0.0.1:7400"
            )
        }
        return .tcp(host: String(host), port: port)
    }

    /// The address for the transport; `mode` are the permission bits of a socket.
    package func listenAddress(mode: UInt32) -> RPCListenAddress {
        switch self {
        case .unix(let path): .unix(path: path, mode: mode)
        case .tcp(let host, let port): .tcp(host: host, port: port)
        }
    }
}

extension ServerAddress: CustomStringConvertible {
    /// The URL.
    package var description: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }
}
