import ONCRPC

/// An endpoint as people write it: `layout+unix:///run/layoutd.sock`, `layout+tcp://host:port`, `layout://host:port`.
struct ServerAddress: Hashable, Sendable {
    var transport: RPCServerAddress

    init(_ text: String) throws(LayoutError) {
        if let path = text.dropping(prefix: "layout+unix://") {
            guard path.hasPrefix("/"), path.utf8.count < 108 else {
                throw Self.malformed(text, "the path of the socket has to begin with '/' and to be under 108 bytes")
            }
            self.transport = .unix(path: path)
            return
        }
        guard let rest = text.dropping(prefix: "layout+tcp://") ?? text.dropping(prefix: "layout://") else {
            throw Self.malformed(text, "it has to begin with 'layout+unix://' or 'layout://'")
        }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
            (1...65_535).contains(port)
        else { throw Self.malformed(text, "a port from 1 to 65535 is missing behind the host") }
        var host = String(rest[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, !host.contains("/") else { throw Self.malformed(text, "the host is missing") }
        self.transport = .tcp(host: host, port: port)
    }

    private static func malformed(_ text: String, _ why: String) -> LayoutError {
        LayoutError(
            .invalid,
            "'\(text)' is not the address of a server: \(why); "
                + "write layout+unix:///run/layoutd.sock or layout://host:port"
        )
    }
}

extension String {
    fileprivate func dropping(prefix: String) -> String? {
        self.hasPrefix(prefix) ? String(self.dropFirst(prefix.count)) : nil
    }
}
