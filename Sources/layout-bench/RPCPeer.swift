import ArgumentParser
import CBenchPeer
import Glibc

/// A server that round trips are compared with.
enum PeerKind: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// `epoll_wait(2)`, `recv(2)`, `send(2)`, and nothing between.
    case echo
    /// libtirpc's `svc_run`, with the XDR of `layout.x` and results that are always the same.
    case libtirpc
}

/// `layout-bench rpc-peer`: one of these servers; started by the benchmark itself.
struct RPCPeer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rpc-peer",
        abstract: "Serves what round trips are compared with.",
        shouldDisplay: false
    )

    @Option(help: "Which server.")
    var kind: PeerKind

    @Option(help: "The path of a Unix socket to listen on (default: a TCP port of the loopback).")
    var path: String?

    func run() throws {
        let error = unsafe bench_peer_serve(self.kind == .echo, self.path, STDOUT_FILENO)
        throw BenchError("serve as \(self.kind.rawValue)", errno: -error, "use --directory")
    }
}

/// Such a server as a child of the benchmark.
final class PeerProcess: Sendable {
    let endpoint: Endpoint
    let process: ChildProcess

    init(_ kind: PeerKind, _ transport: Transport, in directory: TemporaryDirectory) throws {
        let path = "\(directory.path)/\(kind.rawValue).sock"
        let place = transport == .unix ? ["--path", path] : []
        self.process = try ChildProcess(Program.path(), ["rpc-peer", "--kind", kind.rawValue] + place) {
            $0.hasPrefix("ready")
        }
        switch transport {
        case .unix: self.endpoint = .unix(path)
        case .tcp: self.endpoint = .tcp(port: UInt16(self.process.greeting.dropFirst(6)) ?? 0)
        }
    }
}
