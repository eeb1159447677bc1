import Glibc
import LayoutCore
import LinuxFiles
import MappingGuard

/// A server that does nothing but guard one file, for tests that kill it.
///
///     guard-peer DIRECTORY FILE SOCKET KEEPER (hold|allow)
@main
enum GuardPeer {
    static func main() throws {
        let words = CommandLine.arguments
        guard words.count == 6 else {
            print("usage: guard-peer DIRECTORY FILE SOCKET KEEPER (hold|allow)")
            exit(2)
        }
        let root = try ExportRoot(path: words[1])
        let (reading, writing) = Self.makePipe()
        let configuration = MappingGuard.Configuration(
            root: root.directory,
            clones: false,
            keeperSocket: words[3],
            keeperProgram: words[4]
        )
        // Reports may not call the guard: what is to be allowed goes through a pipe.
        let guardian = try MappingGuard.start(configuration) { report in
            switch report {
            case .arrived(let call):
                Self.say("arrived \(call.change.operation) \(call.change.argument)\(call.isRecovered ? " again" : "")")
                var id = call.id.rawValue
                if words[5] == "allow" { _ = unsafe write(writing, &id, 8) }
            case .runs(let call): Self.say("runs \(call.change.operation)")
            case .ended(_, let outcome): Self.say("ended \(outcome)")
            case .trouble(let trouble): Self.say("trouble \(trouble)")
            }
        }
        let place = try root.resolve(Array(words[2].utf8))
        try guardian.watch(place, as: FileID(1))
        guardian.settled()
        Self.say("ready")
        var id: UInt64 = 0
        while unsafe read(reading, &id, 8) == 8 { guardian.allow(GuardedCallID(id)) }
    }

    private static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }

    private static func makePipe() -> (CInt, CInt) {
        var ends: [CInt] = [-1, -1]
        guard unsafe Glibc.pipe(&ends) == 0 else { exit(1) }
        return (ends[0], ends[1])
    }
}
