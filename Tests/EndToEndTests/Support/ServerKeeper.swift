import Glibc
import LayoutCore
import LinuxFiles
import Synchronization
import TestSupport

/// Kills a server again and again, at its failpoints and at any other moment, and starts it again.
final class ServerKeeper: Sendable {
    /// The steps at which a server can end itself (`LAYOUTD_FAILPOINT`).
    static let steps = [
        "beforeIntent", "afterIntent", "afterSystemCall", "afterSync", "afterReplyWritten", "afterReplySent",
        "beforeHolderWritten", "afterHolderWritten", "duringRecovery", "afterRecovery",
    ]
    /// The name under which deaths at no step are counted.
    static let anyMoment = "any moment"

    private struct State {
        let server: ServerProcess
        var random: SeededNumbers
        /// The step of this life, if it is to end at one.
        var step: String?
        var startedAt = Host.now
        var wasKilled = false
        var kills: [String: Int] = [:]
        var isCalm = false
        /// The slowest start.
        var slowest = Duration.zero
    }

    private let state: Mutex<State>

    /// Takes a server over that runs.
    init(_ server: ServerProcess, seed: UInt64) {
        self.state = Mutex(State(server: server, random: SeededNumbers(seed: seed)))
    }

    /// How often the server died, by step.
    var kills: [String: Int] { self.state.withLock { $0.kills } }

    /// The longest time from a start to the first service.
    var slowestStart: Duration { self.state.withLock { $0.slowest } }

    /// From now on the server is not killed any more.
    func calmDown() { self.state.withLock { $0.isCalm = true } }

    /// To be called now and then: kills a server that has lived long enough.
    func tick() {
        self.state.withLock { state in
            guard !state.isCalm, !state.wasKilled else { return }
            let age = Host.now.duration(since: state.startedAt)
            let limit: Duration = state.step == nil ? .milliseconds(20 + state.random.below(400)) : .seconds(4)
            guard age > limit else { return }
            state.wasKilled = true
            state.server.signal(SIGKILL)
        }
    }

    /// Makes sure that there is a server: starts it if it has ended.
    func ensureServer() throws {
        try self.state.withLock { state in
            guard let status = state.server.endedStatus() else {
                // A connection may break a moment before the process is gone.
                usleep(2000)
                return
            }
            while true {
                guard status == 128 + SIGKILL else { throw TestFailure("layoutd ended by itself: \(status)") }
                try Self.count(&state)
                let begin = Host.now
                if try state.server.startUnlessKilled(prefix: Self.prefix(&state)) {
                    state.startedAt = Host.now
                    state.slowest = max(state.slowest, state.startedAt.duration(since: begin))
                    return
                }
            }
        }
    }

    private static func count(_ state: inout State) throws {
        let name = state.wasKilled ? Self.anyMoment : state.step
        guard let name else { throw TestFailure("layoutd was killed by somebody else") }
        state.kills[name, default: 0] += 1
    }

    /// Chooses how the next life ends: at the step that was hit least, or at any moment.
    private static func prefix(_ state: inout State) -> [String] {
        state.wasKilled = false
        state.step = nil
        guard !state.isCalm else { return [] }
        let kills = state.kills
        let names = (Self.steps + [Self.anyMoment]).shuffled(using: &state.random)
        guard let name = names.min(by: { kills[$0, default: 0] < kills[$1, default: 0] }), name != Self.anyMoment
        else { return [] }
        state.step = name
        // The first time that a life gets there, or a later one; of what happens once in a life, the first.
        let count = name.hasSuffix("Recovery") ? 1 : 1 + state.random.below(6)
        return ["LAYOUTD_FAILPOINT=\(name):\(count)"]
    }
}

/// Numbers that look random and are the same for the same seed.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(self.next() % UInt64(bound)) }
}
