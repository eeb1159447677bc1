/// A server that calls are made to.
enum ServerName: Hashable, CaseIterable, Sendable, CustomStringConvertible {
    case echo
    case libtirpc
    case layoutd

    var description: String {
        switch self {
        case .echo: "echo"
        case .libtirpc: "svc_run"
        case .layoutd: "layoutd"
        }
    }
}

/// layoutd and what it is compared with, each over every transport.
final class ServerSet: Sendable {
    let layoutd: LayoutdProcess
    private let peers: [Transport: [PeerKind: PeerProcess]]

    /// Starts them all, on the CPUs of the calling thread.
    init(_ options: CommonOptions, in directory: TemporaryDirectory) throws {
        self.layoutd = try LayoutdProcess(binary: options.serverPath(), in: directory, ["--lease", "600"])
        var peers: [Transport: [PeerKind: PeerProcess]] = [:]
        for transport in Transport.allCases {
            for kind in PeerKind.allCases {
                peers[transport, default: [:]][kind] = try PeerProcess(kind, transport, in: directory)
            }
        }
        self.peers = peers
    }

    func endpoint(_ server: ServerName, _ transport: Transport) -> Endpoint {
        switch server {
        case .layoutd: self.layoutd.endpoint(transport)
        case .echo: self.peer(.echo, transport).endpoint
        case .libtirpc: self.peer(.libtirpc, transport).endpoint
        }
    }

    func process(_ server: ServerName, _ transport: Transport) -> ChildProcess {
        switch server {
        case .layoutd: self.layoutd.process
        case .echo: self.peer(.echo, transport).process
        case .libtirpc: self.peer(.libtirpc, transport).process
        }
    }

    private func peer(_ kind: PeerKind, _ transport: Transport) -> PeerProcess {
        guard let peer = self.peers[transport]?[kind] else { preconditionFailure("every server was started") }
        return peer
    }
}
