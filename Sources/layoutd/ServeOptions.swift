import ArgumentParser
import Glibc
import LayoutServer
import Logging

/// A time on the command line: `500ms`, `10s`, `2m`; a bare number counts seconds.
struct TimeArgument: ExpressibleByArgument, Sendable {
    let duration: Duration
    private let text: String

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        // A day is longer than any of these times makes sense.
        guard let number = Int64(digits), number <= 86_400_000 else { return nil }
        switch argument[digits.endIndex...] {
        case "ms": self.duration = .milliseconds(number)
        case "", "s": self.duration = .seconds(number)
        case "m": self.duration = .seconds(number * 60)
        default: return nil
        }
        self.text = argument
    }

    init(seconds: Int64) {
        self.duration = .seconds(seconds)
        self.text = "\(seconds)s"
    }

    var defaultValueDescription: String { self.text }
}

/// `--fence`.
struct FenceArgument: ExpressibleByArgument, Sendable {
    let policy: ServerConfiguration.FencePolicy
    private let text: String

    init?(argument: String) {
        switch argument {
        case "wait": self.policy = .wait
        case "kill": self.policy = .kill
        case "cooperative": self.policy = .cooperative
        case _ where argument.hasPrefix("hook:/"): self.policy = .hook(program: String(argument.dropFirst(5)))
        default: return nil
        }
        self.text = argument
    }

    var defaultValueDescription: String { self.text }
    static var allValueStrings: [String] { ["wait", "kill", "hook:/PROGRAM", "cooperative"] }
}

/// `--socket-mode`, in octal.
struct ModeArgument: ExpressibleByArgument, Sendable {
    let mode: UInt32

    init?(argument: String) {
        guard let mode = UInt32(argument, radix: 8), mode <= 0o777 else { return nil }
        self.mode = mode
    }

    var defaultValueDescription: String { "0" + String(self.mode, radix: 8) }
}

/// `--dax`.
enum DAXArgument: String, ExpressibleByArgument, CaseIterable {
    /// Used where it is there.
    case auto
    /// The server does not start without.
    case required
}

/// `--log-level`.
struct LevelArgument: ExpressibleByArgument, Sendable {
    let level: Logger.Level

    init(_ level: Logger.Level) { self.level = level }

    init?(argument: String) {
        guard let level = Logger.Level(rawValue: argument) else { return nil }
        self.level = level
    }

    var defaultValueDescription: String { self.level.rawValue }
    static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }
}

extension LineLogHandler.Format: ExpressibleByArgument {}

/// Settings from the environment, where the command line does not say: `LAYOUTD_EXPORT` for `--export`, and so on.
enum Environment {
    /// The variables that are read.
    static let variables: [(name: String, option: String)] = [
        ("LAYOUTD_EXPORT", "--export"), ("LAYOUTD_STATE", "--state"), ("LAYOUTD_LISTEN", "--listen"),
        ("LAYOUTD_LEASE", "--lease"),
        ("LAYOUTD_RECALL_TIMEOUT", "--recall-timeout"), ("LAYOUTD_PATIENCE", "--patience"),
        ("LAYOUTD_FENCE", "--fence"), ("LAYOUTD_GUARD", "--guard"), ("LAYOUTD_LOCAL_PATIENCE", "--local-patience"),
        ("LAYOUTD_THREADS", "--threads"),
        ("LAYOUTD_MAX_CONNECTIONS", "--max-connections"), ("LAYOUTD_SOCKET_MODE", "--socket-mode"),
        ("LAYOUTD_DAX", "--dax"),
        ("LAYOUTD_LOG_LEVEL", "--log-level"), ("LAYOUTD_LOG_FORMAT", "--log-format"),
    ]

    /// The arguments of the program, completed from the environment for the command that they name.
    static func complete(_ arguments: [String]) -> [String] {
        guard !arguments.contains(where: { ["-h", "--help", "help"].contains($0) }) else { return arguments }
        var completed = arguments
        for (name, option) in Self.variables {
            switch arguments.first {
            case "doctor": guard ["--export", "--state"].contains(option) else { continue }
            case "serve", nil: break
            case let first?: guard first.hasPrefix("--"), first != "--version" else { return arguments }
            }
            guard let value = unsafe getenv(name).map({ unsafe String(cString: $0) }), !value.isEmpty else { continue }
            guard !arguments.contains(where: { $0 == option || $0.hasPrefix(option + "=") }) else { continue }
            // Several addresses are separated by spaces.
            let values = option == "--listen" ? value.split(separator: " ").map(String.init) : [value]
            for value in values { completed += [option, value] }
        }
        return completed
    }
}
