import ArgumentParser
import CBenchPeer
import LinuxFiles

/// On which CPUs the measuring thread and the servers that the benchmark starts run.
///
/// Where a free server ends up is decided early and by chance, and waking another CPU can cost more than all the rest of
/// a call: so two servers are only comparable if both are placed.
enum Placement: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Wherever the kernel puts them.
    case free
    /// All on one CPU.
    case same
    /// The benchmark on one, the servers on another.
    case apart

    /// To be called on the thread that starts servers, before it does.
    func placeServers() throws {
        switch self {
        case .free: break
        case .same: try Self.pin(0)
        case .apart: try Self.pin(1)
        }
    }

    /// To be called on the thread that measures, and before others are started that belong to it.
    func placeCaller() throws {
        switch self {
        case .free: break
        case .same, .apart: try Self.pin(0)
        }
    }

    /// Takes the pin of the calling thread away.
    func release() {
        if self != .free { bench_unpin() }
    }

    private static func pin(_ index: CInt) throws {
        let error = bench_pin(index)
        guard error == 0 else {
            throw BenchError("use CPU number \(index)", errno: -error, "pin apart needs two CPUs: leave --pin out")
        }
    }
}
