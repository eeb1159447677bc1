import ArgumentParser
import CBenchPeer
import Glibc

/// The bare libtirpc server that round trips are compared with; started by the benchmark itself.
struct RPCPeer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rpc-peer",
        abstract: "Serves a NULL procedure with libtirpc's svc_run on a Unix socket.",
        shouldDisplay: false
    )

    @Argument(help: "Where to listen.")
    var path: String

    func run() throws {
        let error = unsafe bench_peer_serve(self.path, STDOUT_FILENO)
        throw BenchError("serve on '\(self.path)' with libtirpc", errno: -error, "use --directory")
    }
}
